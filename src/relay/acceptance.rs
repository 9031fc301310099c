//! What is recorded of a message that is accepted: its envelope and its log line.

use crate::base::{OneLine, xtext};
use crate::info;
use crate::proto::smtp::params::BodyType;
use crate::proto::smtp::server::{ContentFacts, Recipient, Transaction};
use crate::store::{Encoding, Envelope, Receipt, Suffix};
use crate::tls::Session;

use super::peer::Peer;
use super::settlement;

/// The envelope, once the content is complete.
pub fn envelope(
    transaction: &Transaction,
    facts: &ContentFacts,
    peer: &Peer,
    tls: Option<&Session>,
) -> Envelope {
    let addresses = |local: bool| {
        let wanted = transaction
            .recipients
            .iter()
            .filter(move |one| one.local == local);
        wanted.map(|one| one.address.clone()).collect::<Vec<_>>()
    };
    Envelope {
        encoding: encoding(transaction.body, facts),
        reverse_path: transaction.reverse_path.clone(),
        local_recipients: addresses(true),
        remote_recipients: addresses(false),
        authentication: OneLine::escaped(xtext::encode(transaction.identity.as_bytes())),
        client_address: peer.one_line(),
        client_certificate: tls.map(certificate).unwrap_or_default(),
        mail_auth_in: transaction.auth_parameter.clone().unwrap_or_default(),
        utf8: transaction.smtputf8,
        ..Envelope::default()
    }
}

/// The lines of the client's certificate, if it has shown one.
fn certificate(session: &Session) -> Vec<OneLine> {
    let pem = session.peer.as_ref().and_then(|peer| peer.pem.as_deref());
    pem.into_iter()
        .flat_map(str::lines)
        .map(OneLine::escaped)
        .collect()
}

/// What the client declared counts only where the content cannot tell.
fn encoding(declared: BodyType, facts: &ContentFacts) -> Encoding {
    match (declared, facts.eight_bit) {
        (BodyType::Binary, _) => Encoding::Binary,
        (_, Some(true)) => Encoding::EightBit,
        (_, Some(false)) => Encoding::SevenBit,
        (_, None) => Encoding::Unknown,
    }
}

/// Notes whom the message is from and for once filters have seen it, which is what
/// the log is to say.
pub fn follow(transaction: &mut Transaction, envelope: &Envelope) {
    let recipients = |of: &[OneLine], local: bool| {
        let recipient = |address: &OneLine| Recipient {
            address: address.clone(),
            local,
        };
        of.iter().map(recipient).collect::<Vec<_>>()
    };
    transaction.reverse_path = envelope.reverse_path.clone();
    transaction.recipients = [
        recipients(&envelope.local_recipients, true),
        recipients(&envelope.remote_recipients, false),
    ]
    .concat();
}

/// Whom a message is from and for, who has sent it and what its Message-ID is: what
/// the log says of one that a filter refuses.
pub fn particulars(transaction: &Transaction, facts: &ContentFacts, peer: &Peer) -> String {
    let to = settlement::paths(&forward_paths(transaction));
    format!(
        " from=<{}> to={to} client={peer}{}",
        transaction.reverse_path,
        message_id(facts),
    )
}

fn forward_paths(transaction: &Transaction) -> Vec<OneLine> {
    let recipients = transaction.recipients.iter();
    recipients.map(|one| one.address.clone()).collect()
}

fn message_id(facts: &ContentFacts) -> String {
    let id = facts.message_id.as_ref();
    id.map(|id| format!(" message-id={id}")).unwrap_or_default()
}

/// Writes the line that proves that the message was accepted.
pub fn log(receipt: &Receipt, transaction: &Transaction, facts: &ContentFacts, peer: &Peer) {
    let to = settlement::paths(&forward_paths(transaction));
    info!(
        "accepted message: id={} from=<{}> to={to} size={} client={peer} helo={}{}",
        receipt.id,
        transaction.reverse_path,
        facts.octets,
        transaction.helo,
        message_id(facts),
    );
    if receipt.is_local {
        let name = receipt.id.file_name(Suffix::ContentLocal);
        let name = OneLine::escaped(name);
        info!("message for local-mailbox recipient(s): {name}");
    }
}
