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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::alone;

    #[test]
    fn writes_a_line() {
        let ran = alone("sys::stderr::tests::writes_a_line", &[], || {
            write_line("one é");
            write_line("two");
        });
        if let Some(output) = ran {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "one é\ntwo\n");
        }
    }
}
