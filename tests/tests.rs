//! All integration tests, as modules of one binary.
// Clippy knows that tests may unwrap, but not that their helpers are tests.
#![allow(clippy::unwrap_used)]

mod account_verifier;
mod admin;
mod adversary;
mod bounces;
mod built_in_filters;
mod check;
mod client_auth;
mod client_filters;
mod client_machine;
mod client_tls;
mod client_window;
mod configurations;
mod delivery;
mod dnsbl;
mod documents;
mod durability;
mod example_filters;
mod exhaustion;
mod filter_copy;
mod filters;
mod forwarding;
mod forwarding_limits;
mod fuzz_replay;
mod immediate;
mod interfaces;
mod interop;
mod interop_extensions;
mod kill;
mod layering;
mod local_recipients;
#[cfg(unix)]
mod logging;
mod metrics;
mod modes;
mod mx_filter;
mod net_filters;
mod net_verifier;
mod next_hops;
#[cfg(windows)]
mod on_windows;
mod outcomes;
#[cfg(target_os = "linux")]
mod packaging;
#[cfg(target_os = "linux")]
mod pam;
#[cfg(target_os = "linux")]
mod pop_attacks;
#[cfg(unix)]
mod pop_peers;
mod pop_server;
mod pop_transcripts;
mod postfix;
mod privileges;
mod processes;
mod relaying;
mod restarts;
#[cfg(target_os = "linux")]
mod routing_fields;
mod sandbox;
mod sendmail;
mod server_auth;
mod server_machine;
mod server_over_tcp;
mod server_tls;
mod server_transcripts;
mod slow_clients;
mod slow_name_servers;
mod slow_next_hops;
mod socks;
mod spam;
mod spool_tool;
#[cfg(target_os = "linux")]
mod static_program;
mod stopping;
mod submit;
mod submit_hostile;
mod support;
mod trouble;
mod vendor;
mod verifier;
