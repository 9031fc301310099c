//! What a server is configured to do.

use std::time::Duration;

use crate::base::OneLine;
use crate::proto::sasl;

/// How sessions are to be served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name, for challenges.
    pub domain: OneLine,
    /// What CAPA says of the program; nothing to say nothing.
    pub implementation: Option<OneLine>,
    /// Whether STLS is offered.
    pub stls: bool,
    /// Whether clients cannot log in before the connection is encrypted.
    pub tls_required: bool,
    /// Which mechanisms clients may log in with.
    pub auth: sasl::Config,
    /// Whether messages are kept although they are deleted.
    pub no_delete: bool,
    /// How long a client may take for a command before it has logged in; nothing
    /// means for ever.
    pub idle_timeout: Option<Duration>,
    /// The same once it has.
    pub maildrop_idle_timeout: Option<Duration>,
    /// Whether each command line is reported with `Action::Command`.
    pub note_commands: bool,
    /// What a client may use up.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            domain: OneLine::escaped("localhost"),
            implementation: Some(OneLine::escaped("E-MailRelay")),
            stls: false,
            tls_required: false,
            auth: sasl::Config::default(),
            no_delete: false,
            idle_timeout: Some(Duration::from_secs(60)),
            maildrop_idle_timeout: Some(Duration::from_secs(600)),
            note_commands: false,
            limits: Limits::default(),
        }
    }
}

/// What a client may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest command line in octets with its CRLF, but for AUTH.
    pub command_line_max: usize,
    /// How many octets of a longer line are swallowed before the session ends.
    pub command_swallow_max: usize,
    /// How many protocol errors end the session.
    pub errors_max: u32,
    /// The most commands that lead nowhere.
    pub junk_max: u32,
    /// How much is said at once, in octets: a listing is made in such pieces, and
    /// commands that have been pipelined wait for their turn.
    pub piece: usize,
    /// How long a client may take the response of many lines at any pace.
    pub response_grace: Duration,
    /// How many octets per second it must then have taken on average.
    pub response_rate_min: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            command_line_max: COMMAND_LINE_MAX,
            command_swallow_max: COMMAND_SWALLOW_MAX,
            errors_max: ERRORS_MAX,
            junk_max: JUNK_MAX,
            piece: PIECE,
            response_grace: RESPONSE_GRACE,
            response_rate_min: RESPONSE_RATE_MIN,
        }
    }
}

/// RFC 2449 4.
const COMMAND_LINE_MAX: usize = 255;

/// Enough for a mistake, too little for an attack.
const COMMAND_SWALLOW_MAX: usize = 64 * 1024;

/// The eighth error is answered, and the session ends.
const ERRORS_MAX: u32 = 8;

/// A client that keeps a session alive for a week asks less.
const JUNK_MAX: u32 = 2000;

/// Some hundred lines.
const PIECE: usize = 8 * 1024;

/// A slow link may need this long to get going.
const RESPONSE_GRACE: Duration = Duration::from_secs(60);

/// 500 octets in 10 seconds.
const RESPONSE_RATE_MIN: u32 = 50;
