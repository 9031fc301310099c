//! MAIL, RCPT, DATA and how recipients fare.

use super::*;

const GROUP: &str = "> MAIL FROM:<s@t>|RCPT TO:<a@b>|RCPT TO:<c@d>|RCPT TO:<e@f>|DATA|";

fn three() -> Message {
    message(&["a@b", "c@d", "e@f"])
}

#[test]
fn sends_in_lock_step_without_pipelining() {
    play_ready(
        &settings(),
        "",
        &message(&["a@b", "c@d"]),
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
            ("S:251 ok|", &["> RCPT TO:<c@d>|"]),
            ("S:250 ok|", &["> DATA|"]),
            ("S:354 go|", &["need"]),
            ("C:x|", &["> x|.|"]),
            ("S:250 2.0.0 queued|", &["done [250] ok ok", "ready"]),
            ("M", &["> MAIL FROM:<s@t>|"]),
        ],
    );
}

#[test]
fn sends_a_group_with_pipelining() {
    let events: [(&str, &[&str]); 4] = [
        ("M", &[GROUP]),
        ("S:250 ok|250 ok|250 ok|250 ok|354 go|", &["need"]),
        ("C:x|", &["> x|.|", "ready"]),
        ("S:250 ok|", &["done [250] ok ok ok"]),
    ];
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[events, events].concat(),
    );
    let lock_step = Settings {
        pipelining: false,
        ..settings()
    };
    play_ready(
        &lock_step,
        "PIPELINING",
        &three(),
        &[("M", &["> MAIL FROM:<s@t>|"])],
    );
}

#[test]
fn sends_no_group_of_more_than_a_hundred_commands() {
    for (recipients, expected) in [(98, [100, 0, 0]), (99, [100, 1, 0]), (250, [100, 100, 52])] {
        let paths: Vec<String> = (0..recipients).map(|n| format!("{n}@x")).collect();
        let message = message(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let mut dialogue = Dialogue::new(settings(), Cut::Whole);
        dialogue.play("S:220 hi|", &message);
        dialogue.play("S:250-mx|250 PIPELINING|", &message);
        let mut actions = dialogue.play("M", &message);
        for (round, count) in expected.into_iter().enumerate() {
            let sent: String = actions
                .iter()
                .filter(|a| a.starts_with('>'))
                .cloned()
                .collect();
            let commands = sent.matches('|').count();
            assert_eq!(commands, count, "{recipients} recipients, group {round}");
            if sent.ends_with("DATA|") {
                let replies = "250 ok|".repeat(commands - 1) + "354 go|";
                actions = dialogue.play(&format!("S:{replies}"), &message);
                assert_eq!(actions, ["need"]);
            } else {
                actions = dialogue.play(&format!("S:{}", "250 ok|".repeat(commands)), &message);
            }
        }
    }
}

#[test]
fn h7_each_recipient_has_its_own_outcome() {
    play_ready(
        &to_some(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            ("S:250 ok|250 ok|550 no|451 later|354 go|", &["need"]),
            ("C:x|", &["> x|.|", "ready"]),
            ("S:250 ok|", &["done [250] ok no-550 later-451"]),
        ],
    );
    // What the end of the content says concerns only those who were accepted.
    for (reply, outcome) in [
        ("S:554 spam|", "done [554] no-554 no-550 later-451"),
        ("S:451 later|", "done [451] later-451 no-550 later-451"),
    ] {
        play_ready(
            &to_some(),
            "PIPELINING",
            &three(),
            &[
                ("M", &[GROUP]),
                ("S:250 ok|250 ok|550 no|451 later|354 go|", &["need"]),
                ("C:x|", &["> x|.|", "ready"]),
                (reply, &[outcome]),
            ],
        );
    }
}

#[test]
fn strict_holds_back_from_all_when_one_is_refused() {
    // In lock step DATA has not been said, so nothing is lost by going on.
    play_ready(
        &settings(),
        "",
        &three(),
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
            ("S:250 ok|", &["> RCPT TO:<c@d>|"]),
            ("S:550 no|", &["> RCPT TO:<e@f>|"]),
            (
                "S:451 later|",
                &["done unsent held no-550 later-451", "> RSET|"],
            ),
            ("S:250 ok|", &["ready"]),
        ],
    );
    // After 354 only the loss of the connection keeps the content back.
    let held = "close: message held back, some recipients were refused";
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            (
                "S:250 ok|250 ok|550 no|250 ok|354 go|",
                &["done unsent held no-550 held", held],
            ),
        ],
    );
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            (
                "S:250 ok|250 ok|550 no|250 ok|451 no|",
                &["done unsent held no-550 held", "> RSET|"],
            ),
            ("S:250 ok|", &["ready"]),
        ],
    );
    assert!(CloseReason::HeldBack.may_reconnect());
}

