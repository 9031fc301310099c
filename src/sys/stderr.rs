//! Standard error, as a log writes to it.

use std::io::{self, Write};
use std::sync::OnceLock;

/// What takes a line in the place of standard error.
pub type TakeLine = Box<dyn Fn(&str) + Send + Sync>;

static INSTEAD: OnceLock<TakeLine> = OnceLock::new();

/// Has lines go there from now on: a service of Windows has no standard error. What
/// has been set once stays.
pub fn divert(take: TakeLine) {
    // There is one place, and the first that was named is it.
    let _ = INSTEAD.set(take);
}

/// Writes a line to standard error in one call, so that lines of several
/// processes do not mix. Errors are ignored: there is nowhere to report them.
pub fn write_line(line: &str) {
    if let Some(take) = INSTEAD.get() {
        return take(line);
    }
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
            let (told, hear) = std::sync::mpsc::sync_channel(1);
            divert(Box::new(move |line| told.send(line.to_owned()).unwrap()));
            write_line("elsewhere");
            assert_eq!(hear.recv().unwrap(), "elsewhere");
        });
        if let Some(output) = ran {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "one é\ntwo\n");
        }
    }
}
