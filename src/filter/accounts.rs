//! `account:`: the address verifier for which the users of this system are local.

use std::io;
use std::ops::RangeInclusive;

use super::verifier::{Decision, is_mailbox};
use crate::base::{OneLine, ascii};
use crate::proto::netverifier::Question;
use crate::proto::smtp::server::Verdict;
use crate::sys::{self, account};

/// The mailbox that every host has.
const POSTMASTER: &[u8] = b"postmaster";

/// Which users there are, and what becomes of recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The numbers of users that have mail.
    pub users: RangeInclusive<u32>,
    /// Whether mailboxes have their names in lower case.
    pub lowercase: bool,
    /// Whether mail for users is relayed rather than local.
    pub remote: bool,
    /// Whether mail for all others is relayed rather than refused.
    pub check: bool,
}

/// How the system answers who a user is.
type Lookup<'a> = &'a dyn Fn(&str) -> io::Result<Option<u32>>;

impl Accounts {
    /// Decides on a recipient. Blocks while the name service is slow.
    pub fn decide(&self, question: &Question) -> Decision {
        self.decide_with(question, &account::user_id)
    }

    fn decide_with(&self, question: &Question, lookup: Lookup<'_>) -> Decision {
        let recipient = question.recipient.as_bytes();
        let at = recipient.iter().rposition(|octet| *octet == b'@');
        let (user, domain) = match at {
            Some(at) => (
                recipient.get(..at).unwrap_or_default(),
                recipient.get(at + 1..),
            ),
            None => (recipient, None),
        };
        let is_here = domain.is_some_and(|name| ascii::eq(name, question.domain.as_bytes()));
        // RFC 5321 4.5.1: in any case, and without a domain as well.
        if ascii::eq(user, POSTMASTER) && (is_here || domain.is_none()) {
            return self.found(POSTMASTER, question);
        }
        if !is_here {
            return self.not_found("not an address of this host");
        }
        let name = std::str::from_utf8(unquoted(user));
        match name.map(|name| self.find(name, lookup)) {
            Ok(Ok(Some(mailbox))) => self.found(mailbox.as_bytes(), question),
            Ok(Ok(None)) | Err(_) => self.not_found("no such user"),
            Ok(Err(error)) => Decision::failed(format_args!(
                "cannot look the user up: {}",
                sys::reason(&error)
            )),
        }
    }

    /// The account of that name, or else of that name in lower case.
    fn find(&self, name: &str, lookup: Lookup<'_>) -> io::Result<Option<String>> {
        let lower = name.to_ascii_lowercase();
        for name in [name, lower.as_str()] {
            if is_name(name) && lookup(name)?.is_some_and(|number| self.users.contains(&number)) {
                let mailbox = if self.lowercase { &lower } else { name };
                return Ok(Some(mailbox.to_owned()));
            }
        }
        Ok(None)
    }

    fn found(&self, mailbox: &[u8], question: &Question) -> Decision {
        if self.remote {
            return relay();
        }
        let shown = [b"<", question.recipient.as_bytes(), b">"].concat();
        Decision::of(Verdict::Local {
            mailbox: OneLine::escaped(mailbox),
            full_name: OneLine::escaped(shown),
        })
    }

    fn not_found(&self, why: &str) -> Decision {
        match self.check {
            true => relay(),
            false => Decision::refuse_for_good("rejected", why),
        }
    }
}

/// To the recipient as given.
fn relay() -> Decision {
    Decision::of(Verdict::Remote {
        address: OneLine::default(),
    })
}

/// Whether a name could be both a user's and a directory's.
fn is_name(name: &str) -> bool {
    let has_blank = name.contains(|c: char| c.is_whitespace() || c == ':');
    OneLine::new(name).is_some_and(|name| is_mailbox(&name)) && !has_blank
}

fn unquoted(user: &[u8]) -> &[u8] {
    let inner = user.strip_prefix(b"\"");
    inner
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            users: 1000..=32767,
            lowercase: false,
            remote: false,
            check: false,
        }
    }

    fn lookup(name: &str) -> io::Result<Option<u32>> {
        match name {
            "alice" => Ok(Some(1000)),
            "Bob" => Ok(Some(32767)),
            "root" => Ok(Some(0)),
            "nobody" => Ok(Some(65534)),
            "ill" => Err(io::Error::other("no name service")),
            "../etc" | ".x" | "a b" | "x:y" => panic!("{name} is not to be asked about"),
            _ => Ok(None),
        }
    }

    /// `local <mailbox>`, `remote`, or the first line of the reply.
    fn decided(accounts: &Accounts, recipient: &str) -> String {
        let question = Question {
            recipient: OneLine::new(recipient).unwrap(),
            domain: OneLine::new("Relay.Test").unwrap(),
            ..Question::default()
        };
        match accounts.decide_with(&question, &lookup).verdict {
            Verdict::Local { mailbox, full_name } => {
                assert_eq!(full_name.to_string(), format!("<{recipient}>"));
                format!("local {mailbox}")
            }
            Verdict::Remote { address } => {
                assert!(address.is_empty());
                "remote".to_owned()
            }
            Verdict::Refuse(reply) => String::from_utf8(reply.render()).unwrap().trim().to_owned(),
            Verdict::Abort => "abort".to_owned(),
        }
    }

    #[test]
    fn users_of_this_host_are_local() {
        let rejected = "550 5.1.1 rejected";
        for (recipient, expected) in [
            ("alice@relay.test", "local alice"),
            ("alice@RELAY.test", "local alice"),
            ("ALICE@relay.test", "local alice"),
            ("\"alice\"@relay.test", "local alice"),
            ("Bob@relay.test", "local Bob"),
            ("bob@relay.test", rejected),
            ("postmaster", "local postmaster"),
            ("PostMaster", "local postmaster"),
            ("postmaster@relay.test", "local postmaster"),
            ("postmaster@other.test", rejected),
            ("alice", rejected),
            ("alice@other.test", rejected),
            ("alice@sub.relay.test", rejected),
            ("root@relay.test", rejected),
            ("nobody@relay.test", rejected),
            ("carol@relay.test", rejected),
            ("../etc@relay.test", rejected),
            ("\".x\"@relay.test", rejected),
            ("\"a b\"@relay.test", rejected),
            ("x:y@relay.test", rejected),
            ("@relay.test", rejected),
            ("", rejected),
            ("ill@relay.test", "450 4.3.0 cannot verify"),
        ] {
            assert_eq!(decided(&accounts(), recipient), expected, "{recipient}");
        }
    }

    #[test]
    fn options_change_what_becomes_of_them() {
        let lowercase = Accounts {
            lowercase: true,
            ..accounts()
        };
        assert_eq!(decided(&lowercase, "Bob@relay.test"), "local bob");
        let remote = Accounts {
            remote: true,
            ..accounts()
        };
        assert_eq!(decided(&remote, "alice@relay.test"), "remote");
        assert_eq!(decided(&remote, "x@relay.test"), "550 5.1.1 rejected");
        let check = Accounts {
            check: true,
            ..accounts()
        };
        assert_eq!(decided(&check, "alice@relay.test"), "local alice");
        assert_eq!(decided(&check, "x@relay.test"), "remote");
        assert_eq!(decided(&check, "x@other.test"), "remote");
        assert_eq!(decided(&check, "ill@relay.test"), "450 4.3.0 cannot verify");
        let all = Accounts {
            users: 0..=65535,
            ..accounts()
        };
        assert_eq!(decided(&all, "root@relay.test"), "local root");
    }
}
