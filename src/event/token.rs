//! Names for sessions.

/// Names one session for as long as it lives: a slot may be used again, but with
/// another generation, so that the token of a session that is gone matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl Token {
    /// A token that names no session: for jobs whose completion concerns nobody.
    pub const NOBODY: Token = Token {
        index: u32::MAX,
        generation: 0,
    };
}

/// Shows slot and generation, for those who look inside.
impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Token::NOBODY => f.write_str("nobody"),
            Token { index, generation } => write!(f, "session {index}.{generation}"),
        }
    }
}
