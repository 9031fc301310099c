//! There are no mode bits that give a program more than its caller has.

use std::io;

pub(in crate::sys) fn is_elevated() -> bool {
    false
}

pub(in crate::sys) fn give_up_user() -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn give_up_all() -> io::Result<()> {
    Ok(())
}

/// The group that was set aside: none.
pub(in crate::sys) struct NoGroup;

pub(in crate::sys) fn set_aside_group() -> io::Result<NoGroup> {
    Ok(NoGroup)
}

pub(in crate::sys) fn take_group_back(_given: NoGroup) -> io::Result<()> {
    Ok(())
}

/// Nothing is elevated, so the environment is the caller's own.
pub(in crate::sys) fn clear_environment() {}

pub(in crate::sys) fn user_id() -> Option<u32> {
    None
}

pub(in crate::sys) fn user_name() -> Option<String> {
    std::env::var("USERNAME").ok()
}

pub(in crate::sys) fn survive_file_size_limit() {}
