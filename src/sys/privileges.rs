//! Giving up the privileges of root, for good and for all that talks to the network.
//!
//! A process that was started by root is divided in two: [`divide`] returns in a
//! child that has become the user and can never be root again, while the parent
//! stays behind as its monitor (on Unix: `unix/monitor.rs`) and ends with it. Both
//! have to be done before there is a second thread: the system keeps identities
//! and restrictions by thread.

use std::io;
use std::path::Path;

use super::pid_file::PidFile;
use super::platform::privileges as platform;

pub use platform::Lifeline;

/// A user of this system, and what it may do by its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// The numbers of all its groups, the first one included.
    pub groups: Vec<u32>,
    /// The name of its first group, or else its number.
    pub group: String,
}

impl User {
    /// Whether it has all privileges.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }
}

/// How a process is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Programs that are started later may not gain privileges either, as those
    /// would that are set-user-id.
    pub no_new_privileges: bool,
    /// The parent may go on using standard error.
    pub keeps_standard_error: bool,
    /// The parent has PAM asked for the child.
    pub asks_pam: bool,
}

/// Looks a user up by its name, or takes its numbers: `10025:10025` is a user and its
/// group that no list of users has to know. Blocks while the name service is slow.
pub fn user(name: &str) -> io::Result<Option<User>> {
    // No name has a colon in it, since it ends the name in /etc/passwd.
    match name.split_once(':') {
        Some((uid, gid)) => Ok(by_numbers(name, uid, gid)),
        None => platform::user(name),
    }
}

fn by_numbers(name: &str, uid: &str, gid: &str) -> Option<User> {
    let (uid, gid) = (number(uid)?, number(gid)?);
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        groups: vec![gid],
        group: gid.to_string(),
    })
}

/// The number of a user or group. The highest is none: to the system it means that
/// nothing is to change.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.filter(|number| *number != u32::MAX)
}

/// Whether the program file gives whoever starts it another identity, which is
/// not how it is meant to be installed.
pub fn is_borrowed() -> bool {
    platform::is_borrowed()
}

/// Runs with the user's group in place of root's, so that what is created
/// meanwhile belongs to that group. For a process of root with one thread.
pub fn with_group<T>(user: &User, run: impl FnOnce() -> T) -> io::Result<T> {
    platform::with_group(user.gid, run)
}

/// Divides the process, and returns in the one that has given up its privileges, or
/// has kept them where there is no user to become: then the other one is there for PAM
/// alone. The pid file is the other one's: it names that one, and whoever talks to the
/// network is not to write to it.
///
/// An error is told in either case by the process that goes on; it must end then.
pub fn divide(
    user: Option<&User>,
    division: Division,
    pid_file: Option<PidFile>,
) -> io::Result<Lifeline> {
    platform::divide(user, division, pid_file)
}

/// Becomes the user for good, without leaving a monitor behind. Before there is a
/// second thread.
pub fn become_user(user: &User) -> io::Result<()> {
    platform::give_up(user)
}

/// Keeps other processes of the same user, such as the programs that it runs, from
/// looking into this one: at its memory, its environment and its descriptors. No core
/// is dumped then, either. It holds until another program is executed or the user
/// changes; Linux only.
pub fn hide_memory() {
    platform::hide_memory();
}

/// Whether the user can change nothing on the way to a file: no folder, no link and
/// not the name itself.
pub fn is_out_of_reach(path: &Path, user: &User) -> io::Result<bool> {
    platform::is_out_of_reach(path, user)
}

/// Whether there is one thread only; nothing where the system does not tell.
pub fn is_single_threaded() -> Option<bool> {
    platform::is_single_threaded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_numbers_that_are_in_no_list() {
        let user = user("10025:10026").unwrap().unwrap();
        assert_eq!(
            (user.uid, user.gid, user.is_root()),
            (10_025, 10_026, false)
        );
        assert_eq!((&*user.name, &*user.group), ("10025:10026", "10026"));
        assert_eq!(user.groups, [10_026]);
    }

    #[test]
    fn half_a_pair_and_what_is_no_number_is_nobody() {
        for text in [
            ":",
            "1:",
            ":1",
            "+1:1",
            "1:-1",
            "1:1:1",
            "1: 1",
            "a:1",
            "1:b",
            "4294967296:1",
            // What setresuid(2) takes for "as it is".
            "4294967295:1",
            "1:4294967295",
        ] {
            assert_eq!(user(text).unwrap(), None, "{text}");
        }
    }
}
