//! One connection of Mbed TLS as an [`Engine`].

use super::ffi::{Code, Connection, Status};
use super::version_of;
use crate::base::ByteQueue;
use crate::tls::{Engine, Error, Peer, Progress, Session, Trust, suite};

/// The most plaintext in a record, in octets (RFC 8446 5.1).
const RECORD_PLAIN_MAX: usize = 16 * 1024;
/// No more plaintext is accepted while so much ciphertext waits, in octets.
const CIPHER_WAITING_MAX: usize = 48 * 1024;
/// The most ciphertext that a handshake may take, in octets: a few messages of at most
/// a record each. The library itself would listen to warnings for ever.
const HANDSHAKE_OCTETS_MAX: usize = 64 * 1024;
/// The most that is said by itself once the connection is secure, in octets: refusals
/// to begin anew, however often the peer asks for that.
const ANSWERS_OCTETS_MAX: usize = 1024;

/// What records of a handshake begin with (RFC 8446 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Alerts of our own, for failures that the library says nothing about (RFC 8446 6.2).
const UNEXPECTED_MESSAGE: u8 = 10;
const HANDSHAKE_FAILURE: u8 = 40;

/// Alerts of peers that are worth a name (RFC 8446 6).
const ALERTS: [(u8, &str); 14] = [
    (10, "unexpected message"),
    (20, "bad record mac"),
    (40, "handshake failure"),
    (42, "bad certificate"),
    (43, "unsupported certificate"),
    (45, "certificate expired"),
    (46, "certificate unknown"),
    (47, "illegal parameter"),
    (48, "unknown ca"),
    (50, "decode error"),
    (51, "decrypt error"),
    (70, "protocol version"),
    (112, "unrecognized name"),
    (116, "certificate required"),
];

pub(super) struct MbedTlsEngine {
    connection: Connection,
    /// How far a peer that gets through the handshake has been checked.
    trust: Trust,
    progress: Progress,
    /// Whether the first octet from the peer was none that a record begins with.
    is_not_tls: bool,
    /// Ciphertext taken in before the connection was secure, in octets.
    handshake_octets: usize,
    /// Ciphertext made since without being asked for, in octets.
    answers_octets: usize,
    /// What one record held, until it is read.
    plain: ByteQueue,
    /// What the peer is to be sent.
    waiting: ByteQueue,
}

impl MbedTlsEngine {
    pub(super) fn new(connection: Connection, trust: Trust) -> MbedTlsEngine {
        MbedTlsEngine {
            connection,
            trust,
            progress: Progress::default(),
            is_not_tls: false,
            handshake_octets: 0,
            answers_octets: 0,
            plain: ByteQueue::new(RECORD_PLAIN_MAX),
            waiting: ByteQueue::new(CIPHER_WAITING_MAX),
        }
    }

    /// Says what can be said before the peer has said anything.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.advance(&mut ByteQueue::new(0))
    }

    /// Works off what has been received, until there is plaintext to be read.
    fn advance(&mut self, input: &mut ByteQueue) -> Result<(), Error> {
        while self.wants_input() {
            let waiting = self.waiting.len();
            let step = match self.progress.is_handshaking() {
                true => self.shake_hands(input),
                false => self.read_record(input),
            };
            let said = self.waiting.len() > waiting;
            if self.is_flooded() {
                self.send_alert();
                return Err(self
                    .progress
                    .fail("the peer says too much that means nothing"));
            }
            match step {
                Status::Done(_) | Status::WantsOutput => {}
                Status::WantsInput => return Ok(()),
                Status::Closed if self.progress.is_handshaking() => {
                    return Err(self.progress.fail("the peer has ended the connection"));
                }
                Status::Closed => self.progress.close_by_peer(),
                Status::Refused(alert) => return Err(self.progress.fail(&refusal(alert))),
                Status::Failed(code) => {
                    if !said {
                        self.send_alert();
                    }
                    let reason = self.reason(code);
                    return Err(self.progress.fail(&reason));
                }
            }
        }
        Ok(())
    }

    fn shake_hands(&mut self, input: &mut ByteQueue) -> Status {
        let before = input.len();
        if let (0, Some(first)) = (self.handshake_octets, input.as_slice().first()) {
            self.is_not_tls = ![ALERT, HANDSHAKE].contains(first);
        }
        let status = self.connection.step(input, &mut self.waiting);
        self.handshake_octets += before - input.len();
        if status == Status::Done(0) && self.connection.is_secure() {
            let session = self.agreed();
            if self.progress.establish(session) {
                self.say_goodbye();
            }
        }
        status
    }

    fn read_record(&mut self, input: &mut ByteQueue) -> Status {
        let mut record = [0; RECORD_PLAIN_MAX];
        let waiting = self.waiting.len();
        let status = self.connection.read(input, &mut self.waiting, &mut record);
        self.answers_octets += self.waiting.len() - waiting;
        if let Status::Done(count) = status {
            self.plain.push(&record[..count]);
        }
        status
    }

    fn is_flooded(&self) -> bool {
        self.handshake_octets > HANDSHAKE_OCTETS_MAX || self.answers_octets > ANSWERS_OCTETS_MAX
    }

    fn say_goodbye(&mut self) {
        // Where that fails there is nobody to tell.
        let _ = self.connection.close(&mut self.waiting);
    }

    fn send_alert(&mut self) {
        let description = match self.progress.is_handshaking() {
            true => HANDSHAKE_FAILURE,
            false => UNEXPECTED_MESSAGE,
        };
        // As above.
        let _ = self.connection.send_alert(description, &mut self.waiting);
    }

    fn reason(&self, code: Code) -> String {
        match self.connection.faults().text() {
            _ if self.is_not_tls => "what the peer sent is not tls".to_owned(),
            Some(faults) if self.progress.is_handshaking() => {
                format!("the peer's certificate is not accepted: {faults}")
            }
            _ => code.text(),
        }
    }

    fn agreed(&self) -> Session {
        let suite = suite::of(self.connection.suite());
        let peer = self.connection.peer();
        Session {
            protocol: version_of(self.connection.protocol()).name(),
            cipher: suite.openssl,
            suite: suite.registered,
            peer: peer.map(|der| Peer::new(&der, self.trust)),
        }
    }
}

