//! The modes, the spool directory, and the options that only print.

use crate::config::option::{
    Argument::{Path, Required},
    Level::Short,
    Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "as-client",
        short: Some('q'),
        argument: Required("host:port"),
        level: Short,
        summary: "forward what is in the spool, then exit",
        doc: "Forwards the mail in the spool directory to the given server and then exits. Stands \
            for --log, --no-syslog, --no-daemon, --dont-serve, --forward and --forward-to together.",
        ..Opt::FLAG
    },
    Opt {
        long: "as-proxy",
        short: Some('y'),
        argument: Required("host:port"),
        level: Short,
        summary: "accept mail, and forward it when the client disconnects",
        doc: "Accepts mail into the spool directory, and forwards it to the given server each time \
            a client disconnects. Stands for --log, --close-stderr, --forward-on-disconnect and \
            --forward-to together; give those instead, without --close-stderr, to keep on logging \
            to the standard error stream.",
        ..Opt::FLAG
    },
    Opt {
        long: "as-server",
        short: Some('d'),
        level: Short,
        summary: "accept mail into the spool",
        doc: "Accepts mail into the spool directory. Stands for --log and --close-stderr together; \
            give --log instead to keep on logging to the standard error stream.",
        ..Opt::FLAG
    },
    Opt {
        long: "spool-dir",
        short: Some('s'),
        argument: Path("dir"),
        level: Short,
        summary: "directory for mail that waits to be forwarded",
        doc: "Names the directory in which mail is kept from its arrival until it has been \
            forwarded. It must exist. The default is /var/spool/emailrelay.",
        ..Opt::FLAG
    },
    Opt {
        long: "help",
        short: Some('h'),
        level: Short,
        summary: "show help and exit",
        doc: "Shows the most important options and exits; together with --verbose, shows all of \
            them in full.",
        ..Opt::FLAG
    },
    Opt {
        long: "version",
        short: Some('V'),
        level: Short,
        summary: "show the version and exit",
        doc: "Shows the program's version and exits.",
        ..Opt::FLAG
    },
];
