//! Where the log goes: the standard error stream or a file, and the system log.
//!
//! Lines are written at once while the program starts, so that they come before
//! whatever else is said, and by threads of their own once it serves: a place that
//! takes no lines then keeps nobody from doing anything.

mod file;
mod losses;
mod queue;
mod syslog;

use std::io;
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::log::{self, Level, Settings, Sink};
use crate::base::{WallClock, ascii};
use crate::sys::{append, reopen, time};
use crate::{config, error};

use file::{LogFile, StandardError};
use queue::{Line, Place, Queue};
use syslog::SystemLog;

/// How long the end of the program waits for the log to be written.
pub(super) const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The places that the log goes to.
pub(super) struct Logging {
    settings: Settings,
    places: Arc<Mutex<Vec<Box<dyn Place>>>>,
}

/// Opens the log as it is configured, and writes to it at once from now on. The log
/// file is opened even where nothing is logged.
pub(super) fn open(log: &config::Log, daemon: bool, program: &str) -> io::Result<Logging> {
    let settings = Settings {
        program: program.to_owned(),
        enabled: log.enabled,
        verbose: log.verbose,
        debug: log.debug,
        format: log.format,
    };
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    match &log.file {
        Some(template) => {
            let opener = opener(template)?;
            let file = LogFile::open(template, settings.clone(), time::wall_clock(), opener)?;
            places.push(Box::new(file));
        }
        None => {
            // The boot messages of a background service are not the place for what
            // the system log has.
            let quiet = daemon && log.close_stderr && log.syslog.is_some();
            places.push(Box::new(StandardError::new(settings.clone(), quiet)));
        }
    }
    if let Some(facility) = log.syslog {
        places.push(Box::new(SystemLog::new(facility, program)));
    }
    let logging = Logging {
        settings,
        places: Arc::new(Mutex::new(places)),
    };
    logging.write_at_once();
    Ok(logging)
}

/// As [`open`], for a trial: the log file is not created nor written to, and lines go to
/// the standard error stream.
pub(super) fn try_out(log: &config::Log, daemon: bool, program: &str) -> io::Result<Logging> {
    if let Some(template) = &log.file {
        append::try_out(&file::path_at(template, time::wall_clock()))?;
        // The sandbox is to let it be opened again.
        drop(opener(template)?);
    }
    let elsewhere = config::Log {
        file: None,
        ..log.clone()
    };
    open(&elsewhere, daemon, program)
}

/// What opens the log file now and later, when it may take root's privileges.
fn opener(template: &Path) -> io::Result<file::Opener> {
    let own = template.to_owned();
    let path_now = move || file::path_at(&own, time::wall_clock());
    let log_file = reopen::log_file(Box::new(path_now))?;
    Ok(Box::new(move |path| match append::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => log_file.open(),
        result => result,
    }))
}

impl Logging {
    fn write_at_once(&self) {
        let places = Arc::clone(&self.places);
        let write = move |level, time, text: &str| {
            let line = Line {
                level,
                time,
                text: text.to_owned(),
            };
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            places
                .iter_mut()
                .for_each(|place| place.write(std::slice::from_ref(&line)));
        };
        log::open(
            self.settings.clone(),
            Sink::direct(time::wall_clock, Box::new(write)),
        );
    }

    /// Has threads write from now on, until what is returned is dropped. No process may
    /// be forked after this. Our own faults are told in the log then, too: standard
    /// error may be closed, or be a pipe that nobody reads.
    pub(super) fn write_in_background(self) -> io::Result<Writing> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let queues = std::mem::take(&mut *places).into_iter().map(|place| {
            let settings = self.settings.clone();
            Queue::start(place, move |lost| told(&settings, lost))
        });
        let queues: Arc<[Arc<Queue>]> = queues.collect::<io::Result<_>>()?;
        let (writers, reopened, flushed) = (
            Arc::clone(&queues),
            Arc::clone(&queues),
            Arc::clone(&queues),
        );
        let write = move |level, time, text: &str| {
            for queue in &*writers {
                queue.push(Line {
                    level,
                    time,
                    text: text.to_owned(),
                });
            }
        };
        let reopen = move || reopened.iter().for_each(|queue| queue.reopen());
        let flush = move || {
            let until = Instant::now() + FLUSH_MAX;
            flushed.iter().for_each(|queue| queue.flush(until));
        };
        let sink = Sink {
            clock: time::wall_clock,
            write: Box::new(write),
            reopen: Box::new(reopen),
            flush: Box::new(flush),
        };
        log::open(self.settings.clone(), sink);
        panic::set_hook(Box::new(|fault| error!("{}", explain(fault))));
        Ok(Writing)
    }
}

/// As long as there is this, the log is written by threads. What they have not written
/// when it is dropped is waited for, though not for long, and be it by a panic.
pub(super) struct Writing;

impl Drop for Writing {
    fn drop(&mut self) {
        log::flush();
    }
}

fn explain(fault: &PanicHookInfo<'_>) -> String {
    let payload = fault.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = ascii::escape(text.unwrap_or("no reason given").as_bytes());
    match fault.location() {
        Some(place) => format!("internal error: {text}: {}:{}", place.file(), place.line()),
        None => format!("internal error: {text}"),
    }
}

/// The line that tells a place what it has missed.
fn told(settings: &Settings, lost: u64) -> Line {
    let text = format!("{lost} line(s) of the log were lost here: it could not be written as fast");
    warning_of_ours(settings, time::wall_clock(), &text)
}

/// A line of a place's own.
fn warning_of_ours(settings: &Settings, time: WallClock, text: &str) -> Line {
    let level = Level::Warning;
    Line {
        level,
        time,
        text: settings.line(level, time, &log::Subject::default(), text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn our_own_faults_are_one_line_each() {
        // The hook is for the whole process: only faults on this thread are looked at.
        let (told, hear) = std::sync::mpsc::channel();
        let own = std::thread::current().id();
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |fault| {
            match std::thread::current().id() == own {
                // The test has ended otherwise.
                true => drop(told.send(explain(fault))),
                false => earlier(fault),
            }
        }));
        let faults: [fn(); 3] = [
            || panic!("on purpose"),
            || panic!("a {}\nb", "value"),
            || panic::panic_any(5),
        ];
        let texts = faults.map(|fault| {
            assert!(catch_unwind(fault).is_err());
            hear.recv().unwrap()
        });
        // The usual one again.
        drop(panic::take_hook());
        for (text, start) in texts.iter().zip([
            "internal error: on purpose: src/cli/logging/mod.rs:",
            "internal error: a value\\nb: src/cli/logging/mod.rs:",
            "internal error: no reason given: src/cli/logging/mod.rs:",
        ]) {
            assert!(text.starts_with(start), "{text}");
        }
    }
}
