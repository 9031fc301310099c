//! The log: levels, and the macros that write it.
//!
//! One event is one line, handed to the sink in one piece; [`layout`] says what it
//! looks like. What comes from outside reaches the text only through
//! [`super::OneLine`] or [`super::ascii::escape`], and never with a secret or message
//! content in it.

pub mod layout;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, RwLock};

use super::WallClock;
pub use layout::{Format, Settings, TEXT_MAX};

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the program does inside; shown with `--debug`.
    Debug,
    /// The dialogue and the file operations; shown with `--verbose`.
    Verbose,
    /// What happened to connections and messages.
    Info,
    /// Something is wrong but was dealt with.
    Warning,
    /// Something failed.
    Error,
}

/// On whose behalf a thread works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The name of the configuration.
    pub unit: Option<Arc<str>>,
    /// The peer's address, without a port.
    pub address: Option<String>,
    /// The peer's port.
    pub port: Option<u16>,
    /// The id of the message at hand.
    pub message: Option<String>,
}

/// Takes a finished line (without a newline) of that level and time.
pub type WriteLine = Box<dyn Fn(Level, WallClock, &str) + Send + Sync>;

/// Where finished lines (without a newline) go, and who tells the time.
pub struct Sink {
    /// Tells the time.
    pub clock: fn() -> WallClock,
    /// Takes a line; must not block for long and must not log.
    pub write: WriteLine,
    /// Opens files anew that somebody may have renamed.
    pub reopen: Box<dyn Fn() + Send + Sync>,
    /// Waits, but not for long, until what was taken has been written.
    pub flush: Box<dyn Fn() + Send + Sync>,
}

impl Sink {
    /// A sink that writes at once and has nothing to open or to wait for.
    pub fn direct(clock: fn() -> WallClock, write: WriteLine) -> Sink {
        Sink {
            clock,
            write,
            reopen: Box::new(|| ()),
            flush: Box::new(|| ()),
        }
    }
}

struct Log {
    settings: Settings,
    sink: Sink,
}

static LOG: RwLock<Option<Log>> = RwLock::new(None);

thread_local! {
    static SUBJECT: RefCell<Subject> = RefCell::default();
}

/// Starts logging, or changes how it is done.
pub fn open(settings: Settings, sink: Sink) {
    *LOG.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Log { settings, sink });
}

/// Opens the log's files anew, after somebody has renamed them.
pub fn reopen() {
    with(|log| (log.sink.reopen)());
}

/// Waits, but not for long, until all lines have been written.
pub fn flush() {
    with(|log| (log.sink.flush)());
}

/// Says on whose behalf this thread works from now on.
pub fn set_subject(subject: Subject) {
    SUBJECT.with(|known| *known.borrow_mut() = subject);
}

/// Whether lines of that level are written now.
pub fn is_enabled(level: Level) -> bool {
    let log = LOG.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    log.as_ref().is_some_and(|log| log.settings.shows(level))
}

/// Writes one line; the macros are the usual way in.
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    with(|log| {
        if log.settings.shows(level) {
            let time = (log.sink.clock)();
            let text = text.to_string();
            let line =
                SUBJECT.with(|subject| log.settings.line(level, time, &subject.borrow(), &text));
            (log.sink.write)(level, time, &line);
        }
    });
}

fn with(act: impl FnOnce(&Log)) {
    let log = LOG.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(log) = log.as_ref() {
        act(log);
    }
}

/// Logs what the program does inside, shown only with `--debug`.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => {
        if $crate::base::log::is_enabled($crate::base::log::Level::Debug) {
            $crate::base::log::write($crate::base::log::Level::Debug, format_args!($($arg)*))
        }
    };
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
