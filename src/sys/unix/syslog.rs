//! The socket of the syslog daemon, by the paths that systems have it at.

use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use crate::base::WallClock;
use crate::base::log::Level;
use crate::sys::syslog::Entry;

/// How long one message may take.
const SEND_MAX: Duration = Duration::from_secs(1);

/// Where Linux, FreeBSD and macOS have it.
const PATHS: [&str; 3] = ["/dev/log", "/var/run/log", "/var/run/syslog"];

/// Some daemons take datagrams and some a stream.
pub(in crate::sys) enum Socket {
    Datagrams(UnixDatagram),
    Stream(UnixStream),
}

impl Socket {
    /// The name of the program is in each message.
    pub(in crate::sys) fn connect(_program: &str) -> io::Result<Socket> {
        let mut result = Err(io::ErrorKind::NotFound.into());
        for path in PATHS {
            result = connect(path);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    pub(in crate::sys) fn send(&self, entry: &Entry<'_>) -> io::Result<()> {
        let message = message(entry, std::process::id());
        match self {
            Socket::Datagrams(socket) => socket.send(message.as_bytes()).map(drop),
            Socket::Stream(socket) => {
                // Messages on a stream end in a NUL, which no line has in it.
                let mut socket: &UnixStream = socket;
                socket.write_all(&[message.as_bytes(), b"\0"].concat())
            }
        }
    }
}

/// The message for that line.
// RFC 3164 4.1: priority, timestamp and tag, as all syslog daemons know them.
fn message(entry: &Entry<'_>, pid: u32) -> String {
    let severity = match entry.level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info | Level::Verbose => 6,
        Level::Debug => 7,
    };
    let priority = u32::from(entry.facility) * 8 + severity;
    let stamp = WallClock::syslog_stamp(&entry.time);
    format!(
        "<{priority}>{stamp} {}[{pid}]: {}",
        entry.program, entry.text
    )
}

fn connect(path: &str) -> io::Result<Socket> {
    let datagrams = UnixDatagram::unbound()?;
    match datagrams.connect(path) {
        Ok(()) => {
            datagrams.set_write_timeout(Some(SEND_MAX))?;
            Ok(Socket::Datagrams(datagrams))
        }
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            let stream = UnixStream::connect(path)?;
            stream.set_write_timeout(Some(SEND_MAX))?;
            Ok(Socket::Stream(stream))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    const ENTRY: Entry<'_> = Entry {
        facility: 2,
        level: Level::Info,
        time: WallClock {
            unix_ms: 1_795_361_586_000,
            zone_minutes: 0,
        },
        program: "emailrelay",
        text: "emailrelay: info: text",
    };

    /// Where a daemon may listen.
    fn place(folder: &TempDir) -> String {
        folder.join("log").to_str().unwrap().to_owned()
    }

    #[test]
    fn datagrams_are_sent_where_they_are_taken() {
        let folder = TempDir::new();
        let path = place(&folder);
        let daemon = UnixDatagram::bind(&path).unwrap();
        connect(&path).unwrap().send(&ENTRY).unwrap();
        let mut buffer = [0; 100];
        let octets = daemon.recv(&mut buffer).unwrap();
        let expected = message(&ENTRY, std::process::id());
        assert_eq!(&buffer[..octets], expected.as_bytes());
    }

    #[test]
    fn a_stream_is_used_where_it_is_wanted() {
        let folder = TempDir::new();
        let path = place(&folder);
        let daemon = UnixListener::bind(&path).unwrap();
        let socket = connect(&path).unwrap();
        let (mut stream, _) = daemon.accept().unwrap();
        socket.send(&ENTRY).unwrap();
        drop(socket);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        let expected = message(&ENTRY, std::process::id()) + "\0";
        assert_eq!(text, expected.as_bytes());
    }

    #[test]
    fn messages_are_as_syslog_daemons_know_them() {
        assert_eq!(
            message(&ENTRY, 17155),
            "<22>Nov 22 15:33:06 emailrelay[17155]: emailrelay: info: text"
        );
        for (facility, level, priority) in [
            (2, Level::Warning, "<20>"),
            (2, Level::Error, "<19>"),
            (2, Level::Debug, "<23>"),
            (1, Level::Info, "<14>"),
            (3, Level::Info, "<30>"),
            (16, Level::Verbose, "<134>"),
            (23, Level::Info, "<190>"),
        ] {
            let entry = Entry {
                facility,
                level,
                ..ENTRY
            };
            let message = message(&entry, 1);
            assert!(message.starts_with(priority), "{message}");
        }
    }
}
