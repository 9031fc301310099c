//! How mail is accepted.

use crate::config::option::{
    Argument::{Optional, Path, Required},
    Level::Short,
    Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "port",
        short: Some('p'),
        argument: Required("port"),
        level: Short,
        summary: "port for incoming SMTP connections",
        doc: "Sets the port number on which SMTP connections are accepted; with 0 the system \
            chooses one. The default is 25.",
        ..Opt::FLAG
    },
    Opt {
        long: "remote-clients",
        short: Some('r'),
        level: Short,
        summary: "accept connections from anywhere",
        doc: "Accepts connections from any address. Without it only clients with loopback, \
            link-local and private addresses are served, so that a relay is not opened to the \
            world by accident.",
        ..Opt::FLAG
    },
    Opt {
        long: "address-verifier",
        argument: Required("program"),
        summary: "program that checks recipient addresses",
        doc: "Runs a program for each recipient of a message, and for VRFY, to have the address \
            accepted, refused or marked as local. It gets the address, the sender, the client's \
            address, the local domain, the authentication mechanism or none, and the \
            authenticated name as its six arguments. Exit code 0 means a local mailbox, with its \
            full name and its mailbox name on two lines of output; 1 a remote address, with a \
            first line that is ignored and the address to use as the second; 3 refuses for now, \
            100 drops the connection, and any other refuses, with the text for the client and \
            one for the log as output. The value is the name of one file, without arguments. \
            Instead, net:<host:port> or net:<path> asks a service, exit:<number> acts like a \
            program that only exits, and account:<range>;<words> takes the users of this system \
            with numbers in that range (1000-32767 by default) for local mailboxes of the domain \
            of --domain: with the word lowercase by their names in lower case, with remote to be \
            relayed, and with check all others are relayed instead of refused.",
        ..Opt::FLAG
    },
    Opt {
        long: "anonymous",
        short: Some('A'),
        argument: Optional("scope"),
        summary: "tell others less about this system",
        doc: "Tells others less. The scopes are separated by commas: vrfy has the VRFY command \
            answered with 252 for every address and not offered, server makes the greeting and \
            the replies say less, content leaves out the Received line, and client leaves out \
            the AUTH parameter of the MAIL command when forwarding. Without a value, all of them.",
        ..Opt::FLAG
    },
    Opt {
        long: "delivery-dir",
        argument: Path("dir"),
        summary: "directory of the mailboxes of local recipients",
        doc: "Names the directory in which deliver: filters find or make a sub-directory for each \
            mailbox. It must exist. By default that is the spool directory.",
        ..Opt::FLAG
    },
    Opt {
        long: "dnsbl",
        argument: Required("config"),
        repeat: true,
        summary: "refuse clients that are on DNS block lists",
        doc: "Refuses connections from addresses that are on DNS block lists; local addresses \
            are not checked. The value is a list with commas: the names of the lists, then \
            perhaps the number of lists that must agree (1 by default), a time limit in \
            milliseconds (5000, or 5s) and the address and port of a DNS server (that of the \
            system). The older order is understood as well: server, time limit, number, lists. \
            A client is let in when the lists do not answer in time, unless the time limit has \
            a minus sign; with a number of 0 the lists are only asked and logged. Given again, \
            the option adds its lists to those before if it has nothing else; otherwise it is a \
            check of its own, and the client has to pass them all.",
        ..Opt::FLAG
    },
    Opt {
        long: "domain",
        short: Some('D'),
        argument: Required("fqdn"),
        summary: "name by which this system calls itself",
        doc: "Sets the name by which this system calls itself in its SMTP greeting, in the EHLO \
            command and in Received lines: a host name, or an address literal in square brackets. \
            By default it is the name of the local host.",
        ..Opt::FLAG
    },
    Opt {
        long: "filter",
        short: Some('z'),
        argument: Required("program"),
        repeat: true,
        summary: "program to run on each message as it is stored",
        doc: "Runs a program for each message before it is accepted, with the names of its files \
            in the spool directory; the program may edit them, and by its exit code accepts or \
            refuses the message. Instead of a program, net:<host:port> asks a filter service, \
            exit:<number> acts like a program that only exits, and sleepms:<number> waits. \
            spam:<host:port> has a spamd service say whether the message is refused as spam, and \
            spam-edit:<host:port> has it edit the content. deliver: puts the message into the \
            mailboxes of its local recipients, copy: into all sub-directories of the spool \
            directory, split: makes of it one for each domain of its recipients, mx: finds the \
            mail exchange of the domain in its ForwardTo field, and msgid: adds a Message-ID if \
            there is none. All of a value is the name of the program, without arguments; several \
            filters are separated by commas or given one by one, and the first that does not \
            accept decides.",
        ..Opt::FLAG
    },
    Opt {
        long: "filter-timeout",
        short: Some('W'),
        argument: Required("time"),
        summary: "seconds that a filter or verifier may take",
        doc: "Limits how many seconds a filter or verifier may run for, or a service may take to \
            answer; then a program is killed with all that it has started. 0 means no limit. The \
            default is 60.",
        ..Opt::FLAG
    },
    Opt {
        long: "interface",
        short: Some('I'),
        argument: Required("ip-address-list"),
        repeat: true,
        summary: "local addresses to accept connections on",
        doc: "Accepts connections on these addresses only: IPv4 or IPv6 addresses (a link-local \
            one needs its zone, as in fe80::1%eth0), names of network interfaces (eth0 for the \
            addresses that it has at start, eth0-ipv4 and eth0-ipv6 for those of one kind), \
            absolute paths of unix-domain sockets, and sockets that the program is started with \
            (fd#3), separated by commas or given one by one. A prefix of smtp=, pop= or \
            admin= confines an address to that server; paths and sockets without one are the SMTP \
            server's. By default connections are accepted on the sockets that \
            systemd hands on, or else on all IPv4 and IPv6 addresses.",
        ..Opt::FLAG
    },
    Opt {
        long: "prompt-timeout",
        short: Some('w'),
        argument: Required("time"),
        summary: "seconds to wait for the remote server's greeting",
        doc: "Limits how many seconds to wait for the greeting of the remote SMTP server before \
            going on without it; 0 means no limit. The default is 20.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-smtp-config",
        short: Some('Z'),
        argument: Required("switches"),
        summary: "SMTP extensions to offer",
        doc: "Switches features of the SMTP server on and off; the words are separated by commas, \
            and - or no before a word switches it off: pipelining (on by default), chunking (off; \
            BINARYMIME as well), smtputf8 (off), smtputf8strict (always on), and strictparsing \
            (on; off accepts addresses without angle brackets, domain or proper dots).",
        ..Opt::FLAG
    },
    Opt {
        long: "size",
        short: Some('M'),
        argument: Required("bytes"),
        summary: "largest message that is accepted",
        doc: "Refuses messages of more octets than this; 0 means that no size is refused, which is \
            the default.",
        ..Opt::FLAG
    },
];
