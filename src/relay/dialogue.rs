//! A conversation with a service about one message, as part of a
//! [`FilterRun`](super::filter_run::FilterRun).

use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::filter::verdict::Finding;

use super::context::Context;
use super::session::Message;

/// A filter that is a conversation. Each call gives the finding once there is one;
/// then the dialogue is dropped. The run keeps the time.
pub trait Dialogue {
    /// Begins it, on behalf of the session of that name.
    fn begin(&mut self, me: Token, context: &mut Context) -> Option<Finding>;

    /// What it waits for on its socket.
    fn interest(&self) -> Option<Interest>;

    /// When it wants [`Dialogue::on_timeout`].
    fn deadline(&self) -> Option<Instant>;

    /// Its socket is ready.
    fn on_ready(&mut self, ready: Ready, context: &mut Context) -> Option<Finding>;

    /// Its deadline may have passed.
    fn on_timeout(&mut self, context: &mut Context) -> Option<Finding>;

    /// A message for it arrived.
    fn on_message(&mut self, message: Message, context: &mut Context) -> Option<Finding>;
}