impl Engine for MbedTlsEngine {
    fn feed_cipher(&mut self, input: &mut ByteQueue) -> Result<(), Error> {
        self.progress.check()?;
        // The library takes record by record, and leaves what it does not need yet.
        let advanced = self.advance(input);
        if self.progress.is_closed_by_peer() {
            // RFC 8446 6.1: data after a closure alert must be ignored.
            input.clear();
        }
        advanced
    }

    fn take_cipher(&mut self, output: &mut ByteQueue) {
        let count = output.push(self.waiting.as_slice());
        self.waiting.consume(count);
    }

    fn read_plain(&mut self, output: &mut ByteQueue) {
        let count = output.push(self.plain.as_slice());
        self.plain.consume(count);
    }

    fn write_plain(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while self.progress.is_writable() && !rest.is_empty() && self.waiting.room() > 0 {
            let record = &rest[..rest.len().min(RECORD_PLAIN_MAX)];
            match self.connection.write(record, &mut self.waiting) {
                Status::Done(count) => rest = &rest[count.min(rest.len())..],
                // There is room for two records, so that is a failure as well.
                Status::WantsInput | Status::WantsOutput | Status::Closed => break,
                Status::Refused(alert) => {
                    self.progress.fail(&refusal(alert));
                }
                Status::Failed(code) => {
                    self.progress.fail(&code.text());
                }
            }
        }
        bytes.len() - rest.len()
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn close_notify(&mut self) {
        if self.progress.close() {
            self.say_goodbye();
        }
    }

    fn wants_input(&self) -> bool {
        self.plain.is_empty() && self.progress.is_readable()
    }

    fn wants_output(&self) -> bool {
        !self.waiting.is_empty()
    }
}

fn refusal(alert: u8) -> String {
    let known = ALERTS.iter().find(|(number, _)| *number == alert);
    let name = known.map_or("", |(_, name)| *name);
    format!("the peer refuses to go on: alert {alert} {name}")
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::MbedTls;
    use super::*;
    use crate::tls::tests::matrix::{client, server};
    use crate::tls::{Provider, VerifySource};

    /// A client and a server that have got through their handshake.
    fn secure() -> (Box<dyn Engine>, MbedTlsEngine) {
        let connector = MbedTls.client(&client(VerifySource::Absent, "")).unwrap();
        let acceptor = MbedTls.acceptor(&server("server", VerifySource::Absent));
        let mut client = connector.connect().unwrap();
        let mut server = acceptor.unwrap().engine().unwrap();
        let mut wire = ByteQueue::new(100_000);
        while client.wants_output() || server.wants_output() {
            client.take_cipher(&mut wire);
            server.feed_cipher(&mut wire).unwrap();
            server.take_cipher(&mut wire);
            client.feed_cipher(&mut wire).unwrap();
        }
        (client, server)
    }

    #[test]
    fn whoever_asks_for_answers_without_end_is_sent_away() {
        for (answered, fine) in [(ANSWERS_OCTETS_MAX, true), (ANSWERS_OCTETS_MAX + 1, false)] {
            let (mut client, mut server) = secure();
            let mut wire = ByteQueue::new(1000);
            client.write_plain(b"x");
            client.take_cipher(&mut wire);
            server.answers_octets = answered;
            let fed = server.feed_cipher(&mut wire);
            assert_eq!(fed.is_ok(), fine, "{fed:?}");
            assert_eq!(server.wants_output(), !fine, "an alert");
            server.take_cipher(&mut wire);
            assert_eq!(client.feed_cipher(&mut wire).is_ok(), fine);
        }
    }

    #[test]
    fn alerts_are_named() {
        assert_eq!(
            refusal(48),
            "the peer refuses to go on: alert 48 unknown ca"
        );
        assert_eq!(refusal(99), "the peer refuses to go on: alert 99");
    }
}
