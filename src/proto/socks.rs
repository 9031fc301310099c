//! Asking a SOCKS proxy for a connection, as a pure machine: what the proxy says
//! comes in, what it is to be told goes out. There is no login.
//!
//! ```text
//! 4a   request --granted--> done          refused or nonsense: failed
//! 5    methods --"none"--> request --succeeded--> done
//! ```

use std::fmt;
use std::net::IpAddr;

use crate::base::ByteQueue;

/// The longest name of a host, in octets.
// RFC 1928 5: its length is one octet.
pub const NAME_MAX: usize = 255;

/// Which protocol the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Version 4 with names of hosts (SOCKS 4a).
    V4a,
    /// Version 5 (RFC 1928).
    V5,
}

/// A host beyond the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FarHost {
    /// A name, which the proxy looks up.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the proxy said is not an answer.
    Malformed,
    /// The proxy insists on a login.
    LoginWanted,
    /// The proxy refuses, with that code.
    Refused(Version, u8),
}

/// How far things are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Wait for more.
    Waiting,
    /// Send this, and wait.
    Send(Vec<u8>),
    /// What follows comes from the far host.
    Connected,
}

/// One request.
#[derive(Debug)]
pub struct Negotiation {
    version: Version,
    host: FarHost,
    port: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Methods,
    Reply,
    Done,
}

impl Negotiation {
    /// Makes a request that is still to be begun. A name must not be longer than
    /// [`NAME_MAX`] nor have NULs in it.
    pub fn new(version: Version, host: FarHost, port: u16) -> Negotiation {
        Negotiation {
            version,
            host,
            port,
            state: State::Start,
        }
    }

    /// What to send first.
    pub fn begin(&mut self) -> Vec<u8> {
        match self.version {
            Version::V4a => {
                self.state = State::Reply;
                self.request_4a()
            }
            // RFC 1928 3: one method, which is no authentication.
            Version::V5 => {
                self.state = State::Methods;
                vec![5, 1, 0]
            }
        }
    }

    /// Takes what the proxy says, and nothing of what follows it.
    pub fn receive(&mut self, input: &mut ByteQueue) -> Result<Progress, Failure> {
        match (self.state, self.version) {
            (State::Start, _) => Ok(Progress::Waiting),
            (State::Done, _) => Ok(Progress::Connected),
            (State::Methods, _) => self.methods(input),
            (State::Reply, Version::V4a) => self.reply_4a(input),
            (State::Reply, Version::V5) => self.reply_5(input),
        }
    }

    // https://www.openssh.com/txt/socks4a.protocol: an address of 0.0.0.x says that
    // a name follows the user's name, which is empty.
    fn request_4a(&self) -> Vec<u8> {
        let mut request = vec![4, 1];
        request.extend(self.port.to_be_bytes());
        request.extend([0, 0, 0, 1, 0]);
        match &self.host {
            FarHost::Name(name) => request.extend(name.as_bytes()),
            FarHost::Ip(address) => request.extend(address.to_string().as_bytes()),
        }
        request.push(0);
        request
    }

    fn reply_4a(&mut self, input: &mut ByteQueue) -> Result<Progress, Failure> {
        const REPLY: usize = 8;
        const GRANTED: u8 = 0x5a;
        let bytes = input.as_slice();
        match (bytes.first(), bytes.get(1)) {
            (Some(version), _) if *version != 0 => Err(Failure::Malformed),
            (_, Some(code)) if *code != GRANTED => Err(Failure::Refused(self.version, *code)),
            _ if bytes.len() < REPLY => Ok(Progress::Waiting),
            _ => Ok(self.connected(REPLY, input)),
        }
    }

    // RFC 1928 3
    fn methods(&mut self, input: &mut ByteQueue) -> Result<Progress, Failure> {
        let bytes = input.as_slice();
        match (bytes.first(), bytes.get(1)) {
            (Some(version), _) if *version != 5 => Err(Failure::Malformed),
            (_, Some(0xff)) => Err(Failure::LoginWanted),
            (_, Some(method)) if *method != 0 => Err(Failure::Malformed),
            (_, None) => Ok(Progress::Waiting),
            // It was not asked anything more yet.
            _ if bytes.len() > 2 => Err(Failure::Malformed),
            _ => {
                input.consume(2);
                self.state = State::Reply;
                Ok(Progress::Send(self.request_5()))
            }
        }
    }

