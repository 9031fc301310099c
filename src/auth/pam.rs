//! Users whose passwords PAM checks.

use std::net::IpAddr;
use std::time::Instant;

use super::check::{Identity, Refusal, SHOWN_MAX, Unproven};
use crate::base::{OneLine, ascii};
use crate::proto::sasl::{Credentials, Given};
use crate::sys::pam::{self, Answer, Question};

/// Finds out whether the password is right and the account may be used, by a check that
/// begins before `until`. Blocks for long: see [`pam::ask`].
pub fn check(
    credentials: &Credentials,
    peer: Option<IpAddr>,
    until: Instant,
) -> Result<Identity, Unproven> {
    check_by(|question| pam::ask(question, until), credentials, peer)
}

fn check_by(
    ask: impl FnOnce(&Question) -> Answer,
    credentials: &Credentials,
    peer: Option<IpAddr>,
) -> Result<Identity, Unproven> {
    let mechanism = credentials.mechanism;
    let shown = ascii::escape_bounded(&credentials.id, SHOWN_MAX);
    let with = format!("pam account [{shown}]");
    let refused = |why: &str| {
        let with = format!("{with}: {why}");
        Unproven::Refused(Refusal { mechanism, with })
    };
    let question = match &credentials.given {
        Given::Password(password) => Question::new(&credentials.id, password.expose(), peer),
        // These are never offered.
        Given::Digest { .. } | Given::Proof { .. } => None,
    };
    let question = question.ok_or_else(|| refused("not a name and a password for pam"))?;
    match ask(&question) {
        Answer::Granted(name) => {
            let id = OneLine::new(name).ok_or_else(|| refused("pam gave no name"))?;
            Ok(Identity {
                id,
                mechanism,
                with,
            })
        }
        Answer::Refused(trouble) => Err(refused(&trouble.to_string())),
        Answer::Failed(trouble) => {
            let text = format!("{trouble}: {with} could not be checked");
            Err(Unproven::Unavailable(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::proto::sasl::Mechanism;
    use crate::sys::pam::Trouble;

    fn credentials(id: &[u8], password: &[u8]) -> Credentials {
        Credentials {
            mechanism: Mechanism::Plain,
            id: id.to_vec(),
            given: Given::Password(Secret::new(password)),
        }
    }

    fn unasked(id: &[u8], password: &[u8]) -> Unproven {
        let ask = |_: &Question| panic!("it must not be asked");
        check_by(ask, &credentials(id, password), None).unwrap_err()
    }

    #[test]
    fn the_user_is_who_pam_says() {
        let granted = |_: &Question| Answer::Granted(b"alice".to_vec());
        let identity = check_by(granted, &credentials(b"ALICE", b"x"), None).unwrap();
        assert_eq!(identity.id.as_bytes(), b"alice");
        assert_eq!(
            identity.to_string(),
            "successful authentication of remote client using mechanism [plain] and pam account \
             [ALICE]"
        );
        let nameless = |_: &Question| Answer::Granted(b"a\nb".to_vec());
        assert!(check_by(nameless, &credentials(b"a", b"x"), None).is_err());
    }

    #[test]
    fn a_refusal_and_a_fault_are_told_apart() {
        let trouble = || Trouble::new("pam_authenticate", 7, b"Authentication failure");
        let credentials = credentials(b"al\x1bice", b"x");
        let refused = |_: &Question| Answer::Refused(trouble());
        assert!(check_by(refused, &credentials, None).is_err());
        let credentials = self::credentials(b"alice", b"x");
        let result = check_by(refused, &credentials, None);
        let Err(Unproven::Refused(refusal)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(
            refusal.to_string(),
            "failed authentication of remote client using mechanism [plain] and pam account \
             [alice]: pam error: pam_authenticate: 7: Authentication failure"
        );
        let failed = |_: &Question| Answer::Failed(trouble());
        let result = check_by(failed, &credentials, None);
        let text = "pam error: pam_authenticate: 7: Authentication failure: pam account [alice] \
                    could not be checked";
        let unavailable = Unproven::Unavailable(text.to_owned());
        assert_eq!(result, Err(unavailable));
    }

    #[test]
    fn what_cannot_be_right_is_not_asked() {
        let long = [b'a'; 512];
        for (id, password) in [
            (&b""[..], &b"x"[..]),
            (b"a", b""),
            (b"a\0b", b"x"),
            (b"a\nb", b"x"),
            (b"a", b"x\0y"),
            (&long[..256], b"x"),
            (b"a", &long),
        ] {
            let unproven = unasked(id, password);
            assert!(matches!(unproven, Unproven::Refused(_)), "{id:?}");
            assert!(!format!("{unproven:?}").contains("x\\0y"));
        }
    }

    #[test]
    fn the_address_goes_with_the_question() {
        let peer = Some("192.0.2.7".parse().unwrap());
        let ask = |question: &Question| {
            assert_eq!(question.peer(), peer);
            Answer::Granted(question.user().to_vec())
        };
        let identity = check_by(ask, &credentials(b"bob", b"x"), peer).unwrap();
        assert_eq!(identity.id.as_bytes(), b"bob");
    }
}
