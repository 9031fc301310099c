//! Logging in: which mechanism, what is shown, and what a refusal leads to.

use super::*;
use crate::base::hash::{Algorithm, hmac};
use crate::proto::sasl::{Account, Config, Credential, Proof, Token};

const EHLO: &str = "> EHLO me.example|";

fn credential(proof: Proof) -> Credential {
    Credential {
        id: b"bob".to_vec(),
        proof,
        line: Some(2),
    }
}

pub(super) fn password() -> Proof {
    Proof::Password(Secret::new("secret pw"))
}

fn token() -> Proof {
    Proof::Token(Token::parse(b"token".to_vec()).unwrap())
}

/// Settings that log in with those secrets, on a connection that TLS protects.
pub(super) fn logging_in(proofs: impl IntoIterator<Item = Proof>) -> Settings {
    let credentials = proofs.into_iter().map(credential).collect();
    Settings {
        tls: Tls::Implicit,
        login: Some(Login {
            account: Arc::new(Account { credentials }),
            config: Config::default(),
            has_certificate: false,
        }),
        ..settings()
    }
}

fn configured(settings: Settings, config: &str) -> Settings {
    let (config, _) = Config::parse_client(config).unwrap();
    let login = settings.login.map(|login| Login { config, ..login });
    Settings { login, ..settings }
}

/// The first steps of a session with a server that offers those mechanisms.
fn start(settings: &Settings, offers: &str) -> Vec<(String, Vec<String>)> {
    let mut events = vec![("S:220 hi|".to_owned(), vec![EHLO.to_owned()])];
    if settings.tls == Tls::Implicit {
        events.insert(0, ("T".to_owned(), vec![]));
    }
    let ehlo = match offers {
        "" => "S:250 mx|".to_owned(),
        offers => format!("S:250-mx|250 AUTH {offers}|"),
    };
    events.push((ehlo, vec![]));
    events
}

/// Plays what follows the reply to EHLO, in all cuts: first what that leads to.
fn logs_in(settings: &Settings, offers: &str, first: &[&str], events: &[(&str, &[&str])]) {
    let mut start = start(settings, offers);
    start.last_mut().unwrap().1 = first.iter().map(|&action| action.to_owned()).collect();
    let start: Vec<(&str, Vec<&str>)> = start
        .iter()
        .map(|(event, actions)| (event.as_str(), actions.iter().map(String::as_str).collect()))
        .collect();
    let start: Vec<(&str, &[&str])> = start.iter().map(|(event, a)| (*event, &**a)).collect();
    play(settings, &message(&["a@b"]), &[&start, events].concat());
}

fn as_bob(mechanism: &str) -> String {
    format!("authenticated as [bob] using mechanism [{mechanism}]")
}

#[test]
fn logs_in_with_a_password() {
    let settings = logging_in([password()]);
    let plain = as_bob("plain");
    logs_in(
        &settings,
        "LOGIN PLAIN",
        &["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"],
        &[("S:235 ok|", &[&plain, "ready"])],
    );
    logs_in(
        &settings,
        "PLAIN",
        &["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"],
        &[
            ("S:334 |", &["> AGJvYgBzZWNyZXQgcHc=|"]),
            ("S:235-ok|235 ok|", &[&plain, "ready"]),
        ],
    );
    let login = as_bob("login");
    logs_in(
        &settings,
        "LOGIN",
        &["> AUTH LOGIN Ym9i|"],
        &[
            ("S:334 UGFzc3dvcmQ6|", &["> c2VjcmV0IHB3|"]),
            ("S:235 ok|", &[&login, "ready"]),
        ],
    );
}

#[test]
fn prefers_to_show_no_password() {
    let cram = as_bob("cram-md5");
    let challenged: [(&str, &[&str]); 2] = [
        (
            "S:334 PDEyMy40NTZAdm0+|",
            &["> Ym9iIGJkZTNjM2VjMmU3ZjgyMDQyMjI3OWRhN2RlNTI3NDU1|"],
        ),
        ("S:235 ok|", &[&cram, "ready"]),
    ];
    let settings = logging_in([password()]);
    logs_in(
        &settings,
        "PLAIN LOGIN CRAM-MD5",
        &["> AUTH CRAM-MD5|"],
        &challenged,
    );
    // The same with the stored key only, and without any encryption.
    let state = Proof::State(hmac::State::from_key(Algorithm::Md5, b"secret pw"));
    let in_clear = Settings {
        tls: Tls::Never,
        ..logging_in([state])
    };
    logs_in(
        &in_clear,
        "PLAIN LOGIN CRAM-MD5",
        &["> AUTH CRAM-MD5|"],
        &challenged,
    );
}

