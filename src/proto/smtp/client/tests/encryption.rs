//! STARTTLS, TLS from the first octet, and those who would rather have none.

use super::*;

const EHLO: &str = "> EHLO me.example|";
const GREETED: (&str, &[&str]) = ("S:220 hi|", &[EHLO]);
const OFFERED: (&str, &[&str]) = ("S:250-mx|250-SIZE 5|250 STARTTLS|", &["> STARTTLS|"]);
const GRANTED: (&str, &[&str]) = ("S:220 go|", &["starttls"]);
const SECURE: (&str, &[&str]) = ("T", &[EHLO]);
const INJECTED: &str = "close: protocol error: unencrypted data after the reply to STARTTLS, \
    perhaps put there by somebody in between";

fn with(tls: Tls) -> Settings {
    Settings { tls, ..settings() }
}

fn encrypts(tls: Tls, events: &[(&str, &[&str])]) {
    let start = [GREETED, OFFERED];
    play(&with(tls), &message(&["a@b"]), &[&start, events].concat());
}

#[test]
fn starts_afresh_under_tls() {
    for tls in [Tls::IfOffered, Tls::Required] {
        let second: (&str, &[&str]) = ("S:250-mx|250-STARTTLS|250 8BITMIME|", &["ready"]);
        let mail: (&str, &[&str]) = ("M", &["> MAIL FROM:<s@t>|"]);
        encrypts(tls, &[GRANTED, SECURE, second, mail]);

        let mut dialogue = Dialogue::new(with(tls), Cut::Whole);
        for (event, _) in [GREETED, OFFERED, GRANTED, SECURE, second] {
            dialogue.play(event, &message(&["a@b"]));
        }
        let offers = dialogue.machine.extensions();
        assert!(!offers.size && offers.size_max.is_none() && offers.eight_bit_mime);
    }
}

#[test]
fn what_was_offered_in_clear_is_forgotten_even_where_ehlo_then_fails() {
    let mut dialogue = Dialogue::new(with(Tls::Required), Cut::Whole);
    let helo: (&str, &[&str]) = ("S:502 what|", &["> HELO me.example|"]);
    let ready: (&str, &[&str]) = ("S:250 mx|", &["ready"]);
    for (event, expected) in [GREETED, OFFERED, GRANTED, SECURE, helo, ready] {
        assert_eq!(dialogue.play(event, &message(&["a@b"])), expected);
    }
    assert_eq!(dialogue.machine.extensions(), &Extensions::default());
}

#[test]
fn an_offer_is_not_taken_up_unasked() {
    let plain: (&str, &[&str]) = (OFFERED.0, &["ready"]);
    play(&with(Tls::Never), &message(&["a@b"]), &[GREETED, plain]);
}

#[test]
fn without_an_offer_it_goes_on_in_clear_unless_tls_is_required() {
    for (ehlo, expected) in [
        ("S:250 mx|", "starttls"),
        ("S:250-mx|250-STARTTLSX|250 XSTARTTLS|", "starttls"),
    ] {
        let plain: (&str, &[&str]) = (ehlo, &["ready"]);
        play(&with(Tls::IfOffered), &message(&["a@b"]), &[GREETED, plain]);
        let close = format!("close: tls is mandated but the server cannot do {expected}");
        let required: [(&str, &[&str]); 3] =
            [GREETED, (ehlo, &["> QUIT|"]), ("S:221 bye|", &[&close])];
        play(&with(Tls::Required), &message(&["a@b"]), &required);
    }
    let helo: [(&str, &[&str]); 4] = [
        GREETED,
        ("S:502 what|", &["> HELO me.example|"]),
        ("S:250 mx|", &["> QUIT|"]),
        (
            "X:",
            &["close: tls is mandated but the server cannot do esmtp"],
        ),
    ];
    play(&with(Tls::Required), &message(&["a@b"]), &helo);
}

/// Everything that a server, or somebody in between, can do so that there is no
/// encryption: nothing of a message or a login may get out in clear.
#[test]
fn t3_nobody_talks_us_out_of_required_tls() {
    for answer in [
        "454 4.7.0 not now",
        "250 fine",
        "200 fine",
        "222 fine",
        "223 fine",
        "224 fine",
        "299 fine",
        "334 go on",
        "354 go on",
        "421 bye",
        "500 what",
        "501 what",
        "502 what",
        "503 done already",
        "535 no",
        "554 no",
        "nonsense",
    ] {
        let mut dialogue = Dialogue::new(with(Tls::Required), Cut::Whole);
        let mut sent = Vec::new();
        for event in [GREETED.0, OFFERED.0, &format!("S:{answer}|"), "S:250 mx|"] {
            sent.extend(dialogue.play(event, &message(&["a@b"])));
        }
        let last = sent.pop().unwrap();
        assert!(last.starts_with("close: "), "{answer}: {last}");
        sent.retain(|action| action != "> QUIT|");
        assert_eq!(sent, [EHLO, "> STARTTLS|"], "{answer}");
    }
    // A server that claims to know us already: no state of ours depends on it.
    let claims: [(&str, &[&str]); 3] = [
        ("S:220 PREAUTH you are known|", &[EHLO]),
        ("S:250-mx|250 AUTH PLAIN|", &["> QUIT|"]),
        (
            "S:221 bye|",
            &["close: tls is mandated but the server cannot do starttls"],
        ),
    ];
    play(&with(Tls::Required), &message(&["a@b"]), &claims);
}

