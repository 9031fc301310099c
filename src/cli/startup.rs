//! From the command line to the loop, in one straight list. Whatever can fail
//! fails here, on standard error, before anything is served.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::OneLine;
use crate::config::{self, Advice, Config, FILE_MAX, Outcome, Platform, Process, VARIABLE_PREFIX};
use crate::event::{Poller, Pool};
use crate::relay::context::{Context, Pools};
use crate::relay::disk::DiskWork;
use crate::relay::filters::FilterWork;
use crate::relay::limits::{
    DISK_THREADS_MAX, FILTER_THREADS_MAX, LOOKUP_THREADS_MAX, PROGRAM_THREADS_MAX, sessions_max,
};
use crate::relay::listening::{Claims, ListeningError};
use crate::relay::lookup::LookupWork;
use crate::relay::passwords::PasswordWork;
use crate::relay::programs::ProgramWork;
use crate::relay::run::Relay;
use crate::sys::daemon::{self, Detached, Launch};
use crate::sys::notify::{self, State};
use crate::sys::pam::CHECKS_MAX;
use crate::sys::privileges;
use crate::sys::{self, child, process, signal, socket, stderr, terminal, time};
use crate::{tls, warning};

use super::confinement;
use super::identity::{self, Plans};
use super::logging::{self, Logging};
use super::opened::{Checked, Opened};
use super::trial;
use super::watching;

/// Files of the spool are for owner and group.
const UMASK: u32 = 0o007;

/// The exit status of a start that failed.
const FAILURE: u8 = 1;

