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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_all_of_the_buffer() {
        let mut buffer = vec![0; 100_000];
        bytes(&mut buffer);
        // 32 zeros come up by chance once in 2 to the power of 256.
        assert!(
            buffer
                .chunks(32)
                .all(|chunk| chunk.iter().any(|octet| *octet != 0))
        );
        bytes(&mut []);
    }

    #[test]
    fn numbers_differ() {
        assert_ne!((u64(), u64()), (u64(), u64()));
    }
}
