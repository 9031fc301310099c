//! Every operating system call that std does not offer: the only place that may
//! say `unsafe` (but for TLS libraries) and the only one that may say
//! `cfg(unix)` or `cfg(windows)`.

pub mod file;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
