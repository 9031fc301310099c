//! What is logged, and where.

use crate::config::option::{
    Argument::{Optional, Path},
    Level::Short,
    Opt,
    Status::{Planned, Ready},
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "verbose",
        short: Some('v'),
        level: Short,
        status: Ready,
        summary: "log more, or show more help",
        doc: "Logs the dialogue of each connection too; with --help, shows all options in full.",
        ..Opt::FLAG
    },
    Opt {
        long: "log",
        short: Some('l'),
        level: Short,
        status: Ready,
        summary: "log to the standard error stream",
        doc: "Writes a log to the standard error stream. Implied by --as-client, --as-proxy and \
            --as-server.",
        ..Opt::FLAG
    },
    Opt {
        long: "debug",
        short: Some('g'),
        status: Planned,
        summary: "log internal events",
        doc: "Logs internal events too, for those who work on the program.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-address",
        status: Ready,
        summary: "put clients' addresses into the log",
        doc: "Puts the address of the remote client, where there is one, into each line of the \
            log.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-file",
        short: Some('N'),
        argument: Path("file"),
        status: Planned,
        summary: "file to log to",
        doc: "Writes the log to this file instead of the standard error stream; %d in its name \
            stands for the date, for a new file every day.",
        ..Opt::FLAG
    },
    Opt {
        long: "log-time",
        short: Some('L'),
        status: Ready,
        summary: "put the time into the log",
        doc: "Puts the local date and time into each line of the log.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-syslog",
        short: Some('n'),
        status: Ready,
        summary: "keep the log out of the system log",
        doc: "Keeps the log out of the system log. This version never writes there, and accepts \
            the option for the sake of existing set-ups. Implied by --as-client.",
        ..Opt::FLAG
    },
    Opt {
        long: "syslog",
        short: Some('k'),
        argument: Optional("facility"),
        status: Planned,
        summary: "log to the system log",
        doc: "Writes the log to the system log, even if --no-syslog is given or implied. The \
            facility is mail (the default), user, daemon, or local0 to local7.",
        ..Opt::FLAG
    },
    Opt {
        long: "close-stderr",
        short: Some('e'),
        status: Ready,
        summary: "close the standard error stream after start-up",
        doc: "Closes the standard error stream soon after start-up; a log that goes there ends \
            with it. Implied by --as-proxy and --as-server.",
        ..Opt::FLAG
    },
];
