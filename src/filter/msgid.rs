//! `msgid:`: gives a message a Message-ID if it has none.

use super::built_in::{self, Surroundings};
use super::chain::{BuiltIn, Subject};
use super::verdict::{Finding, Verdict};
use crate::base::OneLine;
use crate::proto::message::{HeaderLimits, Scan};
use crate::store::{Draft, Error};
use crate::sys::random;

/// How much of a content is looked at to find the field: no header that was
/// accepted is longer.
pub const HEADER_OCTETS_MAX: u64 = 1 << 20;

/// How many octets are read at a time.
const PIECE_OCTETS: usize = 64 << 10;

/// The filter.
#[derive(Debug)]
pub struct MessageId {
    domain: OneLine,
}

impl MessageId {
    /// A filter that needs no parameters.
    pub fn new(parameters: &str, surroundings: &Surroundings) -> Result<MessageId, String> {
        match built_in::words(parameters).next() {
            Some(word) => Err(built_in::unknown("msgid", word)),
            None => Ok(MessageId {
                domain: surroundings.domain.clone(),
            }),
        }
    }

    fn add(&self, draft: &Draft) -> Result<(), Error> {
        if has_message_id(draft)? {
            return Ok(());
        }
        let mut content = draft.content()?;
        let mut edited = draft.new_content()?;
        edited.append(&self.field())?;
        let mut buffer = vec![0; PIECE_OCTETS];
        loop {
            let count = content.read(&mut buffer)?;
            match buffer.get(..count) {
                None | Some([]) => break,
                Some(octets) => edited.append(octets)?,
            }
        }
        // What is open cannot be replaced everywhere.
        drop(content);
        edited.replace()
    }

    // RFC 5322 3.6.4: globally unique, which 128 random bits are.
    fn field(&self) -> Vec<u8> {
        let (high, low) = (random::u64(), random::u64());
        let start = format!("Message-ID: <{high:016x}{low:016x}@");
        [start.as_bytes(), self.domain.as_bytes(), b">\r\n"].concat()
    }
}

fn has_message_id(draft: &Draft) -> Result<bool, Error> {
    let mut scan = Scan::new(HeaderLimits {
        octets_max: u64::MAX,
        received_max: u32::MAX,
    });
    let mut content = draft.content()?;
    let (mut buffer, mut last) = (vec![0; PIECE_OCTETS], 0);
    while scan.octets() < HEADER_OCTETS_MAX && !scan.has_message_id() {
        let count = content.read(&mut buffer)?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(octets) => scan.feed(&with_crlf(octets, &mut last)),
        }
    }
    Ok(scan.has_message_id())
}

/// With CRLF for each line end: programs that edit a content leave LF alone.
fn with_crlf(octets: &[u8], last: &mut u8) -> Vec<u8> {
    let mut lines = Vec::with_capacity(octets.len());
    for octet in octets {
        if *octet == b'\n' && *last != b'\r' {
            lines.push(b'\r');
        }
        lines.push(*octet);
        *last = *octet;
    }
    lines
}

impl BuiltIn for MessageId {
    fn name(&self) -> String {
        "msgid:".to_owned()
    }

    fn run(&self, subject: &Subject) -> Finding {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        match self.add(&draft) {
            Ok(()) => Finding::of(Verdict::Accept),
            Err(error) => Finding::failed(error),
        }
    }
}
