//! `emailrelay-spool`: looks at the messages in a spool directory and changes their
//! state, whether or not a relay is running on it.
//!
//! It goes through the locks of [`crate::store`] only, so it never takes anything
//! from whoever has a message in hand. What files hold is shown with everything
//! escaped that a terminal could act on.

mod change;
mod filter;
mod json;
mod list;
mod options;
mod show;
mod stats;

use std::io::{self, Write};

use crate::base::ascii;
use crate::store::{Entry, Queue, Spool, StoredId};
use crate::sys::{caller, process, random, stderr, time};

use super::spool_directory;
use super::tool::{self, Failure};
use filter::Filter;
use options::{Name, TOOL};

/// What the program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    List,
    Show,
    Stats,
    Change(crate::store::Change),
}

impl Command {
    fn parse(word: &[u8]) -> Option<Command> {
        use crate::store::Change;
        Some(match word {
            b"list" => Command::List,
            b"show" => Command::Show,
            b"stats" => Command::Stats,
            b"hold" => Command::Change(Change::Hold),
            b"release" => Command::Change(Change::Release),
            b"retry" => Command::Change(Change::Retry),
            b"delete" => Command::Change(Change::Delete),
            _ => return None,
        })
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// For people, in 80 columns.
    Narrow,
    /// For people, a line for each message, however long.
    Wide,
    /// For programs: a JSON object on each line.
    Json,
}

/// What is asked for.
struct Request {
    command: Command,
    form: Form,
    filter: Filter,
    ids: Vec<Vec<u8>>,
    /// Whether all messages are meant that the filter lets through.
    all: bool,
    dry_run: bool,
    with_content: bool,
    /// The time in seconds since 1970.
    now: i64,
}

/// The program's manual page.
pub(super) fn manual() -> (&'static str, String) {
    (TOOL.name, TOOL.manual())
}

/// Runs the program with the arguments of the process and returns its exit
/// status: 0 for success, 1 for failure.
pub fn main() -> u8 {
    tool::main(TOOL.name, run)
}

/// Does what the arguments ask for.
fn run(words: Vec<Vec<u8>>) -> Result<u8, Failure> {
    let given = TOOL.parse(words)?;
    if let Some(text) = tool::information(&TOOL, &given, Name::Help, Name::Version) {
        return tool::print(&text);
    }
    caller::survive_file_size_limit();
    process::set_umask(tool::UMASK);
    let request = options::request(&given, time::wall_clock().unix_seconds())?;
    let path = spool_directory::choose(given.value(Name::SpoolDir))?;
    let spool = spool_directory::open(&path, random::u64())?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    let status = answer(&request, &spool, &mut output)?;
    output.flush().map_err(|error| tool::cannot_write(&error))?;
    Ok(status)
}

/// Prints the queue in the way of `mailq`, for a program that is called so.
pub(super) fn print_queue(spool: &Spool, output: &mut dyn Write) -> Result<u8, Failure> {
    let given = TOOL.parse(Vec::new())?;
    let request = options::request(&given, time::wall_clock().unix_seconds())?;
    answer(&request, spool, output)
}

fn answer(request: &Request, spool: &Spool, output: &mut dyn Write) -> Result<u8, Failure> {
    if matches!(request.command, Command::Change(_)) && !request.dry_run {
        let report = spool.recover().map_err(|error| Failure::new(&error))?;
        for line in &report.lines {
            notice(&line.to_string());
        }
    }
    let queue = spool.queue().map_err(|error| Failure::new(&error))?;
    if !queue.is_complete() {
        notice("there are more files in the directory than can be listed at once");
    }
    let (entries, missing) = chosen(request, &queue)?;
    let status = match request.command {
        Command::List => list::list(request, &queue, &entries, output)?,
        Command::Show => show::show(request, &queue, &entries, output)?,
        Command::Stats => stats::stats(request, &queue, &entries, output)?,
        Command::Change(change) => change::change(request, &queue, change, &entries, output)?,
    };
    Ok(status.max(missing))
}

/// The messages that are meant; and the exit status, for ids that are not there.
fn chosen<'a>(request: &Request, queue: &'a Queue) -> Result<(Vec<&'a Entry>, u8), Failure> {
    let is_meant = |entry: &&Entry| request.filter.has_state(entry.state);
    if request.ids.is_empty() {
        if !request.all && matches!(request.command, Command::Show | Command::Change(_)) {
            let text = "name the messages by their ids, or use --all";
            return Err(Failure::usage(text));
        }
        return Ok((queue.entries().iter().filter(is_meant).collect(), 0));
    }
    let (mut entries, mut status) = (Vec::new(), 0);
    for text in &request.ids {
        let found: Vec<&Entry> = find(queue, text).iter().filter(is_meant).collect();
        if found.is_empty() {
            notice(&format!("there is no message {}", ascii::escape(text)));
            status = 1;
        }
        entries.extend(found);
    }
    Ok((entries, status))
}

/// The states of the message of that id: as its files are named, as the id is
/// shown, or the name of any of its files.
fn find<'a>(queue: &'a Queue, text: &[u8]) -> &'a [Entry] {
    let by_stem = |stem: &[u8]| StoredId::parse(stem).map(|id| queue.find(&id));
    let found = by_stem(text).unwrap_or_default();
    if !found.is_empty() {
        return found;
    }
    if let Some((id, _)) = StoredId::parse_name(text) {
        return queue.find(&id);
    }
    let is_shown_so = |entry: &&Entry| entry.id.to_string().as_bytes() == text;
    // Only ids that need escapes are shown other than they are.
    let escaped = text
        .contains(&b'\\')
        .then(|| queue.entries().iter().find(is_shown_so));
    escaped
        .flatten()
        .map(|entry| queue.find(&entry.id))
        .unwrap_or_default()
}

/// Says something that is no result.
fn notice(text: &str) {
    stderr::write_line(&format!("{}: {text}", TOOL.name));
}