/// Only 220 is 220: a reply code in the range of successes that was taken for the
/// end of the handshake would have us go on in clear.
#[test]
fn w5_success_other_than_220_is_not_a_handshake() {
    for tls in [Tls::IfOffered, Tls::Required] {
        for code in (200..300).filter(|code| *code != 220 && *code != 221) {
            let close = format!("close: protocol error: unexpected reply to STARTTLS: {code} x");
            let events: [(&str, &[&str]); 2] = [(&format!("S:{code} x|"), &[&close]), ("T", &[])];
            let start = [GREETED, OFFERED];
            let script = [&start[..], &events].concat();
            super::script(&with(tls), &message(&["a@b"]), &script, Cut::Whole);
        }
    }
}

#[test]
fn an_offer_that_is_taken_back_is_not_done_without() {
    for tls in [Tls::IfOffered, Tls::Required] {
        for (reply, is_route_problem) in [("454 4.7.0 not now", false), ("554 no", true)] {
            let close = format!("close: session refused at STARTTLS: {reply}");
            encrypts(
                tls,
                &[
                    (&format!("S:{reply}|"), &["> QUIT|"]),
                    ("S:221 bye|", &[&close]),
                ],
            );
            let code = reply[..3].parse().unwrap();
            let reply = PeerReply::ours(code, "x");
            let reason = CloseReason::Refused(Stage::StartTls, reply);
            assert_eq!(reason.is_route_problem(), is_route_problem);
        }
    }
}

/// What comes in clear between 220 and the handshake would be taken for words said
/// under TLS, so it ends the session wherever the stream is cut.
#[test]
fn t2_words_slipped_in_before_the_handshake_end_the_session() {
    for injected in [
        "250-mx|250 AUTH PLAIN|",
        "250 x|",
        "220 go|",
        "421 bye|",
        "|",
        "2",
        "\u{16}\u{3}\u{1}",
        "\0",
    ] {
        let stream = format!("220 go|{injected}").replace('|', "\r\n");
        for cut in 1..stream.len() {
            let mut dialogue = Dialogue::new(with(Tls::Required), Cut::At(cut));
            for (event, _) in [GREETED, OFFERED] {
                dialogue.cut = Cut::Whole;
                dialogue.play(event, &message(&["a@b"]));
            }
            dialogue.cut = Cut::At(cut);
            let actions = dialogue.play(&format!("S:220 go|{injected}"), &message(&["a@b"]));
            // The first piece may be a whole reply, which looks fine by itself.
            let expected: &[&str] = match cut {
                8 => &["starttls", INJECTED],
                _ => &[INJECTED],
            };
            assert_eq!(actions, expected, "{injected:?} cut at {cut}");
            assert_eq!(dialogue.play("T", &message(&["a@b"])), [""; 0]);
        }
    }
    let reason = CloseReason::InjectedBeforeTls;
    assert!(!reason.is_route_problem() && !reason.may_reconnect());
}

#[test]
fn a_reply_that_comes_before_starttls_is_not_its_answer() {
    let early: (&str, &[&str]) = (
        "S:250-mx|250 STARTTLS|220 go|",
        &[
            "> STARTTLS|",
            "close: protocol error: out of step at STARTTLS: 220 go",
        ],
    );
    let events = [GREETED, early];
    script(
        &with(Tls::Required),
        &message(&["a@b"]),
        &events,
        Cut::Whole,
    );
}

#[test]
fn a_handshake_that_fails_or_stalls_ends_the_session() {
    for tls in [Tls::IfOffered, Tls::Required] {
        let failed = "close: tls handshake failed: unknown issuer";
        encrypts(
            tls,
            &[
                GRANTED,
                ("T:tls handshake failed: unknown issuer", &[failed]),
            ],
        );
        let stalled = "close: response timeout at the tls handshake";
        encrypts(tls, &[GRANTED, ("W:39", &[]), ("W:1", &[stalled])]);
        let lost = "close: peer disconnected: reset";
        encrypts(tls, &[GRANTED, ("X:reset", &[lost])]);
        encrypts(tls, &[GRANTED, ("Q", &["close: session abandoned"])]);
    }
    assert!(CloseReason::TlsFailed(OneLine::default()).is_route_problem());
    assert!(!CloseReason::Timeout(Stage::Handshake).is_route_problem());
}

#[test]
fn without_a_timeout_a_handshake_may_take_as_long_as_a_session() {
    let patient = Settings {
        handshake_timeout: None,
        ..with(Tls::Required)
    };
    let events: [(&str, &[&str]); 5] = [
        GREETED,
        OFFERED,
        GRANTED,
        ("W:7199", &[]),
        (
            "W:1",
            &["close: peer too slow, given up at the tls handshake"],
        ),
    ];
    play(&patient, &message(&["a@b"]), &events);
}

#[test]
fn tls_may_come_before_everything() {
    let implicit = with(Tls::Implicit);
    let offer_again: (&str, &[&str]) = (OFFERED.0, &["ready"]);
    let start: (&str, &[&str]) = ("T", &[]);
    play(
        &implicit,
        &message(&["a@b"]),
        &[start, GREETED, offer_again],
    );
    let machine = Machine::new(Arc::new(implicit.clone()), Instant::now());
    assert!(machine.is_handshaking() && machine.deadline().is_some());
    play(
        &implicit,
        &message(&["a@b"]),
        &[("W:40", &["close: response timeout at the tls handshake"])],
    );
    play(&implicit, &message(&["a@b"]), &[("T:no", &["close: no"])]);
    script(
        &implicit,
        &message(&["a@b"]),
        &[("S:220 hi|", &[INJECTED])],
        Cut::Whole,
    );
}

#[test]
fn news_of_a_handshake_that_nobody_waits_for_changes_nothing() {
    let strange: [(&str, &[&str]); 4] =
        [GREETED, ("T", &[]), ("S:250 mx|", &["ready"]), ("T", &[])];
    play(&settings(), &message(&["a@b"]), &strange);
}