    // RFC 1928 4 and 5
    fn request_5(&self) -> Vec<u8> {
        let mut request = vec![5, 1, 0];
        match &self.host {
            FarHost::Ip(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            FarHost::Ip(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            FarHost::Name(name) => {
                let name = &name.as_bytes()[..name.len().min(NAME_MAX)];
                let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
                request.extend([3, length]);
                request.extend(name);
            }
        }
        request.extend(self.port.to_be_bytes());
        request
    }

    // RFC 1928 6: version, code, reserved, address type, address, port.
    fn reply_5(&mut self, input: &mut ByteQueue) -> Result<Progress, Failure> {
        const BEFORE_ADDRESS: usize = 4;
        const PORT: usize = 2;
        let bytes = input.as_slice();
        match (bytes.first(), bytes.get(1)) {
            (Some(version), _) if *version != 5 => return Err(Failure::Malformed),
            (_, Some(code)) if *code != 0 => return Err(Failure::Refused(self.version, *code)),
            _ => {}
        }
        let address = match (bytes.get(3), bytes.get(BEFORE_ADDRESS)) {
            (Some(1), _) => 4,
            (Some(4), _) => 16,
            (Some(3), Some(length)) => 1 + usize::from(*length),
            (None, _) | (Some(3), None) => return Ok(Progress::Waiting),
            (Some(_), _) => return Err(Failure::Malformed),
        };
        let length = BEFORE_ADDRESS + address + PORT;
        match bytes.len() < length {
            true => Ok(Progress::Waiting),
            false => Ok(self.connected(length, input)),
        }
    }

    fn connected(&mut self, length: usize, input: &mut ByteQueue) -> Progress {
        input.consume(length);
        self.state = State::Done;
        Progress::Connected
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Malformed => f.write_str("invalid response"),
            Failure::LoginWanted => f.write_str("the proxy wants a login"),
            Failure::Refused(Version::V4a, code) => {
                write!(f, "request rejected ({code}, {})", words_4a(*code))
            }
            Failure::Refused(Version::V5, code) => {
                write!(f, "request rejected ({code}, {})", words_5(*code))
            }
        }
    }
}

fn words_4a(code: u8) -> &'static str {
    match code {
        0x5c | 0x5d => "identity not confirmed",
        _ => "rejected or failed",
    }
}

