//! What the session has the disk do, one thing at a time.

use std::mem;
use std::sync::Arc;

use crate::base::OneLine;
use crate::proto::pop::{Event, Failure, OpenFailure};
use crate::relay::context::Context;
use crate::relay::disk;
use crate::relay::maildrop::{Done, Job, Piece};
use crate::store::StoredId;

use super::{PopServer, Sending};

/// What a session is to be told if its job is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Awaited {
    #[default]
    Nothing,
    Maildrop,
    Message,
    Content,
    Deletion,
}

impl PopServer {
    pub(super) fn open(&mut self, user: OneLine, context: &mut Context) {
        let job = Job::Open {
            spool: self.service.spool.clone(),
            user,
            by_name: self.service.by_name,
            may_delete: !self.service.machine.no_delete,
        };
        self.submit(Awaited::Maildrop, job, context);
    }

    pub(super) fn retrieve(&mut self, index: usize, context: &mut Context) {
        let (maildrop, messages) = self
            .maildrop
            .as_ref()
            .expect("invariant: only who has a maildrop retrieves");
        let job = Job::Retrieve(Arc::clone(maildrop), messages.0[index].clone());
        self.submit(Awaited::Message, job, context);
    }

    /// The machine wants more: it gets what has been read, once there is room, and
    /// the disk goes on meanwhile.
    pub(super) fn read_on(&mut self, context: &mut Context) {
        self.sending.is_wanted = true;
        self.feed(context);
    }

    pub(super) fn delete(&mut self, indices: &[usize], context: &mut Context) {
        let (maildrop, messages) = self
            .maildrop
            .as_ref()
            .expect("invariant: only who has a maildrop deletes");
        let id = |index: &usize| messages.0[*index].id.clone();
        let ids: Vec<StoredId> = indices.iter().map(id).collect();
        let job = Job::Delete(Arc::clone(maildrop), ids);
        self.submit(Awaited::Deletion, job, context);
    }

    fn submit(&mut self, awaited: Awaited, job: Job, context: &mut Context) {
        self.awaited = awaited;
        self.away_since = Some(context.now);
        context.submit(self.token, disk::Job::Maildrop(job));
    }

    /// Has the next piece read, or gives the machine the one that has been.
    pub(super) fn feed(&mut self, context: &mut Context) {
        if !self.sending.is_wanted || self.parting.is_some() {
            return;
        }
        if self.sending.piece.is_none() {
            if let Some(content) = self.sending.rest.take() {
                self.submit(Awaited::Content, Job::Read(content), context);
            }
        } else if self.has_room()
            && let Some(piece) = self.sending.piece.take()
        {
            self.sending.is_wanted = false;
            self.resume(Event::Content(Some(piece)), context);
        }
    }

    pub(super) fn on_done(&mut self, done: Done, context: &mut Context) {
        self.come_back(context);
        match done {
            Done::Opened(Ok((maildrop, messages))) => {
                let listed = Box::new(messages.clone());
                self.maildrop = Some((maildrop, messages));
                self.resume(Event::Opened(Ok(listed)), context);
            }
            Done::Opened(Err(failure)) => self.resume(Event::Opened(Err(failure)), context),
            Done::Retrieved(Ok(piece)) => {
                self.take(piece);
                self.resume(Event::Found(Ok(())), context);
            }
            Done::Retrieved(Err(failure)) => self.resume(Event::Found(Err(failure)), context),
            Done::Read(Some(piece)) => self.take(piece),
            Done::Read(None) => self.resume(Event::Content(None), context),
            Done::Deleted(all) => self.resume(Event::Deleted(all), context),
        }
    }

    /// The job panicked.
    pub(super) fn on_lost_job(&mut self, context: &mut Context) {
        self.sending = Sending::default();
        let event = match self.come_back(context) {
            Awaited::Nothing => return,
            Awaited::Maildrop => Event::Opened(Err(OpenFailure::ForNow)),
            Awaited::Message => Event::Found(Err(Failure::ForNow)),
            Awaited::Content => Event::Content(None),
            Awaited::Deletion => Event::Deleted(false),
        };
        self.resume(event, context);
    }

    /// The job is done; the time that it took was not the client's.
    fn come_back(&mut self, context: &Context) -> Awaited {
        if let Some(since) = self.away_since.take() {
            let delay = context.now.saturating_duration_since(since);
            self.machine.excuse(delay);
        }
        mem::take(&mut self.awaited)
    }

    fn take(&mut self, piece: Piece) {
        let Piece { octets, rest } = piece;
        self.sending.piece = Some((octets, rest.is_none()));
        self.sending.rest = rest;
    }
}
