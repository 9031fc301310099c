//! `--check`: all that is done at start, in the same order and by the same code, but
//! nothing is served, nobody is told, and nothing stays.

use crate::config::Config;
use crate::relay::listening::Claims;
use crate::sys::pid_file::{self, PidFile};
use crate::sys::privileges;
use crate::sys::{reason, stderr};

use super::confinement;
use super::identity;
use super::opened::Opened;
use super::startup::{Failure, assemble, each, open_log, prepare};

/// Finds out whether the program could run with these configurations.
pub(super) fn run(configs: &[Config], program: &str) -> Result<(), Failure> {
    let Some((first, _)) = configs.split_first() else {
        return Ok(());
    };
    // Lines are written at once as long as nothing is done with it.
    let _logging = open_log(first, program)?;
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
        match PidFile::write(path) {
            Ok(file) => drop(file),
            Err(error @ pid_file::Error::Running { .. }) => {
                stderr::write_line(&format!("{program}: warning: --pid-file: {error}"));
            }
            Err(error) => return Err(Failure::new(format!("--pid-file: {error}"))),
        }
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
