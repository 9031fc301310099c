//! `--check`: all that is done at start, in the same order and by the same code, but
//! nothing is served, nobody is told, and nothing stays.

use std::fs;
use std::path::Path;

use crate::config::Config;
use crate::relay::listening::Claims;
use crate::sys::pid_file::{self, PidFile};
use crate::sys::privileges;
use crate::sys::{reason, stderr};

use super::confinement;
use super::identity;
use super::logging;
use super::opened::Opened;
use super::startup::{Failure, assemble, each, log_opened, prepare};

/// Finds out whether the program could run with these configurations.
pub(super) fn run(configs: &[Config], program: &str) -> Result<(), Failure> {
    let Some((first, _)) = configs.split_first() else {
        return Ok(());
    };
    // Lines are written at once as long as nothing is done with it.
    let logging = logging::try_out(&first.log, first.process.daemon, program);
    let _logging = log_opened(first, logging)?;
    prepare();
    let user = identity::target(&first.process)?;
    let user = user.as_ref();
    let mut claims = Claims::of_a_trial();
    let opened = each(configs, |index, config| {
        let told = (index == 0).then(std::process::id);
        Opened::new(config, told, user, &mut claims)
    });
    for error in claims.take_in_use() {
        stderr::write_line(&format!(
            "{program}: warning: {error}: is the program running?"
        ));
    }
    let opened = opened?;
    if let Some(path) = &first.process.pid_file {
        try_pid_file(path, program)?;
    }
    if let Some(user) = user {
        privileges::become_user(user).map_err(|error| {
            let (name, reason) = (&user.name, reason(&error));
            Failure::new(format!("--user: cannot become {name}: {reason}"))
        })?;
    }
    confinement::enter(configs)?;
    let mut opened = opened.into_iter();
    let checked = each(configs, |_, config| {
        let opened = opened.next().expect("invariant: one for each");
        opened.check(config, user)
    })?;
    let mut checked = checked.into_iter();
    let mut relay = assemble()?;
    each(configs, |_, config| {
        let checked = checked.next().expect("invariant: one for each");
        checked.try_out(&mut relay, config)
    })
    .map(drop)
}

/// Writes the pid file, and removes it and a folder that was made for it.
fn try_pid_file(path: &Path, program: &str) -> Result<(), Failure> {
    let missing = path.parent().filter(|folder| !folder.exists());
    let written = PidFile::write(path).map(drop);
    if let Some(folder) = missing {
        // It is not there if it could not be made, and somebody else's if it is not empty.
        let _ = fs::remove_dir(folder);
    }
    match written {
        Err(error @ pid_file::Error::Running { .. }) => {
            stderr::write_line(&format!("{program}: warning: --pid-file: {error}"));
            Ok(())
        }
        result => result.map_err(|error| Failure::new(format!("--pid-file: {error}"))),
    }
}
