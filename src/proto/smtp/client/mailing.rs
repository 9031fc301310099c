//! Sending messages, with as few waits as the server allows.
//!
//! Without PIPELINING every command waits for the reply to the one before. With it
//! (RFC 2920) MAIL, RCPT and DATA go out together, and together with the end of the
//! message before, so that a message costs one round trip. With CHUNKING as well
//! (RFC 3030) nothing needs to be waited for: whole messages follow each other, as
//! many as the window takes.
//!
//! What is sent is in `flights`, in order, and what has to be answered in `awaited`,
//! so that every reply finds its command and every command its message.

use std::collections::VecDeque;

use super::close::{CloseReason, Stage};
use super::context::Context;
use super::early;
use super::flight::{Command, Flight, How, Step};
use super::mail_command::note_eight_bit;
use super::quitting::Quitting;
use super::transaction::Transaction;
use super::{Action, State};

/// How many commands of one message go out in one group: their replies must fit
/// into the server's output buffers, or both sides wait for each other (RFC 2920
/// 3.1).
pub(super) const GROUP_MAX: usize = 100;

/// How many chunks of one message may be unanswered.
pub(super) const CHUNKS_UNANSWERED_MAX: usize = 16;

/// How many messages may be on their way at a time, unless set otherwise: these are
/// all in doubt where the connection is lost.
pub const IN_FLIGHT_MAX: usize = 64;

/// How many octets of content may be on their way before a further message is
/// begun: more than a fast and long line holds.
pub const IN_FLIGHT_OCTETS_MAX: usize = 1 << 20;

/// How many commands may be unanswered before a further message is begun.
const AWAITED_MAX: usize = 4 * IN_FLIGHT_MAX;

/// Messages on their way.
#[derive(Default)]
pub(super) struct Mailing {
    /// The messages that are not finished, oldest first. The youngest may not have
    /// been sent as a whole.
    pub(super) flights: VecDeque<Flight>,
    /// What the replies to come are for, oldest first.
    pub(super) awaited: VecDeque<Awaited>,
    /// Whether the driver has been told that it may hand in one more message.
    pub(super) is_ready: bool,
    /// Whether the server may have a transaction open that is no longer wanted.
    pub(super) must_reset: bool,
    /// Whether the session ends once everything is answered.
    pub(super) is_leaving: bool,
}

/// What a reply to come is for.
pub(super) struct Awaited {
    /// The message.
    pub(super) serial: u64,
    pub(super) command: Command,
    /// When it was sent; see [`super::context::Session::moment`].
    pub(super) moment: u64,
}

impl Mailing {
    /// Begins with the first message after a pause.
    pub(super) fn begin(context: &mut Context<'_>, transaction: Transaction) -> State {
        Mailing::default().add(context, transaction)
    }

    /// Takes one more message.
    pub(super) fn add(mut self, context: &mut Context<'_>, transaction: Transaction) -> State {
        self.is_ready = false;
        if transaction.is_hopeful() {
            note_eight_bit(context, transaction.message());
        }
        self.flights.push_back(Flight::new(context, transaction));
        self.go_on(context)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) fn is_answered(&self) -> bool {
        self.awaited.is_empty()
    }

    pub(super) fn wants_content(&self) -> bool {
        self.flights.back().is_some_and(Flight::is_asking)
    }

    /// Takes a piece of content for the youngest message.
    pub(super) fn content(mut self, context: &mut Context<'_>, chunk: &[u8], last: bool) -> State {
        let Some(flight) = self.flights.back_mut() else {
            return State::Mailing(self);
        };
        flight.step = Step::Content { is_asked: false };
        let is_start = flight.octets == 0;
        let mut wire = flight.repair(chunk, last);
        flight.octets += wire.len();
        if flight.how == How::Chunks && !context.session.is_chunking_proven {
            let rest = wire.split_off(early::trial_len(&wire));
            let is_whole = rest.is_empty();
            flight.held = (!is_whole).then_some((rest, last));
            self.send_content(context, wire, last && is_whole);
        } else if self.is_envelope_open() && !(is_start && early::is_harmless(&wire)) {
            self.hold(wire, last);
        } else {
            self.send_content(context, wire, last);
        }
        self.go_on(context)
    }

    fn hold(&mut self, wire: Vec<u8>, last: bool) {
        if let Some(flight) = self.flights.back_mut() {
            flight.held = Some((wire, last));
        }
    }

    /// Whether the envelope of the youngest message is not answered.
    fn is_envelope_open(&self) -> bool {
        let serial = self.flights.back().map(|flight| flight.serial);
        self.awaited.iter().any(|awaited| {
            let is_envelope = matches!(awaited.command, Command::Mail | Command::Recipient(_));
            is_envelope && Some(awaited.serial) == serial
        })
    }

