//! Matching replies to the commands of messages on their way.

use super::State;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::flight::{Command, Flight, Step};
use super::mailing::Mailing;
use super::outcome::PeerReply;
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

impl Mailing {
    /// Takes the reply to the oldest command that has none.
    pub(super) fn reply(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let stage = self.stage();
        let awaited = self.awaited.pop_front();
        let awaited = awaited.expect("invariant: a reply is handed in only where one is awaited");
        if awaited.moment >= context.session.begun_at {
            // It was there before the command was.
            let reason = CloseReason::OutOfStep(stage, PeerReply::from(reply));
            return self.lose(context, reason);
        }
        let is_oldest = self
            .flights
            .front()
            .is_some_and(|flight| flight.serial == awaited.serial);
        match awaited.command {
            Command::Reset if reply.class() != Class::Success => {
                self.unfit(context, Stage::Clearing, reply)
            }
            Command::Reset | Command::EmptyEnd => self.go_on(context),
            // It does not matter any more.
            _ if !is_oldest => self.go_on(context),
            Command::Mail => self.mail_answered(context, reply),
            Command::Recipient(index) => self.recipient_answered(context, index, reply),
            Command::Data => self.data_answered(context, reply),
            Command::Chunk(is_last) => self.chunk_answered(context, is_last, reply),
            Command::End => self.end_answered(context, reply),
        }
    }

    fn oldest(&mut self) -> &mut Flight {
        let oldest = self.flights.front_mut();
        oldest.expect("invariant: the reply is for a message on its way")
    }

    fn mail_answered(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        if self.may_do_without_submitter(context, reply) {
            self.oldest().step = Step::Mail;
            return self.go_on(context);
        }
        let oldest = self.oldest();
        match reply.class() {
            Class::Success => oldest.is_mail_accepted = true,
            Class::Intermediate => return self.unfit(context, Stage::Envelope, reply),
            Class::Temporary | Class::Permanent => {
                oldest.transaction.refuse_message(PeerReply::from(reply));
            }
        }
        self.stop_if_hopeless(context);
        self.go_on(context)
    }

    /// Whether MAIL was refused for a parameter, which can only be that of AUTH: it
    /// is of no use to the message, and some servers with AUTH do not know it. The
    /// rest of the session does without.
    // RFC 5321 4.1.1.11: 555 means that a parameter is not recognised.
    fn may_do_without_submitter(&self, context: &mut Context<'_>, reply: &ReplyLines) -> bool {
        let is_refused = reply.code == 555 && context.session.login_id.is_some();
        // In a group the commands after MAIL are lost as well.
        if !is_refused || !self.awaited.is_empty() {
            return false;
        }
        context.session.login_id = None;
        context.note("the peer does not know the AUTH parameter, going on without it");
        true
    }

    /// Once MAIL is refused, replies to RCPT decide nothing.
    fn recipient_answered(
        mut self,
        context: &mut Context<'_>,
        index: usize,
        reply: &ReplyLines,
    ) -> State {
        let oldest = self.oldest();
        let is_open = oldest.transaction.is_open(index);
        match reply.class() {
            Class::Success => {
                oldest.is_any_recipient_accepted = true;
                if is_open {
                    oldest.transaction.accept(index);
                }
            }
            Class::Intermediate => return self.unfit(context, Stage::Envelope, reply),
            Class::Temporary | Class::Permanent if is_open => {
                oldest.transaction.refuse(index, PeerReply::from(reply));
            }
            Class::Temporary | Class::Permanent => {}
        }
        self.stop_if_hopeless(context);
        self.go_on(context)
    }

    /// Sends no more of a content that has begun to follow its envelope.
    // RFC 3030 2: no further BDAT for a message that is considered failed.
    fn stop_if_hopeless(&mut self, context: &mut Context<'_>) {
        let oldest = self.oldest();
        let is_under_way = matches!(oldest.step, Step::Content { .. });
        if is_under_way && !oldest.transaction.is_hopeful() {
            self.give_up(context);
            self.must_reset = true;
        }
    }

