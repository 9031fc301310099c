//! The socket of the syslog daemon, by the paths that systems have it at.

use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

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
    pub(in crate::sys) fn connect() -> io::Result<Socket> {
        let mut result = Err(io::ErrorKind::NotFound.into());
        for path in PATHS {
            result = connect(path);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    pub(in crate::sys) fn send(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Socket::Datagrams(socket) => socket.send(message).map(drop),
            Socket::Stream(socket) => {
                // Messages on a stream end in a NUL, which no line has in it.
                let mut socket: &UnixStream = socket;
                socket.write_all(&[message, b"\0"].concat())
            }
        }
    }
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
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    fn path(kind: &str) -> String {
        let name = format!("emailrelay-syslog-{kind}-{}", std::process::id());
        std::env::temp_dir().join(name).to_str().unwrap().to_owned()
    }

    #[test]
    fn datagrams_are_sent_where_they_are_taken() {
        let path = path("datagrams");
        let daemon = UnixDatagram::bind(&path).unwrap();
        connect(&path).unwrap().send(b"<22>text").unwrap();
        let mut buffer = [0; 100];
        let octets = daemon.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..octets], b"<22>text");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_stream_is_used_where_it_is_wanted() {
        let path = path("stream");
        let daemon = UnixListener::bind(&path).unwrap();
        let socket = connect(&path).unwrap();
        let (mut stream, _) = daemon.accept().unwrap();
        socket.send(b"<22>text").unwrap();
        drop(socket);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"<22>text\0");
        std::fs::remove_file(&path).unwrap();
    }
}
