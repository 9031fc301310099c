//! Taking leave.

use super::State;
use super::close::CloseReason;
use super::context::Context;

/// Waits a moment for the reply to QUIT; whatever comes, the session is over.
pub(super) struct Quitting {
    reason: CloseReason,
}

impl Quitting {
    /// Says QUIT; `reason` is why, and is what the close will give.
    pub(super) fn begin(context: &mut Context<'_>, reason: CloseReason) -> State {
        context.send_commands(&[b"QUIT".to_vec()]);
        context.await_goodbye();
        State::Quitting(Quitting { reason })
    }

    pub(super) fn end(self, context: &mut Context<'_>) -> State {
        context.close(self.reason)
    }
}
