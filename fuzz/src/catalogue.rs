//! Catalogues of translations.

use emailrelay::config::catalogue::{Catalogue, places};
use emailrelay::config::help::Width;
use emailrelay::config::{Platform, help};

use super::pieces::check_shown;

/// The file of one; or the name of a locale.
pub(crate) fn catalogue(data: &[u8]) {
    match Catalogue::parse(data) {
        Ok(catalogue) => {
            let text = "mail";
            let translated = catalogue.translate(text);
            let is_there = |part: &str| {
                let mut windows = data.windows(part.len().max(1));
                windows.any(|window| window == part.as_bytes())
            };
            assert!(translated == text || is_there(translated));
            let width = Width::from_columns(Some("40"));
            let page = help::help(false, Platform::Unix, width, &catalogue);
            assert!(page.ends_with('\n'));
        }
        Err(why) => check_shown(&why.to_string(), 200),
    }
    let locale = String::from_utf8_lossy(data);
    for place in places(&locale) {
        check_shown(&place, locale.len() + 100);
        assert_eq!(
            place.split('/').count(),
            3,
            "stays below its folder: {place}"
        );
        assert!(!place.starts_with('.') && !place.starts_with('/'));
    }
}
