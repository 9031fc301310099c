//! What an operator may name where a program is asked for.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use crate::base::ascii;
use crate::net::address::Target;
use crate::sys::{self, child};

/// A program, or what does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// A program, by its absolute path.
    Program(PathBuf),
    /// A service.
    Net(Target),
    /// A program that does nothing but exit with that status.
    Exit(u8),
    /// The users of this system.
    Accounts(Accounts),
}

/// A program that could not be run.
#[derive(Debug)]
pub struct Unusable {
    program: PathBuf,
    source: io::Error,
}

impl Spec {
    /// Sees whether there is a program that can be run. Services are asked when
    /// they are needed: they may well start later than we do.
    pub fn check(&self) -> Result<(), Unusable> {
        match self {
            Spec::Program(program) => check(program),
            Spec::Net(_) | Spec::Exit(_) | Spec::Accounts(_) => Ok(()),
        }
    }
}

/// Sees whether a program is there and can be run.
pub fn check(program: &Path) -> Result<(), Unusable> {
    child::check(program).map_err(|source| Unusable {
        program: program.to_owned(),
        source,
    })
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = ascii::escape(self.program.as_os_str().as_encoded_bytes());
        let reason = sys::reason(&self.source);
        write!(
            f,
            "cannot run \"{program}\": {reason} (all of it is the name of one file, which must \
             be executable: there can be no arguments)"
        )
    }
}

impl std::error::Error for Unusable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_must_be_there() {
        let spec = Spec::Program("/no/such/program --option".into());
        let text = spec.check().unwrap_err().to_string();
        assert!(
            text.starts_with("cannot run \"/no/such/program --option\": "),
            "{text}"
        );
        assert!(text.ends_with("there can be no arguments)"), "{text}");
    }

    #[test]
    fn what_is_not_a_program_need_not() {
        Spec::Exit(3).check().unwrap();
        let target = Target::parse("no-such-host.invalid:1").unwrap();
        Spec::Net(target).check().unwrap();
    }
}
