use super::*;
use crate::base::hash::Algorithm;
use crate::proto::sasl::{ServerExchange, Token};

fn password(id: &str, password: &str) -> Credential {
    Credential {
        id: id.into(),
        proof: Proof::Password(Secret::new(password)),
        line: Some(2),
    }
}

fn state(id: &str, algorithm: Algorithm) -> Credential {
    let proof = Proof::State(hmac::State::from_key(algorithm, b"secret pw"));
    Credential {
        id: id.into(),
        proof,
        line: Some(3),
    }
}

fn token(id: &str, token: &str) -> Credential {
    let proof = Proof::Token(Token::parse(token.into()).unwrap());
    Credential {
        id: id.into(),
        proof,
        line: Some(4),
    }
}

fn terms(config: &str, channel: Channel) -> Terms {
    let config = Config::parse_client(config).unwrap().0;
    Terms {
        config,
        channel,
        has_certificate: false,
    }
}

fn exchange(
    credentials: Vec<Credential>,
    offered: &str,
    terms: &Terms,
) -> Result<(ClientExchange, ClientStep), ClientFailure> {
    let offered: Vec<String> = offered.split_whitespace().map(str::to_owned).collect();
    ClientExchange::start(Arc::new(Account { credentials }), &offered, terms)
}

fn encoded(text: &str) -> String {
    String::from_utf8(base64::encode(text.as_bytes())).unwrap()
}

fn described(step: ClientStep) -> String {
    match step {
        ClientStep::Send { line, shown } => {
            let line = String::from_utf8(line.expose().to_vec()).unwrap();
            assert!(line.len() <= LINE_MAX - 2 && !line.contains('\r'));
            let hides = shown.contains("not logged");
            assert!(hides || shown == line, "{shown} for {line}");
            line
        }
        ClientStep::Succeeded { mechanism, id } => {
            format!(
                "{mechanism} succeeded for [{}]",
                String::from_utf8(id).unwrap()
            )
        }
        ClientStep::Failed(failure) => format!("failed: {failure}"),
    }
}

/// Plays the replies (code, blank, text) and gives all that the client did.
fn played((mut exchange, first): (ClientExchange, ClientStep), replies: &[&str]) -> Vec<String> {
    let mut steps = vec![described(first)];
    for reply in replies {
        let (code, text) = reply.split_once(' ').unwrap_or((reply, ""));
        steps.push(described(
            exchange.reply(code.parse().unwrap(), text.as_bytes()),
        ));
    }
    steps
}

/// The commands of a client that hears the same reply to all of them.
fn tried(credentials: Vec<Credential>, offered: &str, terms: &Terms, reply: u16) -> String {
    let (mut exchange, mut step) = exchange(credentials, offered, terms).unwrap();
    let mut mechanisms = Vec::new();
    while let ClientStep::Send { line, .. } = &step {
        let line = String::from_utf8(line.expose().to_vec()).unwrap();
        mechanisms.push(line.split(' ').nth(1).unwrap().to_owned());
        step = exchange.reply(reply, b"no");
    }
    mechanisms.join(" ")
}

const EVERYTHING: &str = "LOGIN plain NTLM CRAM-MD5 XOAUTH2 Cram-Sha1 CRAM-SHA256 CRAM-SHA512 \
                          OAUTHBEARER EXTERNAL";

fn bob() -> Vec<Credential> {
    vec![password("bob", "secret pw")]
}