#[test]
fn too_many_recipients_do_not_hold_the_others_back() {
    for reply in ["452 too many", "552 too many", "452 4.5.3 too many"] {
        let code = "later-".to_owned() + &reply[..3];
        play_ready(
            &settings(),
            "PIPELINING",
            &three(),
            &[
                ("M", &[GROUP]),
                (
                    &format!("S:250 ok|250 ok|{reply}|{reply}|354 go|"),
                    &["need"],
                ),
                ("C:x|", &["> x|.|", "ready"]),
                ("S:250 ok|", &[&format!("done [250] ok {code} {code}")]),
            ],
        );
    }
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            (
                "S:250 ok|250 ok|452 4.2.2 full|250 ok|503 no|",
                &["done unsent held later-452 held", "> RSET|"],
            ),
        ],
    );
}

#[test]
fn the_first_recipient_is_never_one_too_many() {
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            (
                "S:250 ok|452 full|250 ok|250 ok|503 no|",
                &["done unsent later-452 held held", "> RSET|"],
            ),
        ],
    );
}

#[test]
fn h6_data_granted_for_nobody_gets_a_lone_dot() {
    for settings in [settings(), to_some()] {
        for end in ["554 no valid recipients", "250 thanks for nothing"] {
            play_ready(
                &settings,
                "PIPELINING",
                &three(),
                &[
                    ("M", &[GROUP]),
                    (
                        "S:250 ok|550 no|550 no|450 no|354 go|",
                        &["done unsent no-550 no-550 later-450", "> .|"],
                    ),
                    (&format!("S:{end}|"), &["ready"]),
                    ("M", &[GROUP]),
                ],
            );
        }
        play_ready(
            &settings,
            "PIPELINING",
            &three(),
            &[
                ("M", &[GROUP]),
                (
                    "S:250 ok|550 no|550 no|450 no|554 none|",
                    &["done unsent no-550 no-550 later-450", "> RSET|"],
                ),
                ("S:250 ok|", &["ready"]),
            ],
        );
    }
}

#[test]
fn a_refused_mail_decides_for_all() {
    play_ready(
        &settings(),
        "",
        &three(),
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            (
                "S:550 no|",
                &["done unsent [550] no-550 no-550 no-550", "ready"],
            ),
            ("M", &["> MAIL FROM:<s@t>|"]),
            (
                "S:450 later|",
                &["done unsent [450] later-450 later-450 later-450", "ready"],
            ),
        ],
    );
    play_ready(
        &settings(),
        "PIPELINING",
        &three(),
        &[
            ("M", &[GROUP]),
            (
                "S:450 later|503 no|503 no|503 no|503 no|",
                &["done unsent [450] later-450 later-450 later-450", "ready"],
            ),
            ("M", &[GROUP]),
            (
                "S:552 no|503 no|503 no|503 no|354 go|",
                &["done unsent [552] no-552 no-552 no-552", "> .|"],
            ),
            ("S:503 no|", &["ready"]),
            // A server that accepts recipients without a sender might deliver a lone dot.
            ("M", &[GROUP]),
            (
                "S:552 no|250 ok|503 no|503 no|354 go|",
                &[
                    "done unsent [552] no-552 no-552 no-552",
                    "close: message held back, some recipients were refused",
                ],
            ),
        ],
    );
}

#[test]
fn mail_parameters_follow_the_offers() {
    let all = "SIZE 1000,8BITMIME,SMTPUTF8,BINARYMIME,CHUNKING";
    let table = [
        ("", Body::EightBit, false, ""),
        ("SIZE 1000", Body::EightBit, false, " SIZE=99"),
        ("SIZE", Body::Unknown, false, " SIZE=99"),
        ("SIZE 99", Body::Unknown, false, " SIZE=99"),
        ("8bitmime", Body::EightBit, false, " BODY=8BITMIME"),
        ("8BITMIME", Body::SevenBit, false, " BODY=7BIT"),
        ("8BITMIME", Body::Unknown, false, ""),
        ("SMTPUTF8", Body::Unknown, true, " SMTPUTF8"),
        (all, Body::Binary, false, " SIZE=99 BODY=BINARYMIME"),
        (all, Body::EightBit, true, " SIZE=99 BODY=8BITMIME SMTPUTF8"),
    ];
    for (offers, body, smtputf8, expected) in table {
        let message = Message {
            size: Some(99),
            body,
            smtputf8,
            ..message(&["a@b"])
        };
        let command = format!("> MAIL FROM:<s@t>{expected}|");
        let note = "note: the peer does not offer 8BITMIME, sending 8-bit content as it is";
        let is_noted = body == Body::EightBit && !offers.to_uppercase().contains("8BITMIME");
        let actions: Vec<&str> = is_noted
            .then_some(note)
            .into_iter()
            .chain([command.as_str()])
            .collect();
        play_ready(&settings(), offers, &message, &[("M", &actions)]);
    }
    let bounce = Message {
        reverse_path: OneLine::default(),
        ..message(&["é@b"])
    };
    play_ready(
        &settings(),
        "SMTPUTF8",
        &bounce,
        &[
            ("M", &["> MAIL FROM:<> SMTPUTF8|"]),
            ("S:250 ok|", &["> RCPT TO:<\\xc3\\xa9@b>|"]),
        ],
    );
}

