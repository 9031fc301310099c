//! `emailrelay-submit`: puts a message into the spool, for users and programs on
//! this host; called as `sendmail` it takes what callers of that give.
//!
//! It exits with 0 only when the message would survive a power cut.

mod compose;
mod deliver;
mod dialogue;
mod input;
mod options;
mod phrase;
mod problem;
mod sendmail;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::base::OneLine;
use crate::store::Spool;
use crate::sys::file::native_name;
use crate::sys::{self, caller, process, random, stderr};

use super::spool_directory;
use super::tool::{self, Failure};
use options::TOOL;
use problem::{Kind, Problem};

/// What is to be done.
#[derive(Debug)]
enum Task {
    /// Show this text.
    Print(String),
    /// Do nothing, and succeed.
    Nothing,
    /// Store a message.
    Submit(Box<Submission>),
    /// Speak SMTP on standard input and output.
    Dialogue(Place),
    /// Show the queue.
    Queue(Place),
}

/// Where messages go, and what addresses without a domain get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    spool_dir: Option<Vec<u8>>,
    domain: Option<OneLine>,
}

/// Where the content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    StandardInput,
    File(Vec<u8>),
    Nowhere,
}

/// Which fields the header section gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Additions {
    received: bool,
    from: bool,
    to: bool,
    date: bool,
    message_id: bool,
}

/// Which reverse-path a message gets if none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultFrom {
    /// That of the From field, or else `anonymous`.
    Header,
    /// The user who has started the program.
    User,
}

/// What is printed of a message that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Nothing,
    Path,
    FileName,
}

/// A message that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Submission {
    place: Place,
    /// The reverse-path, as it was given; empty for the null one.
    from: Option<OneLine>,
    default_from: DefaultFrom,
    /// Recipients as they were given.
    to: Vec<OneLine>,
    /// Whether those that the header section names are recipients, too.
    to_header: bool,
    /// What stands before what is read.
    lines: Vec<u8>,
    source: Source,
    /// Whether a line with only a dot ends the content.
    ends_at_dot: bool,
    additions: Additions,
    /// The name that a From field gets.
    full_name: Option<Vec<u8>>,
    /// Whether blind recipients get a message each.
    bcc_split: bool,
    /// Whether addresses without a domain get one.
    qualify: bool,
    authentication: OneLine,
    mail_auth_in: OneLine,
    mail_auth_out: OneLine,
    /// Whether the message goes to all sub-directories instead.
    copy: bool,
    report: Report,
}

/// The program's manual page.
pub(super) fn manual() -> (&'static str, String) {
    (TOOL.name, TOOL.manual())
}

/// Runs the program with the arguments of the process and returns its exit
/// status: 0 if the message is stored; else 1, or one of `sysexits.h` if it is
/// called as `sendmail`.
pub fn main() -> u8 {
    let mut words = std::env::args_os().map(OsString::into_encoded_bytes);
    let name = words.next().unwrap_or_default();
    let words: Vec<_> = words.collect();
    let (role, words) = sendmail::role(&name, words);
    let result = prepare().and_then(|()| match role {
        None => options::task(words),
        Some(role) => sendmail::task(role, words),
    });
    match result.and_then(perform) {
        Ok(()) => 0,
        Err(problem) => {
            stderr::write_line(&format!("{}: error: {}", TOOL.name, problem.text));
            match role {
                None => tool::FAILURE,
                Some(_) => problem.kind.sysexit(),
            }
        }
    }
}

/// Makes the process one that callers cannot lead astray.
fn prepare() -> Result<(), Problem> {
    let fail = |what: &str, error: &io::Error| {
        Problem::new(
            Kind::System,
            format!("cannot {what}: {}", sys::reason(error)),
        )
    };
    process::ensure_standard_descriptors().map_err(|error| fail("open the null device", &error))?;
    if caller::is_elevated() {
        // The group is what the mode bit is there for; the rest is not.
        caller::clear_environment();
        caller::give_up_user().map_err(|error| fail("give up the user", &error))?;
    }
    caller::survive_file_size_limit();
    process::set_umask(tool::UMASK);
    // The work can go on without.
    let _ = process::forbid_core_dumps();
    Ok(())
}

fn perform(task: Task) -> Result<(), Problem> {
    match task {
        Task::Nothing => Ok(()),
        Task::Print(text) => tool::print(&text).map(drop).map_err(Problem::from),
        Task::Submit(submission) => deliver::submit(&submission),
        Task::Dialogue(place) => dialogue::run(&place),
        Task::Queue(place) => {
            // Who may read the queue is not for this program's group to decide.
            give_up_group()?;
            let spool = place.open()?;
            let mut output = io::BufWriter::new(io::stdout().lock());
            super::spool::print_queue(&spool, &mut output)?;
            output
                .flush()
                .map_err(|error| tool::cannot_write(&error).into())
        }
    }
}

impl Place {
    /// Opens the spool directory. One that the caller names is opened as the caller.
    fn open(&self) -> Result<Spool, Problem> {
        if self.spool_dir.is_some() {
            give_up_group()?;
        }
        let path = spool_directory::choose(self.spool_dir.as_deref());
        let path = path.map_err(|failure| Problem::new(Kind::Usage, failure.text))?;
        let opened = Spool::open(&path, random::u64());
        opened.map_err(|error| Problem::of_store(Kind::Configuration, &error))
    }

    /// What this host is called.
    fn own_name(&self) -> OneLine {
        self.domain
            .clone()
            .unwrap_or_else(super::own_name::own_name)
    }
}

fn give_up_group() -> Result<(), Problem> {
    caller::give_up_all().map_err(|error| {
        let text = format!("cannot give up the group: {}", sys::reason(&error));
        Problem::new(Kind::System, text)
    })
}

impl Source {
    /// Opens it as the caller.
    fn open(&self) -> Result<Box<dyn Read>, Problem> {
        Ok(match self {
            Source::StandardInput => Box::new(io::stdin().lock()),
            Source::Nowhere => Box::new(io::empty()),
            Source::File(name) => {
                let path = native_name(name);
                let opened = caller::as_caller(|| File::open(Path::new(&path)));
                let file = opened.and_then(|opened| opened);
                Box::new(file.map_err(|error| {
                    let shown = OneLine::escaped(name);
                    let reason = sys::reason(&error);
                    Problem::new(Kind::NoInput, format!("cannot open {shown}: {reason}"))
                })?)
            }
        })
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::new(Kind::System, failure.text)
    }
}
