//! Chains of filters: what `--filter` and `--client-filter` name.
//!
//! The filters of a chain see a message one after the other. The first that does
//! not accept it decides; what earlier ones have wished for besides stays wished.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::ascii;
use crate::net::address::Target;
use crate::store::{Spool, StoredId, Suffix};

use super::spec::{self, Unusable};
use super::verdict::Finding;

/// Which way mail is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It comes in: `--filter`.
    Server,
    /// It goes out: `--client-filter`.
    Client,
}

/// All filters of one side.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Which side.
    pub side: Side,
    /// The filters, in the order in which they are asked.
    pub links: Vec<Link>,
    /// How long each of them may take; nothing means for ever.
    pub timeout: Option<Duration>,
}

/// One filter.
#[derive(Clone, Debug)]
pub enum Link {
    /// A program, by its absolute path.
    Program(PathBuf),
    /// A service that is told the name of the content file.
    Net(Target),
    /// A program that does nothing but exit with that status.
    Exit(u8),
    /// Nothing but a delay.
    Sleep(Duration),
    /// Something that this program does itself, on a worker.
    BuiltIn(Arc<dyn BuiltIn>),
}

/// A filter that is part of this program.
pub trait BuiltIn: fmt::Debug + Send + Sync {
    /// The filter as the operator has written it.
    fn name(&self) -> String;

    /// Looks at the message, and may change, remove or add files, as a program
    /// could. Blocks, on a worker. What it leaves is read again.
    fn run(&self, subject: &Subject) -> Finding;
}

/// The message that a filter is asked about.
#[derive(Clone)]
pub struct Subject {
    /// Which way it is going.
    pub side: Side,
    /// Where it is.
    pub spool: Spool,
    /// Its id.
    pub id: StoredId,
    /// Which its envelope is: `.new` where it has yet to be acknowledged, which it has
    /// to be before it goes out at once as well, or `.busy`.
    pub suffix: Suffix,
    /// Set once nobody waits for the result any more.
    pub cancelled: Arc<AtomicBool>,
}

impl Chain {
    /// Sees whether there are programs that can be run; see [`spec::check`].
    pub fn check(&self) -> Result<(), Unusable> {
        self.links.iter().try_for_each(|link| match link {
            Link::Program(program) => spec::check(program),
            _ => Ok(()),
        })
    }
}

impl Link {
    /// The line that is logged when the filter is asked.
    pub fn asking(&self, subject: &Subject) -> String {
        let noun = subject.side.noun();
        match self {
            Link::Program(_) => {
                let paths = [subject.content(), subject.envelope()];
                let shown = |path: &PathBuf| ascii::escape(path.as_os_str().as_encoded_bytes());
                let [content, envelope] = paths.each_ref().map(shown);
                format!("{noun}: running [{self}] [{content}] [{envelope}]")
            }
            _ => format!("{noun}: asking [{self}]"),
        }
    }
}

impl Subject {
    /// The absolute path of the content file.
    pub fn content(&self) -> PathBuf {
        self.spool.path_of(&self.id, Suffix::Content)
    }

    /// The absolute path of the envelope file.
    pub fn envelope(&self) -> PathBuf {
        self.spool.path_of(&self.id, self.suffix)
    }
}

impl Side {
    /// What log lines call a filter of that side.
    pub fn noun(self) -> &'static str {
        match self {
            Side::Server => "filter",
            Side::Client => "client filter",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Program(path) => f.write_str(&ascii::escape(path.as_os_str().as_encoded_bytes())),
            Link::Net(target) => write!(f, "net:{target}"),
            Link::Exit(code) => write!(f, "exit:{code}"),
            Link::Sleep(delay) => write!(f, "sleepms:{}", delay.as_millis()),
            Link::BuiltIn(filter) => f.write_str(&filter.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(links: Vec<Link>) -> Chain {
        Chain {
            side: Side::Server,
            links,
            timeout: None,
        }
    }

    #[test]
    fn filters_are_shown_as_they_are_written() {
        let target = Target::parse("127.0.0.1:9").unwrap();
        for (link, shown) in [
            (Link::Program("/a b\n".into()), "/a b\\n"),
            (Link::Net(target), "net:127.0.0.1:9"),
            (Link::Exit(100), "exit:100"),
            (Link::Sleep(Duration::from_millis(1500)), "sleepms:1500"),
        ] {
            assert_eq!(link.to_string(), shown);
        }
    }

    #[test]
    fn every_program_must_be_there() {
        chain(vec![Link::Exit(0)]).check().unwrap();
        let missing = Link::Program("/no/such/program".into());
        chain(vec![Link::Exit(0), missing]).check().unwrap_err();
    }
}
