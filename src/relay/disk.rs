//! Work on the spool directory, done by the workers.

use std::io;

use crate::base::OneLine;
use crate::event::{Token, Work};
use crate::proto::message::{HeaderLimits, Scan};
use crate::store::{
    self, Candidate, Commit, LockOutcome, Locked, Operation, READY_MAX, Reason, Receipt, Routing,
    Spool, Staged, StoredId, Suffix, Surveyed, Writer,
};
use crate::{error, info, warning};

use super::access::Access;
use super::admin::queue;
use super::bounce::Bounce;
use super::context::Context;
use super::filter_files;
use super::forwarder::PutOff;
use super::limits::{CHUNK, HEADER_LOOK_MAX, LOADED_OCTETS_MAX};
use super::mail::{Ending, Fate, Line, Mail, NO_LINE, Way};
use super::maildrop;
use super::security;
use super::session::Message;
use super::settlement::Settlement;
use super::verification::News;
use super::watch::surveyor;

/// What is to be done.
pub enum Job {
    /// Write a chunk of content.
    Append {
        /// Which message of the session it is.
        serial: u64,
        /// Its writer.
        writer: Writer,
        /// The octets.
        chunk: Vec<u8>,
    },
    /// Make a message durable and ready to be forwarded.
    Commit(Box<Commit>),
    /// The same with a message that filters have seen.
    CommitStaged(Box<Staged>),
    /// The same for those recipients elsewhere only.
    CommitRest(Box<Staged>, Vec<OneLine>),
    /// A filter's need.
    Filter(filter_files::Job),
    /// Remove what was written of a message.
    Discard(Writer),
    /// Tidy up after dead processes and list what is ready.
    Scan(Spool),
    /// List what is ready after that message, so many at most.
    ScanAfter(Spool, StoredId, usize),
    /// Look into envelopes.
    Survey(Spool, Vec<StoredId>),
    /// Give a message up before any attempt.
    Refuse(Spool, StoredId, OneLine),
    /// Record that messages could not be tried.
    PutOff(Box<PutOff>),
    /// Lock messages, one after the other, and read of each its envelope and first
    /// chunk, until that is [`LOADED_OCTETS_MAX`].
    /// Those that are to go another way by now are left for the next pass.
    Lock(Spool, Vec<StoredId>, Way),
    /// Read the next chunk.
    Read(Box<Outgoing>),
    /// Record what came of an attempt.
    Settle(Box<Outgoing>, Box<Settlement>),
    /// Sync the directory.
    Sync(Spool),
    /// Look whether files of secrets and certificates have changed.
    Refresh(Box<Access>),
    /// Look at secrets or certificates.
    Security(security::Job),
    /// Look at the spool for those who watch.
    Watch(surveyor::Job),
    /// What an administrator wants of the queue.
    Queue(queue::Job),
    /// Work on a maildrop.
    Maildrop(maildrop::Job),
}

/// What came of it.
pub enum Done {
    /// Of [`Job::Append`].
    Appended {
        /// Which message of the session it is.
        serial: u64,
        /// The writer, to go on with.
        result: Result<Writer, store::Error>,
    },
    /// Of [`Job::Commit`], [`Job::CommitStaged`] and [`Job::CommitRest`].
    Committed(Result<Receipt, store::Error>),
    /// Of [`Job::Filter`].
    Filter(filter_files::Done),
    /// Of [`Job::Discard`].
    Discarded,
    /// Of [`Job::Scan`] and [`Job::ScanAfter`].
    Scanned(Result<Listing, String>),
    /// Of [`Job::Survey`].
    Surveyed(Vec<Surveyed>),
    /// Of [`Job::Refuse`]: whether it has been done.
    Refused(bool),
    /// Of [`Job::PutOff`]: those that this has been recorded of.
    PutOff(Vec<Settled>),
    /// Of [`Job::Lock`].
    Loaded(Batch),
    /// Of [`Job::Read`].
    Read(Chunk),
    /// Of [`Job::Settle`].
    Settled(Settled),
    /// Of [`Job::Sync`].
    Synced(Result<(), String>),
    /// Of [`Job::Refresh`].
    Refreshed(Box<Access>),
    /// Of [`Job::Security`].
    Security(security::Done),
    /// Of [`Job::Watch`].
    Watch(surveyor::Done),
    /// Of [`Job::Queue`].
    Queue(queue::Done),
    /// Of [`Job::Maildrop`].
    Maildrop(maildrop::Done),
}

/// A part of the queue.
#[derive(Debug)]
pub struct Listing {
    /// Messages that are ready, the oldest first.
    pub ready: Vec<StoredId>,
    /// Whether there were no more.
    pub is_whole: bool,
}

/// A locked message whose content is being read.
pub struct Outgoing {
    /// The message.
    pub mail: Box<Locked>,
    /// The octets of content that have not been read.
    left: u64,
}

