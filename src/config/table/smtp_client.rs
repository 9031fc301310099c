//! When, where and how mail is forwarded.

use crate::config::option::{Argument::Required, Opt};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "forward",
        short: Some('f'),
        summary: "forward the spooled mail at start-up",
        doc: "Forwards the mail that is in the spool directory when the program starts.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-on-disconnect",
        short: Some('1'),
        summary: "forward the spooled mail when a client disconnects",
        doc: "Forwards the mail in the spool directory each time an SMTP client disconnects.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-to",
        short: Some('o'),
        argument: Required("host:port"),
        repeat: true,
        summary: "server that mail is forwarded to",
        doc: "Names the SMTP server that mail is forwarded to: a host name or IP address followed \
            by a colon and a port number or service such as smtp or submission (an IPv6 address \
            can be put in square brackets), or the absolute path of a unix-domain socket. For a \
            server beyond a SOCKS proxy write host:port@proxy:port, and \
            host:port@socks5:proxy:port where the proxy speaks version 5 and not 4a. With \
            several, in order and separated by commas, the first that can be reached is used.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-connections",
        argument: Required("number"),
        summary: "connections to the remote server at once",
        doc: "Limits how many connections to one remote server may be used at once, from 1 to 50; \
            a further one is opened where many messages wait. Mail that comes to the server by \
            another way, as by its ForwardToAddress, has one in any case. With 1, messages of \
            one way arrive in their order. The default is 4.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-rate",
        argument: Required("number"),
        summary: "messages that a server is sent in a minute",
        doc: "Limits how many messages one remote server is sent in a minute, evenly spread; 0 \
            means no limit, which is the default.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-per-connection",
        argument: Required("number"),
        summary: "messages that are sent over one connection",
        doc: "Limits how many messages are sent over one connection before another one is opened; \
            0 means no limit, which is the default.",
        ..Opt::FLAG
    },
    Opt {
        long: "retry-period",
        argument: Required("time"),
        summary: "seconds before a message is given up",
        doc: "Limits for how many seconds a message is tried again that the remote server puts \
            off, or whose own server cannot be reached, before it has failed; 0 means for ever. \
            The default is 432000, which are five days.",
        ..Opt::FLAG
    },
    Opt {
        long: "bounce",
        summary: "tell senders about mail that cannot be delivered",
        doc: "Sends a delivery status notification to the sender of a message that cannot be \
            delivered, instead of keeping the message as failed; never about a notification, and \
            not more than 100 in an hour.",
        ..Opt::FLAG
    },
    Opt {
        long: "poll",
        short: Some('O'),
        argument: Required("period"),
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
        summary: "local address of outgoing connections",
        doc: "Binds the local end of outgoing SMTP connections to this IP address, and so confines \
            them to its address family: 0.0.0.0 allows any IPv4 route, and :: any IPv6 route. An \
            address can have a port, as in 192.0.2.1:2000 or [::1]:2000, for one connection at a \
            time; and the name of an interface, or that with -ipv4 or -ipv6 after it, stands for \
            the addresses that it has at start. By default the system's routing decides.",
        ..Opt::FLAG
    },
    Opt {
        long: "connection-timeout",
        short: Some('U'),
        argument: Required("time"),
        summary: "seconds to wait for an outgoing connection",
        doc: "Limits how many seconds an outgoing SMTP connection may take to be established; 0 \
            means no limit. The default is 40.",
        ..Opt::FLAG
    },
    Opt {
        long: "idle-timeout",
        argument: Required("time"),
        summary: "seconds that a client may be silent",
        doc: "Disconnects a client of our servers that has sent nothing for this many seconds; 0 \
            means never. The default is 60, or 600 for POP clients that have logged in.",
        ..Opt::FLAG
    },
    Opt {
        long: "response-timeout",
        short: Some('T'),
        argument: Required("time"),
        summary: "seconds to wait for a reply of the remote server",
        doc: "Limits how many seconds the remote SMTP server may take over each reply; 0 means no \
            limit. The default is 60.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-to-some",
        summary: "forward even if some recipients are refused",
        doc: "Sends a message to those of its recipients that the remote server accepts, even if \
            it refuses others.",
        ..Opt::FLAG
    },
    Opt {
        long: "forward-to-all",
        summary: "do not forward if some recipients are refused",
        doc: "Sends a message to nobody where the remote server refuses one of its recipients; \
            that is the default, and this option prevails over --forward-to-some.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-smtp-config",
        short: Some('c'),
        argument: Required("switches"),
        summary: "SMTP extensions to use when forwarding",
        doc: "Switches features of the SMTP client on and off; the words are separated by commas, \
            and - or no before a word switches it off: pipelining (on by default), chunking (on), \
            eightbitstrict (off; on does not send 8-bit content to servers without 8BITMIME), \
            smtputf8strict (on; off sends addresses in UTF-8 to servers without SMTPUTF8), \
            binarymimestrict (on; off sends binary content as lines to servers without \
            BINARYMIME), and linger (always on).",
        ..Opt::FLAG
    },
    Opt {
        long: "immediate",
        short: Some('m'),
        summary: "forward each message before accepting it",
        doc: "Forwards each message while its client still waits for the reply, which then tells \
            how that went. Clients may lose patience; --forward-on-disconnect avoids that.",
        ..Opt::FLAG
    },
];
