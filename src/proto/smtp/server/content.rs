//! DATA and BDAT, and the content that follows them.

use crate::base::ByteQueue;
use crate::proto::content::{DotDecoder, LineEnds};
use crate::proto::message::{HeaderFault, Scan};
use crate::proto::pace::Pace;
use crate::proto::smtp::command::{self, Chunk};
use crate::proto::smtp::params::BodyType;

use super::replies::{self, Fixed};
use super::session::{Hello, Session};
use super::wait::Wait;
use super::{
    Action, CloseReason, ContentFacts, Settings, State, Step, StrayLineEnds, Transaction, Turn,
};

/// A message whose content is coming in.
#[derive(Debug)]
pub(super) struct Incoming {
    hello: Hello,
    framing: Framing,
    line_ends: LineEnds,
    /// Whether stray line ends are content like any other.
    keeps_line_ends: bool,
    scan: Scan,
    /// What is wrong with it, and from which octet on it is swallowed.
    fault: Option<(u64, Fixed)>,
    pace: Pace,
}

/// How the end of the content is told.
#[derive(Debug)]
enum Framing {
    /// By a line with nothing but a dot.
    Dots(DotDecoder),
    /// By a count: the current chunk, and how much of it is still to come.
    Counted { chunk: Chunk, remaining: u64 },
}

// RFC 5321 4.1.1.4
pub(super) fn data(turn: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    let Session::Transaction(hello, transaction) = session else {
        unreachable!("invariant: the table has DATA in a transaction");
    };
    if transaction.recipients.is_empty() {
        turn.say(replies::NO_RECIPIENTS);
        return Session::Idle(hello).stay();
    }
    // RFC 3030 3: content without line structure has no last line to look for.
    if transaction.body == BodyType::Binary {
        turn.say(replies::NOT_FOR_BINARY);
        return Session::Transaction(hello, transaction).stay();
    }
    let framing = Framing::Dots(DotDecoder::new());
    let incoming = Incoming::begin(turn, hello, transaction, framing);
    turn.say(replies::START_INPUT);
    Step::Next(State::Content(incoming))
}

// RFC 3030 2: whatever is wrong, the octets announced are not commands.
pub(super) fn bdat(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    let Some(chunk) = command::chunk(argument) else {
        return Step::HangUp(State::Command(session), CloseReason::BadChunkSize);
    };
    let is_junk = !chunk.last && chunk.octets < turn.settings().limits.chunk_junk_below;
    if is_junk && !turn.allows_junk() {
        return Step::HangUp(State::Command(session), CloseReason::TooMuchJunk);
    }
    let received = match &session {
        Session::Transaction(_, transaction) if transaction.recipients.is_empty() => {
            return refuse_chunk(turn, session, chunk, replies::NO_RECIPIENTS);
        }
        Session::Transaction(..) => 0,
        Session::Chunks(incoming) => incoming.scan.octets(),
        Session::Start | Session::Idle(_) => {
            return refuse_chunk(turn, session, chunk, replies::OUT_OF_SEQUENCE);
        }
    };
    let total = received.saturating_add(chunk.octets);
    if turn.settings().size_max.is_some_and(|max| total > max) {
        return refuse_chunk(turn, session, chunk, replies::TOO_BIG);
    }
    let framing = Framing::Counted {
        chunk,
        remaining: chunk.octets,
    };
    let incoming = match session {
        Session::Chunks(mut incoming) => {
            incoming.framing = framing;
            incoming.pace = Pace::new(turn.now);
            incoming
        }
        Session::Transaction(hello, transaction) => {
            Incoming::begin(turn, hello, transaction, framing)
        }
        Session::Start | Session::Idle(_) => {
            unreachable!("invariant: chunks without a transaction have been refused")
        }
    };
    Step::Next(State::Content(incoming))
}

/// Ends the transaction and swallows the chunk.
fn refuse_chunk(turn: &mut Turn<'_>, session: Session, chunk: Chunk, reply: Fixed) -> Step {
    let session = session.reset(turn);
    let mut swallow = Swallow {
        session,
        reply: Some(reply),
        remaining: chunk.octets,
        allowance: turn.settings().limits.content_swallow_max,
        pace: Pace::new(turn.now),
    };
    // A chunk that will not be swallowed to its end is answered now or never.
    if swallow.remaining > swallow.allowance {
        swallow.answer(turn);
    }
    Step::Next(State::Swallow(swallow))
}

impl Incoming {
    /// Hands the envelope to the driver.
    fn begin(
        turn: &mut Turn<'_>,
        hello: Hello,
        transaction: Box<Transaction>,
        framing: Framing,
    ) -> Box<Incoming> {
        let settings = turn.settings();
        // RFC 3030 3: binary content has no lines that could end wrongly.
        let keeps_line_ends =
            settings.stray_line_ends == StrayLineEnds::Keep || transaction.body == BodyType::Binary;
        let incoming = Incoming {
            hello,
            framing,
            line_ends: LineEnds::default(),
            keeps_line_ends,
            scan: Scan::new(settings.limits.header),
            fault: None,
            pace: Pace::new(turn.now),
        };
        turn.out.push(Action::Begin(transaction));
        Box::new(incoming)
    }

