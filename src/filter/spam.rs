//! `spam:` and `spam-edit:`: has spamd rate a message, or edit its content.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::chain::{BuiltIn, Subject};
use super::verdict::{Finding, Rejection, Verdict};
use crate::base::OneLine;
use crate::net::address::Target;
use crate::net::dialogue::Dialogue;
use crate::proto::spamd::{self, Rating, Reader, Wish};
use crate::store::{Content, Draft, NewContent};
use crate::sys::patience::Patience;
use crate::verbose;

/// The reply code for what spamd calls spam.
pub const SPAM_CODE: u16 = 550;

/// By how many octets an edited content may be longer: there is a report in it.
pub const GROWTH_MAX: u64 = 1 << 20;

/// How many octets are read and sent at a time.
const PIECE_OCTETS: usize = 64 << 10;

/// The filter.
#[derive(Debug)]
pub struct Spam {
    target: Target,
    wish: Wish,
    timeout: Option<Duration>,
}

impl Spam {
    /// A filter that asks that service, and has it edit the content if so told.
    pub fn new(target: Target, edits: bool, timeout: Option<Duration>) -> Spam {
        let wish = match edits {
            true => Wish::Edit,
            false => Wish::Rate,
        };
        Spam {
            target,
            wish,
            timeout,
        }
    }

    fn ask(&self, draft: &Draft, cancelled: &AtomicBool) -> Result<Option<Rating>, String> {
        let patience = Patience::starting_now(self.timeout, cancelled);
        let content = draft.content().map_err(text)?;
        let octets = content.octets();
        let mut dialogue = Dialogue::connect(&self.target, patience).map_err(text)?;
        let request = spamd::request(self.wish, octets);
        dialogue.send(&request).map_err(text)?;
        send(content, &mut dialogue)?;
        // Once it knows that nothing follows it need not wait for us to close.
        dialogue.end().map_err(text)?;
        let reader = Reader::new(self.wish, octets.saturating_add(GROWTH_MAX));
        match self.wish {
            Wish::Rate => receive(reader, &mut dialogue, &mut |_| Ok(())),
            Wish::Edit => {
                let mut edited = draft.new_content().map_err(text)?;
                let rating = receive(reader, &mut dialogue, &mut |octets| {
                    append(&mut edited, octets)
                })?;
                edited.replace().map_err(text)?;
                Ok(rating)
            }
        }
    }
}

/// Sends just as much content as was announced.
fn send(mut content: Content, dialogue: &mut Dialogue<'_>) -> Result<(), String> {
    let mut left = content.octets();
    let mut buffer = vec![0; PIECE_OCTETS];
    while left > 0 {
        let wanted = usize::try_from(left).map_or(PIECE_OCTETS, |left| left.min(PIECE_OCTETS));
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let count = content.read(buffer).map_err(text)?;
        if count == 0 {
            return Err("the content has become shorter".to_owned());
        }
        let octets = buffer.get(..count).unwrap_or_default();
        dialogue.send(octets).map_err(text)?;
        left -= count as u64;
    }
    Ok(())
}

fn receive(
    mut reader: Reader,
    dialogue: &mut Dialogue<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<Option<Rating>, String> {
    let mut buffer = vec![0; PIECE_OCTETS];
    while !reader.is_done() {
        match dialogue.receive(&mut buffer).map_err(text)? {
            [] => break,
            octets => take(reader.receive(octets).map_err(text)?)?,
        }
    }
    reader.finish().map_err(text)
}

fn append(content: &mut NewContent, octets: &[u8]) -> Result<(), String> {
    content.append(octets).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl BuiltIn for Spam {
    fn name(&self) -> String {
        match self.wish {
            Wish::Rate => format!("spam:{}", self.target),
            Wish::Edit => format!("spam-edit:{}", self.target),
        }
    }

    fn run(&self, subject: &Subject) -> Finding {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        let rating = match self.ask(&draft, &subject.cancelled) {
            Ok(rating) => rating,
            Err(why) => return Finding::failed(format!("spamd at {}: {why}", self.target)),
        };
        let shown = rating
            .as_ref()
            .map(|rating| format!("spam: {}", rating.text));
        let shown = shown.unwrap_or_else(|| "spam: not rated".to_owned());
        verbose!("{}: {shown}", subject.id);
        match (self.wish, rating) {
            (Wish::Rate, Some(rating)) if rating.is_spam => {
                Finding::of(Verdict::Reject(Rejection {
                    code: Some(SPAM_CODE),
                    // RFC 3463 3.8: X.7.1 is a message that is refused.
                    enhanced: Some((7, 1)),
                    response: b"rejected".to_vec(),
                    reason: OneLine::new(shown.as_str()).unwrap_or_default(),
                }))
            }
            _ => Finding::of(Verdict::Accept),
        }
    }
}
