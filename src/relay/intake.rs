//! Content on its way from a session to the disk.

use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::trace;
use crate::store::{Commit, Envelope, Writer};

use super::disk::Job;
use super::filter_files;
use super::limits::{CHUNK, CHUNKS_WAITING_MAX};

/// The content of one message while it is being received.
///
/// The writer is either here or away with a job; what arrives meanwhile waits
/// here, and [`Intake::is_congested`] tells the session to stop reading before
/// that becomes more than [`CHUNKS_WAITING_MAX`]. A small message never leaves
/// before its commit, so it costs one job.
pub struct Intake {
    serial: u64,
    writer: Option<Writer>,
    waiting: Vec<u8>,
    /// Whether a trace header has been written, and nothing behind it.
    follows_trace: bool,
    envelope: Option<Box<Envelope>>,
    committing: bool,
    abandoned: bool,
    failed: Option<Reply>,
    has_filters: bool,
}

impl Intake {
    /// Begins a message with `header`, the trace header that stands before what
    /// the client sends.
    /// `serial` tells the messages of one session apart.
    /// With filters the message is only written at its end, not committed.
    pub fn new(serial: u64, writer: Writer, header: Vec<u8>, has_filters: bool) -> Intake {
        Intake {
            serial,
            writer: Some(writer),
            follows_trace: !header.is_empty(),
            waiting: header,
            envelope: None,
            committing: false,
            abandoned: false,
            failed: None,
            has_filters,
        }
    }

    /// Which message of the session it is.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Takes more content.
    pub fn push(&mut self, content: Vec<u8>) {
        if self.failed.is_some() {
            return;
        }
        if !content.is_empty() && std::mem::take(&mut self.follows_trace) {
            self.waiting.extend_from_slice(trace::seam(&content));
        }
        if self.waiting.is_empty() {
            self.waiting = content;
        } else {
            self.waiting.extend_from_slice(&content);
        }
    }

    /// All content is there: store it with this envelope.
    pub fn commit(&mut self, envelope: Envelope) {
        self.envelope = Some(Box::new(envelope));
        self.committing = true;
    }

    /// The message is not wanted any more.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.waiting = Vec::new();
    }

    /// A job brought the writer back.
    pub fn returned(&mut self, writer: Writer) {
        self.writer = Some(writer);
    }

    /// The content cannot be stored: what more there is of it is dropped, and the
    /// client is told so at its end.
    pub fn fail(&mut self, reply: Reply) {
        self.failed = Some(reply);
        self.waiting = Vec::new();
    }

    /// What to tell the client instead of storing the message, once all of it has
    /// been received.
    pub fn refusal(&mut self) -> Option<Reply> {
        self.failed.take_if(|_| self.committing)
    }

    /// Whether so much waits that the session should not read on.
    pub fn is_congested(&self) -> bool {
        self.waiting.len() >= CHUNKS_WAITING_MAX
    }

    /// What a worker should do next, if anything.
    pub fn next_job(&mut self) -> Option<Job> {
        self.writer.as_ref()?;
        if self.abandoned {
            return self.writer.take().map(Job::Discard);
        }
        if let Some(envelope) = self.envelope.take() {
            let writer = self.writer.take()?;
            let last = std::mem::take(&mut self.waiting);
            let commit = Box::new(Commit {
                writer,
                last,
                envelope: *envelope,
            });
            return Some(match self.has_filters {
                true => Job::Filter(filter_files::Job::Stage(commit)),
                false => Job::Commit(commit),
            });
        }
        if self.waiting.len() < CHUNK {
            return None;
        }
        let writer = self.writer.take()?;
        let chunk = std::mem::take(&mut self.waiting);
        Some(Job::Append {
            serial: self.serial,
            writer,
            chunk,
        })
    }
}