    /// Takes content up to its end or the end of the input.
    pub(super) fn receive(mut self: Box<Self>, turn: &mut Turn<'_>, input: &mut ByteQueue) -> Step {
        let waiting = input.as_slice();
        if !waiting.is_empty() {
            turn.core.active_at = Some(turn.now);
        }
        let mut content = Vec::new();
        let (consumed, ended) = match &mut self.framing {
            Framing::Dots(decoder) => {
                content.reserve(waiting.len());
                let decoded = decoder.decode(waiting, &mut content);
                (decoded.consumed, decoded.ended)
            }
            Framing::Counted { remaining, .. } => {
                let count = waiting
                    .len()
                    .min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                content.extend(waiting.iter().take(count));
                *remaining -= count as u64;
                (count, *remaining == 0)
            }
        };
        input.consume(consumed);
        self.pace.note(consumed);
        self.absorb(turn, content);
        if let Some(reply) = self.overflowed(turn.settings()) {
            turn.say(reply);
            return Step::HangUp(State::Content(self), CloseReason::Overflow);
        }
        match ended {
            true => self.end(turn),
            false => Step::Rest(State::Content(self)),
        }
    }

    /// Looks at new content and passes it on, unless something is wrong with it.
    fn absorb(&mut self, turn: &mut Turn<'_>, content: Vec<u8>) {
        self.scan.feed(&content);
        self.line_ends.feed(&content);
        if self.fault.is_some() {
            return;
        }
        self.fault = self.first_fault(turn.settings());
        if self.fault.is_some() {
            turn.out.push(Action::Discard);
        } else if !content.is_empty() {
            turn.out.push(Action::Content(content));
        }
    }

    /// The fault that shows first, so that it does not matter how input is cut.
    fn first_fault(&self, settings: &Settings) -> Option<(u64, Fixed)> {
        let size_max = settings.size_max.filter(|max| self.scan.octets() > *max);
        let stray_at = self.line_ends.stray_at().filter(|_| !self.keeps_line_ends);
        let header = self.scan.fault().map(|(at, fault)| match fault {
            HeaderFault::TooLarge => (at, replies::BAD_HEADER),
            HeaderFault::TooManyHops => (at, replies::LOOP),
        });
        let faults = [
            size_max.map(|max| (max, replies::TOO_BIG)),
            stray_at.map(|at| (at, replies::STRAY_LINE_END)),
            header,
        ];
        faults.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The refusal of a message of which too much has been swallowed.
    fn overflowed(&self, settings: &Settings) -> Option<Fixed> {
        let (at, reply) = self.fault?;
        let swallowed = self.scan.octets().saturating_sub(at);
        (swallowed > settings.limits.content_swallow_max).then_some(reply)
    }

    /// Ends the content or the chunk.
    fn end(mut self: Box<Self>, turn: &mut Turn<'_>) -> Step {
        let chunk = match self.framing {
            Framing::Dots(_) => None,
            Framing::Counted { chunk, .. } => Some(chunk),
        };
        let is_last = chunk.is_none_or(|chunk| chunk.last);
        if is_last {
            self.line_ends.finish();
            self.absorb(turn, Vec::new());
        }
        match (self.fault, chunk) {
            (Some((_, reply)), chunk) => {
                // RFC 3030 2: further chunks of the message may be on their way.
                if chunk.is_some() {
                    turn.forgive_followers();
                }
                turn.warn(format!("message refused: {}", reply.text()));
                turn.say(reply);
                Session::Idle(self.hello).stay()
            }
            (None, Some(chunk)) if !is_last => {
                turn.send(replies::chunk_received(chunk.octets));
                Session::Chunks(self).stay()
            }
            (None, _) => {
                turn.out.push(Action::Commit(self.facts()));
                Step::Rest(State::Wait(Wait::Stored(self.hello)))
            }
        }
    }

    fn facts(&self) -> ContentFacts {
        ContentFacts {
            octets: self.scan.octets(),
            eight_bit: self.scan.eight_bit(),
            message_id: self.scan.message_id(),
        }
    }

    pub(super) fn has_open_message(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn into_hello(self) -> Hello {
        self.hello
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(super) fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

/// A chunk that has been refused, while its octets come in.
#[derive(Debug)]
pub(super) struct Swallow {
    session: Session,
    /// What is still to be said.
    reply: Option<Fixed>,
    remaining: u64,
    /// How many octets may be swallowed.
    allowance: u64,
    pace: Pace,
}

impl Swallow {
    pub(super) fn receive(mut self, turn: &mut Turn<'_>, input: &mut ByteQueue) -> Step {
        if !input.is_empty() {
            turn.core.active_at = Some(turn.now);
        }
        let wanted = self.remaining.min(self.allowance);
        let count = input
            .len()
            .min(usize::try_from(wanted).unwrap_or(usize::MAX));
        input.consume(count);
        self.pace.note(count);
        self.remaining -= count as u64;
        self.allowance -= count as u64;
        if self.remaining == 0 {
            self.answer(turn);
            return self.session.stay();
        }
        match self.allowance {
            0 => Step::HangUp(State::Swallow(self), CloseReason::Overflow),
            _ => Step::Rest(State::Swallow(self)),
        }
    }

    fn answer(&mut self, turn: &mut Turn<'_>) {
        if let Some(reply) = self.reply.take() {
            turn.say(reply);
            if reply != replies::OUT_OF_SEQUENCE {
                turn.forgive_followers();
            }
        }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(super) fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }
}
