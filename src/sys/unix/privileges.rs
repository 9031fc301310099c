//! Users, groups and what a process may do.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs;
use std::io;
use std::ptr;

use crate::sys::pid_file::PidFile;
use crate::sys::privileges::{Division, User};

use super::fork::{self, Fork};
use super::monitor;
pub use super::monitor::Lifeline;
pub(in crate::sys) use super::reach::is_out_of_reach;

/// The most octets that the entry of a user or group is given.
const ENTRY_MAX: usize = 1024 * 1024;

// The arguments of prctl(2) are of this type, which its declaration does not tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO: libc::c_ulong = 0;
#[cfg(any(target_os = "linux", target_os = "android"))]
const YES: libc::c_ulong = 1;

/// The most groups that a user is in.
const GROUPS_MAX: usize = 65_536;

pub(in crate::sys) fn user(name: &str) -> io::Result<Option<User>> {
    let Ok(c_name) = CString::new(name) else {
        return Ok(None);
    };
    // SAFETY: the structure is integers and pointers, for which zeros are a value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let found = look_up(|buffer, found: &mut *mut libc::passwd| {
        // SAFETY: all pointers are to live variables, and the length is the buffer's.
        unsafe {
            libc::getpwnam_r(
                c_name.as_ptr(),
                &mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                found,
            )
        }
    })?;
    if found.is_none() {
        return Ok(None);
    }
    let (uid, gid) = (entry.pw_uid, entry.pw_gid);
    Ok(Some(User {
        name: name.to_owned(),
        uid,
        gid,
        groups: groups(&c_name, gid)?,
        group: group_name(gid),
    }))
}

/// Calls a function of the name service with a buffer that is large enough; gives
/// that buffer, into which the result points, if something was found.
fn look_up<T>(
    mut call: impl FnMut(&mut [c_char], &mut *mut T) -> c_int,
) -> io::Result<Option<Vec<c_char>>> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let mut found = ptr::null_mut();
        match call(&mut buffer, &mut found) {
            0 => return Ok((!found.is_null()).then_some(buffer)),
            libc::ERANGE if buffer.len() < ENTRY_MAX => buffer.resize(buffer.len() * 2, 0),
            libc::EINTR => {}
            // How some systems say that there is none.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

#[allow(clippy::unnecessary_cast)]
fn groups(name: &CStr, gid: libc::gid_t) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 64];
    loop {
        let room = c_int::try_from(groups.len()).map_err(io::Error::other)?;
        let mut count = room;
        // SAFETY: the pointers are to a name that ends in NUL, to as many groups as
        // `count` says, and to a live variable.
        let result =
            unsafe { libc::getgrouplist(name.as_ptr(), gid as _, groups.as_mut_ptr(), &mut count) };
        if result != -1 {
            let count = usize::try_from(count).map_err(io::Error::other)?;
            let found = groups.iter().take(count);
            // Systems of Apple have them signed here, and that of nobody is -2.
            return Ok(found.map(|group| *group as u32).collect());
        }
        if groups.len() >= GROUPS_MAX {
            return Err(io::Error::other("the user is in too many groups"));
        }
        groups.resize(groups.len() * 4, 0);
    }
}

fn group_name(gid: libc::gid_t) -> String {
    // SAFETY: as for users.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let found = look_up(|buffer, found: &mut *mut libc::group| {
        // SAFETY: as for users.
        unsafe { libc::getgrgid_r(gid, &mut entry, buffer.as_mut_ptr(), buffer.len(), found) }
    });
    match found {
        // SAFETY: the name is in the buffer, which is still there, and ends in NUL.
        Ok(Some(_buffer)) => unsafe { CStr::from_ptr(entry.gr_name) }
            .to_string_lossy()
            .into_owned(),
        _ => gid.to_string(),
    }
}

