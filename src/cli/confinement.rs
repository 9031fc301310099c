//! The sandbox, if one is asked for.

use std::path::{Path, PathBuf};

use crate::config::{Config, ListenAddress, MetricsAddress};
use crate::sys::privileges;
use crate::sys::reason;
use crate::sys::reopen;
use crate::sys::sandbox::{self, Folders};

use super::startup::Failure;

/// Gives up what is not needed. Everything that is read again has been opened once.
pub(super) fn enter(configs: &[Config]) -> Result<(), Failure> {
    if !configs.iter().any(|config| config.process.sandbox) {
        return Ok(());
    }
    assert!(
        privileges::is_single_threaded() != Some(false),
        "invariant: no thread is started outside of the sandbox"
    );
    sandbox::enter(&folders(configs)).map_err(|error| {
        let reason = reason(&error);
        Failure::new(format!(
            "--sandbox: this system cannot confine the program: {reason}: do without it"
        ))
    })
}

fn folders(configs: &[Config]) -> Folders {
    let (mut read, mut write) = reopen::folders();
    // It is often a link, and often replaced.
    let resolver = Path::new("/etc/resolv.conf").canonicalize().ok();
    read.extend(resolver.and_then(|path| path.parent().map(Path::to_owned)));
    write.extend(configs.iter().flat_map(written));
    let removed = configs.iter().flat_map(removed_at_the_end);
    Folders {
        read,
        write,
        remove: removed
            .filter_map(|path| path.parent().map(Path::to_owned))
            .collect(),
    }
}

/// The spool, and where mail is delivered.
fn written(config: &Config) -> Vec<PathBuf> {
    let smtp = config.serve.as_ref().and_then(|serve| serve.smtp.as_ref());
    let served = smtp.and_then(|smtp| smtp.delivery_dir.clone());
    let forward = config.forward.as_ref();
    let forwarded = forward.and_then(|forward| forward.delivery_dir.clone());
    let delivered = served.into_iter().chain(forwarded);
    delivered.chain([config.spool_dir.clone()]).collect()
}

/// The pid file and the sockets in the file system.
fn removed_at_the_end(config: &Config) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = config.process.pid_file.iter().cloned().collect();
    let Some(serve) = &config.serve else {
        return paths;
    };
    let smtp = serve.smtp.iter().flat_map(|smtp| &smtp.listen);
    let pop = serve.pop.iter().flat_map(|pop| &pop.listen);
    let admin = serve.admin.iter();
    let admin = admin.flat_map(|admin| admin.own.iter().chain(&admin.shared));
    for address in smtp.chain(pop).chain(admin) {
        if let ListenAddress::Unix(path) = address {
            paths.push(path.clone());
        }
    }
    if let Some(MetricsAddress::Unix(path)) = serve.metrics.as_ref().map(|one| &one.listen) {
        paths.push(path.clone());
    }
    paths
}
