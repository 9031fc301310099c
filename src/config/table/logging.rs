//! What is logged, and where.

use crate::config::option::{
    Argument::{Optional, Path, Required},
    Level::Short,
    Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "verbose",
        short: Some('v'),
        level: Short,
        summary: "log more, or show more help",
        doc: "Logs the dialogue of each connection too; with --help, shows all options in full.",
        ..Opt::FLAG
    },
    Opt {
        long: "log",
        short: Some('l'),
        level: Short,
        summary: "log to the standard error stream",
        doc: "Writes a log to the standard error stream and to the system log; see \
            --close-stderr, --log-file and --no-syslog. Implied by --as-client, --as-proxy and \
            --as-server.",
        ..Opt::FLAG
    },
    Opt {
        long: "debug",
        short: Some('g'),
        summary: "log internal events",
        doc: "Logs what the program does inside too, for those who work on it. No passwords and \
            no content of messages are logged.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-address",
        summary: "put clients' addresses into the log",
        doc: "Puts the address of the remote client, where there is one, into each line of the \
            log.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-file",
        short: Some('N'),
        argument: Path("file"),
        summary: "file to log to",
        doc: "Writes the log of --log to this file instead of the standard error stream. The \
            first %d in its name stands for the local date, for a new file every day, the first \
            %h for the hour. The file is opened again on SIGHUP. A symbolic link is not followed.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-format",
        argument: Required("keywords"),
        summary: "what lines of the log have",
        doc: "Says what lines of the log have besides their level and text, as a list of: time, \
            unit (the name of the configuration, where there are several), address (of the \
            remote client), port (of the same), msgid (of the message that is being \
            forwarded). With json, each line is an object in JSON, which has all of it.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-time",
        short: Some('L'),
        summary: "put the time into the log",
        doc: "Puts the local date and time into each line of the log.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-syslog",
        short: Some('n'),
        summary: "keep the log out of the system log",
        doc: "Keeps the log out of the system log, to which it goes otherwise. Implied by \
            --as-client.",
        ..Opt::FLAG
    },
    Opt {
        long: "syslog",
        short: Some('k'),
        argument: Optional("facility"),
        summary: "log to the system log",
        doc: "Writes the log of --log to the system log, even if --no-syslog is given or \
            implied. The facility is mail (the default), user, daemon, or local0 to local7.",
        ..Opt::FLAG
    },
    Opt {
        long: "close-stderr",
        short: Some('e'),
        summary: "close the standard error stream after start-up",
        doc: "Closes the standard error stream soon after start-up; a log that goes there ends \
            with it. Implied by --as-proxy and --as-server.",
        ..Opt::FLAG
    },
];
