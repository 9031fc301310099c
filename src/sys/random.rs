//! Random numbers that nobody can guess.

use super::platform::random as platform;

/// Fills the buffer from the system's source for keys.
///
/// # Panics
/// Where the system has no such source: going on with guessable numbers would be
/// worse.
pub fn bytes(buffer: &mut [u8]) {
    platform::fill(buffer).expect("invariant: the system gives random numbers");
}

/// A random number.
///
/// # Panics
/// As [`bytes`].
pub fn u64() -> u64 {
    let mut buffer = [0; 8];
    bytes(&mut buffer);
    u64::from_ne_bytes(buffer)
}
