use super::*;
use crate::base::hash::hmac;

const NONCE: Nonce<'_> = Nonce {
    random: [7; 16],
    unix_seconds: 1,
    domain: "relay.test",
};

/// Plays lines against a mechanism and writes down each step: a challenge out of
/// its base64, the credentials, or the answer.
fn dialogue(mechanism: Mechanism, initial: Option<&str>, lines: &[&[u8]]) -> Vec<String> {
    let mut steps = Vec::new();
    let mut lines = lines.iter();
    let mut step = ServerExchange::start(mechanism, initial.map(str::as_bytes), NONCE);
    loop {
        match step {
            Step::Challenge { text, exchange } => {
                let text = base64::decode(&text).unwrap();
                steps.push(format!("challenge {}", String::from_utf8(text).unwrap()));
                let Some(line) = lines.next() else {
                    return steps;
                };
                step = exchange.respond(line);
            }
            Step::Check(credentials) => {
                let Credentials {
                    mechanism,
                    id,
                    given,
                } = credentials;
                let id = String::from_utf8_lossy(&id).into_owned();
                steps.push(match given {
                    Given::Password(password) => {
                        let password = String::from_utf8_lossy(password.expose()).into_owned();
                        format!("{mechanism}: {id:?} {password:?}")
                    }
                    Given::Digest { .. } => unreachable!("no mechanism of SASL"),
                    Given::Proof { proof, .. } => {
                        format!("{mechanism}: {id:?} {:?}", String::from_utf8_lossy(&proof))
                    }
                });
                assert!(lines.next().is_none(), "lines left over");
                return steps;
            }
            Step::Failed(answer) => {
                steps.push(format!("{answer:?}"));
                assert!(lines.next().is_none(), "lines left over");
                return steps;
            }
        }
    }
}

fn encoded(text: &str) -> String {
    String::from_utf8(base64::encode(text.as_bytes())).unwrap()
}

fn plain(initial: Option<&str>, lines: &[&[u8]]) -> Vec<String> {
    dialogue(Mechanism::Plain, initial, lines)
}

fn login(initial: Option<&str>, lines: &[&[u8]]) -> Vec<String> {
    dialogue(Mechanism::Login, initial, lines)
}

#[test]
fn plain_with_and_without_initial_response() {
    let message = encoded("\0alice\0pw");
    let check = "plain: \"alice\" \"pw\"";
    assert_eq!(plain(Some(&message), &[]), [check]);
    assert_eq!(plain(None, &[message.as_bytes()]), ["challenge ", check]);
}

#[test]
fn login_asks_for_name_and_password() {
    let (name, password) = (encoded("alice"), encoded("p w"));
    let (first, second) = ("challenge Username:", "challenge Password:");
    let check = "login: \"alice\" \"p w\"";
    assert_eq!(
        login(None, &[name.as_bytes(), password.as_bytes()]),
        [first, second, check]
    );
    assert_eq!(login(Some(&name), &[password.as_bytes()]), [second, check]);
}

#[test]
fn login_prompts_are_the_usual_base64() {
    let step = ServerExchange::start(Mechanism::Login, None, NONCE);
    let Step::Challenge { text, exchange } = step else {
        panic!("{step:?}")
    };
    assert_eq!(text, b"VXNlcm5hbWU6");
    let step = exchange.respond(b"YQ==");
    let Step::Challenge { text, .. } = step else {
        panic!("{step:?}")
    };
    assert_eq!(text, b"UGFzc3dvcmQ6");
}

#[test]
fn cram_gives_the_challenge_with_the_credentials() {
    for algorithm in Algorithm::ALL {
        let step = ServerExchange::start(Mechanism::Cram(algorithm), None, NONCE);
        let Step::Challenge { text, exchange } = step else {
            panic!("{step:?}")
        };
        let challenge = base64::decode(&text).unwrap();
        assert_eq!(challenge, NONCE.challenge());
        let state = hmac::State::from_key(algorithm, b"pw");
        let response = cram::response(b"tim von x", &state, &challenge);
        let step = exchange.respond(&base64::encode(&response));
        let Step::Check(credentials) = step else {
            panic!("{step:?}")
        };
        assert_eq!(credentials.mechanism, Mechanism::Cram(algorithm));
        assert_eq!(credentials.id, b"tim von x");
        let Given::Proof {
            algorithm: given,
            challenge: hashed,
            proof,
        } = credentials.given
        else {
            panic!("a password");
        };
        assert_eq!((given, &hashed), (algorithm, &challenge));
        assert_eq!(proof, cram::proof(&state, &challenge));
    }
}

// Nothing that is malformed gets as far as a check.
#[test]
fn a4_malformed_initial_responses() {
    for (initial, expected) in [
        ("=", "Rejected"),
        ("==", "BadInitialResponse"),
        ("*", "BadInitialResponse"),
        ("AGFsaWNlAHB", "BadInitialResponse"),
        ("AGFsaWNlAHB3 ", "BadInitialResponse"),
        ("AGFsaWNlAHB3=", "BadInitialResponse"),
        (&encoded("alice"), "Rejected"),
        (&encoded("\0\0\0\0\0"), "Rejected"),
        (&encoded("\0alice\0"), "Rejected"),
        (&encoded("\0\0pw"), "Rejected"),
        (&encoded("admin\0alice\0pw"), "Rejected"),
    ] {
        assert_eq!(plain(Some(initial), &[]), [expected], "{initial}");
    }
    assert_eq!(plain(Some(&"A".repeat(LINE_MAX + 1)), &[]), ["LineTooLong"]);
    let cram = Mechanism::Cram(Algorithm::Md5);
    for initial in ["=", "", "dGltIDEy"] {
        assert_eq!(
            dialogue(cram, Some(initial), &[]),
            ["UnexpectedInitialResponse"]
        );
    }
}

