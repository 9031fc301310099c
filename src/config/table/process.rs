//! How the program runs.

use crate::config::option::{
    Argument::{Path, Required},
    On, Opt,
    Status::{Planned, Ready},
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "dont-serve",
        short: Some('x'),
        status: Ready,
        summary: "accept no connections",
        doc: "Accepts no connections of any kind; the program exits when it has forwarded the mail \
            that was in the spool directory.",
        ..Opt::FLAG
    },
    Opt {
        long: "hidden",
        short: Some('H'),
        on: On::Windows,
        status: Planned,
        summary: "show no window",
        doc: "Shows neither a window nor message boxes, whatever --show says.",
        ..Opt::FLAG
    },
    Opt {
        long: "show",
        argument: Required("style"),
        on: On::Windows,
        status: Planned,
        summary: "how the window is shown",
        doc: "Chooses how the program shows itself: hidden, popup, window, tray, or window,tray.",
        ..Opt::FLAG
    },
    Opt {
        long: "localedir",
        argument: Path("dir"),
        status: Planned,
        summary: "directory of message translations",
        doc: "Translates messages, with the catalogues in this directory; an empty value stands \
            for the built-in one.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-daemon",
        short: Some('t'),
        status: Ready,
        summary: "stay in the foreground",
        doc: "Keeps the program in the foreground. This version cannot put itself into the \
            background, and so wants this option unless --as-client implies it.",
        ..Opt::FLAG
    },
    Opt {
        long: "no-smtp",
        short: Some('X'),
        status: Ready,
        summary: "accept no SMTP connections",
        doc: "Accepts no SMTP connections.",
        ..Opt::FLAG
    },
    Opt {
        long: "pid-file",
        short: Some('i'),
        argument: Path("path"),
        status: Planned,
        summary: "file for the process number",
        doc: "Writes the number of the process to this file once it runs, and removes the file in \
            the end.",
        ..Opt::FLAG
    },
    Opt {
        long: "user",
        short: Some('u'),
        argument: Required("username"),
        status: Planned,
        summary: "user to run as when started by root",
        doc: "Gives up the privileges of root for those of this user once everything is open that \
            needs them; root keeps them. Has no effect when not started by root, or on Windows.",
        ..Opt::FLAG
    },
];
