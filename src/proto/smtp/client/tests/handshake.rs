//! From the connection to `Ready`, and QUIT.

use super::*;

fn handshake(events: &[(&str, &[&str])]) {
    play(&settings(), &message(&["a@b"]), events);
}

#[test]
fn greets_and_quits() {
    handshake(&[
        ("S:220-mx.example|220 hello|", &["> EHLO me.example|"]),
        ("S:250-mx.example|250 SIZE 1000|", &["ready"]),
        ("Q", &["> QUIT|"]),
        ("S:221 bye|", &["close: session done"]),
        ("X:", &[]),
        ("Q", &[]),
        ("W:100000", &[]),
    ]);
}

#[test]
fn reads_the_offers_of_ehlo_only() {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let message = message(&["a@b"]);
    dialogue.play("S:220 hi|", &message);
    dialogue.play("S:250-mx|250-size 77|250 pipelining|", &message);
    assert!(dialogue.machine.extensions().pipelining);
    let limit = dialogue.machine.extensions().size_max;
    assert_eq!(limit.map(u64::from), Some(77));

    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    dialogue.play("S:220 hi|", &message);
    dialogue.play("S:500 what|", &message);
    assert_eq!(
        dialogue.play("S:250-mx|250 PIPELINING|", &message),
        ["ready"]
    );
    assert_eq!(dialogue.machine.extensions(), &Extensions::default());
}

#[test]
fn h13_falls_back_to_helo() {
    for code in [500, 501, 502, 550] {
        handshake(&[
            ("S:220 hi|", &["> EHLO me.example|"]),
            (&format!("S:{code} 5.5.1 what|"), &["> HELO me.example|"]),
            ("S:250 mx|", &["ready"]),
            ("M", &["> MAIL FROM:<s@t>|"]),
        ]);
    }
    handshake(&[
        ("S:220 hi|", &["> EHLO me.example|"]),
        ("S:502 what|", &["> HELO me.example|"]),
        ("S:502 what|", &["> QUIT|"]),
        ("S:221 bye|", &["close: session refused at EHLO: 502 what"]),
    ]);
}

#[test]
fn goes_on_without_a_greeting_and_swallows_a_late_one() {
    let settings = Settings {
        prompt_timeout: Some(Duration::from_secs(20)),
        ..settings()
    };
    let note = "note: no greeting from the peer in time, going on without it";
    let silent: (&str, &[&str]) = ("W:20", &[note, "> EHLO me.example|"]);
    let message = message(&["a@b"]);
    play(
        &settings,
        &message,
        &[("W:19", &[]), ("W:1", silent.1), ("S:250 mx|", &["ready"])],
    );
    play(
        &settings,
        &message,
        &[silent, ("S:220 late|250 mx|", &["ready"])],
    );
    play(
        &settings,
        &message,
        &[
            silent,
            ("S:220-late|220 r|", &[]),
            ("S:500 what|", &["> HELO me.example|"]),
            ("S:250 mx|", &["ready"]),
        ],
    );
    play(
        &settings,
        &message,
        &[
            silent,
            ("S:554 no service|", &["> QUIT|"]),
            (
                "S:221 bye|",
                &["close: session refused at EHLO: 554 no service"],
            ),
        ],
    );
    // The reply to EHLO may be 220 only where no greeting is owed.
    play(
        &settings,
        &message,
        &[silent, ("S:220 late|", &[]), ("S:220 mx|", &["ready"])],
    );
    // Half a greeting is late as well.
    let mut dialogue = Dialogue::new(settings, Cut::Whole);
    assert!(dialogue.play("S:220-la", &message).is_empty());
    assert_eq!(dialogue.play("W:20", &message), silent.1);
    assert_eq!(dialogue.play("S:te|220 r|250 mx|", &message), ["ready"]);
}

#[test]
fn a_refused_session_is_left_politely_and_quickly() {
    let refused = "close: session refused at the greeting: 554 5.7.1 no";
    for end in [
        "S:221 bye|",
        "S:500 what|",
        "S:no reply|",
        "X:reset",
        "W:5",
        "S:421 x|",
    ] {
        handshake(&[("S:554 5.7.1 no|", &["> QUIT|"]), (end, &[refused])]);
    }
    let close = |reply: &str| {
        let mut dialogue = Dialogue::new(settings(), Cut::Whole);
        let mut out = Vec::new();
        dialogue.hear(reply.as_bytes(), &mut out);
        dialogue
            .machine
            .timeout(dialogue.now + QUIT_TIMEOUT, &mut out);
        match out.pop() {
            Some(Action::Close(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let permanent = close("554 5.7.1 no\r\n");
    assert!(permanent.is_route_problem() && !permanent.may_reconnect());
    let CloseReason::Refused(_, reply) = permanent else {
        panic!("{permanent:?}");
    };
    assert_eq!(
        (reply.code, reply.text.as_bytes()),
        (554, b"5.7.1 no".as_slice())
    );
    for temporary in ["450 later\r\n", "421 busy\r\n"] {
        assert!(!close(temporary).is_route_problem());
    }
}

#[test]
fn announcements_are_heard_at_any_time() {
    let closing = "close: peer closes the session: 421 bye";
    handshake(&[("S:421 bye|", &[closing])]);
    handshake(&[
        ("S:220 hi|", &["> EHLO me.example|"]),
        ("S:421 bye|", &[closing]),
    ]);
    play_ready(
        &settings(),
        "",
        &message(&["a@b"]),
        &[("S:421 bye|", &[closing])],
    );
}

#[test]
fn a_message_that_comes_too_late_is_deferred() {
    let events: [(&str, &[&str]); 2] = [
        ("S:421 bye|", &["close: peer closes the session: 421 bye"]),
        ("M", &["done unsent lost"]),
    ];
    play_ready(&settings(), "", &message(&["a@b"]), &events);
    let quitting: [(&str, &[&str]); 2] = [("Q", &["> QUIT|"]), ("M", &["done unsent lost"])];
    play_ready(&settings(), "", &message(&["a@b"]), &quitting);
}

#[test]
fn quit_in_the_middle_of_something_hangs_up() {
    handshake(&[("Q", &["close: session abandoned"])]);
    play_ready(
        &settings(),
        "",
        &message(&["a@b", "c@d"]),
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
            ("S:550 no|", &["> RCPT TO:<c@d>|"]),
            (
                "Q",
                &["done unsent no-550 lost", "close: session abandoned"],
            ),
        ],
    );
}

#[test]
fn reports_the_dialogue_when_asked() {
    let settings = Settings {
        note_commands: true,
        ..settings()
    };
    play(
        &settings,
        &message(&["a@b"]),
        &[
            (
                "S:220 h\u{1b}i|",
                &[
                    "heard: 220 h\\x1bi",
                    "sent: EHLO me.example",
                    "> EHLO me.example|",
                ],
            ),
            (
                "S:250-mx|250 PIPELINING|",
                &["heard: 250-mx", "heard: 250 PIPELINING", "ready"],
            ),
            (
                "M",
                &[
                    "sent: MAIL FROM:<s@t>",
                    "sent: RCPT TO:<a@b>",
                    "sent: DATA",
                    "> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|",
                ],
            ),
            (
                "S:250 a|250 b|354 c|",
                &["heard: 250 a", "heard: 250 b", "heard: 354 c", "need"],
            ),
            ("C:secret|", &["> secret|.|", "sent: .", "ready"]),
            ("S:250 ok|", &["heard: 250 ok", "done [250] ok"]),
        ],
    );
}
