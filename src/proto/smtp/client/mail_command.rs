//! The MAIL command and its parameters.

use super::context::{Context, Session};
use super::message::{Body, Message};
use crate::base::{OneLine, xtext};

/// The longest value of the AUTH parameter, in octets.
// RFC 4954 5: MAIL may be 500 octets longer with it.
const SUBMITTER_MAX: usize = 500 - " AUTH=".len();

pub(super) fn mail_command(message: &Message, session: &Session) -> Vec<u8> {
    let offers = &session.extensions;
    let mut command = [b"MAIL FROM:<", message.reverse_path.as_bytes(), b">"].concat();
    // RFC 1870 6: declares the size where the server knows what to do with it.
    if let Some(size) = message.size.filter(|_| offers.size) {
        command.extend_from_slice(format!(" SIZE={size}").as_bytes());
    }
    command.extend_from_slice(match message.body {
        Body::SevenBit if offers.eight_bit_mime => b" BODY=7BIT",
        Body::EightBit if offers.eight_bit_mime => b" BODY=8BITMIME",
        Body::Binary if offers.takes_binary() => b" BODY=BINARYMIME",
        // Nobody promised to keep it, which we have been told to put up with.
        Body::Binary if offers.eight_bit_mime => b" BODY=8BITMIME",
        Body::SevenBit | Body::EightBit | Body::Binary | Body::Unknown => b"",
    });
    // RFC 6531 3.4: the parameter announces UTF-8 in envelope or header.
    if needs_smtputf8(message) && offers.smtputf8 {
        command.extend_from_slice(b" SMTPUTF8");
    }
    if let Some(id) = &session.login_id {
        command.extend_from_slice(b" AUTH=");
        command.extend_from_slice(&submitter(message, id, session.settings.anonymous));
    }
    command
}

/// The value of the AUTH parameter, which servers are free to believe or not: by
/// the envelope, or else the name that we have logged in with. `<>` says that
/// nobody knows.
// RFC 4954 5: xtext or "<>".
fn submitter(message: &Message, login_id: &[u8], is_anonymous: bool) -> Vec<u8> {
    let submitter = match message.submitter.as_bytes() {
        [] => xtext::encode(login_id),
        given => given.to_vec(),
    };
    let is_sayable = xtext::decode(&submitter).is_some_and(|name| !name.is_empty());
    if is_anonymous || !is_sayable || submitter.len() > SUBMITTER_MAX {
        return b"<>".to_vec();
    }
    submitter
}

fn needs_smtputf8(message: &Message) -> bool {
    let is_ascii = |path: &OneLine| path.as_bytes().is_ascii();
    let is_ascii_envelope =
        is_ascii(&message.reverse_path) && message.recipients.iter().all(is_ascii);
    message.smtputf8 || !is_ascii_envelope
}

/// Content of eight bits goes out as it is even where nobody promised to keep
/// it, unless configured otherwise: refusing it would lose mail that nearly every
/// server passes on.
pub(super) fn note_eight_bit(context: &mut Context<'_>, message: &Message) {
    let session = &mut context.session;
    let is_promised = session.extensions.eight_bit_mime;
    if message.body == Body::EightBit && !is_promised && !session.eight_bit_noted {
        session.eight_bit_noted = true;
        context.note("the peer does not offer 8BITMIME, sending 8-bit content as it is");
    }
}