#[test]
fn h13_eight_bit_content_is_noted_once_per_session() {
    let message = Message {
        body: Body::EightBit,
        ..message(&["a@b"])
    };
    let note = "note: the peer does not offer 8BITMIME, sending 8-bit content as it is";
    play_ready(
        &settings(),
        "",
        &message,
        &[
            ("M", &[note, "> MAIL FROM:<s@t>|"]),
            ("S:450 later|", &["done unsent [450] later-450", "ready"]),
            ("M", &["> MAIL FROM:<s@t>|"]),
        ],
    );
}

/// What `send` alone makes of a message, given those offers.
fn send_at_once(offers: &str, message: Message) -> Vec<Action> {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    dialogue.play("S:220 hi|", &message);
    dialogue.play(
        &format!("S:250-mx{}|250 HELP|", offers_lines(offers)),
        &message,
    );
    let mut out = Vec::new();
    dialogue.machine.send(dialogue.now, message, &mut out);
    out
}

fn of_size(size: u64) -> Message {
    let size = Some(size);
    Message {
        size,
        ..message(&["a@b"])
    }
}

fn of_body(body: Body) -> Message {
    Message {
        body,
        ..message(&["a@b"])
    }
}

fn of_sender(path: &str) -> Message {
    let reverse_path = OneLine::new(path).unwrap();
    Message {
        reverse_path,
        ..message(&["a@b"])
    }
}

#[test]
fn what_the_server_cannot_take_is_not_even_tried() {
    let utf8 = Message {
        smtputf8: true,
        ..message(&["a@b"])
    };
    let table = [
        ("SIZE 99", of_size(100), "552 5.3.4"),
        ("SIZE 1", of_size(100), "552 5.3.4"),
        ("8BITMIME", utf8, "550 5.6.7"),
        ("", of_sender("é@t"), "550 5.6.7"),
        ("", message(&["é@b"]), "553 5.6.7"),
        ("CHUNKING", of_body(Body::Binary), "554 5.6.1"),
        ("BINARYMIME", of_body(Body::Binary), "554 5.6.1"),
        ("", message(&["a@b> SIZE=1"]), "553 5.1.3"),
        ("", of_sender("s@t>"), "553 5.1.7"),
    ];
    for (offers, message, expected) in table {
        let out = send_at_once(offers, message);
        let [Action::Finished(outcome), Action::Ready] = out.as_slice() else {
            panic!("{out:?}");
        };
        let [RecipientOutcome::Rejected(reply)] = outcome.recipients.as_slice() else {
            panic!("{outcome:?}");
        };
        assert!(reply.to_string().starts_with(expected), "{reply}");
        assert!(reply.enhanced.is_some() && !outcome.sent);
    }
}

#[test]
fn h10_without_a_usable_limit_the_server_is_asked() {
    for offers in ["SIZE", "SIZE 0", "SIZE 100"] {
        let out = send_at_once(offers, of_size(100));
        assert_eq!(
            out.iter().map(show).collect::<Vec<_>>(),
            ["> MAIL FROM:<s@t> SIZE=100|"]
        );
    }
}

#[test]
fn an_unsendable_recipient_counts_as_refused() {
    let mixed = message(&["a@b", "c d@e", "f@g"]);
    play_ready(
        &settings(),
        "",
        &mixed,
        &[("M", &["done unsent held no-553 held", "ready"])],
    );
    play_ready(
        &to_some(),
        "PIPELINING",
        &mixed,
        &[
            (
                "M",
                &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|RCPT TO:<f@g>|DATA|"],
            ),
            ("S:250 ok|250 ok|450 later|354 go|", &["need"]),
            ("C:x|", &["> x|.|", "ready"]),
            ("S:250 ok|", &["done [250] ok no-553 later-450"]),
        ],
    );
    play_ready(
        &settings(),
        "",
        &message(&[]),
        &[("M", &["done unsent", "ready"])],
    );
}
