//! When, where and how mail is forwarded.

use crate::config::option::{Argument::Required, Opt, Status::Planned, Status::Ready};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "forward",
        short: Some('f'),
        status: Ready,
        summary: "forward the spooled mail at start-up",
        doc: "Forwards the mail that is in the spool directory when the program starts.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-on-disconnect",
        short: Some('1'),
        status: Ready,
        summary: "forward the spooled mail when a client disconnects",
        doc: "Forwards the mail in the spool directory each time an SMTP client disconnects.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-to",
        short: Some('o'),
        argument: Required("host:port"),
        status: Ready,
        summary: "server that mail is forwarded to",
        doc: "Names the SMTP server that mail is forwarded to: a host name or IP address followed \
            by a colon and a port number or service such as smtp or submission (an IPv6 address \
            can be put in square brackets), or the absolute path of a unix-domain socket.",
        ..Opt::FLAG
    },
    Opt {
        long: "poll",
        short: Some('O'),
        argument: Required("period"),
        status: Ready,
        summary: "forward the spooled mail at regular intervals",
        doc: "Forwards the mail in the spool directory each time this many seconds have passed; a \
            number followed by ms is in milliseconds.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-filter",
        short: Some('Y'),
        argument: Required("program"),
        repeat: true,
        status: Ready,
        summary: "program to run on each message before it is forwarded",
        doc: "Runs a program, or asks a network service, for each message that is about to be \
            forwarded; it may edit the message, postpone it or have it fail. Takes the same \
            values as --filter.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-interface",
        short: Some('6'),
        argument: Required("ip-address"),
        status: Ready,
        summary: "local address of outgoing connections",
        doc: "Binds the local end of outgoing SMTP connections to this IP address, and so confines \
            them to its address family: 0.0.0.0 allows any IPv4 route, and :: any IPv6 route. By \
            default the system's routing decides.",
        ..Opt::FLAG
    },
    Opt {
        long: "connection-timeout",
        short: Some('U'),
        argument: Required("time"),
        status: Ready,
        summary: "seconds to wait for an outgoing connection",
        doc: "Limits how many seconds an outgoing SMTP connection may take to be established; 0 \
            means no limit. The default is 40.",
        ..Opt::FLAG
    },
    Opt {
        long: "idle-timeout",
        argument: Required("time"),
        status: Ready,
        summary: "seconds that a client may be silent",
        doc: "Disconnects a client of our servers that has sent nothing for this many seconds; 0 \
            means never. The default is 60.",
        ..Opt::FLAG
    },
    Opt {
        long: "response-timeout",
        short: Some('T'),
        argument: Required("time"),
        status: Ready,
        summary: "seconds to wait for a reply of the remote server",
        doc: "Limits how many seconds the remote SMTP server may take over each reply; 0 means no \
            limit. The default is 60.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-to-some",
        status: Planned,
        summary: "forward even if some recipients are refused",
        doc: "Sends a message to those of its recipients that the remote server accepts, even if \
            it refuses others.",
        ..Opt::FLAG
    },
    Opt {
        long: "immediate",
        short: Some('m'),
        status: Planned,
        summary: "forward each message before accepting it",
        doc: "Forwards each message while its client still waits for the reply, which then tells \
            how that went. Clients may lose patience; --forward-on-disconnect avoids that.",
        ..Opt::FLAG
    },
];
