//! STARTTLS (RFC 3207).

use super::replies::{self, Fixed};
use super::session::Session;
use super::wait::Wait;
use super::{Action, Settings, State, Step, Turn};

pub(super) fn offered(settings: &Settings, argument: &[u8]) -> Result<(), Fixed> {
    match argument {
        _ if !settings.starttls => Err(replies::NOT_IMPLEMENTED),
        b"" => Ok(()),
        // RFC 3207 4: 501 if there is a parameter.
        _ => Err(replies::BAD_ARGUMENT),
    }
}

pub(super) fn starttls(turn: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    if !turn.offers_starttls() {
        turn.say(replies::OUT_OF_SEQUENCE);
        return session.stay();
    }
    turn.say(replies::START_TLS);
    turn.out.push(Action::StartTls);
    Step::Rest(State::Wait(Wait::Tls))
}
