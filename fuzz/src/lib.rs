//! What is fuzzed: one function for each parser of octets from outside, with the
//! properties that must hold for any input.
//!
//! `cargo fuzz run TARGET` calls them with what libFuzzer finds (`fuzz_targets/`), and
//! `tests/fuzz_replay.rs` with the committed corpora, on any toolchain. A body panics
//! where a property does not hold; it never reads a file, asks for the time of day or
//! writes anything, so that the same octets always do the same.

mod addresses;
mod administration;
mod block_lists;
mod catalogue;
mod certificates;
mod configuration;
mod encodings;
mod envelope;
mod framing;
mod header;
mod names;
mod path;
mod pieces;
mod pop;
mod reply;
mod sasl;
mod secrets;
mod services;
mod smtp_client;
mod smtp_server;

/// Something that is fuzzed.
pub struct Target {
    /// The name of the target and of the folder of its corpus.
    pub name: &'static str,
    /// Tries one input.
    pub body: fn(&[u8]),
}

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    target("addresses", addresses::addresses),
    target("admin", administration::admin),
    target("bdat", smtp_server::bdat),
    target("block_lists", block_lists::block_lists),
    target("catalogue", catalogue::catalogue),
    target("certificates", certificates::certificates),
    target("command_line", configuration::command_line),
    target("configuration", configuration::configuration),
    target("content", framing::content),
    target("dns", names::dns),
    target("encodings", encodings::encodings),
    target("envelope", envelope::envelope),
    target("envelope_fields", envelope::envelope_fields),
    target("environment", configuration::environment),
    target("filter_replies", services::filter_replies),
    target("header", header::header),
    target("http", administration::http),
    target("line", framing::line),
    target("mailbox_list", header::mailbox_list),
    target("path", path::path),
    target("pop", pop::pop),
    target("reply", reply::reply),
    target("sasl", sasl::round_trip),
    target("sasl_client", sasl::client),
    target("sasl_server", sasl::server),
    target("secrets", secrets::secrets),
    target("smtp_client", smtp_client::smtp_client),
    target("smtp_server", smtp_server::smtp_server),
    target("socks", services::socks),
    target("spamd", services::spamd),
    target("spool_names", names::spool_names),
];

const fn target(name: &'static str, body: fn(&[u8])) -> Target {
    Target { name, body }
}

/// Tries one input for the target of that name.
///
/// # Panics
/// If there is no such target, or a property does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").body)(data);
}
