//! Giving spooled mail out over POP.

use crate::config::option::{Argument::Required, Opt};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "pop",
        short: Some('B'),
        summary: "serve the spooled mail over POP",
        doc: "Lets POP clients read the mail in the spool directory, by default on port 110. Needs \
            --pop-auth. With --server-tls clients can encrypt their connections by the STLS \
            command; with --server-tls-connection they encrypt from the first octet, or by STLS \
            on port 110.",
        ..Opt::FLAG
    },
    Opt {
        long: "pop-by-name",
        short: Some('J'),
        summary: "give each POP user a directory",
        doc: "Serves each POP user from the sub-directory of the spool directory that has the \
            user's name, so that users do not see each other's mail. The directory is made when \
            the user first logs in. It has envelopes; their contents may be in the spool \
            directory, and stay there until nobody needs them.",
        ..Opt::FLAG
    },
    Opt {
        long: "pop-no-delete",
        short: Some('G'),
        summary: "keep mail that POP clients delete",
        doc: "Keeps messages in the spool directory although POP clients delete them; the clients \
            are told that it worked.",
        ..Opt::FLAG
    },
    Opt {
        long: "pop-port",
        short: Some('E'),
        argument: Required("port"),
        summary: "port for POP connections",
        doc: "Sets the port number on which POP connections are accepted. The default is 110.",
        ..Opt::FLAG
    },
];
