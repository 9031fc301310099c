//! Who the program is: the user it becomes, and the number by which it is found.

use crate::config::Process;
use crate::sys::pid_file::PidFile;
use crate::sys::privileges::{self, Division, Lifeline, User};
use crate::sys::{process, reason};
use crate::{info, warning};

use super::startup::Failure;

/// Refuses to be lent an identity: whoever starts the program could have it read
/// any file then, as the first thing that it does.
pub(super) fn refuse_a_borrowed_one() -> Result<(), Failure> {
    if !privileges::is_borrowed() {
        return Ok(());
    }
    Err(Failure::new(
        "the program file is set-user-id or set-group-id, which it is not made for: \
         chmod ug-s it, and start it as the user it is to be, or as root with --user",
    ))
}

/// The user to become; nothing where there is nothing to give up, or nothing is to
/// be.
pub(super) fn target(process: &Process) -> Result<Option<User>, Failure> {
    if !process::is_root() {
        return Ok(None);
    }
    let name = &process.user;
    let fail = |error| format!("--user: cannot look up {name}: {}", reason(&error));
    let user = privileges::user(name).map_err(|error| Failure::new(fail(error)))?;
    let user = user.ok_or_else(|| {
        Failure::new(format!(
            "--user: no such user: {name}: give the name of another one or two \
             numbers (10025:10025), or make it: useradd --system --no-create-home {name}"
        ))
    })?;
    if user.is_root() && name.contains(':') && user.gid != user.uid {
        return Err(Failure::new(format!(
            "--user: {name} would be root, whatever the group: give root or somebody else"
        )));
    }
    Ok((!user.is_root()).then_some(user))
}

/// Writes the pid file, if there is to be one.
pub(super) fn pid_file(process: &Process, user: Option<&User>) -> Result<Option<PidFile>, Failure> {
    let Some(path) = &process.pid_file else {
        return Ok(None);
    };
    let written = PidFile::write(path).map_err(|error| format!("--pid-file: {error}"));
    let pid_file = written.map_err(Failure::new)?;
    // Whoever stops the program by that number would stop what the user wants.
    if user.is_some_and(|user| !privileges::is_out_of_reach(path, user).unwrap_or(true)) {
        let name = &process.user;
        let path = path.display();
        warning!("--pid-file: user {name} may replace {path}: put it where only root may write");
    }
    Ok(Some(pid_file))
}

/// What the configurations are going to do that takes privileges, or keeps others
/// from being given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plans {
    /// Programs are run.
    pub(super) runs_programs: bool,
    /// PAM is asked about passwords.
    pub(super) asks_pam: bool,
}

/// Gives up root for good, if that is who we are; returns in the process that has.
/// One that asks PAM is divided in any case: what PAM's modules do is done elsewhere.
/// The pid file stays with the process that it names.
pub(super) fn give_up(
    process: &Process,
    user: Option<&User>,
    plans: Plans,
    pid_file: &mut Option<PidFile>,
) -> Result<Option<Lifeline>, Failure> {
    let is_root = process::is_root();
    if user.is_none() && is_root && plans.runs_programs {
        warning!("filters and verifiers run as root, as --user is root");
    }
    if user.is_none() && !plans.asks_pam {
        return Ok(None);
    }
    if plans.asks_pam && !is_root {
        warning!("not root: most modules of pam know this user's password only, if any");
    }
    let division = Division {
        no_new_privileges: user.is_some() && !plans.runs_programs,
        keeps_standard_error: !process.daemon,
        asks_pam: plans.asks_pam,
    };
    let divided = privileges::divide(user, division, pid_file.take());
    let lifeline = divided.map_err(|error| not_divided(user, &reason(&error)))?;
    if let Some(user) = user {
        info!("running as user {} from now on", user.name);
    }
    Ok(Some(lifeline))
}

fn not_divided(user: Option<&User>, reason: &str) -> Failure {
    Failure::new(match user {
        Some(User { name, .. }) => format!(
            "--user: cannot become {name}: {reason}: only a root with all of its privileges can; \
             start the program as that user instead"
        ),
        None => format!("cannot start the process that asks pam: {reason}"),
    })
}