#[test]
fn h12_a_refused_token_takes_the_explanation_and_then_the_refusal() {
    let settings = logging_in([token()]);
    let xoauth2 = "> AUTH XOAUTH2 dXNlcj1ib2IBYXV0aD1CZWFyZXIgdG9rZW4BAQ==|";
    let refused = "close: authentication failed using mechanism [xoauth2] and oauth secret for \
        [bob] from line 2: [5.7.8 no]";
    logs_in(
        &settings,
        "XOAUTH2",
        &[xoauth2],
        &[
            ("S:334 eyJzdGF0dXMiOiI0MDEifQ==|", &["> |"]),
            ("S:535 5.7.8 no|", &["> QUIT|"]),
            ("S:221 bye|", &[refused]),
        ],
    );
    let bearer = "> AUTH OAUTHBEARER bixhPWJvYiwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==|";
    let refused = refused.replace("xoauth2", "oauthbearer");
    logs_in(
        &settings,
        "XOAUTH2 OAUTHBEARER",
        &[bearer],
        &[
            ("S:334 eyJzdGF0dXMiOiI0MDEifQ==|", &["> AQ==|"]),
            ("S:535 5.7.8 no|", &["> QUIT|"]),
            ("X:", &[&refused]),
        ],
    );
}

#[test]
fn a_certificate_of_ours_can_be_the_login() {
    let mut settings = logging_in([password()]);
    if let Some(login) = &mut settings.login {
        login.has_certificate = true;
    }
    logs_in(
        &settings,
        "PLAIN EXTERNAL",
        &["> AUTH EXTERNAL =|"],
        &[
            (
                "S:235 ok|",
                &["authenticated as [] using mechanism [external]", "ready"],
            ),
            ("M", &["> MAIL FROM:<s@t> AUTH=<>|"]),
        ],
    );
    // In clear the server has not seen it.
    settings.tls = Tls::Never;
    let refused = "close: cannot do authentication required by remote server (EXTERNAL): \
        check for a compatible client secret";
    logs_in(
        &settings,
        "EXTERNAL",
        &["> QUIT|"],
        &[("S:221 bye|", &[refused])],
    );
}

#[test]
fn h11_passwords_and_tokens_do_not_travel_in_clear_unless_told_to() {
    for proof in [password(), token()] {
        let in_clear = Settings {
            tls: Tls::IfOffered,
            ..logging_in([proof])
        };
        let refused = "close: cannot do authentication required by remote server \
            (PLAIN,LOGIN,XOAUTH2,OAUTHBEARER) without encryption: others could read the secret";
        let offers = "PLAIN LOGIN XOAUTH2 OAUTHBEARER";
        let leaves: [(&str, &[&str]); 1] = [("S:221 bye|", &[refused])];
        logs_in(&in_clear, offers, &["> QUIT|"], &leaves);
        let local = Settings {
            is_local: true,
            ..in_clear
        };
        let mut dialogue = Dialogue::new(local, Cut::Whole);
        dialogue.play("S:220 hi|", &message(&["a@b"]));
        let actions = dialogue.play(&format!("S:250-mx|250 AUTH {offers}|"), &message(&["a@b"]));
        assert!(actions[0].starts_with("> AUTH "), "{actions:?}");
    }
    let in_clear = Settings {
        tls: Tls::Never,
        ..logging_in([password()])
    };
    let allowed = configured(in_clear.clone(), "m:login");
    logs_in(&allowed, "PLAIN LOGIN", &["> AUTH LOGIN Ym9i|"], &[]);
    // Allowed once encrypted is not allowed in clear.
    let once_encrypted = configured(in_clear, "m:;a:plain");
    let mut dialogue = Dialogue::new(once_encrypted, Cut::Whole);
    dialogue.play("S:220 hi|", &message(&["a@b"]));
    let actions = dialogue.play("S:250-mx|250 AUTH PLAIN|", &message(&["a@b"]));
    assert_eq!(actions, ["> QUIT|"]);
}

#[test]
fn a_server_without_login_is_left_where_login_is_configured() {
    let settings = logging_in([password()]);
    let refused = "close: authentication is not supported by the remote smtp server";
    logs_in(&settings, "", &["> QUIT|"], &[("S:221 bye|", &[refused])]);
    let refused = "close: cannot do authentication required by remote server (GSSAPI): check for \
        a compatible client secret";
    logs_in(
        &settings,
        "GSSAPI",
        &["> QUIT|"],
        &[("S:221 bye|", &[refused])],
    );
}

#[test]
fn an_account_without_secrets_does_not_log_in() {
    for offers in ["", "PLAIN"] {
        let settings = logging_in([]);
        logs_in(
            &settings,
            offers,
            &["ready"],
            &[("M", &["> MAIL FROM:<s@t>|"])],
        );
    }
}

