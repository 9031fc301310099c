//! Work on maildrops, done by the workers, and what POP sessions make of it.

use std::fmt;
use std::sync::Arc;

use crate::base::hash::Algorithm;
use crate::base::{OneLine, ascii};
use crate::proto::pop::{Failure, Messages, OpenFailure};
use crate::store::{
    self, Listed, MailboxName, Maildrop, OpenContent, Opened, Retrieved, Spool, StoredId, Suffix,
};
use crate::{error, info, verbose, warning};

use super::limits::POP_PIECE;

/// What is to be done.
pub enum Job {
    /// Open a maildrop.
    Open {
        /// The spool directory.
        spool: Spool,
        /// The user.
        user: OneLine,
        /// Whether each user has a directory.
        by_name: bool,
        /// Whether messages may be deleted.
        may_delete: bool,
    },
    /// Find a message and read its first piece.
    Retrieve(Arc<Maildrop>, Listed),
    /// Read the next piece.
    Read(OpenContent),
    /// Delete messages.
    Delete(Arc<Maildrop>, Vec<StoredId>),
}

/// What came of it.
pub enum Done {
    /// Of [`Job::Open`].
    Opened(Result<(Arc<Maildrop>, MessageList), OpenFailure>),
    /// Of [`Job::Retrieve`].
    Retrieved(Result<Piece, Failure>),
    /// Of [`Job::Read`]; nothing where it cannot be read.
    Read(Option<Piece>),
    /// Of [`Job::Delete`]: whether all are gone.
    Deleted(bool),
}

/// A piece of content, and where the next is to come from.
pub struct Piece {
    /// The octets.
    pub octets: Vec<u8>,
    /// What is left; nothing after the last.
    pub rest: Option<OpenContent>,
}

/// The messages of a maildrop, as the protocol sees them.
#[derive(Clone)]
pub struct MessageList(pub Arc<[Listed]>);

impl Job {
    /// Whether it may take long: it has to do with as many messages as there are.
    pub fn is_long(&self) -> bool {
        matches!(self, Job::Open { .. } | Job::Delete(..))
    }

    /// Does it. Blocks.
    pub fn run(self) -> Done {
        match self {
            Job::Open {
                spool,
                user,
                by_name,
                may_delete,
            } => Done::Opened(open(&spool, &user, by_name, may_delete)),
            Job::Retrieve(maildrop, message) => Done::Retrieved(retrieve(&maildrop, &message)),
            Job::Read(content) => Done::Read(log_failure(read(content))),
            Job::Delete(maildrop, ids) => Done::Deleted(delete(&maildrop, &ids)),
        }
    }
}

fn open(
    spool: &Spool,
    user: &OneLine,
    by_name: bool,
    may_delete: bool,
) -> Result<(Arc<Maildrop>, MessageList), OpenFailure> {
    let mailbox = MailboxName::new(user.as_bytes());
    if by_name && mailbox.is_none() {
        let user = ascii::escape(user.as_bytes());
        warning!("pop user name cannot be that of a directory: [{user}]");
        return Err(OpenFailure::BadName);
    }
    let mailbox = mailbox.filter(|_| by_name);
    match spool.open_maildrop(mailbox.as_ref(), may_delete) {
        Ok(Opened::Ours {
            maildrop,
            messages,
            notes,
        }) => {
            notes.iter().for_each(|note| info!("{note}"));
            Ok((Arc::new(maildrop), MessageList(messages.into())))
        }
        Ok(Opened::InUse) => Err(OpenFailure::InUse),
        Ok(Opened::Unusable(reason)) => {
            warning!("{reason}");
            Err(OpenFailure::ForGood)
        }
        Err(error) => {
            error!("{error}");
            Err(OpenFailure::ForNow)
        }
    }
}