// RFC 1928 6
fn words_5(code: u8) -> &'static str {
    match code {
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "general failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> FarHost {
        FarHost::Name(name.to_owned())
    }

    /// Hears the proxy in pieces cut at that point; returns what was sent after
    /// the first words, the last result, and what is left of the input.
    fn hear(
        negotiation: &mut Negotiation,
        said: &[&[u8]],
        cut: usize,
    ) -> (Vec<Vec<u8>>, Result<Progress, Failure>, Vec<u8>) {
        let mut input = ByteQueue::new(1024);
        let (mut sent, mut last) = (vec![], Ok(Progress::Waiting));
        for words in said {
            let (head, tail) = words.split_at(cut.min(words.len()));
            for piece in [head, tail] {
                input.push_all(piece);
                last = negotiation.receive(&mut input);
                match &last {
                    Ok(Progress::Send(bytes)) => sent.push(bytes.clone()),
                    Ok(Progress::Waiting) => {}
                    Ok(Progress::Connected) | Err(_) => {
                        input.push_all(if piece == head { tail } else { b"" });
                        return (sent, last, input.as_slice().to_vec());
                    }
                }
            }
        }
        (sent, last, input.as_slice().to_vec())
    }

    #[test]
    fn asks_for_a_host_by_name_with_4a() {
        let request = |host, port| Negotiation::new(Version::V4a, host, port).begin();
        let expected = b"\x04\x01\x09\xdd\0\0\0\x01\0smtp.example.com\0";
        assert_eq!(request(name("smtp.example.com"), 2525), expected);
        let v6 = FarHost::Ip("::1".parse().unwrap());
        assert_eq!(request(v6, 25), b"\x04\x01\0\x19\0\0\0\x01\0::1\0");
    }

    #[test]
    fn goes_on_once_4a_is_granted() {
        let said: &[u8] = b"\0\x5a\x12\x34\x01\x02\x03\x04220 hi\r\n";
        for cut in 0..said.len() {
            let mut one = Negotiation::new(Version::V4a, name("h"), 25);
            let _ = one.begin();
            let (sent, last, rest) = hear(&mut one, &[said], cut);
            assert_eq!(
                (sent.len(), last),
                (0, Ok(Progress::Connected)),
                "cut at {cut}"
            );
            assert_eq!(rest, b"220 hi\r\n", "cut at {cut}");
        }
    }

    #[test]
    fn speaks_version_5() {
        let methods: &[u8] = b"\x05\0";
        for (reply, host, request) in [
            (
                b"\x05\0\0\x01\x01\x02\x03\x04\x10\x20".as_slice(),
                name("h.test"),
                b"\x05\x01\0\x03\x06h.test\0\x19".as_slice(),
            ),
            (
                b"\x05\0\0\x04................pp",
                FarHost::Ip("1.2.3.4".parse().unwrap()),
                b"\x05\x01\0\x01\x01\x02\x03\x04\0\x19",
            ),
            (
                b"\x05\0\0\x03\x05proxypp",
                FarHost::Ip("::1".parse().unwrap()),
                b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x19",
            ),
        ] {
            let followed = [reply, b"220"].concat();
            for cut in 0..followed.len() {
                let mut one = Negotiation::new(Version::V5, host.clone(), 25);
                assert_eq!(one.begin(), b"\x05\x01\0");
                let (sent, last, rest) = hear(&mut one, &[methods, &followed], cut);
                assert_eq!(sent, [request.to_vec()]);
                assert_eq!(last, Ok(Progress::Connected), "cut at {cut}");
                assert_eq!(rest, b"220", "cut at {cut}");
            }
        }
    }

    #[test]
    fn refusals_and_nonsense_are_told_apart() {
        for (version, said, failure) in [
            (
                Version::V4a,
                [b"\0\x5b".as_slice(), b""],
                "request rejected (91, rejected or failed)",
            ),
            (Version::V4a, [b"\x04", b""], "invalid response"),
            (Version::V4a, [b"220 mail", b""], "invalid response"),
            (
                Version::V4a,
                [b"\0\x5d......", b""],
                "request rejected (93, identity not confirmed)",
            ),
            (Version::V5, [b"\x05\xff", b""], "the proxy wants a login"),
            (Version::V5, [b"\x05\x02", b""], "invalid response"),
            (Version::V5, [b"\0\x5a", b""], "invalid response"),
            (Version::V5, [b"\x05\0\x05", b""], "invalid response"),
            (
                Version::V5,
                [b"\x05\0", b"\x05\x05"],
                "request rejected (5, connection refused)",
            ),
            (
                Version::V5,
                [b"\x05\0", b"\x05\0\0\x02"],
                "invalid response",
            ),
            (Version::V5, [b"\x05\0", b"\x04"], "invalid response"),
        ] {
            let mut one = Negotiation::new(version, name("h"), 25);
            let _ = one.begin();
            let (_, last, _) = hear(&mut one, &said, 0);
            assert_eq!(last.unwrap_err().to_string(), failure, "{said:?}");
        }
    }

    #[test]
    fn an_answer_is_never_long() {
        let mut one = Negotiation::new(Version::V5, name("h"), 25);
        let _ = one.begin();
        let longest = [b"\x05\0\0\x03\xff".as_slice(), &[b'x'; 255 + 2]].concat();
        let (_, last, rest) = hear(&mut one, &[b"\x05\0", &longest], 0);
        assert_eq!((last, rest.len()), (Ok(Progress::Connected), 0));
    }
}
