//! Standard error, as a log writes to it.

use std::io::{self, Write};

/// Writes a line to standard error in one call, so that lines of several
/// processes do not mix. Errors are ignored: there is nowhere to report them.
pub fn write_line(line: &str) {
    let mut text = String::with_capacity(line.len() + 1);
    text.push_str(line);
    text.push('\n');
    // Whoever started us may have closed it, or may not read it: not our worry.
    let _ = io::stderr().write(text.as_bytes());
}
