//! `emailrelay-resubmit`: has messages that failed tried again, a limited number of
//! times.

use crate::base::ascii;
use crate::store::{Change, Entry, Outcome, Queue, State, StoredId};
use crate::sys::{caller, process, random, stderr, time};

use super::options::{Given, Opt, Tool};
use super::spool_directory;
use super::tool::{self, Failure};
use super::units;

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    SpoolDir,
    Limit,
    OlderThan,
    Id,
    DryRun,
    Verbose,
    Help,
    Version,
}

/// How often a message may have failed to be tried again, if nothing is said.
const LIMIT: usize = 5;

const TOOL: Tool<Name> = Tool {
    name: "emailrelay-resubmit",
    purpose: "have messages that failed tried again",
    usage: &["[<options>] [<directory>]"],
    description: &[
        "Makes messages that failed (.envelope.bad) ready again, unless they have failed too \
         often already. It is meant to be run every now and then.",
        "How often a message has failed is told by the X-MailRelay-Reason lines of its envelope, \
         which stay there. An envelope that cannot be read is left alone.",
    ],
    options: &[
        Opt::new(
            Name::SpoolDir,
            "spool-dir",
            Some(b's'),
            Some("directory"),
            "The spool directory. The default is /var/spool/emailrelay.",
        ),
        Opt::new(
            Name::Limit,
            "limit",
            Some(b'l'),
            Some("number"),
            "Only messages that have failed less often than this. The default is 5.",
        ),
        Opt::new(
            Name::OlderThan,
            "older-than",
            Some(b'o'),
            Some("age"),
            "Only messages that arrived longer ago: a number with s, m, h or d.",
        ),
        Opt::new(
            Name::Id,
            "id",
            Some(b'i'),
            Some("id"),
            "Only the message of this id.",
        ),
        Opt::new(
            Name::DryRun,
            "dry-run",
            Some(b'n'),
            None,
            "Say which messages are meant, and change nothing.",
        ),
        Opt::new(
            Name::Verbose,
            "verbose",
            Some(b'v'),
            None,
            "Say what is done.",
        ),
        Opt::new(Name::Help, "help", Some(b'h'), None, "Show this."),
        Opt::new(
            Name::Version,
            "version",
            Some(b'V'),
            None,
            "Show the version.",
        ),
    ],
    operands_max: 1,
    sections: &[
        (
            "EXIT STATUS",
            &[
                (
                    "0",
                    "All messages that were meant are ready, or there were none.",
                ),
                (
                    "1",
                    "The arguments are wrong, or something could not be done.",
                ),
            ],
        ),
        ("SEE ALSO", &[("", "emailrelay(1), emailrelay-spool(1)")]),
    ],
};

/// The program's manual page.
pub(super) fn manual() -> (&'static str, String) {
    (TOOL.name, TOOL.manual())
}

/// Runs the program with the arguments of the process and returns its exit
/// status: 0 for success, 1 for failure.
pub fn main() -> u8 {
    tool::main(TOOL.name, run)
}

/// Which messages are meant.
struct Wanted {
    limit: usize,
    /// It must have arrived before then, in seconds since 1970.
    before: Option<i64>,
    id: Option<StoredId>,
}

fn run(words: Vec<Vec<u8>>) -> Result<u8, Failure> {
    let given = TOOL.parse(words)?;
    if let Some(text) = tool::information(&TOOL, &given, Name::Help, Name::Version) {
        return tool::print(&text);
    }
    caller::survive_file_size_limit();
    process::set_umask(tool::UMASK);
    let directory = match (given.value(Name::SpoolDir), given.operands()) {
        (Some(_), [_, ..]) => return Err(Failure::usage("two spool directories were given")),
        (value, operands) => value.or(operands.first().map(Vec::as_slice)),
    };
    let wanted = wanted(&given)?;
    let path = spool_directory::choose(directory)?;
    let spool = spool_directory::open(&path, random::u64())?;
    let queue = spool.queue().map_err(|error| Failure::new(&error))?;
    let is_bad = |entry: &&Entry| entry.state == State::Bad;
    let mut all_well = true;
    for entry in queue.entries().iter().filter(is_bad) {
        if wanted.is_meant(&queue, entry) {
            all_well &= resubmit(&queue, entry, &given);
        }
    }
    queue.sync().map_err(|error| Failure::new(&error))?;
    Ok(u8::from(!all_well))
}

fn wanted(given: &Given<Name>) -> Result<Wanted, Failure> {
    let shown = |text| ascii::escape_bounded(text, 100);
    let limit = match given.value(Name::Limit) {
        None => LIMIT,
        Some(text) => {
            let limit = ascii::parse_decimal(text).and_then(|limit| limit.try_into().ok());
            limit.ok_or_else(|| format!("invalid number: {}", shown(text)))?
        }
    };
    let before = match given.value(Name::OlderThan) {
        None => None,
        Some(text) => {
            let age = units::parse_age(text);
            let age = age.ok_or_else(|| format!("invalid age: {}", shown(text)))?;
            Some(time::wall_clock().unix_seconds().saturating_sub(age))
        }
    };
    let id = match given.value(Name::Id) {
        None => None,
        Some(text) => {
            let id = StoredId::parse_name(text).map(|(id, _)| id);
            let id = id.or_else(|| StoredId::parse(text));
            Some(id.ok_or_else(|| format!("invalid id: {}", shown(text)))?)
        }
    };
    Ok(Wanted { limit, before, id })
}

impl Wanted {
    fn is_meant(&self, queue: &Queue, entry: &Entry) -> bool {
        if self.id.as_ref().is_some_and(|id| *id != entry.id) {
            return false;
        }
        let details = match queue.inspect(entry) {
            Ok(Some(details)) => details,
            Ok(None) => return false,
            Err(error) => {
                notice(&error.to_string());
                return false;
            }
        };
        if self.before.is_some_and(|before| details.arrived >= before) {
            return false;
        }
        match details.envelope {
            Ok(envelope) => envelope.reasons().len() < self.limit,
            Err(reason) => {
                notice(&format!("{}: left alone: {reason}", entry.id));
                false
            }
        }
    }
}

/// Has a message tried again; whether that is so.
fn resubmit(queue: &Queue, entry: &Entry, given: &Given<Name>) -> bool {
    let id = &entry.id;
    if given.has(Name::DryRun) {
        notice(&format!("{id}: would be tried again"));
        return true;
    }
    let problem = match queue.change(entry, Change::Retry) {
        Ok(Outcome::Done | Outcome::Already) => {
            if given.has(Name::Verbose) {
                notice(&format!("{id}: to be tried again"));
            }
            return true;
        }
        // Somebody else has seen to it.
        Ok(Outcome::Gone) => return true,
        Ok(Outcome::InUse) => "somebody has it in hand".to_owned(),
        Ok(Outcome::Refused(reason)) => reason.to_string(),
        Err(error) => error.to_string(),
    };
    notice(&format!("{id}: {problem}"));
    false
}

fn notice(text: &str) {
    stderr::write_line(&format!("{}: {text}", TOOL.name));
}