#[test]
fn a4_malformed_responses() {
    let long = vec![b'A'; LINE_MAX - 1];
    let longest = vec![b'A'; LINE_MAX - 4];
    for (line, expected) in [
        (&b"*"[..], "Cancelled"),
        (b"**", "BadResponse"),
        (b"QUIT\r", "BadResponse"),
        (b"\0", "BadResponse"),
        (b"\xff\xff\xff\xff", "BadResponse"),
        (b"=", "BadResponse"),
        (b"", "Rejected"),
        (b"QUIT", "Rejected"),
        (&long, "LineTooLong"),
        (&longest, "Rejected"),
    ] {
        assert_eq!(plain(None, &[line]), ["challenge ", expected]);
        let cram = dialogue(Mechanism::Cram(Algorithm::Sha256), None, &[line]);
        assert_eq!(cram.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn a4_cancelling_at_each_step_of_login() {
    let (first, second) = ("challenge Username:", "challenge Password:");
    assert_eq!(login(None, &[b"*"]), [first, "Cancelled"]);
    assert_eq!(login(None, &[b"YQ==", b"*"]), [first, second, "Cancelled"]);
    assert_eq!(login(Some("YQ=="), &[b"*"]), [second, "Cancelled"]);
    assert_eq!(login(None, &[b"?"]), [first, "BadResponse"]);
    assert_eq!(
        login(None, &[b"YQ==", b"?"]),
        [first, second, "BadResponse"]
    );
}

#[test]
fn a4_login_with_an_empty_name_is_asked_on_and_rejected() {
    let (first, second) = ("challenge Username:", "challenge Password:");
    assert_eq!(login(None, &[b"", b"cHc="]), [first, second, "Rejected"]);
    assert_eq!(login(Some("="), &[b"cHc="]), [second, "Rejected"]);
    assert_eq!(login(None, &[b"YQ==", b""]), [first, second, "Rejected"]);
}

#[test]
fn a4_names_and_passwords_have_a_limit() {
    let fits = encoded(&"x".repeat(FIELD_MAX));
    let long = encoded(&"x".repeat(FIELD_MAX + 1));
    assert_eq!(login(Some(&long), &[]), ["Rejected"]);
    let steps = login(Some(&fits), &[long.as_bytes()]);
    assert_eq!(steps.last().map(String::as_str), Some("Rejected"));
    let steps = login(Some(&fits), &[fits.as_bytes()]);
    assert!(steps.last().is_some_and(|step| step.starts_with("login: ")));
    let cram = encoded(&format!("{} 00", "x".repeat(FIELD_MAX + 1)));
    let steps = dialogue(Mechanism::Cram(Algorithm::Md5), None, &[cram.as_bytes()]);
    assert_eq!(steps.last().map(String::as_str), Some("Rejected"));
}

// The response to one mechanism means nothing to the next.
#[test]
fn a5_a_mechanism_starts_afresh_after_another() {
    let cram = Mechanism::Cram(Algorithm::Md5);
    let Step::Challenge { exchange, .. } = ServerExchange::start(cram, None, NONCE) else {
        panic!("no challenge");
    };
    assert!(matches!(
        exchange.respond(b"*"),
        Step::Failed(Answer::Cancelled)
    ));
    let Step::Challenge { exchange, .. } = ServerExchange::start(Mechanism::Plain, None, NONCE)
    else {
        panic!("no challenge");
    };
    let state = hmac::State::from_key(Algorithm::Md5, b"pw");
    let late = base64::encode(&cram::response(b"alice", &state, &NONCE.challenge()));
    assert!(matches!(
        exchange.respond(&late),
        Step::Failed(Answer::Rejected)
    ));
}

#[test]
fn mechanisms_for_clients_only_are_not_served() {
    for mechanism in [
        Mechanism::OauthBearer,
        Mechanism::Xoauth2,
        Mechanism::External,
    ] {
        assert_eq!(dialogue(mechanism, None, &[]), ["Unsupported"]);
        assert_eq!(dialogue(mechanism, Some("="), &[]), ["Unsupported"]);
    }
}

#[test]
fn a10_nothing_shows_a_password() {
    let message = base64::encode(b"\0alice\0hidden");
    let shown = format!(
        "{:?}",
        ServerExchange::start(Mechanism::Plain, Some(&message), NONCE)
    );
    assert!(
        shown.contains("Check") && !shown.contains("hidden"),
        "{shown}"
    );
    // "hidden" as the numbers that a list of octets shows.
    assert!(!shown.contains("104, 105"), "{shown}");
}

#[test]
fn no_line_makes_it_panic() {
    // xorshift64: the same lines each time.
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..2000 {
        let mechanism = Mechanism::ALL[(next() % 9) as usize];
        let mut octets: Vec<u8> = (0..next() % 40).map(|_| (next() % 256) as u8).collect();
        if next() % 2 == 0 {
            octets.iter_mut().for_each(|octet| *octet %= 3);
            octets = base64::encode(&octets);
        }
        let initial = (next() % 2 == 0).then_some(octets.as_slice());
        let mut step = ServerExchange::start(mechanism, initial, NONCE);
        for _ in 0..3 {
            let Step::Challenge { exchange, .. } = step else {
                break;
            };
            step = exchange.respond(&octets);
        }
        assert!(
            !matches!(step, Step::Challenge { .. }),
            "there are two challenges at most"
        );
    }
}