#[test]
fn a_refused_password_is_shown_twice_at_most() {
    let settings = logging_in([password()]);
    let refused = "close: authentication failed using mechanism [cram-sha1] and plaintext \
        secret for [bob] from line 2: [no]";
    logs_in(
        &settings,
        "CRAM-SHA1 CRAM-MD5 PLAIN LOGIN",
        &["> AUTH CRAM-SHA1|"],
        &[
            ("S:535 no|", &["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"]),
            ("S:535 never|", &["> QUIT|"]),
            ("S:221 bye|", &[refused]),
        ],
    );
}

#[test]
fn a_temporary_refusal_is_followed_by_the_next_mechanism() {
    let settings = logging_in([password()]);
    let login = as_bob("login");
    logs_in(
        &settings,
        "PLAIN LOGIN",
        &["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"],
        &[
            ("S:454 4.7.0 later|", &["> AUTH LOGIN Ym9i|"]),
            ("S:334 UGFzc3dvcmQ6|", &["> c2VjcmV0IHB3|"]),
            ("S:235 ok|", &[&login, "ready"]),
        ],
    );
}

#[test]
fn a_challenge_that_makes_no_sense_is_withdrawn_from() {
    let settings = logging_in([password()]);
    let refused = "close: authentication failed using mechanism [cram-md5] and plaintext secret \
        for [bob] from line 2: [cancelled]";
    for challenge in ["", "=", "not base64", "!!!!"] {
        logs_in(
            &settings,
            "CRAM-MD5",
            &["> AUTH CRAM-MD5|"],
            &[
                (&format!("S:334 {challenge}|"), &["> *|"]),
                ("S:501 cancelled|", &["> QUIT|"]),
                ("S:221 bye|", &[refused]),
            ],
        );
    }
}

#[test]
fn success_that_comes_too_soon_is_not_believed() {
    let settings = logging_in([password()]);
    logs_in(
        &settings,
        "CRAM-MD5",
        &["> AUTH CRAM-MD5|"],
        &[(
            "S:235 welcome|",
            &["close: protocol error: unexpected reply to AUTH: 235 welcome"],
        )],
    );
}

#[test]
fn waits_while_logging_in_are_bounded() {
    let settings = logging_in([password()]);
    logs_in(
        &settings,
        "PLAIN",
        &["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"],
        &[
            ("W:299", &[]),
            ("W:1", &["close: response timeout at AUTH"]),
        ],
    );
    // A server that never stops asking is left as well.
    let endless: [(&str, &[&str]); 5] = [
        ("S:334 VXNlciBOYW1lAA==|", &["> Ym9i|"]),
        ("S:334 VXNlciBOYW1lAA==|", &["> Ym9i|"]),
        ("S:334 VXNlciBOYW1lAA==|", &["> Ym9i|"]),
        ("S:334 VXNlciBOYW1lAA==|", &["> *|"]),
        (
            "S:334 VXNlciBOYW1lAA==|",
            &["close: protocol error: unexpected reply to AUTH: 334 VXNlciBOYW1lAA=="],
        ),
    ];
    logs_in(&settings, "LOGIN", &["> AUTH LOGIN Ym9i|"], &endless);
}

#[test]
fn the_report_of_the_dialogue_shows_no_secret() {
    for (offers, proof) in [
        ("PLAIN", password()),
        ("LOGIN", password()),
        ("CRAM-MD5", password()),
        ("XOAUTH2", token()),
    ] {
        let settings = Settings {
            note_commands: true,
            ..logging_in([proof])
        };
        let mut dialogue = Dialogue::new(settings, Cut::Whole);
        let mut actions = Vec::new();
        let hello = format!("250-mx\r\n250 AUTH {offers}\r\n");
        dialogue.machine.tls_established(dialogue.now, &mut actions);
        for heard in ["220 hi\r\n", &hello, "334 UGFzc3dvcmQ6\r\n", "235 ok\r\n"] {
            dialogue.hear(heard.as_bytes(), &mut actions);
        }
        let shown = |action: &Action| match action {
            Action::Sent(text) => Some(text.to_string()),
            _ => None,
        };
        let sent: Vec<String> = actions.iter().filter_map(shown).collect();
        let responses = ["[authentication response not logged]"].into_iter();
        let expected: Vec<String> = match offers {
            "CRAM-MD5" => vec!["EHLO me.example".into(), "AUTH CRAM-MD5".into()],
            _ => vec![
                "EHLO me.example".into(),
                format!("AUTH {offers} [not logged]"),
            ],
        };
        let expected = expected.into_iter().chain(responses.map(str::to_owned));
        assert_eq!(sent, expected.collect::<Vec<_>>(), "{offers}");
        let debug = format!("{actions:?}");
        for secret in ["c2VjcmV0IHB3", "AGJvYgBz", "dXNlcj1", "secret pw", "Ym9i"] {
            assert!(!debug.contains(secret), "{offers}: {debug}");
        }
    }
}

