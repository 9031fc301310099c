//! Asking PAM whether a password is right.
//!
//! Modules of PAM block, and want the privileges that this process has given up; so
//! the monitor starts a process of its own for each check, which gets the question by
//! a socket, answers and ends. What goes through that socket is defined here.
//!
//! A question is its length in two octets, then
//!
//! - the client's address: 0, or 4 or 6 and the 4 or 16 octets of the address
//! - the length of the user's name in one octet, and the name
//! - the password
//!
//! and an answer is one octet that says which, and a text, up to the end. The network
//! process is hostile as far as the other end is concerned.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::platform::pam as platform;
use crate::base::OneLine;
use crate::base::secret::Secret;

/// The name by which PAM knows what is asked of it.
pub const SERVICE: &str = "emailrelay";

/// Whether this program can ask PAM at all, on this system.
pub const IS_AVAILABLE: bool = platform::IS_AVAILABLE;

/// Checks at once. Further ones wait for their turn.
pub const CHECKS_MAX: usize = 10;

/// How long a check may take; then it is killed.
pub const CHECK_MAX: Duration = Duration::from_secs(30);

/// How long a question waits for its turn.
pub const TURN_MAX: Duration = Duration::from_secs(10);

/// How long a check that does not end well takes at least, so that it takes no less
/// where there is no such user, and so that nobody can guess faster than
/// [`CHECKS_MAX`] in that time: neither clients nor a process that talks to them and
/// is no longer ours.
pub const REFUSAL_MIN: Duration = Duration::from_secs(1);

/// The longest user name, in octets.
pub const USER_MAX: usize = 255;

/// The longest password, in octets. PAM itself takes no more.
pub const PASSWORD_MAX: usize = 511;

/// The longest question, in octets without its length.
pub(in crate::sys) const QUESTION_MAX: usize = 1 + 16 + 1 + USER_MAX + PASSWORD_MAX;

/// The longest answer, in octets.
pub(in crate::sys) const ANSWER_MAX: usize = 1024;

/// Where Linux-PAM looks for the rules of a service, in this order.
const RULES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// What PAM is asked.
#[derive(Debug)]
pub struct Question {
    user: Vec<u8>,
    password: Secret,
    peer: Option<IpAddr>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user may log in, and goes by that name.
    Granted(Vec<u8>),
    /// The user may not.
    Refused(Trouble),
    /// It could not be found out.
    Failed(Trouble),
}

/// Which call of PAM did not succeed and why, as `pam_authenticate: 7:
/// Authentication failure`. Shows as a line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(OneLine);

impl Question {
    /// Puts it together; nothing where it need not be asked, as no user has a name or
    /// a password that is empty or too long or has such octets in it.
    pub fn new(user: &[u8], password: &[u8], peer: Option<IpAddr>) -> Option<Question> {
        let is_name =
            (1..=USER_MAX).contains(&user.len()) && !user.iter().any(u8::is_ascii_control);
        let is_password = (1..=PASSWORD_MAX).contains(&password.len()) && !password.contains(&0);
        (is_name && is_password).then(|| Question {
            user: user.to_vec(),
            password: Secret::new(password),
            peer,
        })
    }

    /// The user's name.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password, without a NUL in it.
    pub(in crate::sys) fn password(&self) -> &Secret {
        &self.password
    }

    /// The client's address, or nothing for one on a socket of the unix domain.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// As it is sent, with its length.
    fn encode(&self) -> Secret {
        // No copy is left behind where it has grown.
        let mut octets = Vec::with_capacity(2 + QUESTION_MAX);
        octets.extend([0; 2]);
        match self.peer {
            None => octets.push(0),
            Some(IpAddr::V4(address)) => {
                octets.push(4);
                octets.extend(address.octets());
            }
            Some(IpAddr::V6(address)) => {
                octets.push(6);
                octets.extend(address.octets());
            }
        }
        let short = "invariant: names and passwords are short";
        octets.push(u8::try_from(self.user.len()).expect(short));
        octets.extend(&self.user);
        octets.extend(self.password.expose());
        let length = u16::try_from(octets.len() - 2).expect(short);
        octets[..2].copy_from_slice(&length.to_be_bytes());
        Secret::new(octets)
    }

