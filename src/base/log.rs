//! The log: levels, line layout and the macros that write it.
//!
//! One event is one line, handed to the sink in one piece:
//! `<program>: [<timestamp>: ]<level>: [<peer address>; ]<text>`. What comes from
//! outside reaches the text only through [`super::OneLine`] or
//! [`super::ascii::escape`], and never with a secret or message content in it.

use std::cell::RefCell;
use std::fmt;
use std::sync::RwLock;

use super::WallClock;

/// The longest text of a line, in octets; more is cut and ends in ` ...`.
pub const TEXT_MAX: usize = 1000;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The dialogue and the file operations; shown with `--verbose`.
    Verbose,
    /// What happened to connections and messages.
    Info,
    /// Something is wrong but was dealt with.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Verbose | Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// How lines look and which are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program's name, first on each line.
    pub program: String,
    /// Whether anything is written at all (`--log`).
    pub enabled: bool,
    /// Whether [`Level::Verbose`] is written.
    pub verbose: bool,
    /// Whether lines carry a timestamp (`--log-time`).
    pub time: bool,
    /// Whether lines carry the peer's address (`--log-address`).
    pub address: bool,
}

/// Takes a finished line (without a newline) of that level.
pub type WriteLine = Box<dyn Fn(Level, &str) + Send + Sync>;

/// Where finished lines (without a newline) go, and who tells the time.
pub struct Sink {
    /// Tells the time for `--log-time`.
    pub clock: fn() -> WallClock,
    /// Takes a line; must not block for long and must not log.
    pub write: WriteLine,
}

struct Log {
    settings: Settings,
    sink: Sink,
}

static LOG: RwLock<Option<Log>> = RwLock::new(None);

thread_local! {
    static PEER: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Starts logging, or changes how it is done.
pub fn open(settings: Settings, sink: Sink) {
    *LOG.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Log { settings, sink });
}

/// Names the peer on whose behalf this thread works from now on.
pub fn set_peer(address: Option<String>) {
    PEER.with(|peer| *peer.borrow_mut() = address);
}

/// Whether lines of that level are written now.
pub fn is_enabled(level: Level) -> bool {
    let log = LOG.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    log.as_ref().is_some_and(|log| log.settings.shows(level))
}

/// Writes one line; the macros are the usual way in.
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    let log = LOG.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(log) = log.as_ref().filter(|log| log.settings.shows(level)) else {
        return;
    };
    let time = log.settings.time.then(|| (log.sink.clock)());
    let line = PEER.with(|peer| {
        let peer = peer.borrow();
        log.settings
            .line(level, time, peer.as_deref(), &text.to_string())
    });
    (log.sink.write)(level, &line);
}

impl Settings {
    fn shows(&self, level: Level) -> bool {
        self.enabled && (level != Level::Verbose || self.verbose)
    }

    fn line(
        &self,
        level: Level,
        time: Option<WallClock>,
        peer: Option<&str>,
        text: &str,
    ) -> String {
        let mut line = format!("{}: ", self.program);
        if let Some(time) = time {
            line += &time.log_stamp();
            line += ": ";
        }
        line += level.word();
        line += ": ";
        if let Some(peer) = peer.filter(|_| self.address) {
            line += &one_bounded_line(peer);
            line += "; ";
        }
        line += &one_bounded_line(text);
        line
    }
}

/// Cuts the text at [`TEXT_MAX`] and replaces whatever could start a new line or
/// drive a terminal: callers escape, this is the second lock.
fn one_bounded_line(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line: String = text[..end]
        .chars()
        .map(|c| if c.is_control() { '.' } else { c })
        .collect();
    if end < text.len() {
        line += " ...";
    }
    line
}

/// Logs at level info, shown only with `--verbose`.
#[macro_export]
macro_rules! verbose {
    ($($arg:tt)*) => {
        if $crate::base::log::is_enabled($crate::base::log::Level::Verbose) {
            $crate::base::log::write($crate::base::log::Level::Verbose, format_args!($($arg)*))
        }
    };
}

/// Logs what happened to a connection or message.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => {
        $crate::base::log::write($crate::base::log::Level::Info, format_args!($($arg)*))
    };
}

/// Logs something wrong that was dealt with.
#[macro_export]
macro_rules! warning {
    ($($arg:tt)*) => {
        $crate::base::log::write($crate::base::log::Level::Warning, format_args!($($arg)*))
    };
}

/// Logs a failure.
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => {
        $crate::base::log::write($crate::base::log::Level::Error, format_args!($($arg)*))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            program: "emailrelay".to_owned(),
            enabled: true,
            verbose: false,
            time: true,
            address: true,
        }
    }

    #[test]
    fn lays_lines_out_for_log_watchers() {
        let clock = WallClock {
            unix_ms: 1_795_361_545_480,
            zone_minutes: 0,
        };
        let line = settings().line(
            Level::Info,
            Some(clock),
            Some("127.0.0.1"),
            "rx<<: \"EHLO x\"",
        );
        assert_eq!(
            line,
            "emailrelay: 20261122.153225.480: info: 127.0.0.1; rx<<: \"EHLO x\""
        );
        let forged = settings().line(Level::Info, None, Some("x\nforged"), "text");
        assert_eq!(forged, "emailrelay: info: x.forged; text");
        let plain = Settings {
            time: false,
            address: false,
            ..settings()
        };
        let line = plain.line(Level::Warning, None, Some("127.0.0.1"), "text");
        assert_eq!(line, "emailrelay: warning: text");
    }

    #[test]
    fn bounds_and_defuses_the_text() {
        assert_eq!(one_bounded_line("a\nb\u{1b}c"), "a.b.c");
        let long = one_bounded_line(&"é".repeat(900));
        assert_eq!(long.len(), TEXT_MAX + 4);
        assert!(long.ends_with("é ..."));
    }

    #[test]
    fn verbose_lines_want_the_option() {
        assert!(!settings().shows(Level::Verbose));
        assert!(
            Settings {
                verbose: true,
                ..settings()
            }
            .shows(Level::Verbose)
        );
        assert!(
            !Settings {
                enabled: false,
                ..settings()
            }
            .shows(Level::Error)
        );
    }
}
