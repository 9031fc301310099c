//! `account:`: the address verifier for which the users of this system are local.

use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

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

/// How many lookups may be under way: the name service cannot be interrupted, so that
/// there may be some for which nobody waits any more.
const LOOKUPS_MAX: usize = 50;

/// How many there are.
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// How the system answers who a user is.
type Lookup<'a> = &'a dyn Fn(&str) -> io::Result<Option<u32>>;

impl Accounts {
    /// Decides on a recipient. Blocks while the name service is slow, but no longer
    /// than that.
    pub fn decide(&self, question: &Question, timeout: Option<Duration>) -> Decision {
        let (accounts, question) = (self.clone(), question.clone());
        let decide = move || accounts.decide_with(&question, &account::user_id);
        in_time(&LOOKUPS, timeout, decide)
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

/// What that comes to, if it does so in time.
fn in_time(
    running: &'static AtomicUsize,
    timeout: Option<Duration>,
    decide: impl FnOnce() -> Decision + Send + 'static,
) -> Decision {
    let Some(timeout) = timeout else {
        return decide();
    };
    let place = Place::take(running);
    if place.others >= LOOKUPS_MAX {
        return Decision::failed("too many lookups have not ended");
    }
    let (sender, answer) = sync_channel(1);
    let spawned = thread::Builder::new().spawn(move || {
        // Whoever has lost patience is gone.
        let _ = sender.send(decide());
        drop(place);
    });
    if let Err(error) = spawned {
        return Decision::failed(format_args!("no thread: {}", sys::reason(&error)));
    }
    answer.recv_timeout(timeout).unwrap_or_else(|error| {
        Decision::failed(match error {
            RecvTimeoutError::Timeout => "timed out",
            RecvTimeoutError::Disconnected => "internal error",
        })
    })
}

/// A place among those that look something up.
struct Place {
    running: &'static AtomicUsize,
    others: usize,
}

impl Place {
    fn take(running: &'static AtomicUsize) -> Place {
        let others = running.fetch_add(1, Ordering::Relaxed);
        Place { running, others }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
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
    fn a_name_service_that_hangs_is_waited_for_in_vain_only_so_long() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let reply = |decision: Decision| match decision.verdict {
            Verdict::Refuse(reply) => String::from_utf8(reply.render()).unwrap(),
            other => panic!("{other:?}"),
        };
        let (hold, held) = sync_channel::<()>(0);
        let held = std::sync::Arc::new(std::sync::Mutex::new(held));
        for _ in 0..LOOKUPS_MAX {
            let held = std::sync::Arc::clone(&held);
            let decision = in_time(&RUNNING, Some(Duration::from_millis(1)), move || {
                // Until the other end is dropped.
                held.lock().unwrap().recv().unwrap_err();
                relay()
            });
            assert!(reply(decision).starts_with("450 4.3.0 "));
        }
        let long = Some(Duration::from_secs(60));
        let none = || -> Decision { panic!("there is no place left") };
        assert!(reply(in_time(&RUNNING, long, none)).starts_with("450 4.3.0 "));
        drop(hold);
        while RUNNING.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        let decision = in_time(&RUNNING, long, relay);
        assert!(matches!(decision.verdict, Verdict::Remote { .. }));
        let ill = in_time(&RUNNING, long, || panic!("our own fault"));
        assert!(reply(ill).starts_with("450 4.3.0 "));
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