#[test]
fn tries_the_strongest_first() {
    let all = vec![password("bob", "pw"), token("bob", "t")];
    let cram = "CRAM-SHA512 CRAM-SHA256 CRAM-SHA1 CRAM-MD5";
    let certified = Terms {
        has_certificate: true,
        ..terms("", Channel::Encrypted)
    };
    for (credentials, terms, expected) in [
        (
            all.clone(),
            &certified,
            format!("{cram} OAUTHBEARER XOAUTH2 EXTERNAL PLAIN LOGIN"),
        ),
        (
            all.clone(),
            &terms("", Channel::Encrypted),
            format!("{cram} OAUTHBEARER XOAUTH2 PLAIN LOGIN"),
        ),
        (all.clone(), &terms("", Channel::Clear), cram.to_owned()),
        (
            all.clone(),
            &terms("m:login,xoauth2", Channel::Clear),
            "LOGIN XOAUTH2".to_owned(),
        ),
        (
            all.clone(),
            &terms("m:;a:plain,login", Channel::Encrypted),
            "PLAIN LOGIN".to_owned(),
        ),
        (
            all.clone(),
            &terms("login", Channel::Encrypted),
            "LOGIN".to_owned(),
        ),
        (
            all,
            &terms("x:cram-sha512,oauthbearer,plain", Channel::Local),
            "CRAM-SHA256 CRAM-SHA1 CRAM-MD5 XOAUTH2 LOGIN".to_owned(),
        ),
        (
            vec![state("bob", Algorithm::Sha1), state("bob", Algorithm::Md5)],
            &terms("", Channel::Clear),
            "CRAM-SHA1 CRAM-MD5".to_owned(),
        ),
        (
            vec![token("bob", "t")],
            &terms("", Channel::Encrypted),
            "OAUTHBEARER XOAUTH2".to_owned(),
        ),
        (vec![], &certified, "EXTERNAL".to_owned()),
    ] {
        assert_eq!(tried(credentials, EVERYTHING, terms, 504), expected);
    }
}

