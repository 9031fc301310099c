//! A next hop that remembers what it was sent and misbehaves on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::program::PATIENCE;

/// What the sink does about a command.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Replies as usual.
    Usual,
    /// Replies with this instead (without CRLF).
    Reply(String),
    /// Replies with this and hangs up.
    LastReply(String),
    /// As usual, but with this reply, and then it hangs up; for `.` only.
    TakenLast(String),
    /// Hangs up.
    Drop,
    /// Says nothing.
    Silence,
    /// Replies as usual, and to DATA takes that long before it reads the content.
    Slow(Duration),
}

/// Decides on the answer to a command; `GREETING` and `.` stand for the greeting
/// and the end of content. The number counts connections from 1.
pub(crate) type Script = Box<dyn Fn(usize, &str) -> Answer + Send + Sync>;

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) reverse_path: String,
    pub(crate) forward_paths: Vec<String>,
    pub(crate) parameters: String,
    /// As the client's user would see it: dots unstuffed.
    pub(crate) content: Vec<u8>,
    /// Which connection it came by, counted from 1.
    pub(crate) connection: usize,
}

struct Shared {
    script: Script,
    extensions: Vec<&'static str>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    arrived: Vec<Arrived>,
    commands: Vec<String>,
    connections: usize,
    /// The most commands that arrived without waiting for a reply.
    flight_max: usize,
}

/// A sink; it serves until the test is over.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Sink {
    /// One that accepts everything.
    pub(crate) fn start() -> Sink {
        Sink::scripted(&["PIPELINING", "8BITMIME", "SIZE 0"], |_, _| Answer::Usual)
    }

    pub(crate) fn scripted(
        extensions: &[&'static str],
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Sink::on(listener, extensions, script)
    }

    pub(crate) fn on(
        listener: TcpListener,
        extensions: &[&'static str],
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Sink {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            extensions: extensions.to_vec(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let sink = Sink { port, shared };
        let serving = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).unwrap();
                let sink = serving.clone();
                thread::spawn(move || sink.serve(&stream));
            }
        });
        sink
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.shared.state.lock().unwrap().arrived.clone()
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    pub(crate) fn flight_max(&self) -> usize {
        self.shared.state.lock().unwrap().flight_max
    }

    /// Waits until that many messages have arrived.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Arrived> {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while state.arrived.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} of {count} messages arrived",
                state.arrived.len()
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        state.arrived.clone()
    }

    fn serve(&self, stream: &TcpStream) {
        let connection = {
            let mut state = self.shared.state.lock().unwrap();
            state.connections += 1;
            state.connections
        };
        // A client that hangs up ends the session, as it should.
        let _ = Dialogue {
            sink: self,
            connection,
            stream,
            reader: BufReader::new(stream),
        }
        .run();
    }
}

struct Dialogue<'a> {
    sink: &'a Sink,
    connection: usize,
    stream: &'a TcpStream,
    reader: BufReader<&'a TcpStream>,
}