    /// Reads what was sent after the length; nothing where it makes no sense.
    pub(in crate::sys) fn decode(octets: &[u8]) -> Option<Question> {
        let (family, rest) = octets.split_first()?;
        let (peer, rest) = match family {
            0 => (None, rest),
            4 => {
                let (address, rest) = rest.split_first_chunk::<4>()?;
                (Some(Ipv4Addr::from(*address).into()), rest)
            }
            6 => {
                let (address, rest) = rest.split_first_chunk::<16>()?;
                (Some(Ipv6Addr::from(*address).into()), rest)
            }
            _ => return None,
        };
        let (length, rest) = rest.split_first()?;
        let (user, password) = rest.split_at_checked(usize::from(*length))?;
        Question::new(user, password, peer)
    }
}

impl Answer {
    /// The answer that a check failed, with the reason why.
    fn failed(text: &str) -> Answer {
        Answer::Failed(Trouble(one_line(text.as_bytes())))
    }

    /// As it is sent.
    pub(in crate::sys) fn encode(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Answer::Granted(name) => (b'g', name.as_slice()),
            Answer::Refused(Trouble(text)) => (b'r', text.as_bytes()),
            Answer::Failed(Trouble(text)) => (b'f', text.as_bytes()),
        };
        let mut octets = vec![kind];
        octets.extend(text);
        octets.truncate(ANSWER_MAX);
        octets
    }

    /// Reads what was sent; nothing where it is no answer.
    fn decode(octets: &[u8]) -> Option<Answer> {
        let (kind, text) = octets.split_first()?;
        let trouble = || Trouble(one_line(text));
        match kind {
            b'g' => Some(Answer::Granted(text.to_vec())),
            b'r' => Some(Answer::Refused(trouble())),
            b'f' => Some(Answer::Failed(trouble())),
            _ => None,
        }
    }
}

impl Trouble {
    /// That call has ended with that number.
    pub fn new(call: &str, code: i32, text: &[u8]) -> Trouble {
        let start = format!("{call}: {code}: ");
        Trouble(one_line(&[start.as_bytes(), text].concat()))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pam error: {}", self.0)
    }
}

/// As it is if it is one, or else escaped.
fn one_line(text: &[u8]) -> OneLine {
    OneLine::new(text).unwrap_or_else(|| OneLine::escaped(text))
}

/// Asks, if there is a check to be had before `until`. Blocks, for [`CHECK_MAX`] more
/// than that at worst; a refusal is told no sooner than after [`REFUSAL_MIN`].
pub fn ask(question: &Question, until: Instant) -> Answer {
    let asked = Instant::now();
    let answer = match platform::ask(question.encode().expose(), until) {
        Ok(octets) => Answer::decode(&octets)
            .unwrap_or_else(|| Answer::failed("no answer: the check took too long or broke off")),
        Err(error) => Answer::failed(&trouble(&error)),
    };
    if matches!(answer, Answer::Refused(_)) {
        std::thread::sleep(REFUSAL_MIN.saturating_sub(asked.elapsed()));
    }
    answer
}

fn trouble(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "too many checks are under way".to_owned(),
        _ => format!("cannot ask the monitor: {}", super::reason(error)),
    }
}

/// The rules that count if PAM has none for this program: those of its service
/// `other`. Nothing where it has some.
pub fn missing_rules() -> Option<String> {
    let is_there = |folder: &str| Path::new(folder).join(SERVICE).exists();
    (!RULES.iter().any(|folder| is_there(folder))).then(|| {
        format!(
            "there is no {}/{SERVICE}: the rules of \"other\" count",
            RULES[0]
        )
    })
}

#[cfg(test)]
mod tests;
