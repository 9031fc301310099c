//! Who has started the program, and what the mode bits of its file gave it besides.
//!
//! A program whose file has the set-group-id bit runs with that group beside the
//! groups of its caller. Whatever it does for the caller that is not what the bit
//! is there for, it does as the caller.

use std::io;

use super::platform::caller as platform;

/// Whether the program has a user or group that its caller has not.
pub fn is_elevated() -> bool {
    platform::is_elevated()
}

/// Gives up, for good, the user that a set-user-id bit gave; the group stays.
pub fn give_up_user() -> io::Result<()> {
    platform::give_up_user()
}

/// Gives up, for good, the user and the group that mode bits gave, and sees that
/// they are gone.
pub fn give_up_all() -> io::Result<()> {
    platform::give_up_all()
}

/// Does something without the group that a set-group-id bit gave. Call it while
/// there are no other threads.
pub fn as_caller<T>(action: impl FnOnce() -> T) -> io::Result<T> {
    let given = platform::set_aside_group()?;
    let result = action();
    platform::take_group_back(given)?;
    Ok(result)
}

/// Forgets all environment variables, so that nothing in them has an effect. Call
/// it while there are no other threads.
pub fn clear_environment() {
    platform::clear_environment();
}

/// The number of the user who has started the program, where users have numbers.
pub fn user_id() -> Option<u32> {
    platform::user_id()
}

/// The name of that user, as the system's list of users has it.
pub fn user_name() -> Option<String> {
    platform::user_name().filter(|name| !name.is_empty())
}

/// Has a write beyond the limit of file sizes fail instead of ending the program.
pub fn survive_file_size_limit() {
    platform::survive_file_size_limit();
}
