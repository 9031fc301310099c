//! Every option of the program, by category; nothing about an option is written
//! down anywhere else but its check.

mod admin;
mod auth;
mod basic;
mod logging;
mod pop;
mod process;
mod smtp_client;
mod smtp_server;
mod tls;

use super::option::{Category, Opt};

/// The categories, in the order of the help.
pub const CATEGORIES: &[Category] = &[
    category("Basic options", basic::OPTIONS),
    category("SMTP client options", smtp_client::OPTIONS),
    category("SMTP server options", smtp_server::OPTIONS),
    category("POP server options", pop::OPTIONS),
    category("Admin server options", admin::OPTIONS),
    category("Authentication options", auth::OPTIONS),
    category("TLS options", tls::OPTIONS),
    category("Process options", process::OPTIONS),
    category("Logging options", logging::OPTIONS),
];

const fn category(title: &'static str, options: &'static [Opt]) -> Category {
    Category { title, options }
}

/// All options, in the order of the help.
pub fn options() -> impl Iterator<Item = &'static Opt> {
    CATEGORIES.iter().flat_map(|category| category.options)
}

/// The option of that name, given without dashes.
pub fn find(long: &str) -> Option<&'static Opt> {
    options().find(|option| option.long == long)
}

/// Whether the option of that name concerns the process as a whole, however many
/// configurations it has.
pub fn is_process_wide(long: &str) -> bool {
    const ELSEWHERE: [&str; 3] = ["help", "version", "as-server"];
    const OF_ONE: [&str; 2] = ["dont-serve", "no-smtp"];
    let has = |options: &[Opt]| options.iter().any(|option| option.long == long);
    let is_listed = has(process::OPTIONS) || has(logging::OPTIONS);
    ELSEWHERE.contains(&long) || (is_listed && !OF_ONE.contains(&long))
}

/// The option of that single-letter name.
pub fn find_short(short: char) -> Option<&'static Opt> {
    options().find(|option| option.short == Some(short))
}

#[cfg(test)]
mod tests;
