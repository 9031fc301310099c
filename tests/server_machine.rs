//! The server machine where a dialogue cannot show it: random input, the
//! default limits, and what the driver sees besides replies.

use std::time::Duration;

use emailrelay::base::OneLine;
use emailrelay::proto::smtp::params::BodyType;
use emailrelay::proto::smtp::reply::Reply;
use emailrelay::proto::smtp::server::{Action, CloseReason, Event, Phase, Settings, Verdict};
use emailrelay::proto::smtp::trace::Protocol;

use crate::support::in_memory::{Cut, InMemory, Random, normal, read_settings};

fn settings(words: &str) -> Settings {
    let pairs: Vec<(String, String)> = words
        .split_terminator(", ")
        .map(|word| word.split_once(' ').unwrap_or((word, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    read_settings(&pairs).unwrap()
}

fn greeted(words: &str) -> InMemory {
    let mut session = InMemory::new(settings(words), Cut::Whole);
    session.greet(false);
    session.take_replies();
    session
}

fn stored(id: &str) -> Event {
    Event::Stored(OneLine::escaped(id))
}

impl InMemory {
    /// Sends text and returns the replies; messages are stored, recipients remote.
    fn say(&mut self, text: &str) -> String {
        self.send_through(text.as_bytes(), |verifying| match verifying {
            true => Event::Verified(Verdict::Remote {
                address: OneLine::default(),
            }),
            false => stored("id"),
        });
        self.take_replies()
    }

    fn count(&self, test: impl Fn(&Action) -> bool) -> usize {
        self.actions.iter().filter(|action| test(action)).count()
    }
}

const ENVELOPE: &str = "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

#[test]
fn a_message_that_somebody_else_has_makes_up_for_refused_recipients_too() {
    let mut session = greeted("refused-max 3, errors-max 100");
    for taken in [true, true, true, false] {
        let said = session.say(ENVELOPE);
        assert!(said.ends_with("250 2.1.5 OK\r\n"), "{said}");
        let said = session.say("RCPT TO:<bad\r\nRCPT TO:<bad\r\nDATA\r\n");
        assert!(said.contains("354"), "{said}");
        let outcome = match taken {
            true => Reply::new(250, None, "the next hop has it"),
            false => Reply::new(451, None, "not now"),
        };
        session.send_through(b"x\r\n.\r\n", |_| Event::Answered(outcome.clone()));
    }
    let _ = session.take_replies();
    assert!(
        session
            .say("MAIL FROM:<a@b>\r\nRCPT TO:<bad\r\n")
            .contains("\n421 4.7.0 ")
    );
}

/// What random clients are made of: enough sense to get anywhere, enough
/// nonsense to get lost.
const FRAGMENTS: [&str; 44] = [
    "EHLO me\r\n",
    "HELO me\r\n",
    "EHLO\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<>\r\n",
    "MAIL FROM:<a@b> SIZE=1000\r\n",
    "MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    "MAIL FROM:<bad\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<bad\r\n",
    "DATA\r\n",
    "DATA\r\n",
    "DATA\r\n",
    "x\r\n.\r\n",
    "Subject: x\r\n\r\ny\r\n.\r\n",
    ".\r\n",
    ".\r\n",
    "..\r\n",
    "long text that goes on and on and on\r\n",
    "x\n.\ny\r\n",
    "x\r\n.\r\r\n",
    "BDAT 3\r\nx\r\n",
    "BDAT 3 LAST\r\ny\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 6\r\nNOOP\r\n",
    "BDAT 60 LAST\r\n",
    "BDAT x\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "VRFY a\r\n",
    "HELP\r\n",
    "EXPN\r\n",
    "FOO\r\n",
    "GET /\r\n",
    "QUIT\r\n",
    "\r\n",
    "\r",
    "\n",
    "\0\u{ff}",
    "Received: a\r\n",
];

const WALK_SETTINGS: [&str; 4] = [
    "errors-max 50, junk-max 50",
    "chunking, size 60, errors-max 50, content-swallow-max 40",
    "verify, size 100, chunking, errors-max 50",
    "keep-stray-line-ends, lenient, note-commands, header-max 30, errors-max 50",
];

/// What ends most sessions, so that it should be rare.
const DEADLY: [&str; 7] = [
    "QUIT\r\n",
    "GET /\r\n",
    "\r",
    "\n",
    "BDAT x\r\n",
    "x\n.\ny\r\n",
    "BDAT 60 LAST\r\n",
];

/// A client that is in its right mind at first, and now and then.
fn random_dialogue(random: &mut Random) -> Vec<u8> {
    let mut octets = ENVELOPE.as_bytes().to_vec();
    for _ in 0..40 {
        let fragment = FRAGMENTS[random.below(FRAGMENTS.len())];
        match random.below(12) {
            0 => octets.extend_from_slice(ENVELOPE.as_bytes()),
            1 => octets.extend_from_slice(format!("{ENVELOPE}DATA\r\nx\n\r\n.\r\n").as_bytes()),
            2 => octets.extend_from_slice(fragment.as_bytes()),
            _ if DEADLY.contains(&fragment) => {}
            _ => octets.extend_from_slice(fragment.as_bytes()),
        }
    }
    octets
}

fn walk(dialogue: &[u8], words: &str, cut: Cut, mut outcomes: Random) -> InMemory {
    let mut session = InMemory::new(settings(words), cut);
    session.greet(false);
    session.send_through(dialogue, |verifying| random_event(verifying, &mut outcomes));
    session
}

fn random_event(verifying: bool, random: &mut Random) -> Event {
    let refusal = Reply::new(450, Some((2, 0)), "not now");
    match (verifying, random.below(30)) {
        (true, 0..6) => Event::Verified(Verdict::Refuse(refusal)),
        (true, 6..12) => Event::Verified(Verdict::Local {
            mailbox: OneLine::escaped("m"),
            full_name: OneLine::escaped("M"),
        }),
        (true, 12) => Event::Verified(Verdict::Abort),
        (true, _) => Event::Verified(Verdict::Remote {
            address: OneLine::escaped("r"),
        }),
        (false, 0..4) => Event::Answered(refusal),
        (false, _) => stored("id"),
    }
}

#[test]
fn random_clients_get_the_same_however_their_input_is_cut() {
    let (mut commits, mut discards, mut closes) = (0, 0, 0);
    for seed in 0..800 {
        let mut random = Random::new(seed);
        let dialogue = random_dialogue(&mut random);
        let words = WALK_SETTINGS[random.below(WALK_SETTINGS.len())];
        let whole = walk(&dialogue, words, Cut::Whole, random);
        commits += whole.count(|action| matches!(action, Action::Commit(_)));
        discards += whole.count(|action| matches!(action, Action::Discard));
        closes += whole.count(|action| matches!(action, Action::Close(_)));
        let expected = normal(whole.actions);
        for cut in [Cut::Octets, Cut::Random(random)] {
            let actions = normal(walk(&dialogue, words, cut, random).actions);
            let text = dialogue.escape_ascii();
            assert_eq!(actions, expected, "seed {seed}, {words}, {cut:?}: {text}");
        }
    }
    assert!(
        commits > 400 && discards > 100 && closes > 100,
        "{commits} {discards} {closes}"
    );
}

#[test]
fn every_command_has_its_places() {
    // Start, idle, after MAIL, after RCPT, between chunks.
    let places = [
        "",
        "EHLO me\r\n",
        "EHLO me\r\nMAIL FROM:<a@b>\r\n",
        ENVELOPE,
        "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 2\r\nxx",
    ];
    let table = [
        ("EHLO x", [250, 250, 250, 250, 250]),
        ("HELO x", [250, 250, 250, 250, 250]),
        ("MAIL FROM:<e@f>", [503, 250, 503, 503, 503]),
        ("RCPT TO:<e@f>", [503, 503, 250, 250, 503]),
        ("DATA", [503, 503, 554, 354, 503]),
        ("BDAT 0", [503, 503, 554, 250, 250]),
        ("BDAT 0 LAST", [503, 503, 554, 250, 250]),
        ("RSET", [250, 250, 250, 250, 250]),
        ("NOOP x", [250, 250, 250, 250, 250]),
        ("VRFY x", [252, 252, 252, 252, 252]),
        ("EXPN x", [502, 502, 502, 502, 502]),
        ("HELP", [214, 214, 214, 214, 214]),
        ("QUIT", [221, 221, 221, 221, 221]),
        ("FOO", [500, 500, 500, 500, 500]),
    ];
    for (command, codes) in table {
        for (place, code) in places.iter().zip(codes) {
            let mut session = greeted("chunking");
            session.say(place);
            let reply = session.say(&format!("{command}\r\n"));
            assert_eq!(
                reply.get(..3),
                Some(code.to_string().as_str()),
                "{place:?} {command}"
            );
        }
    }
}

#[test]
fn begin_carries_the_envelope_and_commit_the_content_facts() {
    let mut session = greeted("smtputf8");
    session.say("EHLO me\r\nMAIL FROM:<@r:a@b> SIZE=12 BODY=8BITMIME SMTPUTF8 AUTH=e+3D\r\n");
    session.say("RCPT TO:<c@d>\r\nDATA\r\nMessage-ID: <x@y>\r\n\r\nz\r\n.\r\n");
    let begun = session.actions.iter().find_map(|action| match action {
        Action::Begin(transaction) => Some(transaction),
        _ => None,
    });
    let transaction = begun.unwrap();
    assert_eq!(transaction.reverse_path, OneLine::escaped("a@b"));
    assert_eq!(transaction.size, Some(12));
    assert_eq!(transaction.body, BodyType::EightBit);
    assert_eq!(transaction.protocol, Protocol::Utf8Smtp);
    assert_eq!(transaction.auth_parameter, OneLine::new("<>"));
    assert_eq!(transaction.auth_claimed, OneLine::new("e+3D"));
    assert_eq!(transaction.helo, OneLine::escaped("me"));
    assert!(transaction.smtputf8 && !transaction.recipients[0].local);
    let facts = session.actions.iter().find_map(|action| match action {
        Action::Commit(facts) => Some(facts),
        _ => None,
    });
    let facts = facts.unwrap();
    assert_eq!((facts.octets, facts.eight_bit), (24, Some(false)));
    assert_eq!(facts.message_id, OneLine::new("<x@y>"));
}

#[test]
fn the_protocol_is_that_of_the_last_hello() {
    for (hello, protocol) in [("EHLO", Protocol::Esmtp), ("HELO", Protocol::Smtp)] {
        let mut session = greeted("");
        session.say(&format!("EHLO a\r\nHELO b\r\n{hello} c\r\n"));
        session.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        let is_so = |action: &Action| match action {
            Action::Begin(t) => t.protocol == protocol && t.helo == OneLine::escaped("c"),
            _ => false,
        };
        assert_eq!(session.count(is_so), 1);
    }
}

#[test]
fn notes_commands_but_no_content() {
    let mut session = greeted("note-commands");
    session.say(ENVELOPE);
    session.say("DATA\r\nsecret\r\n.\r\nVRFY \x1b[2J\r\n");
    session.say(&format!("NOOP {}\r\n", "x".repeat(1000)));
    let noted: Vec<String> = session
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Command(line) => String::from_utf8(line.as_bytes().to_vec()).ok(),
            _ => None,
        })
        .collect();
    let (long, noted) = noted.split_last().unwrap();
    let expected = [
        "EHLO me",
        "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>",
        "DATA",
        "VRFY \\x1b[2J",
    ];
    assert_eq!(noted, expected);
    assert_eq!(long.len(), 512 + 4);
}

#[test]
fn the_default_limits_hold() {
    let mut session = greeted("");
    assert_eq!(
        session.say(&"NOOP\r\n".repeat(200)).matches("250 ").count(),
        200
    );
    assert!(session.say("NOOP\r\n").starts_with("421 4.7.0"));

    let mut session = greeted("");
    session.say("EHLO me\r\nMAIL FROM:<a@b>\r\n");
    let replies = session.say(&"RCPT TO:<c@d>\r\n".repeat(1010));
    assert_eq!(replies.matches("250 ").count(), 1000);
    assert_eq!(replies.matches("452 4.5.3").count(), 10);

    let mut session = greeted("");
    session.say("EHLO me\r\n");
    let replies = session.say(&"MAIL FROM:<a@b>\r\nRSET\r\n".repeat(10_000));
    assert_eq!(replies.matches("250 2.1.0").count(), 10_000);
    assert!(session.say("MAIL FROM:<a@b>\r\n").starts_with("421 4.7.0"));

    let mut session = greeted("");
    session.say(&format!("{ENVELOPE}DATA\r\n"));
    let header = format!("X: {}\r\n", "y".repeat(1024 * 1024));
    assert!(
        session
            .say(&(header + "\r\n.\r\n"))
            .starts_with("554 5.6.0")
    );

    let mut session = greeted("");
    assert!(session.say(&"x".repeat(64 * 1024)).starts_with("500 5.5.6"));
    assert!(session.say("x").starts_with("421 4.7.0"));
    assert_eq!(session.closed, Some(CloseReason::Overflow));
}

#[test]
fn a_large_body_line_is_passed_on_as_it_comes() {
    let mut session = greeted("");
    session.say(&format!("{ENVELOPE}DATA\r\n\r\n"));
    for _ in 0..32 {
        session.say(&"x".repeat(64 * 1024));
    }
    let passed: usize = session
        .actions
        .iter()
        .map(|action| match action {
            Action::Content(octets) => octets.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(passed, 2 + 32 * 64 * 1024);
    assert!(session.say("\r\n.\r\n").starts_with("250 "));
}

/// A session in each phase, with what ends it there when the server stops.
fn in_each_phase() -> Vec<(InMemory, Phase, Vec<&'static str>)> {
    let table = [
        ("", Phase::Idle, vec!["421"]),
        ("EHLO me\r\n", Phase::Idle, vec!["421"]),
        (ENVELOPE, Phase::Transaction, vec!["421"]),
        ("DATA\r\nx", Phase::Content, vec!["discard", "421"]),
        ("BDAT 2\r\nxx", Phase::Content, vec!["discard", "421"]),
        ("BDAT 2\r\nx", Phase::Content, vec!["discard", "421"]),
        ("DATA\r\nx\ny", Phase::Content, vec!["421"]),
    ];
    let sessions = table.into_iter().map(|(input, phase, end)| {
        let mut session = greeted("chunking");
        if input.starts_with(['D', 'B']) {
            session.say(ENVELOPE);
        }
        session.say(input);
        session.actions.clear();
        (session, phase, end)
    });
    sessions.collect()
}

fn ending(session: &InMemory) -> Vec<String> {
    let words = session.actions.iter().map(|action| match action {
        Action::Reply(reply) => reply.code.to_string(),
        Action::Discard => "discard".to_owned(),
        Action::Close(_) => "close".to_owned(),
        other => format!("{other:?}"),
    });
    words.collect()
}

#[test]
fn stops_with_421_in_every_phase() {
    for (mut session, phase, end) in in_each_phase() {
        assert_eq!(session.machine.phase(), phase);
        let mut actions = Vec::new();
        session.machine.shut_down(&mut actions);
        session.carry_out(actions);
        assert_eq!(ending(&session), [end, vec!["close"]].concat());
        assert_eq!(session.closed, Some(CloseReason::ShuttingDown));
        assert_eq!(session.machine.phase(), Phase::Closed);
        let mut more = Vec::new();
        session.machine.shut_down(&mut more);
        session.machine.peer_closed(&mut more);
        session.machine.timeout(session.now, &mut more);
        session.machine.resume(session.now, stored("id"), &mut more);
        session.machine.greet(session.now, false, &mut more);
        assert_eq!(more, [], "acts after its close");
    }
}

#[test]
fn a_client_that_leaves_gets_no_reply() {
    for (mut session, _, end) in in_each_phase() {
        let mut actions = Vec::new();
        session.machine.peer_closed(&mut actions);
        session.carry_out(actions);
        let silent: Vec<&str> = end.into_iter().filter(|word| *word != "421").collect();
        assert_eq!(ending(&session), [silent, vec!["close"]].concat());
        assert_eq!(session.closed, Some(CloseReason::PeerClosed));
    }
}

#[test]
fn a_message_being_stored_gets_its_reply_before_the_end() {
    for stopping in [true, false] {
        let mut session = greeted("");
        session.say(ENVELOPE);
        let mut ended = Vec::new();
        session.preload(b"DATA\r\nx\r\n.\r\nNOOP\r\n");
        session.pump();
        assert_eq!(session.machine.phase(), Phase::Storing);
        match stopping {
            true => session.machine.shut_down(&mut ended),
            false => session.machine.peer_closed(&mut ended),
        }
        assert_eq!(ended, []);
        session
            .machine
            .resume(session.now, stored("id"), &mut ended);
        let codes: Vec<u16> = ended
            .iter()
            .filter_map(|action| match action {
                Action::Reply(reply) => Some(reply.code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, if stopping { vec![250, 421] } else { vec![250] });
        assert!(matches!(ended.last(), Some(Action::Close(_))));
    }
}

#[test]
fn stops_during_a_question_to_the_verifier() {
    let table = [
        (ENVELOPE, vec!["421", "close"]),
        ("BDAT 1\r\nxVRFY a\r\n", vec!["discard", "421", "close"]),
    ];
    for (input, end) in table {
        let mut session = greeted("chunking, verify");
        if !input.starts_with("EHLO") {
            session.say(ENVELOPE);
        }
        session.preload(input.as_bytes());
        session.pump();
        session.actions.clear();
        let mut actions = Vec::new();
        session.machine.shut_down(&mut actions);
        session.carry_out(actions);
        assert_eq!(ending(&session), end, "{input}");
    }
}

#[test]
fn our_own_delays_do_not_count_against_the_client() {
    for input in ["", "DATA\r\nx", "BDAT 9\r\nx", "RSET\r\nBDAT 9\r\nx"] {
        let mut session = greeted("chunking, idle 70");
        session.say(&format!("{ENVELOPE}{input}"));
        let deadline = session.machine.deadline().unwrap();
        session.machine.excuse(Duration::from_secs(30));
        let later = session.machine.deadline().unwrap();
        assert_eq!(later - deadline, Duration::from_secs(30), "{input}");
        let mut actions = Vec::new();
        session.machine.timeout(deadline, &mut actions);
        assert_eq!(actions, []);
        session.machine.timeout(later, &mut actions);
        let reason = match input {
            "" => CloseReason::IdleTimeout(Duration::from_secs(70)),
            _ => CloseReason::SlowContent,
        };
        assert_eq!(actions.last(), Some(&Action::Close(reason)));
    }
}

#[test]
fn the_idle_time_starts_anew_after_a_wait() {
    let mut session = greeted("idle 60, verify");
    session.preload(ENVELOPE.as_bytes());
    session.pump();
    assert_eq!(session.machine.deadline(), None);
    session.now += Duration::from_secs(1000);
    session.say("");
    let deadline = session.machine.deadline().unwrap();
    assert_eq!(deadline - session.now, Duration::from_secs(60));
}