/// Messages to be sent, in the order asked for.
pub struct Batch {
    /// Those that were dealt with.
    pub loaded: Vec<Result<Loaded, NotLoaded>>,
    /// Those that there was no room for; nothing was done to them.
    pub left: Vec<StoredId>,
}

/// A locked message with its first chunk of content.
pub struct Loaded {
    /// The message.
    pub mail: Box<Outgoing>,
    /// The first chunk.
    pub chunk: Vec<u8>,
    /// Whether that is all.
    pub last: bool,
    /// The Message-ID that the content has, as far as the first chunk tells.
    pub message_id: Option<OneLine>,
    /// Whether client filters have seen it already.
    pub is_filtered: bool,
}

/// A message that could not be locked and is skipped.
#[derive(Debug)]
pub struct NotLoaded {
    /// The message.
    pub id: StoredId,
    /// What to log about it and what has become of it; nothing where another
    /// process has it or has settled it.
    pub trouble: Option<(String, Fate)>,
}

/// A message with a further chunk, or why it could not be read.
pub struct Chunk {
    /// The message.
    pub mail: Box<Outgoing>,
    /// The chunk and whether it is the last.
    pub read: Result<(Vec<u8>, bool), store::Error>,
}

/// What a settlement came to.
#[derive(Debug)]
pub struct Settled {
    id: StoredId,
    fate: Option<Fate>,
    error: Option<store::Error>,
}

impl Settled {
    /// Of a message that has turned out to be one that cannot be sent.
    pub(super) fn failed(id: &StoredId) -> Settled {
        Settled {
            id: id.clone(),
            fate: Some(Fate::Failed),
            error: None,
        }
    }

    /// Logs trouble and returns what the forwarder should know.
    pub fn report(self, line: Line) -> Mail {
        let Settled { id, fate, error } = self;
        if let Some(error) = &error {
            error!("{id}: {error}");
        }
        let recorded = error.is_none();
        match fate {
            Some(fate) => Mail::Settled {
                line,
                id,
                fate,
                recorded,
            },
            None => Mail::Returned { line, id },
        }
    }
}

/// The work itself.
#[derive(Debug)]
pub struct DiskWork;

impl Job {
    fn run(self) -> Done {
        match self {
            Job::Append {
                serial,
                writer,
                chunk,
            } => Done::Appended {
                serial,
                result: append(writer, &chunk),
            },
            Job::Commit(commit) => match store::commit(vec![commit]).pop() {
                Some(result) => Done::Committed(result),
                None => Done::Discarded,
            },
            Job::CommitStaged(staged) => match store::commit(vec![staged]).pop() {
                Some(result) => Done::Committed(result),
                None => Done::Discarded,
            },
            Job::CommitRest(mut staged, rest) => match staged.narrow(rest) {
                Ok(()) => Job::CommitStaged(staged).run(),
                Err(error) => Done::Committed(Err(error)),
            },
            Job::Filter(job) => Done::Filter(job.run()),
            Job::Discard(writer) => {
                writer.discard();
                Done::Discarded
            }
            Job::Scan(spool) => Done::Scanned(scan(&spool)),
            Job::ScanAfter(spool, last, max) => Done::Scanned(scan_after(&spool, &last, max)),
            Job::Survey(spool, ids) => Done::Surveyed(spool.survey(ids)),
            Job::Refuse(spool, id, reason) => Done::Refused(refuse(&spool, &id, &reason)),
            Job::PutOff(put_off) => Done::PutOff(put_off.run()),
            Job::Lock(spool, ids, way) => Done::Loaded(load_all(&spool, ids, &way)),
            Job::Read(mail) => Done::Read(read(mail)),
            Job::Settle(outgoing, settlement) => Done::Settled(settle(*outgoing.mail, *settlement)),
            Job::Refresh(mut access) => {
                access.refresh();
                Done::Refreshed(access)
            }
            Job::Security(job) => Done::Security(job.run()),
            Job::Watch(job) => Done::Watch(job.run()),
            Job::Queue(job) => Done::Queue(job.run()),
            Job::Maildrop(job) => Done::Maildrop(job.run()),
            Job::Sync(spool) => Done::Synced(spool.sync().map_err(|error| error.to_string())),
        }
    }
}

fn scan(spool: &Spool) -> Result<Listing, String> {
    let scan = spool.scan().map_err(|error| error.to_string())?;
    scan.report.lines.iter().for_each(|line| warning!("{line}"));
    let is_whole = scan.ready.len() < READY_MAX;
    Ok(Listing {
        ready: scan.ready,
        is_whole,
    })
}

fn scan_after(spool: &Spool, last: &StoredId, max: usize) -> Result<Listing, String> {
    let ready = spool.ready_after(last, max);
    let ready = ready.map_err(|error| error.to_string())?;
    let is_whole = ready.len() < max;
    Ok(Listing { ready, is_whole })
}