impl Dialogue<'_> {
    fn run(&mut self) -> std::io::Result<()> {
        let mut message = None;
        if !self.answer("GREETING", "220 sink.test ESMTP")? {
            return Ok(());
        }
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                // The client has hung up.
                return Ok(());
            }
            self.note_flight();
            assert!(
                line.ends_with(b"\r\n"),
                "a command ends with CRLF: {line:?}"
            );
            let line = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
            self.sink
                .shared
                .state
                .lock()
                .unwrap()
                .commands
                .push(line.clone());
            if !self.obey(&line, &mut message)? {
                return Ok(());
            }
        }
    }

    fn note_flight(&mut self) {
        let waiting = self
            .reader
            .buffer()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let mut state = self.sink.shared.state.lock().unwrap();
        state.flight_max = state.flight_max.max(waiting + 1);
    }

    fn obey(&mut self, line: &str, message: &mut Option<Arrived>) -> std::io::Result<bool> {
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("EHLO") {
            let mut reply = String::new();
            for extension in std::iter::once(&"sink.test").chain(&self.sink.shared.extensions) {
                reply += &format!("250-{extension}\r\n");
            }
            return self.answer(line, &(reply + "250 HELP"));
        }
        if upper.starts_with("MAIL FROM:") {
            let (path, parameters) = path(&line[10..]);
            *message = Some(Arrived {
                reverse_path: path,
                forward_paths: Vec::new(),
                parameters,
                content: Vec::new(),
                connection: self.connection,
            });
            return self.answer(line, "250 2.1.0 ok");
        }
        if upper.starts_with("RCPT TO:") {
            let accepted = self.answer_is_usual(line);
            if let Some(message) = message.as_mut().filter(|_| accepted) {
                message.forward_paths.push(path(&line[8..]).0);
            }
            return self.answer(line, "250 2.1.5 ok");
        }
        if upper == "DATA" {
            return self.data(message.take());
        }
        if let Some(size) = upper.strip_prefix("BDAT ") {
            // Who does not know the command does not know what follows it either.
            return match self.answer_is_usual(line) {
                true => self.chunk(size, message),
                false => self.answer(line, ""),
            };
        }
        if upper == "RSET" {
            *message = None;
        }
        let usual = if upper == "QUIT" { "221 bye" } else { "250 ok" };
        Ok(self.answer(line, usual)? && upper != "QUIT")
    }

    fn data(&mut self, message: Option<Arrived>) -> std::io::Result<bool> {
        let Some(mut message) = message.filter(|message| !message.forward_paths.is_empty()) else {
            return self.answer("DATA", "554 5.5.1 no valid recipients");
        };
        if !self.answer_is_usual("DATA") {
            return self.answer("DATA", "");
        }
        self.say("354 go ahead")?;
        if let Answer::Slow(pause) = (self.sink.shared.script)(self.connection, "DATA") {
            thread::sleep(pause);
        }
        message.content = self.content()?;
        // What the test sees must include whatever was acknowledged.
        let keep = self.answer_is_usual(".");
        if keep {
            self.sink.shared.state.lock().unwrap().arrived.push(message);
            self.sink.shared.changed.notify_all();
        }
        self.answer(".", "250 2.0.0 queued")
    }

    /// Takes a chunk; the script is asked about `BDAT` for each, and about `.` for the
    /// last one. Without recipients it is skipped.
    fn chunk(&mut self, size: &str, message: &mut Option<Arrived>) -> std::io::Result<bool> {
        let (count, is_last) = match size.strip_suffix(" LAST") {
            Some(count) => (count, true),
            None => (size, false),
        };
        let mut chunk = vec![0; count.parse().unwrap()];
        self.reader.read_exact(&mut chunk)?;
        let has_recipients = |message: &&mut Arrived| !message.forward_paths.is_empty();
        let Some(open) = message.as_mut().filter(has_recipients) else {
            return self.answer("BDAT", "503 5.5.1 no valid recipients");
        };
        open.content.extend(chunk);
        if !is_last {
            return self.answer("BDAT", "250 2.0.0 chunk");
        }
        if self.answer_is_usual(".")
            && let Some(message) = message.take()
        {
            self.sink.shared.state.lock().unwrap().arrived.push(message);
            self.sink.shared.changed.notify_all();
        }
        self.answer(".", "250 2.0.0 queued")
    }

    /// Reads to the final dot, strictly by RFC 5321.
    fn content(&mut self) -> std::io::Result<Vec<u8>> {
        let mut content: Vec<u8> = Vec::new();
        loop {
            let line_start = content.len();
            while !content[line_start..].ends_with(b"\r\n") {
                if self.reader.read_until(b'\n', &mut content)? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            if &content[line_start..] == b".\r\n" {
                content.truncate(line_start);
                return Ok(content);
            }
            if content[line_start] == b'.' {
                content.remove(line_start);
            }
        }
    }

    fn answer_is_usual(&self, command: &str) -> bool {
        matches!(
            (self.sink.shared.script)(self.connection, command),
            Answer::Usual | Answer::Slow(_) | Answer::TakenLast(_)
        )
    }

    /// Says whether the session goes on.
    fn answer(&mut self, command: &str, usual: &str) -> std::io::Result<bool> {
        match (self.sink.shared.script)(self.connection, command) {
            Answer::Usual | Answer::Slow(_) => self.say(usual)?,
            Answer::Reply(reply) => self.say(&reply)?,
            Answer::LastReply(reply) | Answer::TakenLast(reply) => {
                self.say(&reply)?;
                return Ok(false);
            }
            Answer::Drop => return Ok(false),
            Answer::Silence => {
                // Nothing more comes from here, whatever the client goes on to say.
                while self.reader.fill_buf()? != b"" {
                    let count = self.reader.buffer().len();
                    self.reader.consume(count);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes())
    }
}

/// Takes `<path> parameters` apart.
fn path(text: &str) -> (String, String) {
    let (path, parameters) = text.split_once('>').unwrap_or((text, ""));
    (
        path.trim_start_matches('<').to_owned(),
        parameters.trim().to_owned(),
    )
}
