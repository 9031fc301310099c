//! Several messages on their way at a time.

use super::*;

const MAIL: &str = "MAIL FROM:<s@t>|RCPT TO:<a@b>|";

fn one() -> Message {
    message(&["a@b"])
}

fn chunking() -> Settings {
    Settings {
        chunking: true,
        ..settings()
    }
}

/// Plays after a first message that has shown that the server knows BDAT.
fn play_proven(settings: &Settings, message: &Message, events: &[(&str, &[&str])]) {
    let envelope = format!("> {}", envelope(message));
    let replies = format!("S:{}", "250 ok|".repeat(1 + message.recipients.len()));
    let done = format!("done [250]{}", " ok".repeat(message.recipients.len()));
    let first: [(&str, &[&str]); 4] = [
        ("M", &[&envelope]),
        (&replies, &["need"]),
        ("C:x:|", &["> BDAT 4 LAST|x:|"]),
        ("S:250 ok|", &[&done, "ready"]),
    ];
    let offers = "PIPELINING,CHUNKING";
    play_ready(settings, offers, message, &[&first, events].concat());
}

fn envelope(message: &Message) -> String {
    let rcpt = |path: &OneLine| format!("RCPT TO:<{path}>|");
    let recipients = message.recipients.iter().map(rcpt);
    "MAIL FROM:<s@t>|".to_owned() + &recipients.collect::<String>()
}

