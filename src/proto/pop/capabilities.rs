//! CAPA (RFC 2449).

use super::{State, Turn, responses};

/// Lists what the server can do.
// RFC 2449 5: what there is in the authorization state is listed in both.
pub(super) fn capa(turn: &mut Turn<'_>, _: &State) {
    let mut lines = responses::CAPABILITIES.render();
    for capability in turn.capabilities() {
        lines.extend(responses::line(capability));
    }
    lines.extend_from_slice(responses::END);
    turn.send(lines);
}

impl Turn<'_> {
    fn capabilities(&self) -> Vec<String> {
        let settings = self.settings();
        let offer = self.offer();
        let when = |holds: bool, text: &str| holds.then(|| text.to_owned());
        let sasl = !offer.mechanisms().is_empty();
        let implementation = settings.implementation.as_ref();
        [
            when(true, "TOP"),
            when(true, "UIDL"),
            when(self.may_send_password(), "USER"),
            sasl.then(|| format!("SASL {}", offer.names())),
            // RFC 2595 4: no longer once the connection is encrypted.
            when(self.offers_stls(), "STLS"),
            when(true, "PIPELINING"),
            when(true, "RESP-CODES"),
            // RFC 3206 6
            when(true, "AUTH-RESP-CODE"),
            implementation.map(|text| format!("IMPLEMENTATION {text}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
