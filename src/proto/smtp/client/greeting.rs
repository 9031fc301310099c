//! Waiting for the server's first words.

use super::State;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::hello::Hello;
use super::outcome::PeerReply;
use super::quitting::Quitting;
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

/// Waits for the greeting.
pub(super) struct Greeting;

impl Greeting {
    pub(super) fn begin(context: &mut Context<'_>) -> State {
        context.begin_attempt();
        context.await_greeting();
        State::Greeting(Greeting)
    }

    pub(super) fn reply(self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        match reply.class() {
            Class::Success => Hello::begin(context, false),
            Class::Intermediate => {
                context.close(CloseReason::Unfit(Stage::Greeting, PeerReply::from(reply)))
            }
            Class::Temporary | Class::Permanent => {
                let reason = CloseReason::Refused(Stage::Greeting, PeerReply::from(reply));
                Quitting::begin(context, reason)
            }
        }
    }

    /// Goes on without a greeting: some servers wait to be spoken to.
    pub(super) fn give_up(self, context: &mut Context<'_>) -> State {
        context.note("no greeting from the peer in time, going on without it");
        Hello::begin(context, true)
    }
}