/// A message that follows the one before without any wait.
const NEXT: [(&str, &[&str]); 2] = [
    ("M", &["> RSET|MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
    ("C:x:|", &["> BDAT 4 LAST|x:|", "ready"]),
];

/// The first such message.
const FIRST: [(&str, &[&str]); 2] = [
    ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
    ("C:x:|", &["> BDAT 4 LAST|x:|", "ready"]),
];

// RFC 2920 3.1: the content may be the first "command" of a group.
#[test]
fn the_next_envelope_follows_the_content() {
    let group = format!("> {MAIL}DATA|");
    let events: [(&str, &[&str]); 7] = [
        ("M", &[&group]),
        ("S:250 ok|250 ok|354 go|", &["need"]),
        ("C:x:|", &["> x:|.|", "ready"]),
        ("M", &[&group]),
        ("S:250 ok|250 ok|250 ok|354 go|", &["done [250] ok", "need"]),
        ("C:y|", &["> y|.|", "ready"]),
        ("S:450 later|", &["done [450] later-450"]),
    ];
    let end: [(&str, &[&str]); 2] = [
        ("Q", &["> QUIT|"]),
        ("S:221 bye|", &["close: session done"]),
    ];
    let all = [&events[..], &end].concat();
    play_ready(&settings(), "PIPELINING", &one(), &all);
}

#[test]
fn in_lock_step_nothing_follows_the_content() {
    let one_at_a_time = Settings {
        in_flight_max: 1,
        ..settings()
    };
    let events: [(&str, &[&str]); 4] = [
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|DATA|"]),
        ("S:250 ok|250 ok|354 go|", &["need"]),
        ("C:x:|", &["> x:|.|"]),
        ("S:250 ok|", &["done [250] ok", "ready"]),
    ];
    play_ready(&one_at_a_time, "PIPELINING", &one(), &events);
}

#[test]
fn whole_messages_follow_each_other_with_chunking() {
    let replies = "S:250 ok|250 ok|250 done|250 reset|250 ok|250 ok|250 done|";
    let end: [(&str, &[&str]); 3] = [
        (replies, &["done [250] ok", "done [250] ok"]),
        ("Q", &["> QUIT|"]),
        ("S:221 bye|", &["close: session done"]),
    ];
    let all = [&FIRST[..], &NEXT, &end].concat();
    play_proven(&chunking(), &one(), &all);
}

/// Every message stands alone: what is refused of one changes nothing for others.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn a_refusal_within_the_window_concerns_one_message() {
    let fine = "250 ok|250 ok|250 done|";
    for (first, outcome) in [
        ("450 later|503 no|503 no|", "done [450] later-450"),
        ("550 no|503 no|503 no|", "done [550] no-550"),
        ("250 ok|550 no|554 nobody|", "done no-550"),
        ("250 ok|451 later|503 nobody|", "done later-451"),
        ("250 ok|250 ok|552 big|", "done [552] no-552"),
        ("250 ok|250 ok|451 later|", "done [451] later-451"),
    ] {
        let replies = format!("S:{first}250 reset|{fine}");
        let end: [(&str, &[&str]); 1] = [(&replies, &[outcome, "done [250] ok"])];
        play_proven(&chunking(), &one(), &[&FIRST[..], &NEXT, &end].concat());
        // The same for the second of two.
        let replies = format!("S:{fine}250 reset|{first}");
        let is_open = !matches!(&first[..3], "450" | "550");
        let reset: &[&str] = match is_open {
            true => &["done [250] ok", outcome, "> RSET|"],
            false => &["done [250] ok", outcome],
        };
        let end: [(&str, &[&str]); 1] = [(&replies, reset)];
        play_proven(&chunking(), &one(), &[&FIRST[..], &NEXT, &end].concat());
    }
}

/// What was refused last is cleared away before the session ends.
#[test]
fn quit_waits_for_reset() {
    let events: [(&str, &[&str]); 5] = [
        (
            "S:250 ok|250 ok|552 big|",
            &["done [552] no-552", "> RSET|"],
        ),
        ("Q", &[]),
        ("S:250 ok|", &["> QUIT|"]),
        ("S:221 bye|", &["close: session done"]),
        ("Q", &[]),
    ];
    play_proven(&chunking(), &one(), &[&FIRST[..], &events].concat());
}

/// Content that follows in pieces stops where nobody is to have it.
// RFC 3030 2: no additional BDAT after a failure.
#[test]
fn content_stops_once_it_is_refused() {
    let events: [(&str, &[&str]); 7] = [
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
        ("c:x:|", &["> BDAT 4|x:|", "need"]),
        ("S:250 ok|550 no|", &["done unsent no-550"]),
        ("c:more", &[]),
        ("S:503 nobody|", &["> RSET|"]),
        ("S:250 ok|", &["ready"]),
        ("Q", &["> QUIT|"]),
    ];
    play_proven(&chunking(), &one(), &events);
}

#[test]
fn h4_a_server_that_does_not_skip_a_refused_chunk_is_left() {
    let reply = "S:550 no|503 no|503 no|500 what is x|";
    let lost = "close: protocol error: unexpected reply to RSET: 500 what is x";
    let end: [(&str, &[&str]); 1] = [(reply, &["done [550] no-550", "done unknown", lost])];
    play_proven(&chunking(), &one(), &[&FIRST[..], &NEXT, &end].concat());
}

/// What a server that does not skip a refused chunk could act upon is not sent before
/// it is wanted.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn b7_content_like_commands_waits_for_the_replies() {
    for (content, chunk) in [
        ("NOOP|", "> BDAT 6 LAST|NOOP|"),
        ("x:|rcpt to:<e@f>|", "> BDAT 19 LAST|x:|rcpt to:<e@f>|"),
    ] {
        let content = format!("C:{content}");
        let start: [(&str, &[&str]); 3] = [
            ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
            (&content, &[]),
            ("S:250 ok|", &[]),
        ];
        let wanted: [(&str, &[&str]); 2] = [
            ("S:250 ok|", &[chunk, "ready"]),
            ("S:250 done|", &["done [250] ok"]),
        ];
        play_proven(&chunking(), &one(), &[&start[..], &wanted].concat());
        let refused: [(&str, &[&str]); 2] = [
            ("S:550 no|", &["done unsent no-550", "> RSET|"]),
            ("S:250 reset|", &["ready"]),
        ];
        play_proven(&chunking(), &one(), &[&start[..], &refused].concat());
        let lost: [(&str, &[&str]); 1] = [(
            "X:reset",
            &["done unsent lost", "close: peer disconnected: reset"],
        )];
        play_proven(&chunking(), &one(), &[&start[..], &lost].concat());
    }
    // Further pieces wait in any case.
    let pieces: [(&str, &[&str]); 4] = [
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
        ("c:x:|", &["> BDAT 4|x:|", "need"]),
        ("C:more|", &[]),
        ("S:250 ok|250 ok|", &["> BDAT 6 LAST|more|", "ready"]),
    ];
    play_proven(&chunking(), &one(), &pieces);
}

