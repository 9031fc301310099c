//! The accounts of this system, as its name service knows them.

use std::io;

use super::platform::account as platform;

/// The number of the user of that name; nothing where there is no such user. Blocks
/// while the name service is slow. `Unsupported` where users have no numbers.
pub fn user_id(name: &str) -> io::Result<Option<u32>> {
    platform::user_id(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn knows_who_is_here() {
        assert_eq!(user_id("root").unwrap(), Some(0));
        for nobody in ["no-such-user-here", "", "ro\0ot", "root:", "../root"] {
            assert_eq!(user_id(nobody).unwrap(), None, "{nobody:?}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn has_no_numbers_to_give() {
        let error = user_id("Administrator").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
