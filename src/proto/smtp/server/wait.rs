//! The waits, and the events that end them.

use crate::base::OneLine;
use crate::proto::smtp::reply::Reply;

use super::session::{Hello, Session};
use super::{
    CloseReason, Event, Phase, Recipient, State, Step, Transaction, Turn, Verdict, auth, replies,
};

/// What the machine waits for, with what it goes on with.
#[derive(Debug)]
pub(super) enum Wait {
    /// The verdict on a recipient.
    Recipient(Hello, Box<Transaction>, OneLine),
    /// The verdict on the argument of VRFY.
    Vrfy(Session, OneLine),
    /// The fate of a message.
    Stored(Hello),
    /// Whether the client is who it says.
    Authentication(Hello),
    /// The TLS handshake, which ends by [`super::Machine::encrypted`].
    Tls,
}

impl Wait {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Wait::Recipient(..) => Phase::Transaction,
            Wait::Vrfy(session, _) => session.phase(),
            Wait::Stored(_) => Phase::Storing,
            Wait::Authentication(_) | Wait::Tls => Phase::Idle,
        }
    }

    pub(super) fn has_open_message(&self) -> bool {
        match self {
            Wait::Vrfy(session, _) => session.has_open_message(),
            // The driver has been told what to do with it.
            Wait::Recipient(..) | Wait::Stored(_) => false,
            Wait::Authentication(_) | Wait::Tls => false,
        }
    }

    pub(super) fn resume(self, turn: &mut Turn<'_>, event: Event) -> Step {
        match (self, event) {
            (Wait::Stored(hello), Event::Stored(id)) => {
                let reply = replies::stored(turn.settings(), &id);
                answered(turn, hello, reply)
            }
            (Wait::Stored(hello), Event::Answered(reply)) => answered(turn, hello, reply),
            (Wait::Recipient(hello, transaction, recipient), Event::Verified(verdict)) => {
                recipient_verified(turn, (hello, transaction), recipient, verdict)
            }
            (Wait::Vrfy(session, argument), Event::Verified(verdict)) => {
                vrfy_verified(turn, session, &argument, verdict)
            }
            (Wait::Authentication(hello), Event::Authenticated(result)) => {
                auth::authenticated(turn, hello, result)
            }
            (wait, event) => unreachable!("invariant: {event:?} does not end {wait:?}"),
        }
    }
}

// RFC 5321 4.2.5: after 250 the message is ours to deliver.
fn answered(turn: &mut Turn<'_>, hello: Hello, reply: Reply) -> Step {
    if reply.code < 300 {
        turn.core.counts.refused = 0;
    }
    turn.send(reply);
    let session = Session::Idle(hello);
    match turn.core.leaving.take() {
        Some(reason) => Step::HangUp(State::Command(session), reason),
        None => session.stay(),
    }
}

fn recipient_verified(
    turn: &mut Turn<'_>,
    (hello, mut transaction): (Hello, Box<Transaction>),
    recipient: OneLine,
    verdict: Verdict,
) -> Step {
    let accepted = match verdict {
        Verdict::Local { mailbox, .. } => Ok((mailbox, true)),
        Verdict::Remote { address } if address.is_empty() => Ok((recipient, false)),
        Verdict::Remote { address } => Ok((address, false)),
        Verdict::Refuse(reply) => Err(reply),
        Verdict::Abort => {
            let state = State::Command(Session::Transaction(hello, transaction));
            return Step::HangUp(state, CloseReason::VerifierAbort);
        }
    };
    match accepted {
        Ok((address, local)) => {
            transaction.recipients.push(Recipient { address, local });
            turn.say(replies::RECIPIENT_OK);
        }
        Err(reply) => {
            turn.core.counts.refused += 1;
            turn.send(reply);
        }
    }
    Session::Transaction(hello, transaction).stay()
}

fn vrfy_verified(
    turn: &mut Turn<'_>,
    session: Session,
    argument: &OneLine,
    verdict: Verdict,
) -> Step {
    let reply = match verdict {
        Verdict::Local { full_name, .. } => replies::verified(&full_name),
        Verdict::Remote { .. } => replies::will_accept(argument),
        Verdict::Refuse(reply) => reply,
        Verdict::Abort => {
            return Step::HangUp(State::Command(session), CloseReason::VerifierAbort);
        }
    };
    turn.send(reply);
    session.stay()
}