/// Where a refused recipient keeps the message from the others, that has to be
/// known before the content goes out.
#[test]
fn strict_messages_to_several_wait_for_the_replies() {
    let two = message(&["a@b", "c@d"]);
    let group = format!("> {}", envelope(&two));
    let strict: [(&str, &[&str]); 5] = [
        ("M", &[&group]),
        ("S:250 ok|250 ok|250 ok|", &["need"]),
        ("C:x:|", &["> BDAT 4 LAST|x:|", "ready"]),
        ("M", &[&group.replace("> ", "> RSET|")]),
        (
            "S:250 done|250 ok|250 ok|250 ok|550 no|",
            &["done [250] ok ok", "done unsent held no-550", "> RSET|"],
        ),
    ];
    play_proven(&chunking(), &two, &strict);
    let to_some = Settings {
        strict_recipients: false,
        ..chunking()
    };
    let eager: [(&str, &[&str]); 3] = [
        ("M", &[&group, "need"]),
        ("C:x:|", &["> BDAT 4 LAST|x:|", "ready"]),
        (
            "S:250 ok|250 ok|550 no|250 done|",
            &["done [250] ok no-550"],
        ),
    ];
    play_proven(&to_some, &two, &eager);
}

#[test]
fn h8_what_was_sent_whole_is_in_doubt_after_a_loss() {
    let third: [(&str, &[&str]); 2] = [NEXT[0], ("c:x:|", &["> BDAT 4|x:|", "need"])];
    let sent = [&FIRST[..], &NEXT, &third].concat();
    for (event, close) in [
        ("X:reset", "close: peer disconnected: reset"),
        ("W:600", "close: response timeout at the envelope"),
    ] {
        let end: [(&str, &[&str]); 1] = [(
            event,
            &["done unknown", "done unknown", "done unsent lost", close],
        )];
        play_proven(&chunking(), &one(), &[&sent[..], &end].concat());
    }
    // What was answered is known.
    let end: [(&str, &[&str]); 2] = [
        ("S:250 ok|250 ok|250 done|", &["done [250] ok"]),
        (
            "X:reset",
            &[
                "done unknown",
                "done unsent lost",
                "close: peer disconnected: reset",
            ],
        ),
    ];
    play_proven(&chunking(), &one(), &[&sent[..], &end].concat());
}

/// 421 is the answer to one message; of the others nothing is known.
#[test]
fn a_server_that_closes_in_the_middle_leaves_the_rest_in_doubt() {
    let third: [(&str, &[&str]); 2] = [NEXT[0], ("c:x:|", &["> BDAT 4|x:|", "need"])];
    let close = "close: peer closes the session: 421 enough";
    let end: [(&str, &[&str]); 1] = [(
        "S:421 enough|",
        &["done later-421", "done unknown", "done unsent lost", close],
    )];
    let sent = [&FIRST[..], &NEXT, &third].concat();
    play_proven(&chunking(), &one(), &[&sent[..], &end].concat());
}