    /// Sends content that had to wait, once it may go.
    fn send_held(&mut self, context: &mut Context<'_>) {
        if !context.session.is_chunking_proven || self.is_envelope_open() {
            return;
        }
        let held = self
            .flights
            .back_mut()
            .and_then(|flight| flight.held.take());
        if let Some((wire, last)) = held {
            self.send_content(context, wire, last);
        }
    }

    /// Sends a piece of content in its wire form.
    fn send_content(&mut self, context: &mut Context<'_>, wire: Vec<u8>, last: bool) {
        let Some(flight) = self.flights.back_mut() else {
            return;
        };
        if last {
            flight.step = Step::Sent;
        }
        if flight.how == How::Chunks && (last || !wire.is_empty()) {
            flight.chunks_unanswered += 1;
            let ending = if last { " LAST" } else { "" };
            let command = format!("BDAT {}{ending}", wire.len()).into_bytes();
            context.note_sent(&command);
            let block = [command.as_slice(), b"\r\n", &wire].concat();
            context.out.push(Action::Send(block));
            self.expect(context, Command::Chunk(last));
        } else if !wire.is_empty() {
            context.out.push(Action::Send(wire));
            if last {
                context.note_sent(b".");
                self.expect(context, Command::End);
            }
        }
    }

    /// Ends the session once the server has nothing left to answer.
    pub(super) fn quit(mut self, context: &mut Context<'_>) -> State {
        if !self.flights.is_empty() {
            return self.lose(context, CloseReason::Abandoned);
        }
        self.is_leaving = true;
        self.go_on(context)
    }

    /// Does what can be done without a further reply.
    pub(super) fn go_on(mut self, context: &mut Context<'_>) -> State {
        self.finish_withheld(context);
        self.send_commands(context);
        self.decide(context);
        self.reset(context);
        self.send_held(context);
        self.ask(context);
        if self.flights.is_empty() && self.awaited.is_empty() {
            return self.pause(context);
        }
        self.announce(context);
        self.rearm(context);
        State::Mailing(self)
    }

    /// Says what became of messages that are not sent, in their turn.
    fn finish_withheld(&mut self, context: &mut Context<'_>) {
        let is_withheld = |flight: &Flight| flight.step == Step::Withheld;
        while self.flights.front().is_some_and(is_withheld) {
            if let Some(flight) = self.flights.pop_front() {
                context.finish(flight.transaction.end(false));
            }
        }
    }

    /// Sends the envelope of the youngest message, as much as may go out now.
    fn send_commands(&mut self, context: &mut Context<'_>) {
        let Some(flight) = self.flights.back_mut() else {
            return;
        };
        // The first group may follow whatever is on its way already.
        let is_first = flight.step == Step::Mail && context.is_pipelining();
        if !is_first && !self.awaited.is_empty() {
            return;
        }
        let (serial, moment) = (flight.serial, context.session.moment);
        let group_max = if context.is_pipelining() {
            GROUP_MAX
        } else {
            1
        };
        let mut commands = Vec::new();
        // RFC 3030 does not say that a refused last chunk ends the server's
        // transaction. If it did not, the recipients of that message would get this
        // one as well, the more so where content follows before all is answered.
        let needs_reset = match self.awaited.back().map(|awaited| awaited.command) {
            None | Some(Command::Reset) => false,
            Some(Command::Chunk(_)) => true,
            Some(_) => flight.how == How::Chunks,
        };
        if is_first && needs_reset {
            commands.push((Command::Reset, b"RSET".to_vec()));
        }
        let count_max = commands.len() + group_max;
        while commands.len() < count_max {
            let Some(command) = flight.next_command(context) else {
                break;
            };
            commands.push(command);
        }
        let (commands, lines): (Vec<Command>, Vec<Vec<u8>>) = commands.into_iter().unzip();
        if !lines.is_empty() {
            context.send_commands(&lines);
        }
        let awaited = commands.into_iter().map(|command| Awaited {
            serial,
            command,
            moment,
        });
        self.awaited.extend(awaited);
    }

    /// Once the envelope is answered: content, or nothing.
    fn decide(&mut self, context: &mut Context<'_>) {
        let is_due = self.awaited.is_empty();
        let is_waiting = |flight: &&mut Flight| flight.step == Step::Replies && is_due;
        let Some(flight) = self.flights.back_mut().filter(is_waiting) else {
            return;
        };
        if flight.transaction.is_hopeful() {
            flight.step = Step::Content { is_asked: false };
        } else {
            self.give_up(context);
        }
    }

