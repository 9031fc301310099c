//! The messages of a session: those that wait, and those that are on their way.

use std::collections::VecDeque;

use super::{Link, SmtpClient};
use crate::proto::smtp::client::{Machine, Outcome};
use crate::relay::context::Context;
use crate::relay::disk::{self, Batch, Loaded, Outgoing};
use crate::relay::limits::PREFETCH_MAX;
use crate::relay::mail::Mail;
use crate::relay::session::Message;
use crate::relay::settlement::{self, Settlement, Summary};
use crate::store::StoredId;
use crate::{verbose, warning};

/// Where the messages of a session are.
#[derive(Default)]
pub(super) struct Traffic {
    /// Locked, and not handed to the machine, oldest first.
    waiting: VecDeque<Loaded>,
    /// Handed to the machine and not settled, oldest first.
    moving: VecDeque<Moving>,
    /// Whether the forwarder owes an answer.
    pub(super) asked: bool,
    pub(super) no_more: bool,
    /// Whether a message has had a final reply over this connection.
    was_useful: bool,
    /// How many messages have an outcome that is not known.
    doubtful: usize,
}

/// A message on its way.
struct Moving {
    id: StoredId,
    /// Away while the next chunk is read.
    mail: Option<Box<Outgoing>>,
    summary: Summary,
    chunk: Option<(Vec<u8>, bool)>,
    wanted: bool,
    outcome: Option<Outcome>,
}

impl Traffic {
    /// The machine wants content of the message that it was given last.
    pub(super) fn content_wanted(&mut self) {
        if let Some(moving) = self.moving.back_mut() {
            moving.wanted = true;
        }
    }

    /// A job has died; what it held has been put back by its Drop.
    pub(super) fn forget_absent(&mut self) {
        self.moving.retain(|moving| moving.mail.is_some());
    }

    /// Whether several messages are in doubt, as can be where they follow each
    /// other without waits.
    pub(super) fn has_doubtful(&self) -> bool {
        self.doubtful > 1
    }

    /// The message that replies are about: the oldest of those on their way.
    pub(super) fn oldest(&self) -> Option<&StoredId> {
        self.moving.front().map(|moving| &moving.id)
    }

    fn has_chunk_to_give(&self) -> bool {
        let gives = |moving: &Moving| moving.wanted && moving.chunk.is_some();
        self.moving.back().is_some_and(gives)
    }
}

impl SmtpClient {
    /// Hands the machine all messages and content that it takes and there is room
    /// for, so that they are written together, and sees to it that more come from
    /// the spool.
    pub(super) fn feed(&mut self, context: &mut Context) {
        while self.next_message(context) || self.next_chunk(context) {}
        self.ask_for_more(context);
    }

    /// Whether flushing has made room for something that is here already: no event
    /// would come to tell.
    pub(super) fn has_work(&self) -> bool {
        let has_message = self.ready && !self.traffic.waiting.is_empty();
        self.has_room() && (has_message || self.traffic.has_chunk_to_give())
    }

    fn has_room(&self) -> bool {
        matches!(&self.link, Link::Open(connection) if connection.output.room() > 0)
    }

    /// Returns whether there was a message and the machine could take it.
    fn next_message(&mut self, context: &mut Context) -> bool {
        if !self.ready || !self.has_room() {
            return false;
        }
        let Some(Loaded {
            mail,
            chunk,
            last,
            message_id,
            is_filtered: _,
        }) = self.traffic.waiting.pop_front()
        else {
            return false;
        };
        self.ready = false;
        let message = settlement::message(&mail.mail);
        let summary = Summary::of(&mail.mail, message_id.as_ref());
        verbose!("sending: {}", summary.id);
        context.attempting(&mail.mail);
        self.traffic.moving.push_back(Moving {
            id: summary.id.clone(),
            mail: Some(mail),
            summary,
            chunk: Some((chunk, last)),
            wanted: false,
            outcome: None,
        });
        self.act(context, |machine, now, actions| {
            machine.send(now, message, actions)
        });
        true
    }

    /// Gives the machine content that it wants once the socket has taken what it
    /// was given before, and has the chunk after that read. Returns whether there
    /// was any.
    fn next_chunk(&mut self, context: &mut Context) -> bool {
        if !self.has_room() || !self.traffic.has_chunk_to_give() {
            return false;
        }
        let Some(moving) = self.traffic.moving.back_mut() else {
            return false;
        };
        let Some((chunk, last)) = moving.chunk.take() else {
            return false;
        };
        moving.wanted = false;
        if !last && let Some(mail) = moving.mail.take() {
            self.submit(disk::Job::Read(mail), context);
        }
        self.act(context, |machine, now, actions| {
            machine.content(now, &chunk, last, actions)
        });
        true
    }

    /// Asks for messages before those that wait are used up; ends the session once
    /// there are no more.
    fn ask_for_more(&mut self, context: &mut Context) {
        let traffic = &mut self.traffic;
        if !self.established || traffic.asked || self.filtering.is_busy() {
            return;
        }
        let window = match &self.route.filters {
            // They see one message at a time, and no more need be locked.
            Some(_) => 1,
            None if self.is_immediate => 1,
            None => self.machine.as_ref().map_or(1, Machine::window),
        };
        let wanted = prefetch(window);
        if !traffic.no_more && traffic.waiting.len() <= wanted / 2 {
            traffic.asked = true;
            let count = wanted - traffic.waiting.len();
            let (by, line) = (self.token, self.line);
            let wanted = Mail::Wanted { by, line, count };
            context.post(self.forwarder, Message::Mail(wanted));
        } else if self.ready && traffic.waiting.is_empty() && traffic.moving.is_empty() {
            self.ready = false;
            self.act(context, |machine, now, actions| machine.quit(now, actions));
        }
    }

