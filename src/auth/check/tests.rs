use super::*;
use crate::base::base64;
use crate::base::secret::Secret;
use crate::proto::sasl::{Nonce, ServerExchange, Step};

const MD5_STATE: &str = "jEyYnNnQ9OvZZE5Kp7ZM+tOzJ+QBMa3YCS48tADGkPs=";

fn secrets() -> Secrets {
    let text = format!(
        "server plain alice e+3Dmc2\n\
         server md5 bob {MD5_STATE}\n\
         server plain both pw\nserver md5 both {MD5_STATE}\n\
         client plain carol pw\n"
    );
    Secrets::parse("f", text.as_bytes(), &mut |_| Err("none".to_owned())).unwrap()
}

fn by_password(id: &str, password: &str) -> Result<Identity, Refusal> {
    let given = Given::Password(Secret::new(password.as_bytes()));
    check(
        &secrets(),
        &Credentials {
            mechanism: Mechanism::Plain,
            id: id.into(),
            given,
        },
    )
}

fn by_proof(algorithm: Algorithm, id: &str, password: &str) -> Result<Identity, Refusal> {
    let challenge = b"<1.2@d>".to_vec();
    let state = hmac::State::from_key(algorithm, password.as_bytes());
    let proof = cram::proof(&state, &challenge);
    let mechanism = Mechanism::Cram(algorithm);
    let given = Given::Proof {
        algorithm,
        challenge,
        proof,
    };
    check(
        &secrets(),
        &Credentials {
            mechanism,
            id: id.into(),
            given,
        },
    )
}

#[test]
fn lets_users_in_with_their_passwords() {
    let identity = by_password("alice", "e=mc2").unwrap();
    assert_eq!(identity.id.as_bytes(), b"alice");
    assert_eq!(
        identity.to_string(),
        "successful authentication of remote client using mechanism [plain] and plaintext \
         secret for [alice] from line 1"
    );
    for algorithm in Algorithm::ALL {
        assert!(
            by_proof(algorithm, "alice", "e=mc2").is_ok(),
            "{algorithm:?}"
        );
    }
}

#[test]
fn lets_users_in_with_stored_keys() {
    let identity = by_proof(Algorithm::Md5, "bob", "pw").unwrap();
    assert!(
        identity
            .to_string()
            .ends_with("[cram-md5] and md5 secret for [bob] from line 2")
    );
    assert!(by_proof(Algorithm::Sha1, "bob", "pw").is_err());
    assert!(by_password("bob", "pw").is_err());
    assert!(by_password("both", "pw").is_ok());
    assert!(by_proof(Algorithm::Md5, "both", "pw").is_ok());
    assert!(by_proof(Algorithm::Sha512, "both", "pw").is_ok());
}

#[test]
fn keeps_all_others_out() {
    for (id, password) in [
        ("alice", "e=mc"),
        ("alice", "e=mc22"),
        ("alice", "E=mc2"),
        ("alice", ""),
        ("Alice", "e=mc2"),
        ("alice ", "e=mc2"),
        ("", ""),
        ("", "e=mc2"),
        ("carol", "pw"),
        ("nobody", "pw"),
        ("a\r\nb", "pw"),
    ] {
        assert!(by_password(id, password).is_err(), "{id:?} {password:?}");
        assert!(
            by_proof(Algorithm::Md5, id, password).is_err(),
            "{id:?} {password:?}"
        );
    }
}

#[test]
fn log_lines_are_those_that_watchers_look_for() {
    let text = |result: Result<Identity, Refusal>| result.unwrap_err().to_string();
    let start = "failed authentication of remote client using mechanism";
    assert_eq!(
        text(by_password("alice", "wrong")),
        format!("{start} [plain] and plaintext secret for [alice] from line 1")
    );
    assert_eq!(
        text(by_password("nobody", "wrong")),
        format!("{start} [plain] and missing secret for [nobody]")
    );
    assert_eq!(
        text(by_password("", "wrong")),
        format!("{start} [plain] and missing secret")
    );
    assert_eq!(
        text(by_proof(Algorithm::Md5, "bob", "wrong")),
        format!("{start} [cram-md5] and md5 secret for [bob] from line 2")
    );
    let odd = text(by_password(
        &("a\r\nb".to_owned() + &"x".repeat(900)),
        "wrong",
    ));
    assert!(odd.contains("[a\\r\\nbxxx") && odd.len() < 200, "{odd}");
}

