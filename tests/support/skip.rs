//! What is not tested where the tests run. Beside those of the program from outside, the
//! tests in the sources have this file as well.

use std::env;
use std::fs::File;
use std::io::Write;
use std::thread;

/// Names the file that skips are noted in: what tests print is not seen unless they fail.
pub(crate) const SKIPS: &str = "EMAILRELAY_TEST_SKIPS";

/// Notes that the test which calls this, or a part of it, does not run here.
pub(crate) fn skip(why: &str) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a thread");
    let line = format!("{name} ({}): {why}\n", env::consts::OS);
    eprint!("skipped: {line}");
    if let Some(path) = env::var_os(SKIPS) {
        // In one piece, as others write to it.
        let mut options = File::options();
        let file = options.create(true).append(true).open(path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("skips can be noted");
    }
}
