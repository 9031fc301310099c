//! The options, and what they come to.

use crate::base::ascii;
use crate::cli::options::{Given, Opt, Tool};
use crate::cli::tool::Failure;
use crate::store::State;

use super::filter::Filter;
use super::{Command, Form, Request};
use crate::cli::units;

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    SpoolDir,
    Json,
    Wide,
    State,
    OlderThan,
    YoungerThan,
    From,
    To,
    All,
    DryRun,
    Content,
    Help,
    Version,
}

const OPTIONS: &[Opt<Name>] = &[
    Opt::new(
        Name::SpoolDir,
        "spool-dir",
        Some(b's'),
        Some("directory"),
        "The spool directory. The default is /var/spool/emailrelay.",
    ),
    Opt::new(
        Name::Json,
        "json",
        Some(b'j'),
        None,
        "Write a JSON object on each line.",
    ),
    Opt::new(
        Name::Wide,
        "wide",
        Some(b'w'),
        None,
        "Write one line for each message, however long.",
    ),
    Opt::new(
        Name::State,
        "state",
        Some(b'S'),
        Some("states"),
        "Only messages in these states, separated by commas: new, ready, busy, held, bad \
             or local.",
    )
    .repeated(),
    Opt::new(
        Name::OlderThan,
        "older-than",
        Some(b'o'),
        Some("age"),
        "Only messages that arrived longer ago: a number with s, m, h or d.",
    ),
    Opt::new(
        Name::YoungerThan,
        "younger-than",
        Some(b'y'),
        Some("age"),
        "Only messages that arrived less long ago.",
    ),
    Opt::new(
        Name::From,
        "from",
        Some(b'f'),
        Some("text"),
        "Only messages with this text in the reverse-path, in any case; <> stands for the null \
         reverse-path.",
    ),
    Opt::new(
        Name::To,
        "to",
        Some(b't'),
        Some("text"),
        "Only messages with this text in a recipient, in any case.",
    ),
    Opt::new(
        Name::All,
        "all",
        Some(b'a'),
        None,
        "Show or change all messages that the other options let through.",
    ),
    Opt::new(
        Name::DryRun,
        "dry-run",
        Some(b'n'),
        None,
        "Say what would be changed, and change nothing.",
    ),
    Opt::new(
        Name::Content,
        "content",
        Some(b'c'),
        None,
        "With show: the content, too, with what is not printable escaped.",
    ),
    Opt::new(Name::Help, "help", Some(b'h'), None, "Show this."),
    Opt::new(
        Name::Version,
        "version",
        Some(b'V'),
        None,
        "Show the version.",
    ),
];

pub(super) const TOOL: Tool<Name> = Tool {
    name: "emailrelay-spool",
    purpose: "look at the messages in a spool directory, and change their state",
    usage: &[
        "[<options>] [list|stats] [<id> ...]",
        "[<options>] show|hold|release|retry|delete <id> ...",
        "[<options>] show|hold|release|retry|delete --all",
    ],
    description: &[
        "Lists the messages in emailrelay's spool directory, oldest first, or shows some of them \
         or totals; or holds, releases, retries or deletes them.",
        "It works whether or not emailrelay is running on the directory. A message that is being \
         stored or forwarded is not changed.",
        "An id is the name of a message's files without what follows .content or .envelope; such \
         a name will do, too.",
    ],
    options: OPTIONS,
    operands_max: 10_000,
    sections: &[
        (
            "COMMANDS",
            &[
                (
                    "list",
                    "Show the messages. This is what is done if nothing is said.",
                ),
                ("show", "Show all that is known of messages."),
                (
                    "stats",
                    "Show how many messages there are, by state and by age.",
                ),
                (
                    "hold",
                    "Keep ready or bad messages from being forwarded: the name of the envelope \
                     ends in .envelope.hold from then on.",
                ),
                ("release", "Make held messages ready again."),
                (
                    "retry",
                    "Make bad messages ready again, and have ready ones that are delayed \
                     forwarded with the next run.",
                ),
                ("delete", "Remove messages. There is no way back."),
            ],
        ),
        (
            "STATES",
            &[
                (
                    "new",
                    "The message is being stored, and not acknowledged yet.",
                ),
                ("ready", "It waits to be forwarded."),
                ("busy", "It is being forwarded."),
                ("held", "It is kept from being forwarded."),
                ("bad", "It has failed for good."),
                (
                    "local",
                    "A copy for local recipients waits for the program that serves them.",
                ),
            ],
        ),
        (
            "EXIT STATUS",
            &[
                ("0", "All that was asked for was done."),
                (
                    "1",
                    "The arguments are wrong, the directory cannot be read, a message is not \
                     there, or one could not be changed.",
                ),
            ],
        ),
        (
            "EXAMPLES",
            &[
                ("emailrelay-spool --state=bad", "Lists what has failed."),
                (
                    "emailrelay-spool delete --all --state=bad --older-than=7d",
                    "Removes what failed a week ago and earlier.",
                ),
                (
                    "emailrelay-spool --json stats",
                    "Writes the totals for a program.",
                ),
            ],
        ),
        (
            "SEE ALSO",
            &[(
                "",
                "emailrelay(1), emailrelay-resubmit(1), emailrelay-submit(1)",
            )],
        ),
    ],
};

/// Makes a request of the arguments.
pub(super) fn request(given: &Given<Name>, now: i64) -> Result<Request, Failure> {
    let (word, ids) = match given.operands().split_first() {
        Some((word, ids)) => (word.as_slice(), ids.to_vec()),
        None => (&b"list"[..], Vec::new()),
    };
    let command = Command::parse(word)
        .ok_or_else(|| format!("invalid command: {}", ascii::escape_bounded(word, 100)))?;
    let all = given.has(Name::All);
    if all && !ids.is_empty() {
        return Err(Failure::usage("either ids or --all, not both"));
    }
    let form = match (given.has(Name::Json), given.has(Name::Wide)) {
        (true, true) => return Err(Failure::usage("either --json or --wide, not both")),
        (true, false) => Form::Json,
        (false, true) => Form::Wide,
        (false, false) => Form::Narrow,
    };
    let with_content = given.has(Name::Content);
    if with_content && command != Command::Show {
        return Err(Failure::usage("--content goes with show only"));
    }
    let dry_run = given.has(Name::DryRun);
    if dry_run && !matches!(command, Command::Change(_)) {
        return Err(Failure::usage("--dry-run is for changes only"));
    }
    Ok(Request {
        command,
        form,
        filter: filter(given, now)?,
        ids,
        all,
        dry_run,
        with_content,
        now,
    })
}

fn filter(given: &Given<Name>, now: i64) -> Result<Filter, Failure> {
    let mut states = Vec::new();
    for list in given.values(Name::State) {
        for word in list.split(|octet| *octet == b',') {
            let state = State::ALL
                .into_iter()
                .find(|one| one.as_str().as_bytes() == word);
            let shown = ascii::escape_bounded(word, 100);
            states.push(state.ok_or_else(|| format!("invalid state: {shown}"))?);
        }
    }
    let moment = |name| match given.value(name) {
        None => Ok(None),
        Some(text) => {
            let shown = ascii::escape_bounded(text, 100);
            let age = units::parse_age(text).ok_or_else(|| format!("invalid age: {shown}"))?;
            Ok::<_, String>(Some(now.saturating_sub(age)))
        }
    };
    Ok(Filter {
        states,
        before: moment(Name::OlderThan)?,
        after: moment(Name::YoungerThan)?,
        from: given.value(Name::From).map(<[u8]>::to_vec),
        to: given.value(Name::To).map(<[u8]>::to_vec),
    })
}