fn refuse(spool: &Spool, id: &StoredId, reason: &OneLine) -> bool {
    let reasons = [Reason {
        text: reason.clone(),
        code: None,
    }];
    let result = match spool.lock(id) {
        Ok(LockOutcome::Locked(mail)) => mail.fail(&reasons, None),
        Ok(LockOutcome::Unreadable(reason)) => {
            warning!("{id}: failing message: {reason}");
            return true;
        }
        Ok(LockOutcome::Gone | LockOutcome::HeldElsewhere) => return false,
        Err(error) => Err(error),
    };
    match &result {
        Ok(()) => warning!("failed message: id={id} reason=\"{reason}\""),
        Err(error) => error!("{id}: {error}"),
    }
    result.is_ok()
}

fn load_all(spool: &Spool, mut ids: Vec<StoredId>, way: &Way) -> Batch {
    let mut loaded: Vec<Result<Loaded, NotLoaded>> = Vec::new();
    let (mut count, mut octets) = (0, 0);
    while let Some(id) = ids.get(count).filter(|_| octets < LOADED_OCTETS_MAX) {
        let one = load(spool, id, way);
        octets += one.as_ref().map_or(0, |one| one.chunk.len());
        count += 1;
        loaded.push(one);
    }
    let left = ids.split_off(count);
    Batch { loaded, left }
}

/// Takes a message that still goes that way.
fn load(spool: &Spool, id: &StoredId, way: &Way) -> Result<Loaded, NotLoaded> {
    match spool.lock(id) {
        Ok(LockOutcome::Locked(mail)) if Routing::of(mail.envelope()) != way.routing => {
            drop(mail);
            let trouble = (
                "it goes elsewhere now".to_owned(),
                Fate::Deferred { until: 0 },
            );
            Err(NotLoaded {
                id: id.clone(),
                trouble: Some(trouble),
            })
        }
        outcome => {
            let mut loaded = loaded(id, outcome)?;
            loaded.is_filtered = way.filtered.contains(id);
            Ok(loaded)
        }
    }
}

/// The message with its first chunk of content, or what has become of it.
pub(super) fn loaded(
    id: &StoredId,
    outcome: Result<LockOutcome, store::Error>,
) -> Result<Loaded, NotLoaded> {
    let skip = |trouble| NotLoaded {
        id: id.clone(),
        trouble,
    };
    let later = Fate::Deferred { until: 0 };
    let defer = |error: store::Error| skip(Some((error.to_string(), later)));
    match outcome.map_err(defer)? {
        LockOutcome::Locked(mail) => {
            let left = mail.content_size();
            let Chunk { mail, read } = read(Box::new(Outgoing { mail, left }));
            let (chunk, last) = read.map_err(defer)?;
            let message_id = message_id(&chunk);
            Ok(Loaded {
                mail,
                chunk,
                last,
                message_id,
                is_filtered: false,
            })
        }
        LockOutcome::Gone | LockOutcome::HeldElsewhere => Err(skip(None)),
        LockOutcome::Unreadable(reason) => Err(skip(Some((
            format!("failing message: {reason}"),
            Fate::Failed,
        )))),
    }
}

/// The Message-ID in a header that starts so.
fn message_id(content: &[u8]) -> Option<OneLine> {
    let mut scan = Scan::new(HeaderLimits {
        octets_max: u64::MAX,
        received_max: u32::MAX,
    });
    scan.feed(content.get(..HEADER_LOOK_MAX).unwrap_or(content));
    scan.message_id()
}

impl Work for DiskWork {
    type Job = Job;
    type Done = Done;

    fn is_grouped(&self, job: &Job) -> bool {
        matches!(job, Job::Commit(_) | Job::CommitStaged(_))
    }

    fn is_long(&self, job: &Job) -> bool {
        matches!(job, Job::Maildrop(job) if job.is_long())
    }

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        let is_group = jobs.len() > 1;
        let commit = |job| match job {
            Job::Commit(commit) => Some(Candidate::from(commit)),
            Job::CommitStaged(staged) => Some(Candidate::from(staged)),
            _ => None,
        };
        if is_group {
            let commits: Vec<_> = jobs.into_iter().filter_map(commit).collect();
            let results = store::commit(commits).into_iter();
            return results.map(Done::Committed).collect();
        }
        jobs.into_iter().map(Job::run).collect()
    }
}

fn append(mut writer: Writer, chunk: &[u8]) -> Result<Writer, store::Error> {
    match writer.append(chunk) {
        Ok(()) => Ok(writer),
        Err(error) => {
            writer.discard();
            Err(error)
        }
    }
}

