//! What a process has started, to be ended with it: modules give their programs sessions
//! of their own (pam_exec does), which no signal to a process group reaches.

use std::fs;

use crate::sys::unix::fork;

/// How many processes are looked at.
const PROCESSES_MAX: usize = 1000;

/// Kills a child of this process that has not been waited for, with all that descends
/// from it, as far as the system tells (/proc on Linux), and its process group.
pub(super) fn kill_with_all(child: libc::pid_t) {
    let mut found = vec![child];
    let mut looked_at = 0;
    while let Some(process) = found.get(looked_at).copied() {
        // What is stopped starts nothing more, and waits for none of its children: so
        // their numbers are theirs until the end of this.
        fork::signal(process, libc::SIGSTOP);
        found.extend(children(process));
        found.truncate(PROCESSES_MAX);
        looked_at += 1;
    }
    // Children first, for the same reason.
    for process in found.into_iter().rev() {
        fork::signal(process, libc::SIGKILL);
    }
    fork::signal_with_group(child, libc::SIGKILL);
}

/// What that process has started; nothing where the system does not tell.
fn children(process: libc::pid_t) -> Vec<libc::pid_t> {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let texts =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let numbers = |text: String| -> Vec<libc::pid_t> {
        let words = text.split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    texts
        .flat_map(numbers)
        .filter(|number| *number > 1)
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::testing::await_that;

    #[test]
    fn sessions_of_their_own_do_not_save_them() {
        let mut shell = Command::new("sh")
            .args(["-c", "setsid sh -c 'echo $$; sleep 600; :' & wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let leader: libc::pid_t = line.trim().parse().unwrap();
        await_that("it has started something", || !children(leader).is_empty());
        kill_with_all(libc::pid_t::try_from(shell.id()).unwrap());
        assert_eq!(shell.wait().unwrap().signal(), Some(libc::SIGKILL));
        // Ends once nobody has its other end.
        assert_eq!(output.read_line(&mut line).unwrap(), 0);
    }
}
