//! Going into the background, and telling whoever started the program how that
//! went.

use std::io;

use super::platform::daemon as platform;
use super::stderr;

/// Where the program goes on after [`detach`].
#[derive(Debug)]
pub enum Detached {
    /// In the process that was started: it has nothing to do but to exit with that
    /// status.
    Over(u8),
    /// In the background.
    Here(Launch),
}

/// What there is to tell to the process that was started, which waits for it.
#[derive(Debug, Default)]
pub struct Launch(platform::Pipe);

/// Goes on in a new process, in a session of its own and the root directory. The
/// standard streams stay what they are, for what there is to say before the program
/// serves. Before there is a second thread.
///
/// On Windows the new process is started as this one was, and so comes here once more;
/// standard error is all that it has of the streams. It may have a window of its own.
pub fn detach(window: bool) -> io::Result<Detached> {
    platform::detach(window)
}

/// The exit status of what was started where the process in the background ended
/// without a word. Says so.
pub(in crate::sys) fn lost() -> u8 {
    stderr::write_line("emailrelay: error: the program ended before it was serving");
    1
}

impl Launch {
    pub(in crate::sys) fn new(pipe: platform::Pipe) -> Launch {
        Launch(pipe)
    }

    /// Has the process that was started exit with that status, if it has not yet.
    /// Where the process dies without a word it exits with 1.
    pub fn tell(&mut self, status: u8) {
        self.0.tell(status);
    }
}
