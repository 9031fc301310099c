//! A running POP server, and a client for it.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use emailrelay::tls::ClientSettings;

use super::program::{PATIENCE, Scratch, Server, program};
use super::secure::{Wire, pki_text};

/// The accounts of all POP tests.
const SECRETS: &str = "server plain alice secret\nserver plain bob hunter2\n\
                       server plain ../bob hunter2\nserver plain carol@x.test with+20blank\n";

/// An envelope of a message that is ready.
pub(crate) const ENVELOPE: &str = "X-MailRelay-Format: #2821.6\r\nX-MailRelay-Content: 8bit\r\n\
    X-MailRelay-From: me@src.test\r\nX-MailRelay-ToCount: 1\r\n\
    X-MailRelay-To-Remote: you@dst.test\r\n\
    X-MailRelay-Authentication: \r\nX-MailRelay-Client: 127.0.0.1\r\n\
    X-MailRelay-ClientCertificate: \r\nX-MailRelay-MailFromAuthIn: \r\n\
    X-MailRelay-MailFromAuthOut: \r\nX-MailRelay-ForwardTo: \r\n\
    X-MailRelay-ForwardToAddress: \r\nX-MailRelay-End: 1\r\n";

/// A running program with SMTP and POP.
pub(crate) struct PopServer {
    pub(crate) server: Server,
    pub(crate) port: u16,
    /// Where the secrets are.
    pub(crate) files: Scratch,
}

impl PopServer {
    pub(crate) fn start(spool: &Scratch, arguments: &[&str]) -> PopServer {
        PopServer::start_with(Command::new(program()), spool, arguments)
    }

    /// With a certificate, and TLS as that option has it.
    pub(crate) fn start_tls(spool: &Scratch, mode: &str, arguments: &[&str]) -> PopServer {
        let certificate = pki_text("server-all.pem");
        let mut all = vec![mode, "--server-tls-certificate", &certificate];
        all.extend(arguments);
        PopServer::start(spool, &all)
    }

    pub(crate) fn start_with(command: Command, spool: &Scratch, arguments: &[&str]) -> PopServer {
        let files = Scratch::new();
        let secrets = files.join("secrets");
        fs::write(&secrets, SECRETS).unwrap();
        let mut all = vec!["--pop", "--pop-port", "0", "--pop-auth", &secrets];
        all.extend(arguments);
        let server = Server::start_with(command, spool, &all);
        let line = server.program.wait_for("pop server on ");
        let port = line.rsplit(':').next().unwrap().parse().unwrap();
        PopServer {
            server,
            port,
            files,
        }
    }

    pub(crate) fn connect(&self) -> Pop {
        let (pop, greeting) = Pop::open(self.port).unwrap();
        assert!(greeting.starts_with("+OK "), "{greeting}");
        pop
    }

    /// Connects and logs in as Alice.
    pub(crate) fn log_in(&self) -> Pop {
        self.log_in_as("alice", "secret")
    }

    pub(crate) fn log_in_as(&self, user: &str, password: &str) -> Pop {
        let mut pop = self.connect();
        pop.ok(&format!("USER {user}"));
        pop.ok(&format!("PASS {password}"));
        pop
    }

    /// Waits until so many sessions have been closed.
    pub(crate) fn wait_for_closed(&self, count: usize) {
        let text = "pop connection closed: ";
        self.server.program.wait_for_nth(text, count);
    }
}

/// A session.
pub(crate) struct Pop {
    stream: BufReader<Wire>,
}

impl Pop {
    /// Connects and returns the greeting, whatever it is.
    pub(crate) fn open(port: u16) -> io::Result<(Pop, String)> {
        let mut pop = Pop::knock(port)?;
        let greeting = pop.line()?;
        Ok((pop, greeting))
    }

    /// Connects and reads nothing.
    pub(crate) fn knock(port: u16) -> io::Result<Pop> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Pop {
            stream: BufReader::new(Wire::new(stream)),
        })
    }

    pub(crate) fn start_tls(&mut self, settings: &ClientSettings) -> io::Result<()> {
        self.stream.get_mut().start_tls(settings)
    }

    #[cfg(unix)]
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref().stream()
    }

    /// Reads a line; its end is taken off.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let line = self.raw_line()?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// The same, octet by octet.
    pub(crate) fn raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    pub(crate) fn say(&mut self, command: &str) -> String {
        self.write(format!("{command}\r\n").as_bytes()).unwrap();
        self.line().unwrap_or_else(|e| panic!("{command}: {e}"))
    }

    /// Says something and expects success.
    pub(crate) fn ok(&mut self, command: &str) -> String {
        let response = self.say(command);
        assert!(response.starts_with("+OK"), "{command}: {response}");
        response
    }

    /// Says something and expects a refusal.
    pub(crate) fn err(&mut self, command: &str) -> String {
        let response = self.say(command);
        assert!(response.starts_with("-ERR "), "{command}: {response}");
        response
    }

    /// Says something and reads a response of many lines: the octets between the
    /// first line and the last, with dots undoubled.
    pub(crate) fn many(&mut self, command: &str) -> Vec<u8> {
        self.ok(command);
        self.rest()
    }

    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).unwrap();
            assert!(line.ends_with(b"\r\n"), "cut off: {}", line.escape_ascii());
            if line == b".\r\n" {
                return all;
            }
            all.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    /// The same as lines.
    pub(crate) fn lines(&mut self, command: &str) -> Vec<String> {
        let text = String::from_utf8(self.many(command)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn quit(mut self) {
        self.ok("QUIT");
        assert!(self.line().is_err(), "and the connection is closed");
    }
}

/// Puts a message into a directory, without a program; returns its id.
pub(crate) fn plant(directory: &Path, number: usize, content: &[u8]) -> String {
    let id = plant_envelope(directory, number);
    fs::write(directory.join(format!("{id}.content")), content).unwrap();
    id
}

/// The same without its content.
pub(crate) fn plant_envelope(directory: &Path, number: usize) -> String {
    let id = format!("emailrelay.1.{}.10000000001", 1_700_000_000 + number);
    fs::write(directory.join(format!("{id}.envelope")), ENVELOPE).unwrap();
    id
}

/// Makes a directory in a spool.
pub(crate) fn mailbox(spool: &Scratch, name: &str) -> PathBuf {
    let path = spool.path().join(name);
    fs::create_dir(&path).unwrap();
    path
}
