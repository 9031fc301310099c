//! `emailrelay-filter-copy`: a filter that hands a message over to all
//! sub-directories of the spool, as POP users have them.
//!
//! It says by its exit status what has become of the message, as filters do: with
//! 100 the relay has no more to do with it.

use std::path::{Path, PathBuf};

use crate::store::{self, Outcome, State, StoredId, Suffix};
use crate::sys::file::native_name;
use crate::sys::{caller, process, random, stderr};

use super::options::{Opt, Tool};
use super::spool_directory;
use super::tool::{self, FAILURE, Failure};

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    SpoolDir,
    Verbose,
    Help,
    Version,
}

const TOOL: Tool<Name> = Tool {
    name: "emailrelay-filter-copy",
    purpose: "copy messages into all sub-directories of the spool directory",
    usage: &[
        "<content-path> [<envelope-path>]",
        "[<options>] -d <directory>",
    ],
    description: &[
        "As a filter of emailrelay: copies the envelope of a message into all sub-directories of \
         its directory, and removes it. The content stays where it is. With --spool-dir: does \
         that with all messages that are ready.",
        "POP users who have a sub-directory each find the message there: see --pop-by-name in \
         emailrelay(1). Sub-directories whose names start with a dot are among them.",
        "The copies are on the disk before the envelope is removed. If one of them cannot be \
         made, none is.",
    ],
    options: &[
        Opt::new(
            Name::SpoolDir,
            "spool-dir",
            Some(b'd'),
            Some("directory"),
            "Copy all messages that are ready in this spool directory.",
        ),
        Opt::new(
            Name::Verbose,
            "verbose",
            Some(b'v'),
            None,
            "Say what is copied.",
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
    operands_max: 2,
    sections: &[
        (
            "EXIT STATUS",
            &[
                ("100", "The message was copied; the filter has taken it."),
                (
                    "0",
                    "It was copied, but the envelope cannot be removed: the message is accepted, \
                     too.",
                ),
                (
                    "1",
                    "The message was not copied, and standard output says why; with --spool-dir \
                     always, since there is no message to tell of.",
                ),
            ],
        ),
        (
            "EXAMPLES",
            &[(
                "emailrelay --as-server --pop --pop-by-name --pop-auth=/etc/emailrelay.pop \
                 --filter=/usr/bin/emailrelay-filter-copy",
                "Gives all mail to all POP users.",
            )],
        ),
        ("SEE ALSO", &[("", "emailrelay(1), emailrelay-submit(1)")]),
    ],
};

/// A filter has taken the message.
const TAKEN: u8 = 100;

/// A filter accepts the message.
const ACCEPTED: u8 = 0;

/// The program's manual page.
pub(super) fn manual() -> (&'static str, String) {
    (TOOL.name, TOOL.manual())
}

/// Runs the program with the arguments of the process and returns its exit status:
/// that of a filter.
pub fn main() -> u8 {
    tool::main(TOOL.name, run)
}

fn run(words: Vec<Vec<u8>>) -> Result<u8, Failure> {
    let given = match TOOL.parse(words) {
        Ok(given) => given,
        Err(problem) => return fail(&problem),
    };
    if let Some(text) = tool::information(&TOOL, &given, Name::Help, Name::Version) {
        return tool::print(&text);
    }
    caller::survive_file_size_limit();
    process::set_umask(tool::UMASK);
    let is_verbose = given.has(Name::Verbose);
    match (given.value(Name::SpoolDir), given.operands()) {
        (None, [content, ..]) => filter(content, is_verbose),
        (Some(path), []) => copy_all(&spool_directory::choose(Some(path))?, is_verbose),
        (None, []) => fail("no content file was given"),
        (Some(_), _) => fail("either a content file or --spool-dir, not both"),
    }
}

/// Says why, in the form that filters do, and gives the exit status. The reason is
/// one line.
fn fail(reason: &str) -> Result<u8, Failure> {
    let reason = reason.replace(">>", "> >");
    tool::print(&format!("<<filter failed>>\n<<filter error: {reason}>>\n"))?;
    Ok(FAILURE)
}

/// Copies one message.
fn filter(content: &[u8], is_verbose: bool) -> Result<u8, Failure> {
    let path = PathBuf::from(native_name(content));
    let name = path
        .file_name()
        .map(|name| name.as_encoded_bytes().to_vec());
    let parsed = name.and_then(|name| StoredId::parse_name(&name));
    let Some((id, Suffix::Content)) = parsed else {
        return fail("not the name of a content file");
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // What is being forwarded is not ours to give away.
    let envelopes = [Suffix::EnvelopeNew, Suffix::Envelope];
    let is_there = |suffix: &Suffix| {
        let name = native_name(&id.file_name(*suffix));
        directory.join(name).symlink_metadata().is_ok()
    };
    let Some(suffix) = envelopes.into_iter().find(is_there) else {
        return fail("there is no envelope");
    };
    match store::scatter(directory, &id, suffix) {
        Err(error) => fail(&error.to_string()),
        Ok(scattered) => {
            if is_verbose {
                let count = scattered.copies;
                stderr::write_line(&format!("{}: {id}: {count} copies", TOOL.name));
            }
            Ok(match scattered.removed {
                Ok(()) => TAKEN,
                Err(error) => {
                    stderr::write_line(&format!("{}: {error}", TOOL.name));
                    ACCEPTED
                }
            })
        }
    }
}

/// Copies all messages that are ready.
fn copy_all(path: &Path, is_verbose: bool) -> Result<u8, Failure> {
    let spool = spool_directory::open(path, random::u64())?;
    let queue = spool.queue().map_err(|error| Failure::new(&error))?;
    for entry in queue.entries() {
        if entry.state != State::Ready || !entry.id.stem().starts_with(b"emailrelay") {
            continue;
        }
        let told = match queue.scatter(entry) {
            Ok(Ok(scattered)) => match scattered.removed {
                Ok(()) if is_verbose => Some(format!("{} copies", scattered.copies)),
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            },
            Ok(Err(Outcome::Refused(reason))) => Some(reason.to_string()),
            Ok(Err(Outcome::InUse)) => Some("somebody has it in hand".to_owned()),
            Ok(Err(_)) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(text) = told {
            stderr::write_line(&format!("{}: {}: {text}", TOOL.name, entry.id));
        }
    }
    Ok(FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Context, Outcome, Platform, resolve};

    #[test]
    fn the_example_is_a_configuration() {
        let examples = TOOL.sections.iter().find(|(title, _)| *title == "EXAMPLES");
        for (command, _) in examples.unwrap().1 {
            let words = command.split_whitespace().skip(1).map(Into::into);
            let resolved = resolve(words, &Context::new(Platform::Unix), |_| {
                unreachable!("no file is named")
            });
            assert!(matches!(resolved, Outcome::Run(..)), "{resolved:?}");
        }
    }
}