// A password that is as good as the stand-in for unknown users is none.
#[test]
fn a2_the_dummy_lets_nobody_in() {
    let dummy = std::str::from_utf8(DUMMY).unwrap();
    for id in ["nobody", "bob", ""] {
        assert!(by_password(id, dummy).is_err());
        for algorithm in Algorithm::ALL {
            assert!(
                by_proof(algorithm, id, dummy).is_err(),
                "{id} {algorithm:?}"
            );
        }
    }
}

// What the peer is told is the same whoever it says it is.
#[test]
fn a2_refusals_carry_no_difference_to_the_peer() {
    let known = by_password("alice", "wrong").unwrap_err();
    let unknown = by_password("nobody", "wrong").unwrap_err();
    // The log knows more, but only the log.
    assert_ne!(known.to_string(), unknown.to_string());
    assert_eq!(known.mechanism, unknown.mechanism);
}

// A proof is worth nothing with another challenge.
#[test]
fn a7_an_overheard_response_does_not_fit_again() {
    let secrets = secrets();
    let mechanism = Mechanism::Cram(Algorithm::Sha256);
    let start = |seed| {
        let nonce = Nonce {
            random: [seed; 16],
            unix_seconds: 1,
            domain: "d",
        };
        match ServerExchange::start(mechanism, None, nonce) {
            Step::Challenge { text, exchange } => (base64::decode(&text).unwrap(), exchange),
            other => panic!("{other:?}"),
        }
    };
    let result = |step| match step {
        Step::Check(credentials) => check(&secrets, &credentials).is_ok(),
        other => panic!("{other:?}"),
    };
    let (challenge, first) = start(1);
    let state = hmac::State::from_key(Algorithm::Sha256, b"e=mc2");
    let response = base64::encode(&cram::response(b"alice", &state, &challenge));
    assert!(result(first.respond(&response)));
    assert!(!result(start(2).1.respond(&response)));
}

#[test]
fn a_proof_in_upper_case_is_fine() {
    let state = hmac::State::from_key(Algorithm::Md5, b"e=mc2");
    let proof = cram::proof(&state, b"c").to_ascii_uppercase();
    let given = Given::Proof {
        algorithm: Algorithm::Md5,
        challenge: b"c".to_vec(),
        proof,
    };
    let mechanism = Mechanism::Cram(Algorithm::Md5);
    assert!(
        check(
            &secrets(),
            &Credentials {
                mechanism,
                id: b"alice".to_vec(),
                given
            }
        )
        .is_ok()
    );
}

// The example of RFC 1939 7.
#[test]
fn apop_is_checked_against_the_password() {
    let text = b"server plain mrose tanstaaf\n";
    let result = |id: &str, timestamp: &str, digest: &str| {
        let secrets = Secrets::parse("secrets", text, &mut |_| Err(String::new())).unwrap();
        let credentials = Credentials {
            mechanism: Mechanism::Apop,
            id: id.into(),
            given: Given::Digest {
                timestamp: timestamp.into(),
                digest: digest.into(),
            },
        };
        check(&secrets, &credentials).is_ok()
    };
    let timestamp = "<1896.697170952@dbc.mtview.ca.us>";
    let digest = "c4c9334bac560ecc979e58001b3e22fb";
    assert!(result("mrose", timestamp, digest));
    assert!(result("mrose", timestamp, &digest.to_uppercase()));
    assert!(!result(
        "mrose",
        "<1897.697170952@dbc.mtview.ca.us>",
        digest
    ));
    assert!(!result("mrose", timestamp, ""));
    assert!(!result("Mrose", timestamp, digest));
    assert!(!result("", timestamp, digest));
}
