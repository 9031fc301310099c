//! Which spool directory a program works on.

use std::path::{Path, PathBuf};

use crate::config::settings::SPOOL_DIR;
use crate::store::Spool;
use crate::sys::file::native_name;

use super::tool::Failure;

/// What stands for the directory of the program at the start of a path.
const APP: &str = "@app";

/// The directory that an option names, or else the usual one.
pub(super) fn choose(value: Option<&[u8]>) -> Result<PathBuf, Failure> {
    let Some(value) = value else {
        return Ok(PathBuf::from(SPOOL_DIR));
    };
    if value.is_empty() || value.contains(&0) {
        return Err(Failure::usage("invalid spool directory"));
    }
    let path = PathBuf::from(native_name(value));
    match path.strip_prefix(APP) {
        Err(_) => Ok(path),
        Ok(rest) => Ok(own_directory()?.join(rest)),
    }
}

/// Opens a spool directory; the seed is where this process's ids start.
pub(super) fn open(path: &Path, seed: u64) -> Result<Spool, Failure> {
    let opened = Spool::open(path, seed);
    opened.map_err(|error| Failure::new(&format!("invalid spool directory: {error}")))
}

fn own_directory() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe().ok();
    let parent = path.as_deref().and_then(Path::parent).map(Path::to_owned);
    parent.ok_or_else(|| Failure::new("cannot tell where the program is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_given_or_the_usual_one() {
        let choose = |value: &str| choose(Some(value.as_bytes())).unwrap();
        assert_eq!(super::choose(None).unwrap(), Path::new(SPOOL_DIR));
        assert_eq!(choose("x/y"), Path::new("x/y"));
        assert_eq!(choose("@apple"), Path::new("@apple"));
        let own = own_directory().unwrap();
        assert_eq!(choose("@app"), own);
        assert_eq!(choose("@app/../spool"), own.join("../spool"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in [&b""[..], b"a\0b"] {
            assert!(choose(Some(bad)).is_err());
        }
    }
}