    /// Finishes the oldest message without content.
    pub(super) fn give_up(&mut self, context: &mut Context<'_>) {
        let Some(flight) = self.flights.pop_front() else {
            return;
        };
        self.must_reset |= flight.is_mail_accepted || flight.is_any_recipient_accepted;
        context.finish(flight.transaction.end(false));
    }

    /// Clears away a transaction that is not wanted, once replies to what was sent
    /// for it do not matter any more.
    fn reset(&mut self, context: &mut Context<'_>) {
        if !self.must_reset || !self.awaited.is_empty() {
            return;
        }
        self.must_reset = false;
        context.send_commands(&[b"RSET".to_vec()]);
        self.awaited.push_back(Awaited {
            serial: 0,
            command: Command::Reset,
            moment: context.session.moment,
        });
    }

    /// Asks for more content where the server may get more.
    fn ask(&mut self, context: &mut Context<'_>) {
        let may_follow = context.is_pipelining() && context.session.is_chunking_proven;
        let is_answered = self.awaited.is_empty();
        let Some(flight) = self
            .flights
            .back_mut()
            .filter(|flight| flight.held.is_none())
        else {
            return;
        };
        let has_room = match flight.how {
            How::Data => true,
            How::Chunks if may_follow => flight.chunks_unanswered < CHUNKS_UNANSWERED_MAX,
            How::Chunks => is_answered,
        };
        if flight.step == (Step::Content { is_asked: false }) && has_room {
            flight.step = Step::Content { is_asked: true };
            context.out.push(Action::NeedContent);
        }
    }

    /// Has the driver hand in a message that may follow without a wait.
    fn announce(&mut self, context: &mut Context<'_>) {
        let Some(last) = self.flights.back().filter(|_| !self.is_ready) else {
            return;
        };
        let session = &*context.session;
        let is_sent = matches!(last.step, Step::Sent | Step::Withheld);
        let is_proven = last.how == How::Data || session.is_chunking_proven;
        let octets: usize = self.flights.iter().map(|flight| flight.octets).sum();
        let has_room = self.flights.len() < session.settings.in_flight_max
            && octets < IN_FLIGHT_OCTETS_MAX
            && self.awaited.len() < AWAITED_MAX
            && !self.must_reset;
        if is_sent && is_proven && has_room && context.is_pipelining() {
            self.is_ready = true;
            context.out.push(Action::Ready);
        }
    }

    /// Nothing is on its way any more.
    fn pause(self, context: &mut Context<'_>) -> State {
        if self.is_leaving {
            return Quitting::begin(context, CloseReason::Quit);
        }
        if self.is_ready {
            // The driver knows.
            context.wait_for_nothing();
            return State::Ready;
        }
        context.ready()
    }

    /// Sets the time for what is waited for now.
    fn rearm(&self, context: &mut Context<'_>) {
        if let Some(oldest) = self.flights.front() {
            context.session.attempt_until = oldest.until;
        }
        match self.awaited.front().map(|awaited| awaited.command) {
            _ if self.wants_content() => context.await_room(),
            Some(Command::End | Command::EmptyEnd) => context.await_final_reply(),
            Some(Command::Chunk(_)) if self.is_oldest_sent() => context.await_final_reply(),
            _ => context.await_reply(),
        }
    }

    fn is_oldest_sent(&self) -> bool {
        let oldest = self.flights.front();
        oldest.is_none_or(|flight| flight.step == Step::Sent)
    }

    /// What is waited for, for telling where it failed.
    pub(super) fn stage(&self) -> Stage {
        match self.awaited.front().map(|awaited| awaited.command) {
            None => Stage::Content,
            Some(Command::Reset | Command::EmptyEnd) => Stage::Clearing,
            Some(Command::Mail | Command::Recipient(_) | Command::Data) => Stage::Envelope,
            Some(Command::End) => Stage::FinalReply,
            Some(Command::Chunk(_)) if self.flights.is_empty() => Stage::Clearing,
            Some(Command::Chunk(_)) if self.is_oldest_sent() => Stage::FinalReply,
            Some(Command::Chunk(_)) => Stage::Content,
        }
    }

    /// Hangs up; every message is told so.
    pub(super) fn lose(self, context: &mut Context<'_>, reason: CloseReason) -> State {
        let mut is_asked = true;
        for flight in self.flights {
            let is_sent = flight.step == Step::Sent;
            context.finish(flight.transaction.lose(is_sent, is_asked, &reason));
            is_asked = false;
        }
        context.close(reason)
    }

    pub(super) fn expect(&mut self, context: &Context<'_>, command: Command) {
        self.awaited.push_back(Awaited {
            serial: self.flights.back().map_or(0, |flight| flight.serial),
            command,
            moment: context.session.moment,
        });
    }
}
