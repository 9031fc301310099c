//! From the command line to the loop, in one straight list. Whatever can fail
//! fails here, on standard error, before anything is served.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::{OneLine, log};
use crate::config::{self, Advice, Config, FILE_MAX, Outcome, Platform, VARIABLE_PREFIX};
use crate::event::{Poller, Pool};
use crate::relay::context::{Context, Pools};
use crate::relay::disk::DiskWork;
use crate::relay::filters::FilterWork;
use crate::relay::limits::{
    DISK_THREADS_MAX, FILTER_THREADS_MAX, LOOKUP_THREADS_MAX, PROGRAM_THREADS_MAX, sessions_max,
};
use crate::relay::lookup::LookupWork;
use crate::relay::programs::ProgramWork;
use crate::relay::run::Relay;
use crate::sys::{child, process, signal, socket, stderr, time};
use crate::{tls, warning};

use super::opened::Opened;
use super::watching;

/// Files of the spool are for owner and group.
const UMASK: u32 = 0o007;

/// The exit status of a start that failed.
pub(super) const FAILURE: u8 = 1;

/// The same where an address to listen on could not be bound.
pub(super) const NOT_BOUND: u8 = 2;

/// Why the program does not start.
pub(super) struct Failure {
    pub(super) status: u8,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(text: impl ToString) -> Failure {
        Failure {
            status: FAILURE,
            text: text.to_string(),
        }
    }

    /// The same with the configuration's name, if it has one.
    fn of(self, name: Option<&str>) -> Failure {
        match name {
            Some(name) => Failure {
                text: format!("configuration \"{name}\": {}", self.text),
                ..self
            },
            None => self,
        }
    }
}

pub(super) fn run(mut arguments: Vec<OsString>) -> u8 {
    if let Err(error) = process::ensure_standard_descriptors() {
        stderr::write_line(&format!(
            "emailrelay: error: cannot open the null device: {error}"
        ));
        return 1;
    }
    process::keep_descriptors();
    let words = arguments.split_off(1.min(arguments.len()));
    let program = program_name(arguments.first());
    match config::resolve(words, &surroundings(), read_file) {
        Outcome::Print(text) => print(&text),
        Outcome::NothingToDo => {
            stderr::write_line(&format!("{program}: nothing to do"));
            0
        }
        Outcome::Fail(problems) => {
            stderr::write_line(config::failure(&program, &problems).trim_end());
            1
        }
        Outcome::Run(configs, advice) => start(&configs, &program, &advice),
    }
}

fn start(configs: &[Config], program: &str, advice: &[Advice]) -> u8 {
    for advice in advice {
        stderr::write_line(&format!("{program}: warning: {advice}"));
    }
    let Some((first, _)) = configs.split_first() else {
        return 0;
    };
    match serve(first, configs, program) {
        Ok(status) => status,
        Err(Failure { status, text }) => {
            stderr::write_line(&format!("{program}: error: {text}"));
            status
        }
    }
}

/// Starts all configurations in one loop. What is for the whole process is the same
/// in all of them, and taken from the first.
fn serve(first: &Config, configs: &[Config], program: &str) -> Result<u8, Failure> {
    open_log(first, program);
    process::set_umask(UMASK);
    if let Err(error) = process::forbid_core_dumps() {
        warning!("cannot forbid core dumps: {error}");
    }
    let descriptors = process::raise_descriptor_limit();
    let opened = configs.iter().enumerate().map(|(index, config)| {
        // Sockets that systemd has opened do not say which configuration they are for.
        let opened = Opened::new(config, index == 0);
        opened.map_err(|failure| failure.of(config.name.as_deref()))
    });
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let needs = |need: fn(&Opened) -> usize| opened.iter().map(need).max().unwrap_or(0);
    let watchers = configs
        .iter()
        .map(|config| watching::descriptors(config.serve.as_ref()));
    let sessions_max = sessions_max(
        descriptors.saturating_sub(watchers.sum::<usize>() as u64),
        needs(Opened::sockets_of_check),
        needs(Opened::connections),
    );
    let share = (sessions_max / configs.len()).max(1);
    let mut relay = assemble()?;
    for (config, opened) in configs.iter().zip(opened) {
        opened
            .add_to(&mut relay, config, share)
            .map_err(|failure| failure.of(config.name.as_deref()))?;
    }
    if first.log.close_stderr
        && let Err(error) = process::close_standard_error()
    {
        warning!("cannot close standard error: {error}");
    }
    let result = relay.run();
    child::end_all();
    result.map_err(|error| Failure::new(format!("cannot wait for events: {error}")))
}

fn open_log(config: &Config, program: &str) {
    let settings = log::Settings {
        program: program.to_owned(),
        enabled: config.log.enabled,
        verbose: config.log.verbose,
        time: config.log.time,
        address: config.log.address,
    };
    let sink = log::Sink {
        clock: time::wall_clock,
        write: Box::new(|_, line| stderr::write_line(line)),
    };
    log::open(settings, sink);
}

fn assemble() -> Result<Relay, Failure> {
    let fail = |error: io::Error| Failure::new(format!("cannot set up the event loop: {error}"));
    let (sender, receiver) = socket::wake_pair().map_err(fail)?;
    let sender = Arc::new(sender);
    let signals = signal::watch(Arc::clone(&sender)).map_err(fail)?;
    let waker = |sender: &Arc<socket::WakeSender>| {
        let sender = Arc::clone(sender);
        move || sender.wake()
    };
    let disk = Pool::new(DiskWork, DISK_THREADS_MAX, waker(&sender));
    let lookups = Pool::new(LookupWork, LOOKUP_THREADS_MAX, waker(&sender));
    let programs = Pool::new(ProgramWork, PROGRAM_THREADS_MAX, waker(&sender));
    let filters = Pool::new(FilterWork, FILTER_THREADS_MAX, waker(&sender));
    let pools = Pools {
        disk,
        lookups,
        programs,
        filters,
    };
    let context = Context::new(Instant::now(), time::wall_clock, pools);
    Ok(Relay::new(Poller::new(receiver), signals, context))
}

fn surroundings() -> config::Context {
    let platform = match std::env::consts::FAMILY {
        "windows" => Platform::Windows,
        _ => Platform::Unix,
    };
    config::Context {
        base_dir: std::env::current_dir().ok(),
        app_dir: std::env::current_exe()
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned)),
        libraries: tls::providers()
            .iter()
            .map(|one| one.description())
            .collect(),
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        environment: environment(),
        columns: std::env::var("COLUMNS").ok(),
        ..config::Context::new(platform)
    }
}

/// The variables that give options.
fn environment() -> Vec<(String, OsString)> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with(VARIABLE_PREFIX).then_some((name, value))
    });
    named.collect()
}

/// Reads a configuration file, and no more of it than is needed to see that it is
/// too long.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(FILE_MAX as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// The name of the program without folder and extension, as it is on log lines.
fn program_name(argument: Option<&OsString>) -> String {
    let path = PathBuf::from(argument.cloned().unwrap_or_default());
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = stem.filter(|name| !name.is_empty());
    name.map_or_else(
        || config::PROGRAM.to_owned(),
        |name| OneLine::escaped(name).to_string(),
    )
}

fn print(text: &str) -> u8 {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    u8::from(written.is_err())
}
