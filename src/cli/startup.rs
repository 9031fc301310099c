//! From the command line to the loop, in one straight list. Whatever can fail
//! fails here, on standard error, before anything is served.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::{OneLine, log};
use crate::config::{self, Config, FILE_MAX, Outcome, Platform, ServerName, Warning};
use crate::event::{Poller, Pool, Token};
use crate::relay::access::{self, Access};
use crate::relay::context::Context;
use crate::relay::disk::DiskWork;
use crate::relay::forwarder::Forwarder;
use crate::relay::instance;
use crate::relay::limits::{
    DISK_THREADS_MAX, LOOKUP_THREADS_MAX, PROGRAM_THREADS_MAX, sessions_max,
};
use crate::relay::lookup::LookupWork;
use crate::relay::programs::ProgramWork;
use crate::relay::run::Relay;
use crate::relay::security::Security;
use crate::store::Spool;
use crate::sys::{child, process, random, signal, socket, stderr, time};
use crate::{tls, warning};

use super::own_name::own_name;
use super::serving;

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
        Outcome::Run(config, warnings) => start(&config, &program, &warnings),
    }
}

fn start(config: &Config, program: &str, warnings: &[Warning]) -> u8 {
    for warning in warnings {
        stderr::write_line(&format!("{program}: warning: {warning}"));
    }
    match relay(config, program) {
        Ok(status) => status,
        Err(Failure { status, text }) => {
            stderr::write_line(&format!("{program}: error: {text}"));
            status
        }
    }
}

fn relay(config: &Config, program: &str) -> Result<u8, Failure> {
    open_log(config, program);
    process::set_umask(UMASK);
    if let Err(error) = process::forbid_core_dumps() {
        warning!("cannot forbid core dumps: {error}");
    }
    let descriptors = process::raise_descriptor_limit();
    let smtp = config.serve.as_ref().and_then(|serve| serve.smtp.as_ref());
    let block_lists = serving::block_lists(smtp)?;
    let serve = config.serve.as_ref();
    let mut listeners = serve.map_or(Ok(Vec::new()), serving::listeners)?;
    let spool = open_spool(&config.spool_dir)?;
    let domain = config.domain.clone().unwrap_or_else(own_name);
    let verifier = match smtp {
        Some(smtp) => instance::verifier(smtp, &domain).map_err(Failure::new)?,
        None => None,
    };
    let sockets_of_check = serving::sockets_of_check(&block_lists);
    let connections = smtp.map_or(0, instance::connections);
    let sessions_max = sessions_max(descriptors, sockets_of_check, connections);
    let security = match smtp {
        Some(smtp) => instance::security(config, smtp).map_err(Failure::new)?,
        None => Security::default(),
    };
    let mut relay = assemble()?;
    relay.context().security = security;
    let forwarder = add_forwarder(&mut relay, &spool, config, &domain)?;
    if let Some(smtp) = smtp {
        let service = instance::service(&spool, config, smtp, &domain, verifier, forwarder);
        let service = service.map_err(Failure::new)?;
        let door = serving::smtp_door(&mut relay, smtp, service, block_lists, sessions_max);
        serving::open_door(&mut relay, door, ServerName::Smtp, &mut listeners);
    }
    if config.log.close_stderr
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

/// Opens the spool and tidies up after processes that died.
fn open_spool(path: &Path) -> Result<Spool, Failure> {
    let fail = |error| Failure::new(format!("invalid spool directory: {error}"));
    let spool = Spool::open(path, random::u64()).map_err(fail)?;
    let report = spool.recover().map_err(fail)?;
    report.lines.iter().for_each(|line| warning!("{line}"));
    Ok(spool)
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
    let context = Context::new(Instant::now(), time::wall_clock, (disk, lookups, programs));
    Ok(Relay::new(Poller::new(receiver), signals, context))
}

fn add_forwarder(
    relay: &mut Relay,
    spool: &Spool,
    config: &Config,
    domain: &OneLine,
) -> Result<Option<Token>, Failure> {
    let Some(forward) = &config.forward else {
        return Ok(None);
    };
    let login = access::login(forward).map_err(Failure::new)?;
    let route = instance::route(config, forward, domain, login).map_err(Failure::new)?;
    let access = Access::open(config, forward).map_err(Failure::new)?;
    let forwarder = Forwarder::new(
        spool.clone(),
        route,
        access,
        instance::schedule(config, forward),
    );
    Ok(Some(relay.add(Box::new(forwarder))))
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
        columns: std::env::var("COLUMNS").ok(),
        ..config::Context::new(platform)
    }
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
