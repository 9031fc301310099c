//! What an operator decides about the server, and the limits on clients.

use std::time::Duration;

use crate::base::OneLine;
use crate::proto::message::HeaderLimits;
use crate::proto::sasl;
use crate::proto::smtp::path::PathRules;

/// What the machine does when content has a CR or LF outside a CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StrayLineEnds {
    /// The message is refused once its real end has been read.
    #[default]
    Refuse,
    /// They are octets like any other.
    Keep,
}

/// The settings of a listener, shared by its sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our own name, as shown in the greeting and to EHLO.
    pub domain: OneLine,
    /// The product's name in the greeting.
    pub banner: OneLine,
    /// The largest message in octets as the client sends it, announced with SIZE.
    pub size_max: Option<u64>,
    /// Whether to hide name, product and spool names from clients.
    pub anonymous_server: bool,
    /// Whether VRFY is announced, and answered by the verifier where there is one.
    pub vrfy: bool,
    /// Whether recipients (and VRFY) are put to a verifier.
    pub verify: bool,
    /// Whether PIPELINING is announced.
    pub pipelining: bool,
    /// Whether CHUNKING and BINARYMIME are offered.
    pub chunking: bool,
    /// Whether SMTPUTF8 is offered.
    pub smtputf8: bool,
    /// Whether STARTTLS is offered to clients in clear.
    pub starttls: bool,
    /// Whether mail, logins and VRFY are refused to clients in clear.
    pub tls_required: bool,
    /// With which mechanisms clients must authenticate, unless they are trusted;
    /// nothing where they need not and cannot.
    pub auth: Option<sasl::Config>,
    /// How closely paths and EHLO names must follow the grammar.
    pub path_rules: PathRules,
    /// What happens to content with stray line ends.
    pub stray_line_ends: StrayLineEnds,
    /// Whether clients that speak before the greeting are sent away.
    pub refuse_early_talkers: bool,
    /// How long a client may take for a command, or between two pieces of content.
    pub idle_timeout: Option<Duration>,
    /// Whether each command line is reported with `Action::Command`.
    pub note_commands: bool,
    /// What a client may use up.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            domain: OneLine::escaped("localhost"),
            banner: OneLine::escaped("E-MailRelay"),
            size_max: None,
            anonymous_server: false,
            vrfy: true,
            verify: false,
            pipelining: true,
            chunking: false,
            smtputf8: false,
            starttls: false,
            tls_required: false,
            auth: None,
            path_rules: PathRules::Strict,
            stray_line_ends: StrayLineEnds::Refuse,
            refuse_early_talkers: true,
            idle_timeout: Some(IDLE_TIMEOUT),
            note_commands: false,
            limits: Limits::default(),
        }
    }
}

/// What a client may use up. A line of content has no limit: it is never held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest command line in octets with its CRLF; longer gets 500.
    pub command_line_max: usize,
    /// How many octets of a longer line are swallowed before the session ends.
    pub command_swallow_max: usize,
    /// The header section: its size (554 5.6.0) and its hops (554 5.4.6).
    pub header: HeaderLimits,
    /// How many octets of refused content are swallowed before the session ends.
    pub content_swallow_max: u64,
    /// The most recipients of a transaction; one more gets 452.
    pub recipients_max: usize,
    /// How many refused recipients without a message in between end the session.
    pub refused_max: u32,
    /// The most MAIL commands of a session.
    pub transactions_max: u32,
    /// How many protocol errors end the session.
    pub errors_max: u32,
    /// The most commands that lead nowhere before a transaction.
    pub junk_max: u32,
    /// A BDAT chunk that is smaller, in octets, and not the last, leads nowhere.
    pub chunk_junk_below: u64,
    /// How long content may come at any pace.
    pub content_grace: Duration,
    /// How many octets per second it must then have come at on average.
    pub content_rate_min: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            command_line_max: COMMAND_LINE_MAX,
            command_swallow_max: COMMAND_SWALLOW_MAX,
            header: HeaderLimits {
                octets_max: HEADER_MAX,
                received_max: RECEIVED_MAX,
            },
            content_swallow_max: CONTENT_SWALLOW_MAX,
            recipients_max: RECIPIENTS_MAX,
            refused_max: REFUSED_MAX,
            transactions_max: TRANSACTIONS_MAX,
            errors_max: ERRORS_MAX,
            junk_max: JUNK_MAX,
            chunk_junk_below: CHUNK_JUNK_BELOW,
            content_grace: CONTENT_GRACE,
            content_rate_min: CONTENT_RATE_MIN,
        }
    }
}

/// The documented default of `--idle-timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// RFC 5321 4.5.3.1.4 asks for 512 octets, the extensions for about 600 more
/// (SIZE 26, BODY 17, SMTPUTF8 10, AUTH 500).
const COMMAND_LINE_MAX: usize = 4096;

/// Enough for a mistake, too little for an attack.
const COMMAND_SWALLOW_MAX: usize = 64 * 1024;

/// Ten times the largest honest header sections.
const HEADER_MAX: u64 = 1024 * 1024;

/// RFC 5321 6.3 asks for at least 100.
const RECEIVED_MAX: u32 = 100;

/// The sender of a large refused message should get to read the reply.
const CONTENT_SWALLOW_MAX: u64 = 64 * 1024 * 1024;

/// RFC 5321 4.5.3.1.8 asks for at least 100.
const RECIPIENTS_MAX: usize = 1000;

/// Room for the worst of lists, not for those who try all names that there may be.
const REFUSED_MAX: u32 = 5000;

/// A day of mail at one message every nine seconds.
const TRANSACTIONS_MAX: u32 = 10_000;

/// The eighth error is answered, and the session ends.
const ERRORS_MAX: u32 = 8;

/// Room for those who probe recipients and reset, not for a flood.
const JUNK_MAX: u32 = 200;

/// Nobody needs chunks smaller than a packet.
const CHUNK_JUNK_BELOW: u64 = 512;

/// A slow link may need this long to get going.
const CONTENT_GRACE: Duration = Duration::from_secs(60);

/// 500 octets in 10 seconds.
const CONTENT_RATE_MIN: u32 = 50;
