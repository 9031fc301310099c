//! A spamd that says what the test wants it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::program::PATIENCE;

/// What it was asked.
pub(crate) struct Request {
    /// The lines of the header, the empty one left out.
    pub(crate) header: Vec<String>,
    /// As many octets as announced.
    pub(crate) content: Vec<u8>,
}

/// What it says.
pub(crate) enum Answer {
    /// This, and hangs up.
    Close(Vec<u8>),
    /// This, and then nothing for as long as it is listened to.
    Hang(Vec<u8>),
    /// This, octet by octet with so much time before each.
    Drip(Vec<u8>, Duration),
}

/// A running spamd; it ends with the process.
pub(crate) struct Spamd {
    pub(crate) port: u16,
    requests: Receiver<Request>,
}

impl Spamd {
    /// Answers each request as the function says.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Spamd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &sender, answer.as_ref()));
            }
        });
        Spamd { port, requests }
    }

    /// The next request.
    pub(crate) fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(mut stream: TcpStream, sender: &Sender<Request>, answer: &dyn Fn(&Request) -> Answer) {
    let Some(request) = read(&stream) else { return };
    let said = answer(&request);
    // The test may be over, and the client may have gone.
    let _ = sender.send(request);
    match said {
        Answer::Close(octets) => {
            let _ = stream.write_all(&octets);
            let _ = stream.shutdown(Shutdown::Write);
        }
        Answer::Hang(octets) => {
            let _ = stream.write_all(&octets);
            // What it sends when it goes is an error or an end.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            while stream.peek(&mut [0]).is_ok_and(|_| is_there(&mut stream)) {}
        }
        Answer::Drip(octets, pause) => {
            for octet in octets {
                thread::sleep(pause);
                if stream.write_all(&[octet]).is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether the client still listens; it has said all that it has to say.
fn is_there(stream: &mut TcpStream) -> bool {
    thread::sleep(Duration::from_millis(50));
    stream.write_all(b"").is_ok() && stream.take_error().is_ok_and(|error| error.is_none())
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut header = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        match line.strip_suffix("\r\n")? {
            "" => break,
            line => header.push(line.to_owned()),
        }
    }
    let length = header
        .iter()
        .find_map(|line| line.strip_prefix("Content-length: "))?;
    let mut content = vec![0; length.parse().ok()?];
    reader.read_exact(&mut content).ok()?;
    Some(Request { header, content })
}
