//! The manual pages of the small programs.

use super::{filter_copy, resubmit, service, spool, submit};

/// The name of each program with its page; that of emailrelay-passwd, which tells
/// of the files of secrets, is not made of its options.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        filter_copy::manual(),
        resubmit::manual(),
        service::manual(),
        spool::manual(),
        submit::manual(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_manual_pages_are_the_generated_ones() {
        for (name, page) in pages() {
            let path = format!("{}/man/{name}.1", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("EMAILRELAY_WRITE_MAN").is_some() {
                std::fs::write(&path, &page).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed.replace("\r\n", "\n") == page,
                "man/{name}.1 is out of date; write it by: EMAILRELAY_WRITE_MAN=1 cargo test man"
            );
            assert!(page.is_ascii());
            let is_clean = |line: &str| !line.is_empty() && line.trim_end() == line;
            assert!(page.lines().all(is_clean), "{name}");
        }
    }
}
