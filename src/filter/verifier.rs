//! Address verifiers: from a question to a verdict.
//!
//! A program is given the question as six arguments, empty ones included, and
//! answers by its exit code and up to two lines of output:
//!
//! | code | lines | verdict |
//! |---|---|---|
//! | 0 | full name, mailbox | a mailbox here |
//! | 1 | ignored, address | relay to that address |
//! | 3 | text, reason | refuse for now |
//! | 100 | | drop the connection |
//! | other | text, reason | refuse for good |
//!
//! With fewer than two lines 0 and 1 are refusals, too. What goes wrong with the
//! verifier itself is never an acceptance and never final: the client is told to
//! come back later.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::OneLine;
use crate::proto::netverifier::{Answer, Question, Unaskable};
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::server::Verdict;
use crate::sys::{self, child};

/// The most octets that a program may write.
pub const OUTPUT_MAX: usize = 4096;

/// The most octets of a text from outside in a reply or on a log line.
pub const TEXT_MAX: usize = 300;

/// The longest address that a verifier may have mail relayed to, in octets.
// RFC 5321 4.5.3.1.3: a path has at most 256, with its brackets.
pub const ADDRESS_MAX: usize = 254;

/// The longest name of a mailbox, in octets: the name of a directory may be no
/// longer.
pub const MAILBOX_MAX: usize = 255;

/// The exit code of programs that only exit and have all recipients relayed.
const ACCEPT_CODES: [i32; 2] = [0, 1];

/// What a verifier has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the SMTP machine is told.
    pub verdict: Verdict,
    /// How a program ended, for the log.
    pub exit: Option<String>,
    /// Why a recipient is refused, for the log.
    pub reason: Option<String>,
}

impl Decision {
    pub(super) fn of(verdict: Verdict) -> Decision {
        Decision {
            verdict,
            exit: None,
            reason: None,
        }
    }

    fn refuse(reply: Reply, why: impl std::fmt::Display) -> Decision {
        // It has been escaped already.
        let text = reply.lines.first().map(OneLine::as_bytes);
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        Decision {
            reason: Some(format!("{text}: {why}")),
            ..Decision::of(Verdict::Refuse(reply))
        }
    }

    /// The recipient is refused for good, with that text for the client and that
    /// reason for the log.
    pub(super) fn refuse_for_good(text: &str, why: impl std::fmt::Display) -> Decision {
        Decision::refuse(for_good(text.as_bytes()), why)
    }

    /// The verifier has not done its duty.
    pub fn failed(why: impl std::fmt::Display) -> Decision {
        // RFC 3463 3.4: X.3.0 is trouble with the mail system.
        let reply = Reply::new(450, Some((3, 0)), "cannot verify");
        Decision::refuse(reply, why)
    }
}

/// Runs a verifier program. Blocks.
pub fn run(
    program: &Path,
    question: &Question,
    timeout: Option<Duration>,
    cancelled: &AtomicBool,
) -> Decision {
    let arguments = question.fields().map(|field| field.as_bytes().to_vec());
    let order = child::Order {
        program,
        arguments: &arguments,
        output_max: OUTPUT_MAX,
        timeout,
        cancelled,
    };
    match child::run(&order) {
        Ok(ended) => ended_with(&ended),
        Err(error) => Decision {
            exit: Some(format!(
                "exit code 127: exec error: {}",
                sys::reason(&error)
            )),
            ..Decision::failed(format_args!("exec error: {}", sys::reason(&error)))
        },
    }
}

/// The line that is logged when a program is run.
pub fn executing(program: &Path, question: &Question) -> String {
    let program = OneLine::escaped(program.as_os_str().as_encoded_bytes());
    let mut line = format!("address verifier: executing [{program}]");
    for field in question.fields() {
        line += &format!(" [{field}]");
    }
    line
}

/// The decision of a program that does nothing but exit.
pub fn exit(code: i32) -> Decision {
    match ACCEPT_CODES.contains(&code) {
        true => Decision::of(remote(&OneLine::default())),
        false => exited(code, b""),
    }
}

fn ended_with(ended: &child::Ended) -> Decision {
    match ended.end {
        child::End::Exited(code) => exited(code, &ended.output),
        child::End::Signalled(number) => Decision::failed(format_args!("signal {number}")),
        child::End::TimedOut => Decision::failed("timed out"),
        child::End::TooMuchOutput => {
            Decision::failed(format_args!("output of more than {OUTPUT_MAX} octets"))
        }
        child::End::Cancelled => Decision::failed("no longer wanted"),
    }
}

/// Reads output and exit code as the table has it.
fn exited(code: i32, output: &[u8]) -> Decision {
    let lines = lines(output);
    let first = lines.first().cloned().unwrap_or_default();
    let second = lines.get(1).cloned();
    let exit = format!(
        "exit code {code}: [{}] [{}]",
        shown(&first),
        shown(second.as_deref().unwrap_or_default())
    );
    let why = match second.as_deref() {
        Some(reason) if !reason.is_empty() => shown(reason),
        _ => format!("exit code {code}"),
    };
    let decision = match (code, &second) {
        (0, Some(mailbox)) => local(mailbox, &first),
        (1, Some(address)) => relay(address),
        (100, _) => Decision::of(Verdict::Abort),
        (3, _) => Decision::refuse(for_now(&first), why),
        _ => Decision::refuse(for_good(&first), why),
    };
    Decision {
        exit: Some(exit),
        ..decision
    }
}

