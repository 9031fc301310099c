//! How the program runs.

use crate::config::option::{
    Argument::{Path, Required},
    On, Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "dont-serve",
        short: Some('x'),
        summary: "accept no connections",
        doc: "Accepts no connections of any kind; the program exits when it has forwarded the mail \
            that was in the spool directory.",
        ..Opt::FLAG
    },
    Opt {
        long: "hidden",
        short: Some('H'),
        on: On::Windows,
        summary: "show no window",
        doc: "Shows no window, whatever --show says: together with --no-daemon, a console that was \
            opened for this program alone is closed. There are never message boxes.",
        ..Opt::FLAG
    },
    Opt {
        long: "show",
        argument: Required("style"),
        on: On::Windows,
        summary: "how the program shows itself",
        doc: "Says where the program runs without --no-daemon: with tray (the default) or hidden in \
            the background, without a window; with window, popup or window,tray in a console \
            window of its own, where standard error is, and which ends the program when it is \
            closed. There is no icon.",
        ..Opt::FLAG
    },
    Opt {
        long: "localedir",
        argument: Path("dir"),
        summary: "directory of translations",
        doc: "Shows the help in the user's language, if there is a catalogue emailrelay.mo for it \
            below this directory, where gettext looks for one. An empty value stands for \
            /usr/share/locale. The log stays as it is.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-daemon",
        short: Some('t'),
        summary: "stay in the foreground",
        doc: "Keeps the program in the foreground, with its standard streams. Otherwise it goes into \
            the background, and what was started exits once the program serves, or with the \
            status of its failure. Implied by --as-client.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-smtp",
        short: Some('X'),
        summary: "accept no SMTP connections",
        doc: "Accepts no SMTP connections.",
        ..Opt::FLAG
    },
    Opt {
        long: "pid-file",
        short: Some('i'),
        argument: Path("path"),
        summary: "file for the process number",
        doc: "Writes the number of the process to this file, and removes the file in the end. It is \
            locked meanwhile: a file that was left behind is replaced, that of a running program \
            is an error, and so is anything else in its place. A missing folder is made.",
        ..Opt::FLAG
    },
    Opt {
        long: "user",
        short: Some('u'),
        argument: Required("username"),
        summary: "user to run as when started by root",
        doc: "Gives up the privileges of root, for good, for those of this user (daemon unless told \
            otherwise) once everything is open that needs them. A small process of root stays, \
            which reads files again that only root may read, and which signals are sent to; \
            root as the user keeps one process with all privileges. Numbers of a user and a \
            group, as 10025:10025, need be in no list of users. Has no effect when not \
            started by root, or on Windows.",
        ..Opt::FLAG
    },
    Opt {
        long: "sandbox",
        summary: "give up what is not needed (Linux)",
        doc: "Has the kernel refuse whatever the program does not need once it serves: other files \
            than those in use, other system calls, other programs. Filters and verifiers cannot \
            be programs then, but services. An error where the kernel cannot do it.",
        ..Opt::FLAG
    },
    Opt {
        long: "check",
        summary: "check the configuration, and exit",
        doc: "Does everything that is done at start but to serve: reads all files, binds all \
            addresses, and becomes the user. Then prints the configuration with the origin of \
            each value, and exits with 0, or else with the status that the start would have \
            failed with. An address that is in use is not an error, as the program may be \
            running.",
        ..Opt::FLAG
    },
];
