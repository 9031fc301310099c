//! What stat(2) says.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Device, inode, and the time of the last change in seconds and nanoseconds.
pub(in crate::sys) fn identity(metadata: &Metadata) -> [i128; 4] {
    [
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.ctime().into(),
        metadata.ctime_nsec().into(),
    ]
}

/// The permission bits.
pub(in crate::sys) fn mode(metadata: &Metadata) -> Option<u32> {
    Some(metadata.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::sys::file_mode::{exposed_mode, stamp};
    use crate::sys::testing::TempDir;

    #[test]
    fn tells_who_else_has_permissions() {
        let directory = TempDir::new();
        let path = directory.join("f");
        fs::write(&path, "").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o700, None),
            (0o640, Some(0o640)),
            (0o604, Some(0o604)),
            (0o620, Some(0o620)),
            (0o611, None),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                exposed_mode(&fs::metadata(&path).unwrap()),
                expected,
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_file_that_takes_the_place_of_another_has_another_stamp() {
        let directory = TempDir::new();
        let (path, other) = (directory.join("f"), directory.join("g"));
        let stamp_of = |path| stamp(&fs::metadata(path).unwrap());
        fs::write(&path, "same").unwrap();
        fs::write(&other, "same").unwrap();
        let before = stamp_of(&path);
        assert_eq!(before, stamp_of(&path));
        fs::rename(&other, &path).unwrap();
        assert_ne!(before, stamp_of(&path));
    }
}