/// The same where an address to listen on could not be bound.
const NOT_BOUND: u8 = 2;

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

    /// The failure to listen somewhere.
    pub(super) fn not_bound(error: &ListeningError) -> Failure {
        Failure {
            status: NOT_BOUND,
            text: error.to_string(),
        }
    }

    /// Tells of it, and gives the exit status.
    fn tell(self, program: &str) -> u8 {
        let Failure { status, text } = self;
        stderr::write_line(&format!("{program}: error: {text}"));
        status
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

/// The bit of a mode that lets everybody write.
const WRITABLE_BY_OTHERS: u32 = 0o002;

pub(super) fn run(mut arguments: Vec<OsString>) -> u8 {
    if let Err(error) = process::ensure_standard_descriptors() {
        stderr::write_line(&format!(
            "emailrelay: error: cannot open the null device: {error}"
        ));
        return 1;
    }
    process::keep_descriptors();
    if let Err(error) = process::hear_signals() {
        stderr::write_line(&format!("emailrelay: error: cannot hear signals: {error}"));
        return 1;
    }
    let words = arguments.split_off(1.min(arguments.len()));
    let program = program_name(arguments.first());
    if let Err(failure) = identity::refuse_a_borrowed_one() {
        return failure.tell(&program);
    }
    match config::resolve(words, &surroundings(), read_in_plain_words) {
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
        Outcome::Check(configs, advice, text) => {
            show(&advice, &program);
            match trial::run(&configs, &program) {
                Ok(()) => print(&text),
                Err(failure) => failure.tell(&program),
            }
        }
    }
}

fn start(configs: &[Config], program: &str, advice: &[Advice]) -> u8 {
    show(advice, program);
    let Some((first, _)) = configs.split_first() else {
        return 0;
    };
    // What the environment says is for this process, not for one that it starts.
    let started = std::process::id();
    let result = match background(&first.process) {
        Ok(Detached::Over(status)) => return status,
        Ok(Detached::Here(mut launch)) => {
            let result = serve(first, configs, program, started, &mut launch);
            result.map_err(|failure| (failure, launch))
        }
        Err(failure) => Err((failure, Launch::default())),
    };
    result.unwrap_or_else(|(failure, mut launch)| {
        let status = failure.tell(program);
        launch.tell(status);
        status
    })
}

fn show(advice: &[Advice], program: &str) {
    for advice in advice {
        stderr::write_line(&format!("{program}: warning: {advice}"));
    }
}

/// Goes into the background, if that is asked for.
fn background(process: &Process) -> Result<Detached, Failure> {
    if !process.daemon {
        if process.hidden {
            terminal::close_own_window();
        }
        return Ok(Detached::Here(Launch::default()));
    }
    daemon::detach(process.window).map_err(|error| {
        let reason = sys::reason(&error);
        Failure::new(format!(
            "cannot go into the background: {reason}: add --no-daemon"
        ))
    })
}

/// Starts all configurations in one loop. What is for the whole process is the same
/// in all of them, and taken from the first.
///
/// The order matters. There is one thread, and there are all privileges, until the
/// process has been divided; what takes privileges is done before.
fn serve(
    first: &Config,
    configs: &[Config],
    program: &str,
    started: u32,
    launch: &mut Launch,
) -> Result<u8, Failure> {
    let logging = open_log(first, program)?;
    prepare();
    // Whoever reads the pid file may tell us to reload at once.
    signal::put_reloads_off()
        .map_err(|error| Failure::new(format!("cannot catch signals: {error}")))?;
    notify::open(&variable).map_err(Failure::new)?;
    let descriptors = process::raise_descriptor_limit();
    let user = identity::target(&first.process)?;
    let user = user.as_ref();
    let mut claims = Claims::default();
    let opened = each(configs, |index, config| {
        // Sockets that systemd has opened do not say which configuration they are for.
        Opened::new(config, (index == 0).then_some(started), user, &mut claims)
    })?;
    let mut pid_file = identity::pid_file(&first.process, user)?;
    let plans = Plans {
        runs_programs: configs.iter().any(Config::runs_programs),
        asks_pam: configs.iter().any(Config::asks_pam),
    };
    let lifeline = identity::give_up(&first.process, user, plans, &mut pid_file)?;
    confinement::enter(configs)?;

    let mut opened = opened.into_iter();
    let checked = each(configs, |_, config| {
        let opened = opened.next().expect("invariant: one for each");
        opened.check(config, user)
    })?;
    let mut relay = assemble()?;
    add_all(&mut relay, configs, checked, descriptors)?;
    relay.beat(notify::heartbeat(started, &variable));
    if let Some(lifeline) = lifeline {
        let watched = lifeline.watch();
        watched.map_err(|error| Failure::new(format!("cannot watch the monitor: {error}")))?;
    }
    let writing = logging
        .write_in_background()
        .map_err(|error| Failure::new(format!("cannot start a thread for the log: {error}")))?;
    ready(first, launch);
    let result = relay.run();
    child::end_all();
    drop(writing);
    // It is removed only now.
    drop(pid_file);
    result.map_err(|error| Failure::new(format!("cannot wait for events: {error}")))
}

/// Sets what holds for the whole process.
pub(super) fn prepare() {
    process::set_umask(UMASK);
    if let Err(error) = process::forbid_core_dumps() {
        warning!("cannot forbid core dumps: {error}");
    }
    // Filters run as the same user where there is nothing to give up.
    privileges::hide_memory();
}

/// Does that for each configuration; what goes wrong is told with its name.
pub(super) fn each<T>(
    configs: &[Config],
    mut run: impl FnMut(usize, &Config) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let done = configs.iter().enumerate().map(|(index, config)| {
        run(index, config).map_err(|failure| failure.of(config.name.as_deref()))
    });
    done.collect()
}

/// Adds the sessions of all configurations, each with its share of what there may be.
fn add_all(
    relay: &mut Relay,
    configs: &[Config],
    checked: Vec<Checked>,
    descriptors: u64,
) -> Result<(), Failure> {
    let needs = |need: fn(&Checked) -> usize| checked.iter().map(need).max().unwrap_or(0);
    let watchers = configs
        .iter()
        .map(|config| watching::descriptors(config.serve.as_ref()));
    let sessions_max = sessions_max(
        descriptors.saturating_sub(watchers.sum::<usize>() as u64),
        needs(Checked::sockets_of_check),
        needs(Checked::connections),
    );
    let share = (sessions_max / configs.len()).max(1);
    let mut checked = checked.into_iter();
    each(configs, |_, config| {
        relay.context().unit = config.name.as_deref().map(Into::into);
        let checked = checked.next().expect("invariant: one for each");
        checked.add_to(relay, config, share)
    })
    .map(drop)
}

/// Lets go of the standard streams as far as they are not used any more, and says
/// that the program serves.
fn ready(config: &Config, launch: &mut Launch) {
    let daemon = config.process.daemon;
    if daemon && let Err(error) = process::close_standard_input_and_output() {
        warning!("cannot close the standard streams: {error}");
    }
    // Else whoever reads what a daemon says would wait for ever.
    let is_quiet = daemon && (!config.log.enabled || config.log.file.is_some());
    if (config.log.close_stderr || is_quiet)
        && let Err(error) = process::close_standard_error()
    {
        warning!("cannot close standard error: {error}");
    }
    notify::tell(State::Ready);
    launch.tell(0);
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn open_log(config: &Config, program: &str) -> Result<Logging, Failure> {
    let logging = logging::open(&config.log, config.process.daemon, program);
    log_opened(config, logging)
}

/// What has come of opening the log, with the option named if that failed.
pub(super) fn log_opened(
    config: &Config,
    logging: io::Result<Logging>,
) -> Result<Logging, Failure> {
    logging.map_err(|error| {
        let path = config.log.file.as_deref().unwrap_or(Path::new(""));
        Failure::new(format!(
            "--log-file: cannot open log file: {}: {}",
            path.display(),
            sys::reason(&error)
        ))
    })
}

pub(super) fn assemble() -> Result<Relay, Failure> {
    let fail = |error: io::Error| Failure::new(format!("cannot set up the event loop: {error}"));
    let (sender, receiver) = socket::wake_pair().map_err(fail)?;
    let sender = Arc::new(sender);
    let signals = signal::watch(Arc::clone(&sender)).map_err(fail)?;
    let waker = |sender: &Arc<socket::WakeSender>| {
        let sender = Arc::clone(sender);
        move || sender.wake()
    };
    let disk = Pool::new(DiskWork, DISK_THREADS_MAX, waker(&sender));
    let lookups = Pool::new(LookupWork::default(), LOOKUP_THREADS_MAX, waker(&sender));
    let passwords = Pool::new(PasswordWork, CHECKS_MAX, waker(&sender));
    let programs = Pool::new(ProgramWork, PROGRAM_THREADS_MAX, waker(&sender));
    let filters = Pool::new(FilterWork, FILTER_THREADS_MAX, waker(&sender));
    let pools = Pools {
        disk,
        lookups,
        passwords,
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
        pam: sys::pam::IS_AVAILABLE,
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        environment: environment(),
        locales: locales(),
        columns: std::env::var("COLUMNS").ok(),
        ..config::Context::new(platform)
    }
}

/// The locales that the user wants, by the variables that say so, as gettext has them.
fn locales() -> Vec<String> {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty());
    let Some(locale) = locale.filter(|locale| locale != "C" && locale != "POSIX") else {
        return Vec::new();
    };
    let preferred = variable("LANGUAGE").unwrap_or_default();
    let preferred = preferred.split(':').map(str::to_owned);
    preferred.chain([locale]).collect()
}

/// The variables that give options.
fn environment() -> Vec<(String, OsString)> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with(VARIABLE_PREFIX).then_some((name, value))
    });
    named.collect()
}

/// As [`read_file`], with what fails said as everywhere else.
fn read_in_plain_words(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path).map_err(|error| io::Error::other(sys::reason(&error)))
}

/// Reads a configuration file, and no more of it than is needed to see that it is
/// too long. One that everybody may write to says what everybody wants, in the name
/// of whoever has started the program.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = sys::file_mode::exposed_mode(&metadata).unwrap_or_default();
    if metadata.is_file() && mode & WRITABLE_BY_OTHERS != 0 {
        let reason = format!("everybody may write to it (mode {mode:04o}): try chmod o-w");
        return Err(io::Error::other(reason));
    }
    let mut text = Vec::new();
    file.take(FILE_MAX as u64 + 1).read_to_end(&mut text)?;
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
