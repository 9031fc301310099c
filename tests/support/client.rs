//! A small SMTP client that shows every reply.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use emailrelay::tls::{ClientSettings, Session};

use super::program::PATIENCE;
use super::secure::Wire;

/// A session.
pub(crate) struct Client {
    stream: BufReader<Wire>,
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) fn connect(port: u16) -> Client {
        let (client, greeting) = Client::open(port).unwrap();
        assert!(greeting.starts_with("220 "), "{greeting}");
        client
    }

    /// Connects and returns the greeting, whatever it is.
    pub(crate) fn open(port: u16) -> io::Result<(Client, String)> {
        Client::open_at(("127.0.0.1", port))
    }

    /// The same at any address.
    pub(crate) fn open_at(address: impl ToSocketAddrs) -> io::Result<(Client, String)> {
        let mut client = Client::silent(address)?;
        let greeting = client.reply()?;
        Ok((client, greeting))
    }

    /// Connects, and neither reads nor says anything.
    pub(crate) fn knock(port: u16) -> io::Result<Client> {
        Client::silent(("127.0.0.1", port))
    }

    /// Connects, encrypts from the start and reads the greeting.
    pub(crate) fn open_tls(port: u16, settings: &ClientSettings) -> io::Result<(Client, String)> {
        let mut client = Client::knock(port)?;
        client.start_tls(settings)?;
        let greeting = client.reply()?;
        Ok((client, greeting))
    }

    /// Connects and reads nothing yet.
    pub(crate) fn silent(address: impl ToSocketAddrs) -> io::Result<Client> {
        let stream = connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream: BufReader::new(Wire::new(stream)),
        })
    }

    /// Connects and encrypts by STARTTLS.
    pub(crate) fn connect_tls(port: u16, settings: &ClientSettings) -> Client {
        let mut client = Client::connect(port);
        client.hello();
        client.expect("STARTTLS", "220 ");
        client.start_tls(settings).unwrap();
        client
    }

    /// Encrypts from now on.
    pub(crate) fn start_tls(&mut self, settings: &ClientSettings) -> io::Result<()> {
        self.stream.get_mut().start_tls(settings)
    }

    /// What was agreed for the encryption.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.stream.get_ref().session()
    }

    /// The socket itself.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref().stream()
    }

    /// Reads one reply, lines joined with `\n`; an end of input is an error.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reply += line.trim_end();
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    /// All that comes before the end of the connection.
    #[cfg(unix)]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = io::Read::read_to_end(&mut self.stream, &mut rest);
        rest
    }

    /// Another handle for writing, for use beside one that reads.
    pub(crate) fn writer(&self) -> TcpStream {
        self.socket().try_clone().unwrap()
    }

    /// Writes octets as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a command and reads the reply.
    pub(crate) fn try_command(&mut self, command: &str) -> io::Result<String> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    pub(crate) fn command(&mut self, command: &str) -> String {
        self.try_command(command).unwrap()
    }

    /// Sends a command and checks the start of the reply.
    pub(crate) fn expect(&mut self, command: &str, reply: &str) -> String {
        let got = self.command(command);
        assert!(got.starts_with(reply), "{command}: {got}");
        got
    }

    pub(crate) fn hello(&mut self) {
        self.expect("EHLO client.test", "250");
    }

    /// Sends a message that is CRLF clean, and returns the final reply.
    pub(crate) fn try_send(
        &mut self,
        from: &str,
        to: &[&str],
        content: &[u8],
    ) -> io::Result<String> {
        let mut steps = vec![format!("MAIL FROM:<{from}>")];
        steps.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        steps.push("DATA".to_owned());
        for step in steps {
            let reply = self.try_command(&step)?;
            if !reply.starts_with(['2', '3']) {
                return Ok(reply);
            }
        }
        self.write(&stuff(content))?;
        self.write(b".\r\n")?;
        self.reply()
    }

    /// Sends a message that must be accepted.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], content: &[u8]) {
        let reply = self.try_send(from, to, content).unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
    }

    pub(crate) fn quit(mut self) {
        self.expect("QUIT", "221");
    }
}

/// Connects, again and again while the system says that there is no route: in a
/// network that has just been set up it may take routes away for a moment.
fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(&address) {
            Err(error)
                if error.kind() == io::ErrorKind::NetworkUnreachable && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Connects, sends one message and leaves.
pub(crate) fn submit(port: u16, from: &str, to: &[&str], content: &[u8]) {
    let mut client = Client::connect(port);
    client.hello();
    client.send(from, to, content);
    client.quit();
}

fn stuff(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(content.len() + content.len() / 64 + 2);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire
}

/// A message of about that many octets whose lines and dots are awkward.
pub(crate) fn awkward_message(tag: &str, octets: usize) -> Vec<u8> {
    let mut content = format!("Subject: {tag}\r\n\r\n").into_bytes();
    let mut number = 0u64;
    while content.len() < octets {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let line: &[u8] = match number >> 61 {
            0 => b".\r\n",
            1 => b"..\r\n",
            2 => b"\r\n",
            3 => b".leading dot\r\n",
            4 => "gr\u{fc}\u{df}e \u{2028}\0\r\n".as_bytes(),
            5 => b"From the start of a line\r\n",
            _ => b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod\r\n",
        };
        content.extend_from_slice(line);
    }
    content
}

/// Content without the Received header field that the relay put before it.
pub(crate) fn without_trace(content: &[u8]) -> &[u8] {
    assert!(
        content.starts_with(b"Received: "),
        "{}",
        String::from_utf8_lossy(content)
    );
    let mut rest = content;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        rest = &rest[end + 1..];
        if !rest.starts_with(b" ") && !rest.starts_with(b"\t") {
            return rest;
        }
    }
}
