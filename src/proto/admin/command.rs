//! What an administrator can ask for.

use std::time::Duration;

use crate::base::{OneLine, ascii};

/// The longest time for which block lists can be left aside, in seconds: a year.
pub const DNSBL_PAUSE_MAX: u64 = 366 * 86_400;

/// A command that cannot be answered without looking at the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `status`
    Status,
    /// `list`, `failures`
    List(Listing),
    /// `unfail-all`
    UnfailAll,
    /// `forward`
    Forward,
    /// `flush`
    Flush,
    /// `notify`
    Notify,
    /// `show`, `hold`, `release`, `retry`, `delete`, with an id
    Message {
        /// What is to be done.
        verb: Verb,
        /// The message's id as it was typed.
        id: OneLine,
    },
    /// `smtp enable`, `smtp disable`
    Smtp {
        /// Whether new sessions are to be served.
        enable: bool,
    },
    /// `dnsbl start`, `dnsbl stop`
    Dnsbl(Dnsbl),
    /// `terminate`
    Terminate,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// What waits to be forwarded.
    Ready,
    /// What has failed.
    Failed,
}

/// What is to be done with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Tell what is known of it.
    Show,
    /// Keep it from being forwarded.
    Hold,
    /// No longer keep it.
    Release,
    /// Have it ready at once, although it has failed or waits for its time.
    Retry,
    /// Remove it.
    Delete,
}

/// What is to be done about the checks against block lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dnsbl {
    /// Clients are checked.
    Start,
    /// They are not: until told otherwise, or for that long.
    Stop(Option<Duration>),
}

/// One line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// An empty line.
    Nothing,
    /// `quit`
    Quit,
    /// `help`
    Help,
    /// `pid`
    Pid,
    /// `info`, with what it is about.
    Info(Option<Info>),
    /// Something that others must do.
    Ask(Request),
    /// A command with an argument that is missing or makes no sense: how it is used.
    Usage(&'static str),
    /// None that there is.
    Unknown,
    /// The request line of HTTP.
    Http,
}

/// What can be told about the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Info {
    Copyright,
    Credit,
    Version,
    Warranty,
}

/// The names of all commands, but that of `terminate`, in alphabetic order.
pub(super) const NAMES: [&str; 18] = [
    "delete",
    "dnsbl",
    "failures",
    "flush",
    "forward",
    "help",
    "hold",
    "info",
    "list",
    "notify",
    "pid",
    "quit",
    "release",
    "retry",
    "show",
    "smtp",
    "status",
    "unfail-all",
];

/// The one that has to be allowed.
pub(super) const TERMINATE: &str = "terminate";

const INFO_USAGE: &str = "usage: info {copyright|credit|version|warranty}";
const SMTP_USAGE: &str = "usage: smtp {disable|enable}";
const DNSBL_USAGE: &str = "usage: dnsbl {start|stop [seconds]}";

/// The methods of HTTP that browsers and scanners use, and the preface of HTTP/2;
/// but for DELETE, which is a command, and known for HTTP by the end of its line.
// RFC 9110 9.3, RFC 5789 2, RFC 9113 3.4
const HTTP_METHODS: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI",
];

impl Command {
    /// Reads a line: the first word is the command, in any case.
    pub(super) fn parse(line: &[u8]) -> Command {
        let mut words = line
            .split(|octet| matches!(octet, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let Some(first) = words.next() else {
            return Command::Nothing;
        };
        if is_http(first, line) {
            return Command::Http;
        }
        let argument = words.next().map(<[u8]>::to_ascii_lowercase);
        let argument = argument.as_deref();
        let rest = after_word(line);
        match first.to_ascii_lowercase().as_slice() {
            b"quit" => Command::Quit,
            b"help" => Command::Help,
            b"pid" => Command::Pid,
            b"info" => Command::info(argument),
            b"status" => Command::Ask(Request::Status),
            b"list" => Command::Ask(Request::List(Listing::Ready)),
            b"failures" => Command::Ask(Request::List(Listing::Failed)),
            b"unfail-all" => Command::Ask(Request::UnfailAll),
            b"forward" => Command::Ask(Request::Forward),
            b"flush" => Command::Ask(Request::Flush),
            b"notify" => Command::Ask(Request::Notify),
            b"terminate" => Command::Ask(Request::Terminate),
            b"smtp" => Command::smtp(argument),
            b"dnsbl" => Command::dnsbl(argument, words.next()),
            b"show" => Command::message(Verb::Show, rest),
            b"hold" => Command::message(Verb::Hold, rest),
            b"release" => Command::message(Verb::Release, rest),
            b"retry" => Command::message(Verb::Retry, rest),
            b"delete" => Command::message(Verb::Delete, rest),
            _ => Command::Unknown,
        }
    }

    fn info(argument: Option<&[u8]>) -> Command {
        match argument {
            None => Command::Info(None),
            Some(b"copyright") => Command::Info(Some(Info::Copyright)),
            Some(b"credit") => Command::Info(Some(Info::Credit)),
            Some(b"version") => Command::Info(Some(Info::Version)),
            Some(b"warranty") => Command::Info(Some(Info::Warranty)),
            Some(_) => Command::Usage(INFO_USAGE),
        }
    }

    /// All of the rest is the id, as there may be blanks in it; a part of it could be
    /// that of another message.
    fn message(verb: Verb, id: &[u8]) -> Command {
        match OneLine::new(id).filter(|id| !id.is_empty()) {
            Some(id) => Command::Ask(Request::Message { verb, id }),
            None => Command::Usage(verb.usage()),
        }
    }

    fn smtp(argument: Option<&[u8]>) -> Command {
        match argument {
            Some(b"enable") => Command::Ask(Request::Smtp { enable: true }),
            Some(b"disable") => Command::Ask(Request::Smtp { enable: false }),
            _ => Command::Usage(SMTP_USAGE),
        }
    }

    fn dnsbl(argument: Option<&[u8]>, seconds: Option<&[u8]>) -> Command {
        let pause = match seconds.map(ascii::parse_decimal) {
            None => Some(None),
            Some(seconds) => seconds
                .filter(|seconds| (1..=DNSBL_PAUSE_MAX).contains(seconds))
                .map(|seconds| Some(Duration::from_secs(seconds))),
        };
        match (argument, pause) {
            (Some(b"start"), _) => Command::Ask(Request::Dnsbl(Dnsbl::Start)),
            (Some(b"stop"), Some(pause)) => Command::Ask(Request::Dnsbl(Dnsbl::Stop(pause))),
            _ => Command::Usage(DNSBL_USAGE),
        }
    }
}

impl Verb {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Show => "show",
            Verb::Hold => "hold",
            Verb::Release => "release",
            Verb::Retry => "retry",
            Verb::Delete => "delete",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Verb::Show => "usage: show <id>",
            Verb::Hold => "usage: hold <id>",
            Verb::Release => "usage: release <id>",
            Verb::Retry => "usage: retry <id>",
            Verb::Delete => "usage: delete <id>",
        }
    }
}