/// Reads up to [`CHUNK`] octets; what ends with the content is the last.
fn read(mut outgoing: Box<Outgoing>) -> Chunk {
    let read = outgoing.read();
    Chunk {
        mail: outgoing,
        read,
    }
}

impl Outgoing {
    /// A file that has become shorter is an error, or a part of it would be sent, and
    /// then removed, as if it were all. The next attempt takes it as it is then.
    fn read(&mut self) -> Result<(Vec<u8>, bool), store::Error> {
        let wanted = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = vec![0; wanted];
        let mut filled = 0;
        while filled < wanted {
            match self.mail.read(&mut chunk[filled..])? {
                0 => {
                    return Err(store::Error {
                        operation: Operation::Read,
                        name: self.mail.id().file_name(Suffix::Content),
                        source: io::ErrorKind::UnexpectedEof.into(),
                    });
                }
                count => filled += count,
            }
        }
        self.left -= filled as u64;
        Ok((chunk, self.left == 0))
    }
}

/// Does to the files of a message what has been decided.
pub(super) fn settle(mail: Locked, settlement: Settlement) -> Settled {
    let id = mail.id().clone();
    let (fate, result) = match settlement {
        Settlement::Untouched => (None, mail.release(None)),
        Settlement::Skipped => (Some(Fate::Deferred { until: 0 }), mail.release(None)),
        // Who was refused in earlier attempts has been kept for the end.
        Settlement::Sent if !mail.envelope().failed_recipients.is_empty() => {
            (Some(Fate::Failed), mail.fail(&[], Some(&[])))
        }
        Settlement::Sent => (Some(Fate::Sent), mail.delete()),
        Settlement::Deferred {
            attempt,
            part,
            bounce,
        } => {
            let until = attempt.next;
            let result = match part {
                None => mail.release(Some(attempt)),
                Some(mut part) => {
                    if is_bounced(bounce, &mail) {
                        (part.failed, part.reasons) = (Vec::new(), Vec::new());
                    }
                    mail.release_in_part(attempt, part)
                }
            };
            (Some(Fate::Deferred { until }), result)
        }
        Settlement::Failed {
            reasons,
            mut remaining,
            bounce,
        } => {
            let is_bounced = is_bounced(bounce, &mail);
            let result = match is_bounced && mail.envelope().failed_recipients.is_empty() {
                true => mail.delete(),
                false => {
                    if is_bounced {
                        remaining.clear();
                    }
                    mail.fail(&reasons, Some(&remaining))
                }
            };
            (Some(Fate::Failed), result)
        }
    };
    Settled {
        id,
        fate,
        error: result.err(),
    }
}

/// Whether the sender has been told; where that fails the message is kept.
fn is_bounced(bounce: Option<Bounce>, mail: &Locked) -> bool {
    let Some(bounce) = bounce else { return false };
    match bounce.store(mail) {
        Ok(()) => true,
        Err(error) => {
            error!("cannot bounce message: {}: {error}", mail.id());
            false
        }
    }
}

/// Deals with news for a session that is gone: whatever files they bring along
/// are put back or removed, and who serves only that session is told.
pub fn abandon(message: Message, context: &mut Context) {
    let job = match message {
        Message::Disk(Some(Done::Appended {
            result: Ok(writer), ..
        })) => Job::Discard(writer),
        Message::Disk(Some(Done::Loaded(batch))) => {
            for Loaded { mail, .. } in batch.loaded.into_iter().flatten() {
                let job = Job::Settle(mail, Box::new(Settlement::Untouched));
                context.submit(Token::NOBODY, job);
            }
            return;
        }
        Message::Mail(Mail::Wanted { by, .. }) => {
            context.post(by, Message::NoMoreMail);
            return;
        }
        Message::Mail(Mail::Connect { by, .. }) => {
            let over = Mail::ClientOver {
                line: NO_LINE,
                ending: Ending::Done,
            };
            context.post(by, Message::Mail(over));
            return;
        }
        Message::Disk(Some(Done::Read(Chunk { mail, .. }))) => {
            Job::Settle(mail, Box::new(Settlement::Untouched))
        }
        Message::Disk(Some(Done::Committed(Ok(receipt)))) => {
            info!("stored after the client had gone: {}", receipt.id);
            return;
        }
        Message::Disk(Some(Done::Synced(Err(trouble)))) => {
            error!("{trouble}");
            return;
        }
        Message::Disk(Some(Done::Filter(done))) => match done.abandoned() {
            Some(job) => job,
            None => return,
        },
        Message::Filter(news) => match news.abandoned(context) {
            Some(job) => job,
            None => return,
        },
        Message::Verification(News::Started(by)) => {
            context.post(by, Message::Verification(News::HangUp));
            return;
        }
        _ => return,
    };
    context.submit(Token::NOBODY, job);
}

#[cfg(test)]
mod tests;
