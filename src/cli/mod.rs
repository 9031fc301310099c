//! Start-up and exit codes.
#![forbid(unsafe_code)]

/// Runs the program and returns its exit status.
pub fn main() -> u8 {
    1
}
