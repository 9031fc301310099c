//! What a forwarder must know of messages before it takes them: when they are due,
//! and where they go.

use super::envelope::Envelope;
use super::files::{Files, Found, read_envelope};
use super::name::{StoredId, Suffix};
use crate::base::OneLine;

/// What decides on the next hop and the login there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Routing {
    /// `ForwardToAddress`: the next hop for the message alone; usually empty.
    pub address: OneLine,
    /// `ClientAccountSelector`: which of several client accounts; usually empty.
    pub selector: OneLine,
}

impl Routing {
    /// What the envelope says.
    pub fn of(envelope: &Envelope) -> Routing {
        Routing {
            address: envelope.forward_to_address.clone(),
            selector: envelope.client_account_selector.clone(),
        }
    }
}

/// What was seen of a message. It may have changed, or be gone, when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The message.
    pub id: StoredId,
    /// Where it goes.
    pub routing: Routing,
    /// Whether a filter is to decide on that: `ForwardTo` is not empty.
    pub wants_routing: bool,
    /// How often it has been tried.
    pub attempts: u32,
    /// Not before when to try it, in seconds since 1970; 0 for any time.
    pub next_attempt: i64,
}

pub(super) fn survey(files: &Files, ids: Vec<StoredId>) -> Vec<Surveyed> {
    ids.into_iter()
        .filter_map(|id| survey_one(files, id))
        .collect()
}

fn survey_one(files: &Files, id: StoredId) -> Option<Surveyed> {
    let mut file = match files.find(&id, Suffix::Envelope) {
        Ok(Found::File(file)) => file,
        Ok(Found::Missing) => return None,
        Ok(Found::Odd | Found::Held) | Err(_) => return Some(plain(id)),
    };
    let text = read_envelope(file.as_mut(), &id.file_name(Suffix::Envelope));
    let envelope = text.ok().and_then(|text| Envelope::parse(&text).ok());
    let Some(envelope) = envelope else {
        return Some(plain(id));
    };
    Some(Surveyed {
        id,
        routing: Routing::of(&envelope),
        wants_routing: !envelope.forward_to.is_empty(),
        attempts: envelope.attempts.count,
        next_attempt: envelope.attempts.next,
    })
}

fn plain(id: StoredId) -> Surveyed {
    Surveyed {
        id,
        routing: Routing::default(),
        wants_routing: false,
        attempts: 0,
        next_attempt: 0,
    }
}