/// The lines of the output, without blanks and line ends after the last.
fn lines(output: &[u8]) -> Vec<Vec<u8>> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    let Some(last) = output.iter().rposition(|octet| !is_blank(octet)) else {
        return Vec::new();
    };
    let text = output.get(..=last).unwrap_or_default();
    let without_cr = |line: &[u8]| {
        line.iter()
            .copied()
            .filter(|octet| *octet != b'\r')
            .collect()
    };
    text.split(|octet| *octet == b'\n')
        .map(without_cr)
        .collect()
}

/// The decision that a service's answer comes to.
pub fn answered(answer: &Answer) -> Decision {
    match answer {
        Answer::Local { mailbox, full_name } => local(mailbox.as_bytes(), full_name.as_bytes()),
        Answer::Remote { address } if address.is_empty() => Decision::of(remote(address)),
        Answer::Remote { address } => relay(address.as_bytes()),
        Answer::Abort => Decision::of(Verdict::Abort),
        Answer::Refuse {
            for_now: is_for_now,
            text,
            reason,
        } => {
            let reply = match is_for_now {
                true => for_now(text.as_bytes()),
                false => for_good(text.as_bytes()),
            };
            let why = match reason.is_empty() {
                true => "answer of the verifier".to_owned(),
                false => shown(reason.as_bytes()),
            };
            Decision::refuse(reply, why)
        }
    }
}

/// The decision on a question that a service cannot be asked.
pub fn unaskable(fault: Unaskable) -> Decision {
    let why = "not possible to ask a network verifier";
    let refuse = |detail, text| Decision::refuse(Reply::new(553, Some((1, detail)), text), why);
    match fault {
        // RFC 3463 3.2: X.1.3 is a bad destination, X.1.7 a bad sender.
        Unaskable::Recipient => refuse(3, "mailbox name not allowed"),
        Unaskable::Sender => refuse(7, "mailbox name of the sender not allowed"),
        Unaskable::Surroundings => Decision::failed(why),
    }
}

fn local(mailbox: &[u8], full_name: &[u8]) -> Decision {
    match OneLine::new(mailbox).filter(is_mailbox) {
        Some(mailbox) => Decision::of(Verdict::Local {
            mailbox,
            full_name: one_line(full_name),
        }),
        None => Decision::failed(format_args!(
            "the verifier's mailbox name is not allowed: {}",
            shown(mailbox)
        )),
    }
}

/// Whether a mailbox name is safe as the name of a directory, which it is for
/// those who deliver to it.
pub(super) fn is_mailbox(name: &OneLine) -> bool {
    let name = name.as_bytes();
    let is_fine = |octet: &u8| !octet.is_ascii_control() && !matches!(octet, b'/' | b'\\');
    !name.is_empty()
        && name.len() <= MAILBOX_MAX
        && !name.starts_with(b".")
        && name.iter().all(is_fine)
}

fn relay(address: &[u8]) -> Decision {
    let is_fine = |address: &OneLine| {
        let address = address.as_bytes();
        let is_clean = !address.iter().any(u8::is_ascii_control);
        is_clean && (1..=ADDRESS_MAX).contains(&address.len())
    };
    match OneLine::new(address).filter(is_fine) {
        Some(address) => Decision::of(remote(&address)),
        None => Decision::failed(format_args!(
            "the verifier's address is not allowed: {}",
            shown(address)
        )),
    }
}

fn remote(address: &OneLine) -> Verdict {
    let address = address.clone();
    Verdict::Remote { address }
}

fn for_good(text: &[u8]) -> Reply {
    // RFC 3463 3.2: X.1.1 is a mailbox that does not exist.
    Reply::new(550, Some((1, 1)), printable(text))
}

fn for_now(text: &[u8]) -> Reply {
    // RFC 3463 3.3: X.2.0 is any other trouble with a mailbox.
    Reply::new(450, Some((2, 0)), printable(text))
}

/// A text from outside for the client, to whom a reply shows it printable.
fn printable(text: &[u8]) -> Vec<u8> {
    match text {
        b"" => b"mailbox unavailable".to_vec(),
        text => one_line(text).as_bytes().to_vec(),
    }
}

fn one_line(text: &[u8]) -> OneLine {
    let mut line = OneLine::new(text).unwrap_or_else(|| OneLine::escaped(text));
    line.truncate(TEXT_MAX);
    line
}

/// A text from outside as people get to see it.
fn shown(text: &[u8]) -> String {
    crate::base::ascii::escape_bounded(text, TEXT_MAX)
}

#[cfg(test)]
mod tests;
