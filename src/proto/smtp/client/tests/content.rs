//! Content by DATA and by BDAT.

use super::*;

fn chunking() -> Settings {
    Settings {
        chunking: true,
        ..settings()
    }
}

const DATA: [(&str, &[&str]); 4] = [
    ("M", &["> MAIL FROM:<s@t>|"]),
    ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
    ("S:250 ok|", &["> DATA|"]),
    ("S:354 go|", &["need"]),
];

/// An envelope accepted by a server that offers CHUNKING and PIPELINING.
const GROUP: [(&str, &[&str]); 2] = [
    ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|"]),
    ("S:250 ok|250 ok|", &["need"]),
];

const BOTH: &str = "CHUNKING,PIPELINING";

fn play_data(events: &[(&str, &[&str])]) {
    play_ready(
        &settings(),
        "",
        &message(&["a@b"]),
        &[&DATA, events].concat(),
    );
}

fn play_chunks(events: &[(&str, &[&str])]) {
    play_ready(
        &chunking(),
        BOTH,
        &message(&["a@b"]),
        &[&GROUP, events].concat(),
    );
}

#[test]
fn f7_content_is_repaired_and_stuffed_across_chunks() {
    play_data(&[
        ("c:a\r", &["> a|", "need"]),
        ("c:\n.", &["> ..", "need"]),
        ("c:", &["need"]),
        ("c:\n.\n", &["> |..|", "need"]),
        ("C:.\r", &["> ..|.|"]),
        ("S:250 ok|", &["done [250] ok", "ready"]),
    ]);
    play_data(&[
        ("C:", &["> .|"]),
        ("S:250 ok|", &["done [250] ok", "ready"]),
    ]);
    play_data(&[("C:end", &["> end|.|"]), ("C:more", &[]), ("c:more", &[])]);
}

#[test]
fn chunks_are_sent_without_waiting_for_their_replies() {
    play_chunks(&[
        ("c:.a\n", &["> BDAT 4|.a|"]),
        ("S:250 ok|", &["need"]),
        ("c:b\r", &["> BDAT 3|b|", "need"]),
        ("c:\n", &["need"]),
        ("C:c", &["> BDAT 3 LAST|c|", "ready"]),
        ("S:250 ok|250 done|", &["done [250] ok"]),
    ]);
    play_chunks(&[
        ("C:", &["> BDAT 0 LAST|"]),
        ("S:250 ok|", &["done [250] ok", "ready"]),
    ]);
    play_chunks(&[
        ("c:a|", &["> BDAT 3|a|"]),
        ("S:250 ok|", &["need"]),
        ("C:", &["> BDAT 0 LAST|", "ready"]),
        ("S:554 spam|", &["done [554] no-554", "> RSET|"]),
        ("S:250 ok|", &[]),
    ]);
}

#[test]
fn chunks_in_lock_step_wait_for_each_reply() {
    play_ready(
        &chunking(),
        "CHUNKING",
        &message(&["a@b"]),
        &[
            ("M", &["> MAIL FROM:<s@t>|"]),
            ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
            ("S:250 ok|", &["need"]),
            ("c:a|", &["> BDAT 3|a|"]),
            ("c:not wanted yet", &[]),
            ("S:250 ok|", &["need"]),
            ("C:b|", &["> BDAT 3 LAST|b|"]),
            ("S:250 ok|", &["done [250] ok", "ready"]),
        ],
    );
}

#[test]
fn unanswered_chunks_are_bounded() {
    let mut events: Vec<(&str, &[&str])> = GROUP.to_vec();
    events.extend([
        ("c:a|", ["> BDAT 3|a|"].as_slice()),
        ("S:250 ok|", &["need"]),
    ]);
    events
        .extend([("c:a|", ["> BDAT 3|a|", "need"].as_slice()); mailing::CHUNKS_UNANSWERED_MAX - 1]);
    events.extend([
        ("c:a|", ["> BDAT 3|a|"].as_slice()),
        ("S:250 ok|", &["need"]),
    ]);
    play_ready(&chunking(), BOTH, &message(&["a@b"]), &events);
}

#[test]
fn binary_content_is_sent_as_it_is() {
    let binary = Message {
        body: Body::Binary,
        ..message(&["a@b"])
    };
    play_ready(
        &settings(),
        "CHUNKING,BINARYMIME,PIPELINING",
        &binary,
        &[
            ("M", &["> MAIL FROM:<s@t> BODY=BINARYMIME|RCPT TO:<a@b>|"]),
            ("S:250 ok|250 ok|", &["need"]),
            ("C:.\n\0\r", &["> BDAT 1|."]),
            ("S:250 ok|", &["> BDAT 3 LAST|\\n\\x00\\r", "ready"]),
            ("S:250 ok|", &["done [250] ok"]),
        ],
    );
}

