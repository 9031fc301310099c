//! What the operator decides about sending.

use std::sync::Arc;
use std::time::Duration;

use super::mailing::IN_FLIGHT_MAX;
use crate::base::OneLine;
use crate::proto::sasl::{Account, Config};

/// How long one message may take from [`super::Machine::send`] to its outcome,
/// and the start of a session up to the first `Ready`, unless set otherwise:
/// however slowly a server dribbles, it does not keep a message for ever.
pub const SESSION_MAX: Duration = Duration::from_secs(2 * 3600);

/// How long a server has for each reply unless set otherwise.
// RFC 5321 4.5.3.2: five minutes at least for the greeting, MAIL and RCPT.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(300);

/// The shortest wait for the reply to the end of the content.
// RFC 5321 4.5.3.2.6: ten minutes, since giving up early sends mail twice.
pub const FINAL_REPLY_TIMEOUT_MIN: Duration = Duration::from_secs(600);

/// The shortest wait for room to send the next block of content.
// RFC 5321 4.5.3.2.5: three minutes.
pub const BLOCK_TIMEOUT_MIN: Duration = Duration::from_secs(180);

/// How long the reply to QUIT is waited for; nothing depends on it.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a TLS handshake may take unless set otherwise.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Never,
    /// By STARTTLS, where the server offers it.
    IfOffered,
    /// By STARTTLS, and nothing is sent to servers without it.
    Required,
    /// From the first octet.
    Implicit,
}

/// How to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Our secrets; without any, we do not log in.
    pub account: Arc<Account>,
    /// The mechanisms that may be used.
    pub config: Config,
    /// Whether the TLS handshake shows a certificate of ours to servers that ask.
    pub has_certificate: bool,
}

/// How a session is held. Fixed for the life of a machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name given with EHLO and HELO: a domain or an address literal.
    pub domain: OneLine,
    /// How long the greeting is waited for before EHLO is sent without it;
    /// without a value, as long as [`Settings::session_max`].
    pub prompt_timeout: Option<Duration>,
    /// How long each reply may take; without a value, as long as
    /// [`Settings::session_max`]. Waits around content are never shorter than
    /// [`FINAL_REPLY_TIMEOUT_MIN`] and [`BLOCK_TIMEOUT_MIN`].
    pub response_timeout: Option<Duration>,
    /// How long a whole message may take, and the start of the session.
    pub session_max: Duration,
    /// Whether commands are sent in groups to servers that offer PIPELINING.
    pub pipelining: bool,
    /// Whether content is sent with BDAT to servers that offer CHUNKING. Binary
    /// content, which cannot go any other way, is sent so regardless.
    pub chunking: bool,
    /// How many messages may be on their way at a time; at least one.
    pub in_flight_max: usize,
    /// Whether a message with a refused recipient is sent to nobody.
    pub strict_recipients: bool,
    /// Whether 8-bit content is refused where the server does not offer 8BITMIME.
    pub strict_eight_bit: bool,
    /// Whether binary content is refused where the server does not offer
    /// BINARYMIME; otherwise it goes out as lines.
    pub strict_binary: bool,
    /// Whether what needs SMTPUTF8 is refused where the server does not offer it.
    pub strict_smtputf8: bool,
    /// When the connection is encrypted.
    pub tls: Tls,
    /// How long the TLS handshake may take; without a value, as long as
    /// [`Settings::session_max`].
    pub handshake_timeout: Option<Duration>,
    /// How to log in; nothing means not at all, whatever the server offers.
    pub login: Option<Login>,
    /// Whether nobody but this host sees what is sent in clear.
    pub is_local: bool,
    /// Whether MAIL is not to tell under which name we have logged in.
    pub anonymous: bool,
    /// Whether the dialogue is reported with `Action::Sent` and `Action::Heard`.
    pub note_commands: bool,
}

impl Settings {
    /// Makes settings with the defaults: groups of commands, no BDAT, strict
    /// recipients, timeouts of RFC 5321, no TLS, no login, and no report of the
    /// dialogue, and the rules of later versions of E-MailRelay for what the server does
    /// not offer.
    pub fn new(domain: OneLine) -> Settings {
        Settings {
            domain,
            prompt_timeout: Some(RESPONSE_TIMEOUT),
            response_timeout: Some(RESPONSE_TIMEOUT),
            session_max: SESSION_MAX,
            pipelining: true,
            chunking: false,
            in_flight_max: IN_FLIGHT_MAX,
            strict_recipients: true,
            strict_eight_bit: false,
            strict_binary: true,
            strict_smtputf8: true,
            tls: Tls::Never,
            handshake_timeout: Some(HANDSHAKE_TIMEOUT),
            login: None,
            is_local: false,
            anonymous: false,
            note_commands: false,
        }
    }
}
