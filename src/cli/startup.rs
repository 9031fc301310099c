//! From the command line to the loop, in one straight list. Whatever can fail
//! fails here, on standard error, before anything is served.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::{OneLine, log};
use crate::config::{self, Config, FILE_MAX, Outcome, Platform, SmtpServer, Warning};
use crate::event::{Poller, Pool, Token};
use crate::net::listener::Listener;
use crate::relay::access::{self, Access};
use crate::relay::context::Context;
use crate::relay::disk::DiskWork;
use crate::relay::forwarder::Forwarder;
use crate::relay::instance;
use crate::relay::limits::{DISK_THREADS_MAX, LOOKUP_THREADS_MAX, sessions_max};
use crate::relay::listener::SmtpListener;
use crate::relay::lookup::LookupWork;
use crate::relay::run::Relay;
use crate::relay::security::Security;
use crate::store::Spool;
use crate::sys::{process, random, signal, socket, stderr, time};
use crate::tls;
use crate::{info, warning};

/// Files of the spool are for owner and group.
const UMASK: u32 = 0o007;

/// Why the program does not start.
struct Failure {
    status: u8,
    text: String,
}

impl Failure {
    fn new(text: impl ToString) -> Failure {
        Failure {
            status: 1,
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
    let spool = open_spool(&config.spool_dir)?;
    let listeners = match config.serve.as_ref().and_then(|serve| serve.smtp.as_ref()) {
        Some(smtp) => bind(smtp)?,
        None => Vec::new(),
    };
    let security = match config.serve.as_ref().and_then(|serve| serve.smtp.as_ref()) {
        Some(smtp) => instance::security(config, smtp).map_err(Failure::new)?,
        None => Security::default(),
    };
    let mut relay = assemble(spool, descriptors)?;
    relay.context().security = security;
    let domain = domain(config);
    let forwarder = add_forwarder(&mut relay, config, &domain)?;
    if let Some(smtp) = config.serve.as_ref().and_then(|serve| serve.smtp.as_ref()) {
        let service = instance::service(config, smtp, &domain, forwarder);
        let service = Arc::new(service.map_err(Failure::new)?);
        for listener in listeners {
            let listener = SmtpListener::new(listener, Arc::clone(&service), smtp.remote_clients);
            relay.add(Box::new(listener));
        }
    }
    if config.log.close_stderr
        && let Err(error) = process::close_standard_error()
    {
        warning!("cannot close standard error: {error}");
    }
    relay
        .run()
        .map_err(|error| Failure::new(format!("cannot wait for events: {error}")))
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
fn open_spool(path: &Path) -> Result<Arc<Spool>, Failure> {
    let fail = |error| Failure::new(format!("invalid spool directory: {error}"));
    let spool = Spool::open(path, random::u64()).map_err(fail)?;
    let report = spool.recover().map_err(fail)?;
    report.lines.iter().for_each(|line| warning!("{line}"));
    Ok(Arc::new(spool))
}

fn bind(smtp: &SmtpServer) -> Result<Vec<Listener>, Failure> {
    let bind = |address| {
        let address = instance::listen_address(address, smtp.port).map_err(Failure::new)?;
        Listener::bind(&address).map_err(|error| Failure {
            status: 2,
            text: error.to_string(),
        })
    };
    smtp.listen.iter().map(bind).collect()
}

fn assemble(spool: Arc<Spool>, descriptors: u64) -> Result<Relay, Failure> {
    let fail = |error: io::Error| Failure::new(format!("cannot set up the event loop: {error}"));
    let (sender, receiver) = socket::wake_pair().map_err(fail)?;
    let sender = Arc::new(sender);
    let signals = signal::watch(Arc::clone(&sender)).map_err(fail)?;
    let waker = |sender: &Arc<socket::WakeSender>| {
        let sender = Arc::clone(sender);
        move || sender.wake()
    };
    let disk = Pool::new(
        DiskWork::new(Arc::clone(&spool)),
        DISK_THREADS_MAX,
        waker(&sender),
    );
    let lookups = Pool::new(LookupWork, LOOKUP_THREADS_MAX, waker(&sender));
    let context = Context::new(
        Instant::now(),
        time::wall_clock,
        spool,
        (disk, lookups),
        sessions_max(descriptors),
    );
    Ok(Relay::new(Poller::new(receiver), signals, context))
}

fn add_forwarder(
    relay: &mut Relay,
    config: &Config,
    domain: &OneLine,
) -> Result<Option<Token>, Failure> {
    let Some(forward) = &config.forward else {
        return Ok(None);
    };
    let login = access::login(forward).map_err(Failure::new)?;
    let route = instance::route(config, forward, domain, login).map_err(Failure::new)?;
    let access = Access::open(config, forward).map_err(Failure::new)?;
    let forwarder = Forwarder::new(route, access, instance::schedule(config, forward));
    Ok(Some(relay.add(Box::new(forwarder))))
}

/// The name this system goes by; where the host name has no domain, it gets one
/// that is never anybody else's.
fn domain(config: &Config) -> OneLine {
    config.domain.clone().unwrap_or_else(|| {
        let host = process::host_name();
        let name = if host.contains('.') {
            host
        } else {
            format!("{host}.localnet")
        };
        info!("calling ourselves {name}");
        OneLine::escaped(name)
    })
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
