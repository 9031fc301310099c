//! Real and effective users and groups.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

/// Room for what an entry of the list of users points to, in octets.
const ENTRY_OCTETS: usize = 64 << 10;

fn users() -> (libc::uid_t, libc::uid_t) {
    // SAFETY: the calls take no arguments and cannot fail.
    unsafe { (libc::getuid(), libc::geteuid()) }
}

fn groups() -> (libc::gid_t, libc::gid_t) {
    // SAFETY: the calls take no arguments and cannot fail.
    unsafe { (libc::getgid(), libc::getegid()) }
}

pub(in crate::sys) fn is_elevated() -> bool {
    let ((user, effective_user), (group, effective_group)) = (users(), groups());
    user != effective_user || group != effective_group
}

pub(in crate::sys) fn give_up_user() -> io::Result<()> {
    let (user, effective) = users();
    if user == effective {
        return Ok(());
    }
    // With the real user given, too, the saved one becomes the same.
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::setreuid(user, user) })?;
    match users() == (user, user) && !can_be_user(effective, user) {
        true => Ok(()),
        false => Err(io::Error::other("the user stays")),
    }
}

/// Whether the process can still become that user. Root can become anyone.
fn can_be_user(other: libc::uid_t, user: libc::uid_t) -> bool {
    // SAFETY: the call takes no pointers.
    user != 0 && unsafe { libc::seteuid(other) } == 0
}

pub(in crate::sys) fn give_up_all() -> io::Result<()> {
    let (group, effective) = groups();
    if group != effective {
        // As with users. The group first: it may take the user to give it up.
        // SAFETY: the call takes no pointers.
        check(unsafe { libc::setregid(group, group) })?;
    }
    give_up_user()?;
    let (user, _) = users();
    // SAFETY: the call takes no pointers.
    let is_back = group != effective && user != 0 && unsafe { libc::setegid(effective) } == 0;
    match groups() == (group, group) && !is_back {
        true => Ok(()),
        false => Err(io::Error::other("the group stays")),
    }
}

pub(in crate::sys) fn set_aside_group() -> io::Result<libc::gid_t> {
    let (group, effective) = groups();
    // SAFETY: the call takes no pointers; the saved group stays what it is.
    check(unsafe { libc::setegid(group) })?;
    Ok(effective)
}

pub(in crate::sys) fn take_group_back(given: libc::gid_t) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::setegid(given) })
}

pub(in crate::sys) fn clear_environment() {
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        // SAFETY: the contract of the caller: there are no other threads, so nobody
        // reads the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

pub(in crate::sys) fn user_id() -> Option<u32> {
    Some(users().0)
}

pub(in crate::sys) fn user_name() -> Option<String> {
    let mut buffer = vec![0u8; ENTRY_OCTETS];
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut found = std::ptr::null_mut();
    // SAFETY: the pointers are to live variables and to a buffer of that length.
    let result = unsafe {
        libc::getpwuid_r(
            users().0,
            entry.as_mut_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut found,
        )
    };
    if result != 0 || found.is_null() {
        return None;
    }
    // SAFETY: after success the result points to the entry, which is filled, and its
    // name to a string in the buffer that ends in NUL.
    let name = unsafe { CStr::from_ptr((*found).pw_name) };
    name.to_str().ok().map(str::to_owned)
}

pub(in crate::sys) fn survive_file_size_limit() {
    // SAFETY: to ignore a signal needs no handler; the call cannot fail for this one.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::caller;
    use crate::sys::testing::alone;

    #[test]
    fn the_user_has_a_name_and_number() {
        assert!(caller::user_id().is_some());
        // Tests may run as a user that is in no list.
        if let Some(name) = caller::user_name() {
            assert!(!name.is_empty());
        }
    }

    #[test]
    fn without_mode_bits_there_is_nothing_to_give_up() {
        assert!(!caller::is_elevated());
        assert_eq!(caller::as_caller(|| 5).unwrap(), 5);
        caller::give_up_user().unwrap();
        caller::give_up_all().unwrap();
    }

    #[test]
    fn the_environment_is_forgotten() {
        let name = "sys::unix::caller::tests::the_environment_is_forgotten";
        alone(name, &[("LD_PRELOAD_X", "1"), ("IFS", "x")], || {
            caller::clear_environment();
            assert_eq!(std::env::vars_os().count(), 0);
        });
    }
}
