//! Replies that come too early, too often, too long or not as replies.

use super::*;

fn one() -> Message {
    message(&["a@b"])
}

fn whole(offers: &str, events: &[(&str, &[&str])]) {
    let hello = format!("S:250-mx{}|250 HELP|", offers_lines(offers));
    let start: [(&str, &[&str]); 2] =
        [("S:220 hi|", &["> EHLO me.example|"]), (&hello, &["ready"])];
    script(&settings(), &one(), &[&start, events].concat(), Cut::Whole);
}

/// What comes together with the reply that makes us speak cannot be the answer
/// to what we then say.
#[test]
fn h4_replies_before_their_command_are_out_of_step() {
    script(
        &settings(),
        &one(),
        &[(
            "S:220 hi|250 mx|250 ok|354 go|",
            &[
                "> EHLO me.example|",
                "close: protocol error: out of step at EHLO: 250 mx",
            ],
        )],
        Cut::Whole,
    );
    whole(
        "",
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            (
                "S:250 ok|250 ok|",
                &[
                    "> RCPT TO:<a@b>|",
                    "done unsent lost",
                    "close: protocol error: out of step at the envelope: 250 ok",
                ],
            ),
        ],
    );
    whole(
        "",
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            ("S:250 ok|25", &["> RCPT TO:<a@b>|"]),
            (
                "S:0 ok|",
                &[
                    "done unsent lost",
                    "close: protocol error: out of step at the envelope: 250 ok",
                ],
            ),
        ],
    );
    whole(
        "PIPELINING",
        &[
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
            (
                "S:250 ok|250 ok|354 go|250 ok|",
                &[
                    "need",
                    "done unsent lost",
                    "close: protocol error: out of step at the content: 250 ok",
                ],
            ),
        ],
    );
}

#[test]
fn h4_an_early_announcement_is_still_heard() {
    whole(
        "",
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            (
                "S:250 ok|421 bye|",
                &[
                    "> RCPT TO:<a@b>|",
                    "done unsent later-421",
                    "close: peer closes the session: 421 bye",
                ],
            ),
        ],
    );
}

#[test]
fn h4_an_extra_reply_does_not_undo_a_delivery() {
    whole(
        "PIPELINING",
        &[
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
            ("S:250 ok|250 ok|354 go|", &["need"]),
            ("C:x|", &["> x|.|", "ready"]),
            (
                "S:250 ok|250 extra|",
                &[
                    "done [250] ok",
                    "close: protocol error: out of step at the time between messages: 250 extra",
                ],
            ),
        ],
    );
}

#[test]
fn h4_half_a_reply_between_messages_spoils_the_next() {
    whole(
        "",
        &[
            ("S:250 o", &[]),
            (
                "M",
                &[
                    "done unsent lost",
                    "close: protocol error: out of step at the time between messages",
                ],
            ),
        ],
    );
    let data: [(&str, &[&str]); 2] = [
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
        ("S:250 ok|250 ok|354 go|", &["need"]),
    ];
    // Had the dot been sent, the rest would have been taken for its reply.
    let half: [(&str, &[&str]); 2] = [
        ("S:25", &[]),
        (
            "C:x|",
            &[
                "done unsent lost",
                "close: protocol error: out of step at the content",
            ],
        ),
    ];
    whole("PIPELINING", &[data, half].concat());
    let chunking = Settings {
        chunking: true,
        ..settings()
    };
    let events: [(&str, &[&str]); 2] = [
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|"]),
        ("S:250 ok|250 ok|", &["need"]),
    ];
    let events = [events, half].concat();
    play_ready(&chunking, "CHUNKING,PIPELINING", &one(), &events);
}

#[test]
fn unasked_replies_are_out_of_step_in_every_quiet_state() {
    play_ready(
        &settings(),
        "",
        &one(),
        &[(
            "S:250 what|",
            &["close: protocol error: out of step at the time between messages: 250 what"],
        )],
    );
    let chunking = Settings {
        chunking: true,
        ..settings()
    };
    play_ready(
        &chunking,
        "CHUNKING,PIPELINING",
        &one(),
        &[
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|"]),
            ("S:250 ok|250 ok|", &["need"]),
            (
                "S:250 what|",
                &[
                    "done unsent lost",
                    "close: protocol error: out of step at the content: 250 what",
                ],
            ),
        ],
    );
}

#[test]
fn w20_a_confusing_server_is_dropped_without_a_word() {
    for (reply, fault) in [
        ("S:25|", "not a reply: [25]"),
        ("S:250-a|251 b|", "another code within a reply: [251 b]"),
        ("S:999 x|", "not a reply: [999 x]"),
        ("S:|", "not a reply: []"),
    ] {
        let close = format!("close: protocol error: {fault}");
        play(&settings(), &one(), &[(reply, &[&close]), ("S:more|", &[])]);
        play_ready(
            &settings(),
            "",
            &one(),
            &[
                ("M", &["> MAIL FROM:<s@t>|"]),
                (reply, &["done unsent lost", &close]),
            ],
        );
    }
}

#[test]
fn w20_line_feeds_alone_are_understood() {
    play(
        &settings(),
        &one(),
        &[
            ("S:220 hi\n", &["> EHLO me.example|"]),
            ("S:250-mx\n250 PIPELINING\n", &["ready"]),
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
        ],
    );
}

#[test]
fn h1_an_endless_reply_is_dropped() {
    let close = ["close: protocol error: reply too long"];
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    assert_eq!(
        dialogue.play(&format!("S:{}", "250-x|".repeat(200)), &one()),
        close
    );
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let line = format!("S:220 {}", "x".repeat(1 << 16));
    assert_eq!(dialogue.play(&line, &one()), close);
    assert!(dialogue.machine.is_closed());
    assert!(dialogue.play(&line, &one()).is_empty());
}

#[test]
fn h3_reply_text_cannot_add_lines() {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let message = one();
    dialogue.play("S:220 hi|", &message);
    dialogue.play("S:250 mx|", &message);
    dialogue.play("M", &message);
    let mut out = Vec::new();
    dialogue.hear(
        b"550-5.1.1 a\r\r\n550-\x1b[1m\xE2\x80\xAE\r\n550 %s\n",
        &mut out,
    );
    let Some(Action::Finished(outcome)) = out.first() else {
        panic!("{out:?}");
    };
    let text = outcome.reply.as_ref().unwrap().to_string();
    assert!(OneLine::new(text.as_str()).is_some());
    assert_eq!(text, "550 5.1.1 a\\r\\n\\x1b[1m\\xe2\\x80\\xae\\n%s");
}