/// What follows the first word, without the blanks around it.
fn after_word(line: &[u8]) -> &[u8] {
    let line = ascii::trim(line);
    let end = line.iter().position(|octet| matches!(octet, b' ' | b'\t'));
    ascii::trim(&line[end.unwrap_or(line.len())..])
}

/// Whether a browser has been led to talk to us: what follows would be headers,
/// and content that somebody else has chosen.
fn is_http(first: &[u8], line: &[u8]) -> bool {
    let is_method = |method: &&[u8]| ascii::eq(first, method);
    let version = |word: &[u8]| word.len() > 5 && ascii::eq(&word[..5], b"HTTP/");
    let last = line
        .rsplit(|octet| matches!(octet, b' ' | b'\t'))
        .find(|word| !word.is_empty());
    HTTP_METHODS.iter().any(is_method) || last.is_some_and(version)
}

/// What `info` says of itself where it is not told about what.
pub(super) fn info_usage() -> OneLine {
    OneLine::escaped(INFO_USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Option<Request> {
        match Command::parse(line.as_bytes()) {
            Command::Ask(request) => Some(request),
            _ => None,
        }
    }

    #[test]
    fn the_first_word_counts_in_any_case() {
        for line in ["list", "LIST", " List", "list of everything", "\tlist\t"] {
            assert_eq!(ask(line), Some(Request::List(Listing::Ready)), "{line:?}");
        }
        for line in ["lis", "listing", "list,", "unfail", "\u{1b}list", "list\0"] {
            assert_eq!(
                Command::parse(line.as_bytes()),
                Command::Unknown,
                "{line:?}"
            );
        }
        for line in ["", " ", "\t \t"] {
            assert_eq!(Command::parse(line.as_bytes()), Command::Nothing);
        }
    }

    #[test]
    fn every_name_is_a_command() {
        for name in NAMES.into_iter().chain([TERMINATE]) {
            let command = Command::parse(name.as_bytes());
            assert_ne!(command, Command::Unknown, "{name}");
        }
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn switches_need_a_word() {
        assert_eq!(ask("smtp enable"), Some(Request::Smtp { enable: true }));
        assert_eq!(ask("SMTP DISABLE"), Some(Request::Smtp { enable: false }));
        assert_eq!(ask("dnsbl start"), Some(Request::Dnsbl(Dnsbl::Start)));
        let stop = |seconds| Some(Request::Dnsbl(Dnsbl::Stop(seconds)));
        assert_eq!(ask("dnsbl stop"), stop(None));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(ask("dnsbl stop 60"), stop(minute));
        for line in [
            "smtp",
            "smtp off",
            "dnsbl",
            "dnsbl pause",
            "dnsbl stop 0",
            "dnsbl stop -1",
            "dnsbl stop 99999999999999999999",
            "dnsbl stop 31622401",
            "info everything",
        ] {
            let command = Command::parse(line.as_bytes());
            assert!(matches!(command, Command::Usage(_)), "{line}: {command:?}");
        }
    }

    #[test]
    fn messages_are_named_as_they_were_typed() {
        let request = |verb, id: &str| {
            let id = OneLine::new(id).unwrap();
            Some(Request::Message { verb, id })
        };
        let id = "emailrelay.1.2.3";
        assert_eq!(ask("SHOW emailrelay.1.2.3"), request(Verb::Show, id));
        assert_eq!(ask(" hold\t A.b now "), request(Verb::Hold, "A.b now"));
        assert_eq!(ask("release ../x"), request(Verb::Release, "../x"));
        assert_eq!(ask("retry x"), request(Verb::Retry, "x"));
        assert_eq!(ask("delete /"), request(Verb::Delete, "/"));
        for line in ["show", "hold ", "delete", "delete a\0b"] {
            let command = Command::parse(line.as_bytes());
            assert!(matches!(command, Command::Usage(_)), "{line:?}");
        }
    }

    #[test]
    fn http_is_recognised_whatever_is_asked_for() {
        for line in [
            "GET / HTTP/1.1",
            "get /",
            "POST",
            "HEAD / HTTP/1.0",
            "OPTIONS * HTTP/1.1",
            "PRI * HTTP/2.0",
            "DELETE / HTTP/1.1",
            "flush HTTP/1.1",
            "X-ODD /a http/1.1",
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Command::Http, "{line}");
        }
        for line in ["getter", "http/", "list HTTP"] {
            assert_ne!(Command::parse(line.as_bytes()), Command::Http, "{line}");
        }
    }
}
