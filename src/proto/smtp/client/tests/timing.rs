//! Deadlines: every wait for the server ends.

use super::*;

fn at_deadline(prefix: &[(&str, &[&str])], seconds: u64, expected: &[&str]) {
    let settings = Settings {
        response_timeout: Some(Duration::from_secs(60)),
        chunking: true,
        ..settings()
    };
    let (early, late) = (format!("W:{}", seconds - 1), "W:1");
    let end: [(&str, &[&str]); 2] = [(&early, &[]), (late, expected)];
    play_ready(&settings, "", &message(&["a@b"]), &[prefix, &end].concat());
}

const ENVELOPE: [(&str, &[&str]); 3] = [
    ("M", &["> MAIL FROM:<s@t>|"]),
    ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
    ("S:250 ok|", &["> DATA|"]),
];

#[test]
fn each_reply_has_its_deadline() {
    let timeout = "close: response timeout at the envelope";
    for steps in 1..=3 {
        at_deadline(&ENVELOPE[..steps], 60, &["done unsent lost", timeout]);
    }
}

#[test]
fn content_has_longer_deadlines() {
    let content = [ENVELOPE.as_slice(), &[("S:354 go|", &["need"])]].concat();
    let timeout = "close: response timeout at the content";
    at_deadline(&content, 180, &["done unsent lost", timeout]);
    let sent = [content.as_slice(), &[("C:a|", &["> a|.|"])]].concat();
    let timeout = "close: response timeout at the end of the content";
    at_deadline(&sent, 600, &["done unknown", timeout]);
}

#[test]
fn clearing_and_quitting_have_deadlines() {
    let refused: [(&str, &[&str]); 3] = [
        ENVELOPE[0],
        ENVELOPE[1],
        ("S:550 no|", &["done unsent no-550", "> RSET|"]),
    ];
    at_deadline(&refused, 60, &["close: response timeout at RSET"]);
    at_deadline(&[("Q", &["> QUIT|"])], 5, &["close: session done"]);
}

#[test]
fn a_lone_dot_may_take_as_long_as_content() {
    let group = "> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|";
    let settings = Settings {
        response_timeout: Some(Duration::from_secs(60)),
        ..settings()
    };
    play_ready(
        &settings,
        "PIPELINING",
        &message(&["a@b"]),
        &[
            ("M", &[group]),
            ("S:250 ok|550 no|354 go|", &["done unsent no-550", "> .|"]),
            ("W:599", &[]),
            ("W:1", &["close: response timeout at RSET"]),
        ],
    );
}

#[test]
fn a_late_greeting_gives_the_reply_its_full_time() {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let message = message(&["a@b"]);
    for event in ["W:300", "W:299", "S:220 late|"] {
        dialogue.play(event, &message);
    }
    assert!(dialogue.play("W:299", &message).is_empty());
    assert_eq!(
        dialogue.play("W:1", &message),
        ["close: response timeout at EHLO"]
    );
}

#[test]
fn the_handshake_has_deadlines() {
    let message = message(&["a@b"]);
    play(
        &settings(),
        &message,
        &[
            ("S:220 hi|", &["> EHLO me.example|"]),
            ("W:300", &["close: response timeout at EHLO"]),
        ],
    );
    let patient = Settings {
        prompt_timeout: None,
        response_timeout: None,
        session_max: Duration::from_secs(1000),
        ..settings()
    };
    play(
        &patient,
        &message,
        &[
            ("W:999", &[]),
            ("W:1", &["close: peer too slow, given up at the greeting"]),
        ],
    );
}

#[test]
fn nothing_is_due_between_messages() {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let message = message(&["a@b"]);
    assert!(dialogue.machine.deadline().is_some());
    dialogue.play("S:220 hi|", &message);
    dialogue.play("S:250 mx|", &message);
    assert_eq!(dialogue.machine.deadline(), None);
    assert!(dialogue.play("W:1000000", &message).is_empty());
    dialogue.play("M", &message);
    let due = dialogue.machine.deadline();
    assert_eq!(due, dialogue.now.checked_add(RESPONSE_TIMEOUT));
}

#[test]
fn each_reply_of_a_group_has_its_full_time() {
    play_ready(
        &settings(),
        "PIPELINING",
        &message(&["a@b"]),
        &[
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
            ("W:299", &[]),
            ("S:250 ok|", &[]),
            ("W:299", &[]),
            (
                "W:1",
                &[
                    "done unsent lost",
                    "close: response timeout at the envelope",
                ],
            ),
        ],
    );
}

#[test]
fn a_part_of_a_reply_buys_no_time() {
    play_ready(
        &settings(),
        "",
        &message(&["a@b"]),
        &[
            ENVELOPE[0],
            ("W:299", &[]),
            ("S:250-o", &[]),
            (
                "W:1",
                &[
                    "done unsent lost",
                    "close: response timeout at the envelope",
                ],
            ),
        ],
    );
}

#[test]
fn h9_a_dribbling_server_does_not_keep_a_message_for_ever() {
    let paths = vec!["a@b"; 1000];
    let message = message(&paths);
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    dialogue.play("S:220 hi|", &message);
    dialogue.play("S:250 mx|", &message);
    dialogue.play("W:100000", &message);
    dialogue.play("M", &message);
    let begun = dialogue.now;
    let closes = (0..100).filter_map(|_| {
        let close = dialogue.play("W:250", &message).pop();
        dialogue.play("S:250 ok|", &message);
        close.map(|close| (close, dialogue.now))
    });
    let (close, closed) = closes.take(1).next().expect("an end");
    assert_eq!(close, "close: peer too slow, given up at the envelope");
    assert!(closed - begun < SESSION_MAX + Duration::from_secs(250));
}

#[test]
fn endless_timeouts_do_not_overflow_the_clock() {
    let settings = Settings {
        prompt_timeout: Some(Duration::MAX),
        response_timeout: Some(Duration::MAX),
        session_max: Duration::MAX,
        ..settings()
    };
    let dialogue = Dialogue::new(settings, Cut::Whole);
    assert_eq!(dialogue.machine.deadline(), None);
}
