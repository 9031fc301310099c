//! Sockets that the service manager opened before it started the program, as
//! systemd announces them in the environment (sd_listen_fds(3)).

use std::error::Error;
use std::fmt;

use crate::base::ascii;

/// The number of the first socket.
const FIRST: u32 = 3;

/// The most sockets that are taken.
pub const SOCKETS_MAX: u32 = 100;

/// A socket that was handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Its descriptor.
    pub descriptor: u32,
    /// What the service manager calls it, where it says.
    pub name: Option<String>,
}

/// The environment announces sockets in a way that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationError {
    count: String,
}

/// Reads which sockets the environment announces for the process of that number.
/// There are none where it announces them for another, such as our parent.
pub fn sockets(
    process: u32,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Handed>, ActivationError> {
    if variable("LISTEN_PID") != Some(process.to_string()) {
        return Ok(Vec::new());
    }
    let count = variable("LISTEN_FDS").unwrap_or_default();
    let number = ascii::parse_decimal(count.as_bytes())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number <= SOCKETS_MAX)
        .ok_or(ActivationError { count })?;
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|_| !names.is_empty());
    let next = |descriptor| Handed {
        descriptor,
        name: names.next().map(str::to_owned),
    };
    Ok((FIRST..FIRST + number).map(next).collect())
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = ascii::escape(self.count.as_bytes());
        write!(
            f,
            "cannot take the sockets of the environment: LISTEN_FDS is \"{count}\", not a number \
             up to {SOCKETS_MAX}"
        )
    }
}

impl Error for ActivationError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<(u32, Option<String>)>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let handed = sockets(77, &variable).map_err(|error| error.to_string())?;
        Ok(handed.into_iter().map(|h| (h.descriptor, h.name)).collect())
    }

    #[test]
    fn reads_numbers_and_names() {
        let named = |name: &str| Some(name.to_owned());
        let pid = ("LISTEN_PID", "77");
        assert_eq!(read(&[pid, ("LISTEN_FDS", "0")]), Ok(vec![]));
        let two = read(&[pid, ("LISTEN_FDS", "2")]);
        assert_eq!(two, Ok(vec![(3, None), (4, None)]));
        let names = ("LISTEN_FDNAMES", "smtp:pop");
        let three = read(&[pid, ("LISTEN_FDS", "3"), names]);
        let expected = vec![(3, named("smtp")), (4, named("pop")), (5, None)];
        assert_eq!(three, Ok(expected));
    }

    #[test]
    fn what_is_meant_for_another_process_is_left_alone() {
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&[("LISTEN_FDS", "2")]), Ok(vec![]));
        let other = [("LISTEN_PID", "78"), ("LISTEN_FDS", "x")];
        assert_eq!(read(&other), Ok(vec![]));
    }

    #[test]
    fn counts_are_bounded() {
        for bad in ["", "x", "-1", "101", "4294967296"] {
            let error = read(&[("LISTEN_PID", "77"), ("LISTEN_FDS", bad)]).unwrap_err();
            assert!(error.contains(&format!("\"{bad}\"")), "{error}");
        }
        let most = read(&[("LISTEN_PID", "77"), ("LISTEN_FDS", "100")]).unwrap();
        assert_eq!(most.len(), 100);
    }
}