#[test]
fn the_window_is_bounded_in_messages() {
    let three = Settings {
        in_flight_max: 3,
        ..chunking()
    };
    let third: [(&str, &[&str]); 2] = [NEXT[0], ("C:x:|", &["> BDAT 4 LAST|x:|"])];
    let end: [(&str, &[&str]); 2] = [
        ("S:250 ok|250 ok|250 done|", &["done [250] ok", "ready"]),
        NEXT[0],
    ];
    play_proven(&three, &one(), &[&FIRST[..], &NEXT, &third, &end].concat());
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn the_window_is_bounded_in_octets() {
    let mut dialogue = Dialogue::new(chunking(), Cut::Whole);
    let mut play = |event: &str| dialogue.play(event, &one());
    play("S:220 hi|");
    play("S:250-mx|250-PIPELINING|250 CHUNKING|");
    play("M");
    play("S:250 ok|250 ok|");
    play("C:x:|");
    assert_eq!(play("S:250 ok|"), ["done [250] ok", "ready"]);
    let large = "x:".repeat(IN_FLIGHT_OCTETS_MAX / 2);
    play("M");
    let sent = play(&format!("C:{large}"));
    assert_eq!(sent.len(), 1, "ready although there is no room");
    assert_eq!(play("S:250 ok|250 ok|250 ok|"), ["done [250] ok", "ready"]);
}

#[test]
fn a_message_that_cannot_be_sent_waits_for_its_turn() {
    let mut dialogue = Dialogue::new(chunking(), Cut::Whole);
    let large = Message {
        size: Some(2000),
        ..one()
    };
    dialogue.play("S:220 hi|", &one());
    dialogue.play(
        "S:250-mx|250-PIPELINING|250-SIZE 1000|250 CHUNKING|",
        &one(),
    );
    dialogue.play("M", &one());
    dialogue.play("S:250 ok|250 ok|", &one());
    dialogue.play("C:x:|", &one());
    dialogue.play("S:250 ok|", &one());
    dialogue.play("M", &one());
    assert_eq!(
        dialogue.play("C:x:|", &one()),
        ["> BDAT 4 LAST|x:|", "ready"]
    );
    assert_eq!(dialogue.play("M", &large), ["ready"]);
    let done = ["done [250] ok", "done unsent [552] no-552"];
    assert_eq!(dialogue.play("S:250 ok|250 ok|250 ok|", &one()), done);
}

/// A reply that had begun to come before the command was sent is not to that.
#[test]
fn h4_half_a_reply_is_not_to_what_follows_it() {
    let mut dialogue = Dialogue::new(chunking(), Cut::Whole);
    let mut play = |event: &str| dialogue.play(event, &one());
    play("S:220 hi|");
    play("S:250-mx|250-PIPELINING|250 CHUNKING|");
    play("M");
    play("S:250 ok|250 ok|");
    play("C:x:|");
    play("S:250 ok|");
    play("M");
    play("C:x:|");
    // The half belongs to the fourth command, which has not been sent.
    play("S:250 ok|250 ok|250 done|25");
    let lost = [
        "done unsent lost",
        "close: protocol error: out of step at the time between messages",
    ];
    assert_eq!(play("M"), lost);
}

#[test]
fn binary_content_is_not_repaired_in_the_window() {
    let binary = Message {
        body: Body::Binary,
        ..one()
    };
    let mail = "> MAIL FROM:<s@t> BODY=BINARYMIME|RCPT TO:<a@b>|";
    play_ready(
        &chunking(),
        "PIPELINING,CHUNKING,BINARYMIME",
        &binary,
        &[
            ("M", &[mail]),
            ("S:250 ok|250 ok|", &["need"]),
            ("C:a\n\0", &["> BDAT 1|a"]),
            ("S:250 ok|", &["> BDAT 2 LAST|\\n\\x00", "ready"]),
            ("S:250 ok|", &["done [250] ok"]),
            ("M", &[mail, "need"]),
            ("C:a:\n\0\r", &["> BDAT 5 LAST|a:\\n\\x00\\r", "ready"]),
        ],
    );
}

/// However the messages are sent, those with chunks stand alone.
#[test]
fn reset_is_between_data_and_chunks() {
    let mut dialogue = Dialogue::new(settings(), Cut::Whole);
    let binary = Message {
        body: Body::Binary,
        ..one()
    };
    let mut play = |event: &str, message: &Message| dialogue.play(event, message);
    play("S:220 hi|", &one());
    let offers = "S:250-mx|250-PIPELINING|250-BINARYMIME|250 CHUNKING|";
    play(offers, &one());
    play("M", &one());
    play("S:250 ok|250 ok|354 go|", &one());
    play("C:x:|", &one());
    let group = "> RSET|MAIL FROM:<s@t> BODY=BINARYMIME|RCPT TO:<a@b>|";
    assert_eq!(play("M", &binary), [group]);
    let replies = "S:250 done|250 reset|250 ok|250 ok|";
    assert_eq!(play(replies, &binary), ["done [250] ok", "need"]);
    assert_eq!(play("C:y", &binary), ["> BDAT 1 LAST|y"]);
    assert_eq!(play("S:250 ok|", &binary), ["done [250] ok", "ready"]);
    let next = format!("> {MAIL}DATA|");
    assert_eq!(play("M", &one()), [next.as_str()]);
}
