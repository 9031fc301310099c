//! The filters that are part of this program, by the names that options give them.
//!
//! Each is a worker's job on a message's files, like that of a program, and what it
//! leaves is read again like what a program leaves. Whatever goes wrong is for now:
//! the message is neither accepted nor refused for good.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::chain::BuiltIn;
use super::{copy, deliver, msgid, mx, spam, split};
use crate::base::OneLine;
use crate::net::address::Target;

/// What filters may need to know of the rest of the program.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// How long a service may take; nothing means for ever.
    pub timeout: Option<Duration>,
    /// This host's name.
    pub domain: OneLine,
    /// Where mailboxes are, if not in the spool directory.
    pub delivery_dir: Option<PathBuf>,
    /// Reads which name servers the system has.
    pub name_servers: fn() -> Vec<SocketAddr>,
}

/// Makes the filter of that name (`deliver`, `copy`, `split`, `mx`, `msgid`) with
/// what stands after its colon.
pub fn make(
    name: &str,
    parameters: &str,
    surroundings: &Surroundings,
) -> Result<Arc<dyn BuiltIn>, String> {
    Ok(match name {
        "deliver" => Arc::new(deliver::Deliver::new(parameters, surroundings)?),
        "copy" => Arc::new(copy::Copy::new(parameters)?),
        "split" => Arc::new(split::Split::new(parameters)?),
        "mx" => Arc::new(mx::Mx::new(parameters, surroundings)?),
        "msgid" => Arc::new(msgid::MessageId::new(parameters, surroundings)?),
        _ => return Err(format!("no such filter: {name}")),
    })
}

/// Makes `spam:`, or `spam-edit:` if it is to edit.
pub fn spam(target: Target, edits: bool, surroundings: &Surroundings) -> Arc<dyn BuiltIn> {
    Arc::new(spam::Spam::new(target, edits, surroundings.timeout))
}

/// The words of a list separated by semicolons, such as are not empty.
pub(super) fn words(parameters: &str) -> impl Iterator<Item = &str> {
    parameters
        .split(';')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// The error for a word that a filter does not know.
pub(super) fn unknown(filter: &str, word: &str) -> String {
    format!("{filter}: unknown parameter: {word}")
}

#[cfg(test)]
mod tests;