#[test]
fn chunks_need_an_accepted_recipient() {
    let two = message(&["a@b", "c@d"]);
    let group: (&str, &[&str]) = ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|RCPT TO:<c@d>|"]);
    play_ready(
        &chunking(),
        BOTH,
        &two,
        &[
            group,
            (
                "S:250 ok|550 no|450 no|",
                &["done unsent no-550 later-450", "> RSET|"],
            ),
            ("S:250 ok|", &["ready"]),
            group,
            (
                "S:250 ok|550 no|250 ok|",
                &["done unsent no-550 held", "> RSET|"],
            ),
            ("S:250 ok|", &["ready"]),
            group,
            (
                "S:550 no|503 no|503 ok|",
                &["done unsent [550] no-550 no-550", "ready"],
            ),
        ],
    );
}

#[test]
fn a_refused_chunk_ends_the_message() {
    let proven: [(&str, &[&str]); 2] = [("c:a|", &["> BDAT 3|a|"]), ("S:250 ok|", &["need"])];
    let pieces: [(&str, &[&str]); 8] = [
        ("c:b|", &["> BDAT 3|b|", "need"]),
        ("c:c|", &["> BDAT 3|c|", "need"]),
        ("S:452 full|", &["done unsent [452] later-452"]),
        ("c:too late", &[]),
        ("S:503 no|", &["> RSET|"]),
        ("S:250 ok|", &["ready"]),
        // It is known to know BDAT.
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|", "need"]),
        ("c:a:|", &["> BDAT 4|a:|", "need"]),
    ];
    play_chunks(&[&proven[..], &pieces].concat());
    let whole: [(&str, &[&str]); 5] = [
        ("c:b|", &["> BDAT 3|b|", "need"]),
        ("C:c|", &["> BDAT 3 LAST|c|", "ready"]),
        ("S:552 no|", &["done [552] no-552"]),
        ("S:503 no|", &["> RSET|"]),
        ("S:250 ok|", &[]),
    ];
    play_chunks(&[&proven[..], &whole].concat());
}

/// A refusal does not show that the server has read the chunk as one.
#[test]
fn b7_nothing_follows_the_first_chunk_before_it_is_accepted() {
    let content = ("C:a: b|MAIL FROM:<x@y>|", ["> BDAT 4|a: b"].as_slice());
    play_chunks(&[
        content,
        ("S:250 ok|", &["> BDAT 19 LAST||MAIL FROM:<x@y>|", "ready"]),
        ("S:250 ok|", &["done [250] ok"]),
    ]);
    play_chunks(&[
        content,
        ("S:554 no|", &["done unsent [554] no-554", "> RSET|"]),
        ("S:250 ok|", &["ready"]),
        ("M", &["> MAIL FROM:<s@t>|RCPT TO:<a@b>|"]),
        ("S:250 ok|250 ok|", &["need"]),
        content,
    ]);
    play_chunks(&[
        content,
        ("S:554 no|", &["done unsent [554] no-554", "> RSET|"]),
        (
            "S:500 a: bRSET?|",
            &["close: protocol error: unexpected reply to RSET: 500 a: bRSET?"],
        ),
    ]);
}

#[test]
fn h10_chunking_offered_but_not_known() {
    for code in [500, 501, 502, 503, 504] {
        let close = format!("close: peer offers CHUNKING but refuses BDAT: {code} what");
        play_chunks(&[
            ("C:a|", &["> BDAT 3 LAST|a|"]),
            (&format!("S:{code} what|"), &["done unsent lost", &close]),
        ]);
        // A server that has taken a chunk means the content, not the command.
        play_chunks(&[
            ("c:a|", &["> BDAT 3|a|"]),
            ("S:250 ok|", &["need"]),
            ("C:a|", &["> BDAT 3 LAST|a|", "ready"]),
            (
                &format!("S:{code} what|"),
                &[&format!("done [{code}] no-{code}"), "> RSET|"],
            ),
        ]);
    }
    let reply = PeerReply::ours(502, "what");
    assert!(CloseReason::ChunkingRefused(reply).is_chunking_fault());
}

#[test]
fn h8_no_reply_after_the_end_means_unknown() {
    for (event, close) in [
        ("X:reset", "close: peer disconnected: reset"),
        ("X:", "close: peer disconnected"),
        ("W:600", "close: response timeout at the end of the content"),
        (
            "S:garbage|",
            "close: protocol error: not a reply: [garbage]",
        ),
        (
            "S:354 what|",
            "close: protocol error: unexpected reply to the end of the content: 354 what",
        ),
        ("Q", "close: session abandoned"),
    ] {
        play_data(&[("C:a|", &["> a|.|"]), (event, &["done unknown", close])]);
        let sent = ("C:a|", ["> BDAT 3 LAST|a|"].as_slice());
        play_chunks(&[sent, (event, &["done unknown", close])]);
    }
    // Half a reply is none; 421 is one.
    play_data(&[
        ("C:a|", &["> a|.|"]),
        ("S:250 ok", &[]),
        ("X:", &["done unknown", "close: peer disconnected"]),
    ]);
    play_data(&[
        ("C:a|", &["> a|.|"]),
        (
            "S:421 bye|",
            &["done later-421", "close: peer closes the session: 421 bye"],
        ),
    ]);
    // Before the end of the content there is no doubt.
    play_data(&[
        ("c:a|", &["> a|", "need"]),
        (
            "X:reset",
            &["done unsent lost", "close: peer disconnected: reset"],
        ),
    ]);
}