    // ---- from the spool

    /// Messages have come from the spool.
    pub(super) fn arrived(&mut self, batch: Batch, context: &mut Context) {
        self.traffic.asked = false;
        let line = self.line;
        // The last one first: each goes to the front of the queue.
        for id in batch.left.into_iter().rev() {
            context.post(self.forwarder, Message::Mail(Mail::Returned { line, id }));
        }
        for loaded in batch.loaded {
            self.filter_or_send(loaded, context);
        }
    }

    pub(super) fn loaded(
        &mut self,
        loaded: Result<Loaded, disk::NotLoaded>,
        context: &mut Context,
    ) {
        match loaded {
            Ok(loaded) => {
                self.traffic.waiting.push_back(loaded);
                if self.ending.is_some() || context.stopping {
                    self.give_waiting_back(context);
                }
            }
            Err(disk::NotLoaded { trouble: None, .. }) => {}
            Err(disk::NotLoaded {
                id,
                trouble: Some((text, fate)),
            }) => {
                warning!("{id}: {text}");
                let (line, recorded) = (self.line, true);
                let mail = Mail::Settled {
                    line,
                    id,
                    fate,
                    recorded,
                };
                context.post(self.forwarder, Message::Mail(mail));
            }
        }
    }

    pub(super) fn chunk_read(&mut self, chunk: disk::Chunk, context: &mut Context) {
        let disk::Chunk { mail, read } = chunk;
        let id = mail.mail.id();
        let Some(index) = self.traffic.moving.iter().position(|one| one.id == *id) else {
            return;
        };
        let moving = &mut self.traffic.moving[index];
        moving.mail = Some(mail);
        match read {
            _ if moving.outcome.is_some() => self.settle(index, context),
            Ok((chunk, last)) => moving.chunk = Some((chunk, last)),
            Err(error) => {
                let why = format!("cannot read the message: {error}");
                self.lost(&why, context);
            }
        }
    }

    pub(super) fn submit(&mut self, job: disk::Job, context: &mut Context) {
        self.jobs += 1;
        context.submit(self.token, job);
    }

    // ---- settling

    /// The oldest message that had none has an outcome.
    pub(super) fn finished(&mut self, outcome: Outcome, context: &mut Context) {
        let mut moving = self.traffic.moving.iter();
        if let Some(index) = moving.position(|one| one.outcome.is_none()) {
            self.traffic.moving[index].outcome = Some(outcome);
            self.settle(index, context);
        }
    }

    /// Records what became of a message, once both that and the message are here.
    fn settle(&mut self, index: usize, context: &mut Context) {
        let is_whole = |one: &Moving| one.mail.is_some() && one.outcome.is_some();
        if !self.traffic.moving.get(index).is_some_and(is_whole) {
            return;
        }
        let Some(Moving {
            mail: Some(mail),
            outcome: Some(outcome),
            summary,
            ..
        }) = self.traffic.moving.remove(index)
        else {
            return;
        };
        self.traffic.doubtful += usize::from(outcome.is_in_doubt());
        if self.is_immediate {
            summary.log_immediate(&outcome, &self.peer);
            let outcome = Box::new(outcome);
            context.post(self.forwarder, Message::Mail(Mail::Answered { outcome }));
            return;
        }
        // Next hops may well take only so many messages over one connection. One that
        // does not know BDAT gets DATA next; but binary content has no other way.
        let has_other_way = self.machine.as_ref().is_some_and(Machine::is_chunking);
        let is_innocent = self.traffic.was_useful || (outcome.is_chunking_fault() && has_other_way);
        let settlement = match is_innocent && outcome.is_unattempted() {
            true => Settlement::Untouched,
            false => {
                let (terms, clock) = (&self.route.terms, context.wall_clock());
                let is_strict = self.route.machine.strict_recipients;
                Settlement::of(&outcome, &mail.mail, clock, terms, is_strict)
            }
        };
        self.traffic.was_useful |= outcome.reply.is_some();
        summary.log(&outcome, &settlement, &self.peer);
        context.attempted(&mail.mail, &settlement);
        self.submit(disk::Job::Settle(mail, Box::new(settlement)), context);
    }

    /// Messages that have not been handed to the machine go back to the spool.
    pub(super) fn give_waiting_back(&mut self, context: &mut Context) {
        // The last one first, as above.
        while let Some(loaded) = self.traffic.waiting.pop_back() {
            let Loaded {
                mail, is_filtered, ..
            } = loaded;
            if is_filtered {
                let id = mail.mail.id().clone();
                context.post(self.forwarder, Message::Mail(Mail::Filtered { id }));
            }
            let settlement = Box::new(Settlement::Untouched);
            self.submit(disk::Job::Settle(mail, settlement), context);
        }
    }
}

/// How many messages are locked for a session whose machine takes so many at a time:
/// as many again are ready once it has sent those.
fn prefetch(window: usize) -> usize {
    (2 * window - 1).min(PREFETCH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_messages_are_locked_in_advance() {
        assert_eq!([1, 2, 1000].map(prefetch), [1, 3, PREFETCH_MAX]);
    }
}