fn retrieve(maildrop: &Maildrop, message: &Listed) -> Result<Piece, Failure> {
    match log_failure(maildrop.retrieve(message)) {
        Some(Retrieved::Found(content)) => log_failure(read(content)).ok_or(Failure::ForNow),
        Some(Retrieved::Gone) => Err(Failure::Gone),
        Some(Retrieved::Changed) => {
            warning!("message has changed since it was listed: {}", message.id);
            Err(Failure::Changed)
        }
        Some(Retrieved::Held) | None => Err(Failure::ForNow),
    }
}

fn read(mut content: OpenContent) -> Result<Piece, store::Error> {
    let (octets, last) = content.read(POP_PIECE)?;
    let rest = (!last).then_some(content);
    Ok(Piece { octets, rest })
}

fn delete(maildrop: &Maildrop, ids: &[StoredId]) -> bool {
    let deletion = maildrop.delete(ids);
    verbose!("deleted by pop: {} of {}", deletion.gone, ids.len());
    if deletion.busy > 0 {
        info!("not deleted by pop: {} in use", deletion.busy);
    }
    deletion.errors.iter().for_each(|error| error!("{error}"));
    deletion.gone == ids.len() && deletion.errors.is_empty()
}

fn log_failure<T>(result: Result<T, store::Error>) -> Option<T> {
    result.map_err(|error| error!("{error}")).ok()
}

impl Messages for MessageList {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn octets(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |message| message.octets)
    }

    fn unique_id(&self, index: usize) -> String {
        self.0
            .get(index)
            .map(|message| unique_id(&message.id))
            .unwrap_or_default()
    }
}

/// Shows how many there are.
impl fmt::Debug for MessageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages", self.0.len())
    }
}

/// The longest unique id, in octets (RFC 1939 7).
const UNIQUE_ID_MAX: usize = 70;

/// A message's unique id: the name of its content file as in E-MailRelay, so that
/// clients that leave mail on the server do not get it again; a digest of that where
/// the name would not do.
// RFC 1939 7: 1 to 70 octets from 0x21 to 0x7E.
fn unique_id(id: &StoredId) -> String {
    let name = id.file_name(Suffix::Content);
    let fits = name.len() <= UNIQUE_ID_MAX && name.iter().all(u8::is_ascii_graphic);
    match String::from_utf8(name) {
        Ok(name) if fits => name,
        _ => {
            let digest = Algorithm::Sha256.digest(&id.stem());
            digest.iter().map(|octet| format!("{octet:02x}")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn jobs_on_whole_maildrops_are_kept_few_at_a_time() {
        let folder = TempDir::new();
        let spool = Spool::open(folder.path(), 1).unwrap();
        let job = Job::Open {
            spool: spool.clone(),
            user: OneLine::default(),
            by_name: false,
            may_delete: true,
        };
        assert!(job.is_long());
        let Ok(Opened::Ours { maildrop, .. }) = spool.open_maildrop(None, true) else {
            panic!("an empty directory is a maildrop");
        };
        let maildrop = Arc::new(maildrop);
        assert!(Job::Delete(Arc::clone(&maildrop), Vec::new()).is_long());
        let id = StoredId::parse(b"emailrelay.1.2.3").unwrap();
        let message = Listed { id, octets: 1 };
        assert!(!Job::Retrieve(maildrop, message).is_long());
    }

    #[test]
    fn unique_ids_have_the_form_of_one() {
        let long = "x".repeat(UNIQUE_ID_MAX);
        for stem in ["emailrelay.1.2.3", "a b", "caf\u{e9}", "a\u{7f}", &long] {
            let id = StoredId::parse(stem.as_bytes()).unwrap();
            let text = unique_id(&id);
            assert!((1..=UNIQUE_ID_MAX).contains(&text.len()), "{text}");
            assert!(text.bytes().all(|octet| octet.is_ascii_graphic()), "{text}");
        }
        let id = StoredId::parse(b"emailrelay.1.2.3").unwrap();
        assert_eq!(unique_id(&id), "emailrelay.1.2.3.content");
    }
}
