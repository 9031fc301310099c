//! Where the log goes: the standard error stream or a file, and the system log.
//!
//! Lines are written at once while the program starts, so that they come before
//! whatever else is said, and by threads of their own once it serves: a place that
//! takes no lines then keeps nobody from doing anything.

mod file;
mod queue;
mod syslog;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::WallClock;
use crate::base::log::{self, Level, Settings, Sink};
use crate::config;
use crate::sys::{append, reopen, time};

use file::{LogFile, StandardError};
use queue::{Line, Place, Queue};
use syslog::SystemLog;

/// How long the end of the program waits for the log to be written.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The places that the log goes to.
pub(super) struct Logging {
    settings: Settings,
    places: Arc<Mutex<Vec<Box<dyn Place>>>>,
}

/// Opens the log as it is configured, and writes to it at once from now on. The log
/// file is opened even where nothing is logged.
pub(super) fn open(log: &config::Log, daemon: bool, program: &str) -> io::Result<Logging> {
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    match &log.file {
        Some(template) => {
            let opener = opener(template)?;
            let file = LogFile::open(template, program, time::wall_clock(), opener)?;
            places.push(Box::new(file));
        }
        None => {
            // The boot messages of a background service are not the place for what
            // the system log has.
            let quiet = daemon && log.close_stderr && log.syslog.is_some();
            places.push(Box::new(StandardError { quiet }));
        }
    }
    if let Some(facility) = log.syslog {
        places.push(Box::new(SystemLog::new(facility, program)));
    }
    let logging = Logging {
        settings: Settings {
            program: program.to_owned(),
            enabled: log.enabled,
            verbose: log.verbose,
            debug: log.debug,
            format: log.format,
        },
        places: Arc::new(Mutex::new(places)),
    };
    logging.write_at_once();
    Ok(logging)
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

    /// Has threads write from now on. No process may be forked after this.
    pub(super) fn write_in_background(self) -> io::Result<()> {
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
        Ok(())
    }
}

/// The line that tells a place what it has missed.
fn told(settings: &Settings, lost: u64) -> Line {
    let (level, time): (Level, WallClock) = (Level::Warning, time::wall_clock());
    let text = format!("{lost} line(s) of the log were lost here: it could not be written as fast");
    Line {
        level,
        time,
        text: settings.line(level, time, &log::Subject::default(), &text),
    }
}
