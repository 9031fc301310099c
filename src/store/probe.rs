//! Whether the spool can be written.

use super::error::{At, Error, Operation};
use super::fs::Fs;

/// The file that is made and removed at once. It has the same name every time, so
/// that one left behind by a crash is removed with the next.
const NAME: &[u8] = b".emailrelay-probe";

/// What is written, so that a full disk is noticed.
const OCTETS: [u8; 4096] = [0; 4096];

/// Makes a file, writes to it and removes it.
pub(super) fn probe(fs: &dyn Fs) -> Result<(), Error> {
    let create = || fs.create_new(NAME).at(Operation::Create, NAME);
    let mut file = match create() {
        Err(error) if error.is_taken() => {
            remove(fs)?;
            match create() {
                // Another process has just done what we want to know is possible.
                Err(error) if error.is_taken() => return Ok(()),
                result => result?,
            }
        }
        result => result?,
    };
    let written = file.write_all(&OCTETS).at(Operation::Write, NAME);
    remove(fs)?;
    written
}

fn remove(fs: &dyn Fs) -> Result<(), Error> {
    match fs.remove(NAME).at(Operation::Remove, NAME) {
        Err(error) if error.is_missing() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::super::real::RealFs;
    use super::*;
    use std::fs;

    #[test]
    fn leaves_nothing_behind() {
        let path = std::env::temp_dir().join(format!("probe.{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let names = || fs::read_dir(&path).unwrap().count();
        let real = RealFs::open(&path).unwrap();
        probe(&real).unwrap();
        assert_eq!(names(), 0);
        fs::write(path.join(".emailrelay-probe"), "left behind").unwrap();
        probe(&real).unwrap();
        assert_eq!(names(), 0);
        fs::create_dir(path.join(".emailrelay-probe")).unwrap();
        assert!(probe(&real).is_err(), "that is no file of ours");
        fs::remove_dir_all(&path).unwrap();
        assert!(probe(&real).is_err());
    }
}
