//! `split:`: makes of one message one for each domain of its recipients, so that
//! each can go its own way.

use std::collections::BTreeMap;
use std::io;

use super::built_in;
use super::chain::{BuiltIn, Subject};
use super::verdict::{Finding, Verdict};
use crate::base::{OneLine, ascii, xtext};
use crate::store::companions::Companion;
use crate::store::{Draft, Envelope, Error, Operation, StoredId};

/// The most messages that one is split into.
pub const GROUPS_MAX: usize = 1000;

/// The filter.
#[derive(Debug)]
pub struct Split {
    /// Whether `A.test` and `a.test` are two domains.
    is_raw: bool,
    port: Option<u16>,
}

impl Split {
    /// Reads `raw` and a port number, separated by a semicolon.
    pub fn new(parameters: &str) -> Result<Split, String> {
        let mut split = Split {
            is_raw: false,
            port: None,
        };
        for word in built_in::words(parameters) {
            let number = ascii::parse_decimal(word.as_bytes());
            match number.and_then(|number| u16::try_from(number).ok()) {
                Some(port) if port > 0 && split.port.is_none() => split.port = Some(port),
                None if word == "raw" => split.is_raw = true,
                _ => return Err(built_in::unknown("split", word)),
            }
        }
        Ok(split)
    }

    /// The recipients of each domain, both in their order.
    fn groups(&self, envelope: &Envelope) -> Vec<(Vec<u8>, Vec<OneLine>)> {
        let mut groups: BTreeMap<Vec<u8>, Vec<OneLine>> = BTreeMap::new();
        for recipient in &envelope.remote_recipients {
            let domain = self.domain_of(recipient.as_bytes());
            groups.entry(domain).or_default().push(recipient.clone());
        }
        groups.into_iter().collect()
    }

    fn domain_of(&self, path: &[u8]) -> Vec<u8> {
        let start = path.iter().rposition(|octet| *octet == b'@');
        let domain = start.and_then(|at| path.get(at + 1..)).unwrap_or_default();
        match self.is_raw {
            true => domain.to_vec(),
            false => domain.to_ascii_lowercase(),
        }
    }

    fn forward_to(&self, domain: &[u8]) -> OneLine {
        let mut text = domain.to_vec();
        if let Some(port) = self.port.filter(|_| !domain.is_empty()) {
            text.extend_from_slice(format!(":{port}").as_bytes());
        }
        OneLine::escaped(xtext::encode(&text))
    }

    fn work(&self, draft: &Draft) -> Result<(), Error> {
        let original = draft.envelope()?;
        let groups = self.groups(&original);
        let count = groups.len();
        if count > GROUPS_MAX {
            return Err(Error {
                operation: Operation::Compose,
                name: draft.id().stem(),
                source: io::Error::other("too many domains"),
            });
        }
        let mut groups = groups.into_iter();
        let Some((domain, recipients)) = groups.next() else {
            return Ok(());
        };
        let first = Envelope {
            forward_to: self.forward_to(&domain),
            remote_recipients: recipients,
            ..original.clone()
        };
        let mut others = Vec::new();
        for (domain, recipients) in groups {
            let envelope = Envelope {
                forward_to: self.forward_to(&domain),
                remote_recipients: recipients,
                local_recipients: Vec::new(),
                ..original.clone()
            };
            others.push((draft.sibling()?, envelope));
        }
        let mut ids = vec![draft.id().clone()];
        ids.extend(others.iter().map(|(sibling, _)| sibling.id().clone()));
        let mut siblings = Vec::new();
        for (mut sibling, envelope) in others {
            sibling.write(&with_trailer(envelope, &ids))?;
            siblings.push(Companion::Message(sibling));
        }
        // Those of a message that was acknowledged before are there for good before
        // it loses their recipients.
        draft.attach(siblings)?;
        draft.set_envelope(&with_trailer(first, &ids))
    }
}

/// Notes which messages have been made of one.
fn with_trailer(mut envelope: Envelope, ids: &[StoredId]) -> Envelope {
    if ids.len() > 1 {
        let line = |name: &str, value: &[u8]| {
            let line = [b"X-MailRelay-", name.as_bytes(), b": ", value].concat();
            OneLine::new(line).unwrap_or_default()
        };
        let count = ids.len().to_string();
        envelope
            .trailer
            .push(line("SplitGroupCount", count.as_bytes()));
        let members = ids.iter().map(|id| line("SplitGroup", &id.stem()));
        envelope.trailer.extend(members);
    }
    envelope
}

impl BuiltIn for Split {
    fn name(&self) -> String {
        let raw = if self.is_raw { "raw" } else { "" };
        let port = self.port.map(|port| port.to_string()).unwrap_or_default();
        let parts: Vec<&str> = [raw, &port]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        format!("split:{}", parts.join(";"))
    }

    fn run(&self, subject: &Subject) -> Finding {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        match self.work(&draft) {
            Ok(()) => Finding::of(Verdict::Accept),
            Err(error) => Finding::failed(error),
        }
    }
}