pub(in crate::sys) fn is_borrowed() -> bool {
    // SAFETY: the calls take no arguments and cannot fail.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}

pub(in crate::sys) fn with_group<T>(gid: u32, run: impl FnOnce() -> T) -> io::Result<T> {
    // SAFETY: the call takes no arguments and cannot fail.
    let own = unsafe { libc::getegid() };
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::setegid(gid) })?;
    let result = run();
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::setegid(own) })?;
    Ok(result)
}

pub(in crate::sys) fn divide(
    user: Option<&User>,
    division: Division,
    pid_file: Option<PidFile>,
) -> io::Result<Lifeline> {
    assert!(
        is_single_threaded() != Some(false),
        "invariant: no thread is started before privileges are given up"
    );
    let (ours, theirs) = monitor::links()?;
    // SAFETY: there is one thread, as far as can be known.
    match unsafe { fork::fork() }? {
        Fork::Parent(child) => {
            drop(ours);
            monitor::run(child, theirs, user, division, pid_file.as_ref())
        }
        Fork::Child => {
            drop(theirs);
            drop(pid_file);
            if let Some(user) = user {
                give_up(user)?;
            }
            if division.no_new_privileges {
                forbid_new_privileges()?;
            }
            ours.settle()
        }
    }
}

/// Becomes the user in every respect, and sees that it is so.
pub(in crate::sys) fn give_up(user: &User) -> io::Result<()> {
    let groups: Vec<libc::gid_t> = user.groups.clone();
    #[allow(clippy::useless_conversion)] // the type differs between systems
    let count = groups.len().try_into().map_err(io::Error::other)?;
    // SAFETY: the pointer is to as many groups as the count says.
    check(unsafe { libc::setgroups(count, groups.as_ptr()) })?;
    set_ids(user)?;
    capabilities::drop_all()?;
    verify(user)?;
    hide_memory();
    Ok(())
}

/// Sets real, effective and saved numbers, the group's first.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn set_ids(user: &User) -> io::Result<()> {
    // SAFETY: the calls take no pointers.
    unsafe {
        check(libc::setresgid(user.gid, user.gid, user.gid))?;
        check(libc::setresuid(user.uid, user.uid, user.uid))
    }
}

/// The same: of a process of root these calls set all three numbers.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn set_ids(user: &User) -> io::Result<()> {
    // SAFETY: the calls take no pointers.
    unsafe {
        check(libc::setgid(user.gid))?;
        check(libc::setuid(user.uid))
    }
}

/// Reads back what was set, and tries to become root again.
fn verify(user: &User) -> io::Result<()> {
    let (uids, gids) = ids()?;
    let mut groups = own_groups()?;
    let mut expected = user.groups.clone();
    for list in [&mut groups, &mut expected] {
        list.sort_unstable();
        list.dedup();
    }
    // SAFETY: the calls take no pointers. They must fail.
    let regained = unsafe { libc::setuid(0) == 0 || libc::seteuid(0) == 0 };
    // SAFETY: as above.
    let regained_group = user.gid != 0 && unsafe { libc::setgid(0) == 0 || libc::setegid(0) == 0 };
    let is_user = uids.iter().all(|uid| *uid == user.uid)
        && gids.iter().all(|gid| *gid == user.gid)
        && groups == expected;
    match is_user && !regained && !regained_group && capabilities::are_none()? {
        true => Ok(()),
        false => Err(io::Error::other("the system did not take them away")),
    }
}

/// The real, effective and (where the system tells) saved numbers of user and group.
fn ids() -> io::Result<(Vec<u32>, Vec<u32>)> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        let (mut uids, mut gids) = ([0; 3], [0; 3]);
        let ([real, effective, saved], [group, effective_group, saved_group]) =
            (&mut uids, &mut gids);
        // SAFETY: all pointers are to live variables.
        unsafe {
            check(libc::getresuid(real, effective, saved))?;
            check(libc::getresgid(group, effective_group, saved_group))?;
        }
        Ok((uids.to_vec(), gids.to_vec()))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    // SAFETY: the calls take no arguments and cannot fail.
    unsafe {
        Ok((
            vec![libc::getuid(), libc::geteuid()],
            vec![libc::getgid(), libc::getegid()],
        ))
    }
}

