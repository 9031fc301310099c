//! Whether the spool can be written.

use super::error::{At, Error, Operation};
use super::files::Files;
use super::fs::Fs;

/// The file that is made and removed at once. It has the same name every time, so
/// that one left behind by a crash is removed with the next.
const NAME: &[u8] = b".emailrelay-probe";

/// What is written and synced, so that a full disk is noticed, and one that fails or
/// hangs only when it is to keep something.
const OCTETS: [u8; 4096] = [0; 4096];

/// Makes a file, writes to it, syncs it and removes it, and syncs the directory: what is
/// done for a message before it is acknowledged.
pub(super) fn probe(files: &Files) -> Result<(), Error> {
    let fs = files.fs.as_ref();
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
    let kept = written.and_then(|()| file.sync().at(Operation::Sync, NAME));
    remove(fs)?;
    kept?;
    files.sync()
}

fn remove(fs: &dyn Fs) -> Result<(), Error> {
    match fs.remove(NAME).at(Operation::Remove, NAME) {
        Err(error) if error.is_missing() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty::{Fault, Faulty};
    use super::super::spool::Spool;
    use crate::sys::testing::TempDir;
    use std::path::PathBuf;
    use std::{fs, io};

    #[test]
    fn leaves_nothing_behind() {
        let folder = TempDir::new();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let spool = Spool::open(folder.path(), 1).unwrap();
        spool.probe().unwrap();
        assert_eq!(names(), 0);
        folder.write(".emailrelay-probe", "left behind");
        spool.probe().unwrap();
        assert_eq!(names(), 0);
        fs::create_dir(folder.join(".emailrelay-probe")).unwrap();
        assert!(spool.probe().is_err(), "that is no file of ours");
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(spool.probe().is_err());
    }

    #[test]
    fn does_what_keeping_a_message_takes() {
        let disk = Faulty::new();
        let spool = Spool::with_fs(Box::new(disk.clone()), PathBuf::from("/spool"), 1);
        disk.set_fault(Fault::None);
        spool.probe().unwrap();
        let operations = ["create", "write", "sync", "remove", "sync names"];
        assert_eq!(disk.trace(), operations);
        for at in 1..=operations.len() {
            disk.set_fault(Fault::Fail(at, io::ErrorKind::StorageFull));
            assert!(spool.probe().unwrap_err().is_full(), "{at}");
            disk.set_fault(Fault::None);
            spool.probe().unwrap();
            assert!(disk.listing().is_empty(), "{at}");
        }
    }
}
