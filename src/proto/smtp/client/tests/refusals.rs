//! Every reply code in every state, against the rules written once more.

use super::authentication::{logging_in, password};
use super::*;

const CODES: [u16; 24] = [
    200, 220, 222, 223, 224, 235, 250, 251, 299, 334, 354, 421, 450, 451, 452, 454, 500, 501, 502,
    503, 535, 550, 552, 554,
];

/// Where the reply comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// After a response that holds all that the server needs to know.
    Login,
    /// Before that.
    Challenge,
    Mail,
    Recipient,
    Data,
    Dot,
    Reset,
    Quit,
}

const PLACES: [At; 12] = [
    At::Greeting,
    At::Ehlo,
    At::Helo,
    At::StartTls,
    At::Login,
    At::Challenge,
    At::Mail,
    At::Recipient,
    At::Data,
    At::Dot,
    At::Reset,
    At::Quit,
];

/// What is told when the reply comes there: the fate of the message, if there is
/// one, and what happens to the session.
fn expected(at: At, code: u16) -> (Option<String>, &'static str) {
    let class = code / 100;
    let in_message = matches!(at, At::Mail | At::Recipient | At::Data | At::Dot);
    let fate = |text: String| in_message.then_some(text);
    if at == At::Quit {
        return (None, "close");
    }
    if code == 421 {
        return (fate("later-421".to_owned()), "close");
    }
    let fits = match at {
        At::Data => class != 2,
        At::StartTls => code == 220 || class > 3,
        At::Login => matches!(code, 235 | 334) || class > 3,
        At::Challenge => code == 334 || class > 3,
        At::Reset => class == 2,
        _ => class != 3,
    };
    if !fits {
        let unknown = if at == At::Dot { "unknown" } else { "lost" };
        return (fate(unknown.to_owned()), "close");
    }
    match (at, class) {
        (At::Greeting | At::Ehlo | At::Helo, 4 | 5) => match (at, code) {
            (At::Ehlo, 500 | 501 | 502 | 550) => (None, "HELO"),
            _ => (None, "QUIT"),
        },
        (At::StartTls, 2) => (None, "starttls"),
        (At::Login, 2) => (None, "ready"),
        // The response has been given already.
        (At::Login, 3) => (None, "*"),
        (At::Challenge, 3) => (None, "Ym9i"),
        (At::StartTls | At::Login | At::Challenge, _) => (None, "QUIT"),
        (At::Mail | At::Dot, 4) => (fate(format!("later-{code}")), "ready"),
        (At::Mail | At::Dot, 5) => (fate(format!("no-{code}")), "ready"),
        (At::Recipient | At::Data, 4) => (fate(format!("later-{code}")), "RSET"),
        (At::Recipient, 5) if code == 552 => (fate("later-552".to_owned()), "RSET"),
        (At::Recipient | At::Data, 5) => (fate(format!("no-{code}")), "RSET"),
        (At::Dot, _) => (fate("ok".to_owned()), "ready"),
        (At::Greeting, _) => (None, "EHLO"),
        (At::Ehlo | At::Helo | At::Reset, _) => (None, "ready"),
        (At::Mail, _) => (None, "RCPT"),
        (At::Recipient, _) => (None, "DATA"),
        (At::Data, _) => (None, "need"),
        (At::Quit, _) => (None, "close"),
    }
}

fn reach(at: At) -> Dialogue {
    let mail = ["S:220 hi|", "S:250 mx|", "M"];
    let steps: &[&str] = match at {
        At::Greeting => &[],
        At::Ehlo => &mail[..1],
        At::Helo => &["S:220 hi|", "S:500 what|"],
        At::StartTls => &["S:220 hi|", "S:250-mx|250 STARTTLS|"],
        At::Login => &["T", "S:220 hi|", "S:250-mx|250 AUTH PLAIN|", "S:334 |"],
        At::Challenge => &["T", "S:220 hi|", "S:250-mx|250 AUTH CRAM-MD5|"],
        At::Mail => &mail,
        At::Recipient => &["S:220 hi|", "S:250 mx|", "M", "S:250 ok|"],
        At::Data => &["S:220 hi|", "S:250 mx|", "M", "S:250 ok|", "S:250 ok|"],
        At::Dot => &[
            "S:220 hi|",
            "S:250 mx|",
            "M",
            "S:250 ok|",
            "S:250 ok|",
            "S:354 ok|",
            "C:x",
        ],
        At::Reset => &["S:220 hi|", "S:250 mx|", "M", "S:250 ok|", "S:550 no|"],
        At::Quit => &["S:220 hi|", "S:250 mx|", "Q"],
    };
    let settings = match at {
        At::StartTls => Settings {
            tls: Tls::IfOffered,
            ..settings()
        },
        At::Login | At::Challenge => logging_in([password()]),
        _ => settings(),
    };
    let mut dialogue = Dialogue::new(settings, Cut::Whole);
    for step in steps {
        dialogue.play(step, &message(&["a@b"]));
    }
    dialogue
}

#[test]
fn h5_every_code_in_every_state() {
    for at in PLACES {
        for code in CODES {
            let actions = reach(at).play(&format!("S:{code} text|"), &message(&["a@b"]));
            let (fate, next) = expected(at, code);
            let told = actions.iter().find(|action| action.starts_with("done"));
            let told = told.and_then(|done| done.split(' ').next_back());
            assert_eq!(told, fate.as_deref(), "{code} at {at:?}: {actions:?}");
            let last = actions.last().map_or("", String::as_str);
            let last = last.trim_start_matches("> ");
            assert!(
                last.starts_with(next),
                "{code} at {at:?}: {actions:?}, not {next}"
            );
        }
    }
}

#[test]
fn h5_only_refusals_of_the_session_for_good_are_route_problems() {
    for at in PLACES {
        for code in CODES {
            let mut dialogue = reach(at);
            let mut out = Vec::new();
            dialogue.hear(format!("{code} text\r\n").as_bytes(), &mut out);
            dialogue
                .machine
                .timeout(dialogue.now + QUIT_TIMEOUT, &mut out);
            let Some(Action::Close(reason)) = out.last() else {
                continue;
            };
            let is_start = matches!(
                at,
                At::Greeting | At::Ehlo | At::Helo | At::StartTls | At::Login | At::Challenge
            );
            let expected = is_start && code >= 500;
            assert_eq!(reason.is_route_problem(), expected, "{code} at {at:?}");
            assert!(!reason.explain().is_empty());
        }
    }
}