#[test]
fn never_shows_a_secret_in_clear_unasked() {
    let credentials = vec![password("bob", "pw"), token("bob", "t")];
    let failure = |offered: &str, config: &str| {
        exchange(credentials.clone(), offered, &terms(config, Channel::Clear)).unwrap_err()
    };
    let overheard = failure("PLAIN LOGIN XOAUTH2 OAUTHBEARER", "");
    assert_eq!(
        overheard.to_string(),
        "cannot do authentication required by remote server (PLAIN,LOGIN,XOAUTH2,OAUTHBEARER) \
         without encryption: others could read the secret"
    );
    assert!(matches!(
        failure("PLAIN", "m:;a:plain"),
        ClientFailure::NothingInCommon { .. }
    ));
    let local = terms("", Channel::Local);
    assert_eq!(tried(bob(), "PLAIN", &local, 504), "PLAIN");
    assert_eq!(
        tried(bob(), "PLAIN", &terms("m:plain", Channel::Clear), 504),
        "PLAIN"
    );
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn says_why_there_is_nothing_to_try() {
    let secure = terms("", Channel::Encrypted);
    let failure = |offered: &str| exchange(bob(), offered, &secure).unwrap_err();
    assert_eq!(
        failure("").to_string(),
        "authentication is not supported by the remote smtp server"
    );
    assert_eq!(
        failure("XOAUTH2 NTLM").to_string(),
        "cannot do authentication required by remote server (XOAUTH2,NTLM): \
         check for a compatible client secret"
    );
    let nonsense = "NONSENSE ".repeat(10_000);
    let ClientFailure::NothingInCommon { offered } = failure(&nonsense) else {
        panic!("something in common");
    };
    assert!(offered.len() <= TEXT_MAX);
    assert!(!failure("NTLM").is_temporary());
}

#[test]
fn plain_in_one_go_and_after_a_challenge() {
    let message = encoded("\0bob\0secret pw");
    let secure = terms("", Channel::Encrypted);
    let plain = || exchange(bob(), "PLAIN", &secure).unwrap();
    let command = format!("AUTH PLAIN {message}");
    let success = "plain succeeded for [bob]";
    assert_eq!(played(plain(), &["235 ok"]), [command.as_str(), success]);
    assert_eq!(
        played(plain(), &["334 ", "235 ok"]),
        [command.as_str(), message.as_str(), success]
    );
    let steps = played(plain(), &["334 Go on", "334 again", "501 cancelled"]);
    assert_eq!(steps[2], "*");
    assert!(steps[3].starts_with("failed: authentication failed using mechanism [plain]"));
}

#[test]
fn long_initial_responses_wait_for_the_challenge() {
    // 3 octets of message are 4 of base64; the message is 2 octets longer than both.
    let fits = INITIAL_MAX / 4 * 3 - 2 - 1;
    for (length, is_initial) in [(fits, true), (fits + 1, false), (3000, false)] {
        let credentials = vec![password("b", &"p".repeat(length))];
        let plain = exchange(credentials, "PLAIN", &terms("", Channel::Encrypted)).unwrap();
        let steps = played(plain, &["334 ", "235 ok"]);
        assert_eq!(steps[0] != "AUTH PLAIN", is_initial, "{length}");
        assert!(steps[0].len() <= 512 - 2);
        assert_eq!(steps[2], "plain succeeded for [b]");
    }
}

#[test]
fn responses_over_the_limit_are_not_sent() {
    let credentials = vec![password("b", &"p".repeat(LINE_MAX))];
    let plain = exchange(credentials, "PLAIN", &terms("", Channel::Encrypted)).unwrap();
    assert_eq!(played(plain, &["334 "]), ["AUTH PLAIN", "*"]);
}

#[test]
fn login_answers_what_it_is_asked() {
    let login = || exchange(bob(), "LOGIN", &terms("", Channel::Encrypted)).unwrap();
    let (command, name, password) = (
        format!("AUTH LOGIN {}", encoded("bob")),
        encoded("bob"),
        encoded("secret pw"),
    );
    let [ask_name, ask_password] =
        ["Username:", "Password:"].map(|prompt| format!("334 {}", encoded(prompt)));
    let success = "login succeeded for [bob]".to_owned();
    assert_eq!(
        played(login(), &[&ask_password, "235 ok"]),
        [command.clone(), password.clone(), success.clone()]
    );
    assert_eq!(
        played(login(), &[&ask_name, &ask_password, "235 ok"]),
        [command.clone(), name, password, success]
    );
    // Asked for ever, it withdraws.
    let steps = played(login(), &[&ask_name, &ask_name, &ask_name, &ask_name]);
    assert_eq!(steps[4], "*");
    assert_eq!(played(login(), &["334 ?"])[1], "*");
    assert_eq!(played(login(), &[&ask_password, &ask_password])[2], "*");
    // Success before the password was given is none.
    assert!(played(login(), &["235 ok"])[1].contains("unexpected reply 235"));
}

#[test]
fn cram_answers_the_challenge() {
    let challenge = format!("334 {}", encoded("<123.456@vm>"));
    let expected = encoded("bob bde3c3ec2e7f820422279da7de527455");
    for credentials in [bob(), vec![state("bob", Algorithm::Md5)]] {
        let cram = exchange(credentials, "CRAM-MD5", &terms("", Channel::Clear)).unwrap();
        let steps = played(cram, &[&challenge, "235 ok"]);
        assert_eq!(
            steps,
            ["AUTH CRAM-MD5", &expected, "cram-md5 succeeded for [bob]"]
        );
    }
}

#[test]
fn cram_withdraws_from_challenges_that_make_no_sense() {
    let long = format!("334 {}", encoded(&"x".repeat(cram::CHALLENGE_MAX + 1)));
    let secure = terms("", Channel::Encrypted);
    for challenge in ["334 ", "334 ?", "334 QQ", &long] {
        let cram = exchange(bob(), "CRAM-MD5 PLAIN", &secure).unwrap();
        let steps = played(cram, &[challenge, "501 cancelled", "235 ok"]);
        assert_eq!(steps[1], "*");
        assert!(steps[2].starts_with("AUTH PLAIN "), "goes on: {steps:?}");
        assert_eq!(steps[3], "plain succeeded for [bob]");
    }
    let longest = format!("334 {}", encoded(&"x".repeat(cram::CHALLENGE_MAX)));
    let cram = exchange(bob(), "CRAM-MD5", &secure).unwrap();
    assert_ne!(played(cram, &[&longest])[1], "*");
    let cram = exchange(bob(), "CRAM-MD5", &secure).unwrap();
    assert_eq!(played(cram, &["334 eHg=", "334 eHg="])[2], "*");
    let cram = exchange(bob(), "CRAM-MD5", &secure).unwrap();
    assert!(played(cram, &["334 eHg=", "334 eHg=", "235 ok"])[3].contains("unexpected reply 235"));
}

#[test]
fn success_without_a_proof_is_not_believed() {
    for (code, offered) in [
        (235, "CRAM-MD5"),
        (250, "PLAIN"),
        (220, "PLAIN"),
        (354, "PLAIN"),
    ] {
        let exchange = exchange(bob(), offered, &terms("", Channel::Encrypted)).unwrap();
        let steps = played(exchange, &[&format!("{code} ok")]);
        assert!(
            steps[1].contains(&format!("unexpected reply {code}")),
            "{steps:?}"
        );
    }
}

// The server explains a failure in a challenge; the client must answer it to
// hear the 535.
#[test]
fn token_failures_are_acknowledged() {
    let secure = terms("", Channel::Encrypted);
    let explanation = format!("334 {}", encoded("{\"status\":\"401\"}"));
    let initial = encoded("user=bob\x01auth=Bearer t\x01\x01");
    let steps = played(
        exchange(vec![token("bob", "t")], "XOAUTH2", &secure).unwrap(),
        &[&explanation, "535 5.7.8 no"],
    );
    assert_eq!(
        steps,
        [
            format!("AUTH XOAUTH2 {initial}"),
            String::new(),
            "failed: authentication failed using mechanism [xoauth2] and oauth secret for [bob] \
             from line 4: [5.7.8 no]"
                .to_owned(),
        ]
    );
    let steps = played(
        exchange(vec![token("bob", "t")], "OAUTHBEARER", &secure).unwrap(),
        &[&explanation, &explanation],
    );
    assert_eq!(steps[1..], ["AQ==", "*"]);
    let steps = played(
        exchange(vec![token("bob", "t")], "OAUTHBEARER", &secure).unwrap(),
        &[&explanation, "235 ok"],
    );
    assert!(steps[2].contains("unexpected reply 235"));
}

#[test]
fn long_tokens_wait_for_the_challenge() {
    let credentials = vec![token("bob", &"t".repeat(2000))];
    let xoauth2 = exchange(credentials, "XOAUTH2", &terms("", Channel::Encrypted)).unwrap();
    let steps = played(xoauth2, &["334 ", "235 ok"]);
    assert_eq!(steps[0], "AUTH XOAUTH2");
    assert!(
        base64::decode(steps[1].as_bytes())
            .unwrap()
            .starts_with(b"user=bob\x01")
    );
    assert_eq!(steps[2], "xoauth2 succeeded for [bob]");
}

#[test]
fn external_sends_an_empty_identity() {
    let certified = Terms {
        has_certificate: true,
        ..terms("", Channel::Encrypted)
    };
    let external = || exchange(vec![], "EXTERNAL", &certified).unwrap();
    let success = "external succeeded for []";
    assert_eq!(
        played(external(), &["235 ok"]),
        ["AUTH EXTERNAL =", success]
    );
    assert_eq!(
        played(external(), &["334 ", "235 ok"]),
        ["AUTH EXTERNAL =", "", success]
    );
    assert!(exchange(vec![], "EXTERNAL", &terms("", Channel::Encrypted)).is_err());
}

#[test]
fn refused_credentials_are_not_repeated() {
    let both = || vec![password("bob", "pw"), token("bob", "t")];
    for (config, channel, reply, expected) in [
        ("", Channel::Encrypted, 535, "CRAM-SHA512 OAUTHBEARER PLAIN"),
        ("", Channel::Local, 535, "CRAM-SHA512"),
        ("m:cram-md5,plain", Channel::Clear, 535, "CRAM-MD5"),
        (
            "m:login,plain,cram-md5",
            Channel::Clear,
            535,
            "LOGIN CRAM-MD5",
        ),
        (
            "m:login,plain,cram-md5",
            Channel::Encrypted,
            535,
            "LOGIN CRAM-MD5",
        ),
        ("m:cram-md5,plain", Channel::Clear, 504, "CRAM-MD5 PLAIN"),
        (
            "m:cram-md5,plain,login",
            Channel::Encrypted,
            454,
            "CRAM-MD5 PLAIN LOGIN",
        ),
        ("", Channel::Encrypted, 421, "CRAM-SHA512"),
    ] {
        let terms = terms(config, channel);
        let tried = tried(both(), EVERYTHING, &terms, reply);
        assert_eq!(tried, expected, "{config} {channel:?} {reply}");
    }
}

#[test]
fn reports_the_reply_that_says_most() {
    let secure = terms("", Channel::Encrypted);
    let steps = played(
        exchange(bob(), "CRAM-MD5 PLAIN LOGIN", &secure).unwrap(),
        &["454 later", "535 wrong", "504 unknown"],
    );
    assert_eq!(steps.len(), 4);
    let failure = "failed: authentication failed using mechanism [plain] and plaintext secret \
                   for [bob] from line 2: [wrong]";
    assert_eq!(steps[2], failure);
}

#[test]
fn knows_temporary_failures() {
    for (code, is_temporary) in [
        (454, true),
        (421, true),
        (432, true),
        (535, false),
        (504, false),
    ] {
        let (mut exchange, _) = exchange(bob(), "PLAIN", &terms("", Channel::Encrypted)).unwrap();
        let ClientStep::Failed(failure) = exchange.reply(code, b"no") else {
            panic!("no failure");
        };
        assert_eq!(failure.is_temporary(), is_temporary, "{code}");
    }
}

#[test]
fn what_the_server_says_is_kept_short_and_printable() {
    let (mut exchange, _) = exchange(bob(), "PLAIN", &terms("", Channel::Encrypted)).unwrap();
    let text = "no\x1b\r\n".to_owned() + &"x".repeat(10_000);
    let ClientStep::Failed(ClientFailure::Refused { text, .. }) =
        exchange.reply(535, text.as_bytes())
    else {
        panic!("no failure");
    };
    assert!(text.len() <= TEXT_MAX);
    assert!(text.as_bytes().starts_with(b"no\\x1b\\r\\nxxx"));
}

#[test]
fn a10_no_secret_is_shown() {
    let (exchange, step) = exchange(bob(), "PLAIN", &terms("", Channel::Encrypted)).unwrap();
    let shown = format!("{step:?} {exchange:?}");
    assert!(
        shown.contains("AUTH PLAIN [not logged]") && !shown.contains("secret pw"),
        "{shown}"
    );
}

/// Client and server machines together, with every mechanism of both.
#[test]
fn agrees_with_our_server() {
    use crate::proto::sasl::{Nonce, Step};
    let nonce = Nonce {
        random: [9; 16],
        unix_seconds: 5,
        domain: "d",
    };
    for name in [
        "CRAM-SHA512",
        "CRAM-SHA256",
        "CRAM-SHA1",
        "CRAM-MD5",
        "PLAIN",
        "LOGIN",
    ] {
        let secure = terms("", Channel::Encrypted);
        let (mut client, first) = exchange(bob(), name, &secure).unwrap();
        let line = sent(first);
        let mut words = line.expose().split(|octet| *octet == b' ').skip(1);
        let mechanism = Mechanism::parse(words.next().unwrap()).unwrap();
        let mut step = ServerExchange::start(mechanism, words.next(), nonce);
        while let Step::Challenge { text, exchange } = step {
            step = exchange.respond(sent(client.reply(334, &text)).expose());
        }
        let Step::Check(credentials) = step else {
            panic!("{step:?}")
        };
        assert_eq!(credentials.id, b"bob");
        assert!(matches!(
            client.reply(235, b"ok"),
            ClientStep::Succeeded { .. }
        ));
        assert!(matches!(client.reply(235, b"ok"), ClientStep::Failed(_)));
    }
}

fn sent(step: ClientStep) -> Secret {
    match step {
        ClientStep::Send { line, .. } => line,
        other => panic!("nothing sent: {other:?}"),
    }
}