    /// By now every recipient is accepted or settled.
    fn data_answered(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let oldest = self.oldest();
        let is_wanted = oldest.transaction.is_hopeful();
        match reply.class() {
            Class::Success => return self.unfit(context, Stage::Envelope, reply),
            Class::Intermediate if is_wanted => oldest.step = Step::Content { is_asked: false },
            Class::Intermediate => return self.withhold(context),
            Class::Temporary | Class::Permanent => {
                if is_wanted {
                    let reply = PeerReply::from(reply);
                    oldest.transaction.refuse_message(reply);
                }
                self.give_up(context);
            }
        }
        self.go_on(context)
    }

    /// Sends nothing although the server waits for content.
    fn withhold(mut self, context: &mut Context<'_>) -> State {
        // An end of content now would be an empty message to those accepted.
        let is_for_somebody = self.oldest().is_any_recipient_accepted;
        self.give_up(context);
        self.must_reset = false;
        if is_for_somebody {
            return self.lose(context, CloseReason::HeldBack);
        }
        // RFC 2920 3.1: the client sends a single dot.
        context.send_commands(&[b".".to_vec()]);
        self.expect(context, Command::EmptyEnd);
        self.go_on(context)
    }

    fn chunk_answered(
        mut self,
        context: &mut Context<'_>,
        is_last: bool,
        reply: &ReplyLines,
    ) -> State {
        // RFC 5321 4.2.1: x0z is about syntax and the order of commands, with which
        // nothing is wrong: the server does not know the command.
        let is_unknown = matches!(reply.code, 500..=509);
        if is_unknown && !context.session.is_chunking_proven {
            self.oldest().step = Step::Replies;
            let reason = CloseReason::ChunkingRefused(PeerReply::from(reply));
            return self.lose(context, reason);
        }
        context.session.is_chunking_proven |= reply.class() == Class::Success;
        let oldest = self.oldest();
        oldest.chunks_unanswered -= 1;
        let is_sent = oldest.step == Step::Sent;
        match reply.class() {
            Class::Success if is_last => self.taken(context, reply),
            Class::Success => {}
            Class::Intermediate if is_sent => return self.unfit(context, Stage::FinalReply, reply),
            Class::Intermediate => return self.unfit(context, Stage::Content, reply),
            Class::Temporary | Class::Permanent => self.chunk_refused(context, reply),
        }
        self.go_on(context)
    }

    /// A chunk was refused, and with it the message; replies to later chunks say
    /// nothing new.
    fn chunk_refused(&mut self, context: &mut Context<'_>, reply: &ReplyLines) {
        let Some(mut flight) = self.flights.pop_front() else {
            return;
        };
        if flight.transaction.is_hopeful() {
            flight.transaction.refuse_message(PeerReply::from(reply));
        }
        let is_followed = self
            .awaited
            .iter()
            .any(|awaited| awaited.command == Command::Reset);
        let is_open = flight.is_mail_accepted || flight.is_any_recipient_accepted;
        self.must_reset |= is_open && !is_followed;
        context.finish(flight.transaction.end(flight.step == Step::Sent));
    }

    // RFC 5321 4.2.5: after a 2yz the message is the server's, otherwise it is ours.
    fn end_answered(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        match reply.class() {
            Class::Success => self.taken(context, reply),
            Class::Intermediate => return self.unfit(context, Stage::FinalReply, reply),
            Class::Temporary | Class::Permanent => {
                if let Some(mut flight) = self.flights.pop_front() {
                    flight.transaction.refuse_message(PeerReply::from(reply));
                    context.finish(flight.transaction.end(true));
                }
            }
        }
        self.go_on(context)
    }

    /// The server has the message, for those that it had accepted.
    fn taken(&mut self, context: &mut Context<'_>, reply: &ReplyLines) {
        let Some(flight) = self.flights.pop_front() else {
            return;
        };
        context.finish(match flight.transaction.is_hopeful() {
            true => flight.transaction.deliver(PeerReply::from(reply)),
            // Content may have been under way before everybody was refused.
            false => flight.transaction.end(true),
        });
    }

    fn unfit(self, context: &mut Context<'_>, stage: Stage, reply: &ReplyLines) -> State {
        self.lose(context, CloseReason::Unfit(stage, PeerReply::from(reply)))
    }
}