fn own_groups() -> io::Result<Vec<u32>> {
    // SAFETY: with no room the call only counts.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    check(count)?;
    let mut groups = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    // SAFETY: the pointer is to as many groups as the count says.
    check(unsafe { libc::getgroups(count, groups.as_mut_ptr()) })?;
    Ok(groups)
}

/// Keeps other processes of the same user from looking into this one.
pub(in crate::sys) fn hide_memory() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the call takes no pointers, and cannot fail with these arguments.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, NO, NO, NO, NO);
    }
}

pub(in crate::sys) fn forbid_new_privileges() -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NO, NO, NO) })?;
    Ok(())
}

pub(in crate::sys) fn is_single_threaded() -> Option<bool> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    Some(threads.count() == 1)
}

/// Capabilities: what a process may do of root's work. They go with the user's
/// number, unless the system was told otherwise.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod capabilities {
    use std::io;

    /// `_LINUX_CAPABILITY_VERSION_3`: two words for each set.
    const VERSION: u32 = 0x2008_0522;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    const OWN: Header = Header {
        version: VERSION,
        pid: 0,
    };

    pub(super) fn drop_all() -> io::Result<()> {
        let (mut header, none) = (OWN, [Sets::default(); 2]);
        // SAFETY: the pointers are to structures of the layout that the version has.
        let result = unsafe {
            libc::syscall(
                libc::SYS_capset,
                &raw mut header,
                (&raw const none).cast::<Sets>(),
            )
        };
        succeeded(result)
    }

    pub(super) fn are_none() -> io::Result<bool> {
        let (mut header, mut sets) = (OWN, [Sets::default(); 2]);
        // SAFETY: as above.
        let result = unsafe {
            libc::syscall(
                libc::SYS_capget,
                &raw mut header,
                (&raw mut sets).cast::<Sets>(),
            )
        };
        succeeded(result)?;
        Ok(sets == [Sets::default(); 2])
    }

    fn succeeded(result: libc::c_long) -> io::Result<()> {
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Other systems have no such thing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod capabilities {
    use std::io;

    pub(super) fn drop_all() -> io::Result<()> {
        Ok(())
    }

    pub(super) fn are_none() -> io::Result<bool> {
        Ok(true)
    }
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::alone;

    #[test]
    fn finds_users_by_name() {
        let root = user("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid, root.is_root()), (0, 0, true));
        assert_eq!(root.group, "root");
        assert!(root.groups.contains(&0));
        for nonsense in ["no-such-user-here", "", "a\0b"] {
            assert_eq!(user(nonsense).unwrap(), None, "{nonsense:?}");
        }
    }

    #[test]
    fn becomes_a_user_for_good() {
        let name = "sys::unix::privileges::tests::becomes_a_user_for_good";
        // SAFETY: the call takes no arguments and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            crate::sys::skip::skip("not root");
            return;
        }
        alone(name, &[], || {
            let user = User {
                name: "nobody".to_owned(),
                uid: 65_534,
                gid: 65_534,
                groups: vec![65_534, 7],
                group: "nogroup".to_owned(),
            };
            let kept = User {
                uid: 0,
                ..user.clone()
            };
            assert!(verify(&user).is_err(), "nothing has been given up yet");
            give_up(&user).unwrap();
            verify(&user).unwrap();
            assert!(verify(&kept).is_err());
            assert!(fs::read("/etc/shadow").is_err());
            forbid_new_privileges().unwrap();
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            for line in [
                "Uid:\t65534\t65534\t65534\t65534",
                "Gid:\t65534\t65534\t65534\t65534",
                "CapInh:\t0000000000000000",
                "CapPrm:\t0000000000000000",
                "CapEff:\t0000000000000000",
                "NoNewPrivs:\t1",
            ] {
                assert!(status.contains(line), "{line} in {status}");
            }
        });
    }
}
