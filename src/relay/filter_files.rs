//! The disk's part of filtering: writing a message for filters to look at, and
//! reading what they have left.

use crate::filter::recheck;
use crate::store::{self, Commit, Left, LockOutcome, Locked, Staged};

use super::disk::{self, Loaded, NotLoaded};
use super::settlement::Settlement;

/// What is to be done.
pub enum Job {
    /// Write a message that has been received.
    Stage(Box<Commit>),
    /// Open it, to be sent before it is accepted.
    Lend(Box<Staged>),
    /// Remove it.
    Discard(Box<Staged>),
    /// Remove it as it was sent, but not what filters have made of it besides.
    PassOn(Box<Staged>),
    /// Read it again; the filter may say that it has taken it.
    Reread(Box<Staged>, bool),
    /// Read a message again that is to be forwarded.
    RereadLocked(Box<Locked>),
}

/// What came of it.
pub enum Done {
    /// Of [`Job::Stage`].
    Staged(Result<Box<Staged>, store::Error>),
    /// Of [`Job::Lend`].
    Lent(Box<Staged>, Box<Result<Loaded, NotLoaded>>),
    /// Of [`Job::Discard`].
    Discarded,
    /// Of [`Job::PassOn`]: whether there is anything of that.
    PassedOn(Result<bool, store::Error>),
    /// Of [`Job::Reread`].
    Reread(Result<Left, store::Error>),
    /// Of [`Job::RereadLocked`].
    RereadLocked(Result<Loaded, NotLoaded>),
}

impl Job {
    /// Does it. Blocks.
    pub fn run(self) -> Done {
        match self {
            Job::Stage(commit) => Done::Staged(Staged::write(*commit).map(Box::new)),
            Job::Lend(staged) => {
                let lent = staged
                    .lend()
                    .map(|mail| LockOutcome::Locked(Box::new(mail)));
                let loaded = Box::new(disk::loaded(staged.id(), lent));
                Done::Lent(staged, loaded)
            }
            Job::Discard(staged) => {
                staged.discard();
                Done::Discarded
            }
            Job::PassOn(staged) => Done::PassedOn(staged.pass_on()),
            Job::Reread(staged, has_taken) => {
                Done::Reread(staged.reread(has_taken, &recheck::received))
            }
            Job::RereadLocked(mail) => Done::RereadLocked(reread(*mail)),
        }
    }
}

impl Done {
    /// What is to be done for a session that is gone.
    pub fn abandoned(self) -> Option<disk::Job> {
        match self {
            Done::Staged(Ok(staged))
            | Done::Lent(staged, _)
            | Done::Reread(Ok(Left::Message(staged))) => {
                Some(disk::Job::Filter(Job::Discard(staged)))
            }
            Done::RereadLocked(Ok(Loaded { mail, .. })) => {
                let untouched = Box::new(Settlement::Untouched);
                Some(disk::Job::Settle(mail, untouched))
            }
            _ => None,
        }
    }
}

fn reread(mail: Locked) -> Result<Loaded, NotLoaded> {
    let id = mail.id().clone();
    disk::loaded(&id, mail.reread(&recheck::queued))
}