#[test]
fn mail_says_who_submitted_it_once_we_have_logged_in() {
    let long = "x".repeat(495);
    for (submitter, anonymous, expected) in [
        ("", false, "bob"),
        ("", true, "<>"),
        ("<>", false, "<>"),
        ("e+3Dmc2@x.test", false, "e+3Dmc2@x.test"),
        ("e+3Dmc2@x.test", true, "<>"),
        ("not=xtext", false, "<>"),
        ("not xtext", false, "<>"),
        ("+3", false, "<>"),
        (&long[1..], false, &long[1..]),
        (&long, false, "<>"),
    ] {
        let settings = Settings {
            anonymous,
            ..logging_in([password()])
        };
        let mail = Message {
            submitter: OneLine::new(submitter).unwrap(),
            ..message(&["a@b"])
        };
        let mut dialogue = Dialogue::new(settings, Cut::Whole);
        for event in ["T", "S:220 hi|", "S:250-mx|250 AUTH PLAIN|", "S:235 ok|"] {
            dialogue.play(event, &mail);
        }
        let expected = format!("> MAIL FROM:<s@t> AUTH={expected}|");
        assert_eq!(dialogue.play("M", &mail), [expected], "{submitter}");
        // Who has not logged in has nothing to say.
        let mut dialogue = Dialogue::new(super::settings(), Cut::Whole);
        for event in ["S:220 hi|", "S:250-mx|250 AUTH PLAIN|"] {
            dialogue.play(event, &mail);
        }
        assert_eq!(dialogue.play("M", &mail), ["> MAIL FROM:<s@t>|"]);
    }
}

#[test]
fn names_in_the_auth_parameter_are_xtext() {
    let mut settings = logging_in([]);
    settings.login.as_mut().unwrap().account = Arc::new(Account {
        credentials: vec![Credential {
            id: b"b=b +1".to_vec(),
            ..credential(password())
        }],
    });
    let mut dialogue = Dialogue::new(settings, Cut::Whole);
    for event in ["T", "S:220 hi|", "S:250-mx|250 AUTH PLAIN|", "S:235 ok|"] {
        dialogue.play(event, &message(&["a@b"]));
    }
    let mail = dialogue.play("M", &message(&["a@b"]));
    assert_eq!(mail, ["> MAIL FROM:<s@t> AUTH=b+3Db+20+2B1|"]);
}

#[test]
fn which_failures_are_for_the_operator() {
    let mut settings = logging_in([password()]);
    for (reply, is_route_problem) in [
        ("535 5.7.8 no", true),
        ("504 what", true),
        ("454 4.7.0 later", false),
        ("421 bye", false),
    ] {
        let mut dialogue = Dialogue::new(settings.clone(), Cut::Whole);
        let mut out = Vec::new();
        dialogue.machine.tls_established(dialogue.now, &mut out);
        let hello = "250-mx\r\n250 AUTH PLAIN\r\n";
        for heard in ["220 hi\r\n", hello, &format!("{reply}\r\n"), "221 bye\r\n"] {
            dialogue.hear(heard.as_bytes(), &mut out);
        }
        let Some(Action::Close(reason)) = out.pop() else {
            panic!("{reply} does not end the session");
        };
        assert_eq!(reason.is_route_problem(), is_route_problem, "{reply}");
    }
    settings.login = None;
    logs_in(&settings, "PLAIN", &["ready"], &[]);
}

#[test]
fn a_server_that_does_not_know_the_parameter_gets_mail_without_it() {
    let settings = logging_in([password()]);
    let note = "note: the peer does not know the AUTH parameter, going on without it";
    let plain = as_bob("plain");
    let refused: [(&str, &[&str]); 4] = [
        ("S:235 ok|", &[&plain, "ready"]),
        ("M", &["> MAIL FROM:<s@t> AUTH=bob|"]),
        ("S:555 what|", &[note, "> MAIL FROM:<s@t>|"]),
        ("S:555 what|", &["done unsent [555] no-555", "ready"]),
    ];
    let first = ["> AUTH PLAIN AGJvYgBzZWNyZXQgcHc=|"];
    logs_in(&settings, "PLAIN", &first, &refused);
    let rest: [(&str, &[&str]); 6] = [
        ("S:250 ok|", &["> RCPT TO:<a@b>|"]),
        ("S:250 ok|", &["> DATA|"]),
        ("S:354 ok|", &["need"]),
        ("C:x", &["> x|.|"]),
        ("S:250 ok|", &["done [250] ok", "ready"]),
        ("M", &["> MAIL FROM:<s@t>|"]),
    ];
    logs_in(&settings, "PLAIN", &first, &[&refused[..3], &rest].concat());
}
