//! Plays dialogues over TCP with a running program.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use emailrelay::store::{Encoding, Envelope};

use super::client::without_trace;
use super::program::{PATIENCE, Scratch, Server};
use super::transcript::{Expectation, Player, Step, Transcript, different, matches};

/// How long a server may take to say something that it should not.
const QUIET: Duration = Duration::from_millis(20);

/// The options that stand for the settings of a transcript; nothing where there is
/// none for one of them.
pub(crate) fn options(transcript: &Transcript) -> Option<Vec<String>> {
    let mut options = Vec::new();
    let mut switches = Vec::new();
    for (name, value) in &transcript.settings {
        match name.as_str() {
            "size" => options.push(format!("--size={value}")),
            "anonymous" => options.push("--anonymous=server".to_owned()),
            "no-vrfy" => options.push("--anonymous=vrfy".to_owned()),
            "idle" => options.push(format!("--idle-timeout={value}")),
            "no-idle" => options.push("--idle-timeout=0".to_owned()),
            "no-pipelining" => switches.push("nopipelining"),
            "chunking" => switches.push("chunking"),
            "smtputf8" => switches.push("smtputf8"),
            "lenient" => switches.push("nostrictparsing"),
            _ => return None,
        }
    }
    if !switches.is_empty() {
        options.push(format!("--server-smtp-config={}", switches.join(",")));
    }
    Some(options)
}

/// Whether each step is one that can be taken with a real program and disk, and
/// that takes no time to speak of.
pub(crate) fn is_playable(transcript: &Transcript) -> bool {
    // Whether a client was too early is a race between two programs.
    let waits_first = !matches!(transcript.steps.first(), Some((_, Step::Send(_))));
    waits_first
        && transcript.steps.iter().all(|(_, step)| {
            !matches!(
                step,
                Step::Expect(
                    Expectation::After(_)
                        | Expectation::WaitStored(false)
                        | Expectation::WaitVerify(..)
                        | Expectation::WaitLogin
                        | Expectation::WaitHeld
                        | Expectation::Tls
                        | Expectation::Warned(_)
                        | Expectation::Noted(_)
                        | Expectation::Identity(_)
                        | Expectation::Deleted(_)
                )
            )
        })
}

/// A connection to a program that serves nobody else.
pub(crate) struct OverTcp {
    server: Server,
    spool: Scratch,
    stream: BufReader<TcpStream>,
    port: u16,
    by_octets: bool,
}

impl OverTcp {
    /// Starts a program with these options and connects to it. Input is sent step by
    /// step, or octet by octet.
    pub(crate) fn start(options: &[String], by_octets: bool) -> OverTcp {
        let spool = Scratch::new();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let server = Server::start(&spool, &options);
        let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = stream.local_addr().unwrap().port();
        OverTcp {
            server,
            spool,
            stream: BufReader::new(stream),
            port,
            by_octets,
        }
    }

    /// What the server has to say without being asked; nothing where it waits.
    fn unasked(&mut self) -> Option<Vec<u8>> {
        self.stream.get_ref().set_read_timeout(Some(QUIET)).unwrap();
        let mut more = vec![0; 1000];
        let result = self.stream.read(&mut more);
        self.stream
            .get_ref()
            .set_read_timeout(Some(PATIENCE))
            .unwrap();
        match result {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(_) => Some(Vec::new()),
            Ok(count) => {
                more.truncate(count);
                Some(more)
            }
        }
    }

    /// The number of messages in the spool, and the last one's envelope and content.
    fn stored(&self) -> (usize, Option<(Envelope, Vec<u8>)>) {
        let names = self.spool.names();
        let mut envelopes: Vec<_> = names.iter().filter(|n| n.ends_with(".envelope")).collect();
        // Sequences count up, and have the same number of digits.
        envelopes.sort();
        let last = envelopes.last().map(|name| {
            let path = self.spool.path().join(name);
            let envelope = Envelope::parse(&fs::read(&path).unwrap()).unwrap();
            let content = fs::read(path.with_extension("content")).unwrap();
            (envelope, without_trace(&content).to_vec())
        });
        (envelopes.len(), last)
    }

    fn last(&self) -> Result<(Envelope, Vec<u8>), String> {
        self.stored()
            .1
            .ok_or_else(|| "nothing is stored".to_owned())
    }

    fn closed(&mut self, pattern: &str) -> Result<(), String> {
        let mut rest = Vec::new();
        // A reset is a way of closing as well.
        let _ = self.stream.read_to_end(&mut rest);
        same(&String::new(), &rest.escape_ascii().to_string())?;
        // The server waits for that a while before it closes its side of all.
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
        let end = format!(": 127.0.0.1:{}", self.port);
        let line = self.server.program.wait_for("smtp connection closed: ");
        let (_, reason) = line
            .split_once("smtp connection closed: ")
            .unwrap_or_default();
        let reason = reason.strip_suffix(&end).unwrap_or(reason);
        match matches(pattern, reason) {
            true => Ok(()),
            false => Err(different(&pattern, &reason)),
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(expected: &T, got: &T) -> Result<(), String> {
    match expected == got {
        true => Ok(()),
        false => Err(different(expected, got)),
    }
}

impl Player for OverTcp {
    fn send(&mut self, octets: &[u8]) {
        let stream = self.stream.get_mut();
        let size = if self.by_octets {
            1
        } else {
            octets.len().max(1)
        };
        for piece in octets.chunks(size) {
            // A server that has closed shows when its reply is awaited.
            let _ = stream.write_all(piece);
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).ok()?;
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Closed(pattern) => self.closed(pattern),
            Expectation::Open => same(&None, &self.unasked()),
            // The disk does that by itself.
            Expectation::WaitStored(_) => Ok(()),
            Expectation::After(_)
            | Expectation::WaitVerify(..)
            | Expectation::WaitLogin
            | Expectation::WaitHeld
            | Expectation::Tls
            | Expectation::Warned(_)
            | Expectation::Noted(_)
            | Expectation::Identity(_)
            | Expectation::Deleted(_) => Err("not playable".to_owned()),
            Expectation::StoredOctets(count) => same(count, &self.last()?.1.len()),
            Expectation::Stored(expected) => {
                let content = self.last()?.1;
                same(
                    &expected.escape_ascii().to_string(),
                    &content.escape_ascii().to_string(),
                )
            }
            Expectation::StoredNothing => same(&0, &self.stored().0),
            Expectation::From(expected) => same(
                &expected.as_slice(),
                &self.last()?.0.reverse_path.as_bytes(),
            ),
            Expectation::To(expected) => {
                let envelope = self.last()?.0;
                let paths = envelope.remote_recipients.iter();
                let paths: Vec<Vec<u8>> = paths.map(|path| path.as_bytes().to_vec()).collect();
                same(expected, &paths)
            }
            Expectation::Auth(expected) => {
                let envelope = self.last()?.0;
                let established = expected.first().map(Vec::as_slice).unwrap_or_default();
                same(&established, &envelope.mail_auth_in.as_bytes())
            }
            Expectation::Scan(expected) => {
                let kind = match self.last()?.0.encoding {
                    Encoding::SevenBit => "7bit",
                    // What is declared as binary is recorded as that.
                    Encoding::EightBit | Encoding::Binary => "8bit",
                    Encoding::Unknown => "unknown",
                };
                same(&expected.as_str(), &kind)
            }
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        match self.unasked() {
            None => Ok(()),
            Some(octets) => same(&String::new(), &octets.escape_ascii().to_string()),
        }
    }
}
