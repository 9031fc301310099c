//! Two forks and a pipe.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use crate::sys::daemon::{self, Detached, Launch};

use super::fork::{self, Fork};
use super::privileges::is_single_threaded;

/// The end of a pipe that takes one octet, the status.
#[derive(Debug, Default)]
pub(in crate::sys) struct Pipe(Option<File>);

impl Pipe {
    pub(in crate::sys) fn tell(&mut self, status: u8) {
        if let Some(mut pipe) = self.0.take() {
            // Whoever started us may have gone; we have not been told to.
            let _ = pipe.write_all(&[status]);
        }
    }
}

/// There are no windows.
pub(in crate::sys) fn detach(_window: bool) -> io::Result<Detached> {
    assert!(
        is_single_threaded() != Some(false),
        "invariant: no thread is started before the program is in the background"
    );
    let (reader, writer) = io::pipe()?;
    // SAFETY: there is one thread, as far as can be known.
    match unsafe { fork::fork() }? {
        Fork::Parent(child) => {
            drop(writer);
            let status = await_status(reader);
            // The child lives only until its own child does.
            fork::wait(child);
            Ok(Detached::Over(status))
        }
        Fork::Child => {
            drop(reader);
            fork::new_session()?;
            // A process that does not lead its session never gets a terminal.
            // SAFETY: as above.
            if let Fork::Parent(_) = unsafe { fork::fork() }? {
                fork::exit(0);
            }
            std::env::set_current_dir("/")?;
            let pipe = File::from(OwnedFd::from(writer));
            Ok(Detached::Here(Launch::new(Pipe(Some(pipe)))))
        }
    }
}

fn await_status(mut reader: impl Read) -> u8 {
    let mut status = [0];
    match reader.read_exact(&mut status) {
        Ok(()) => status[0],
        Err(_) => daemon::lost(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_told_once() {
        let (reader, writer) = io::pipe().unwrap();
        let mut pipe = Pipe(Some(File::from(OwnedFd::from(writer))));
        pipe.tell(2);
        pipe.tell(0);
        assert_eq!(await_status(reader), 2);
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        assert_eq!(await_status(reader), 1);
        Pipe::default().tell(3);
    }
}
