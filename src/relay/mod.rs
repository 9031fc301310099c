//! Sessions, the forwarder and the loop that drives them.
//!
//! The loop ([`run::Relay`]) owns every session and is the only place that asks
//! for the time. A session is told what happened (its socket is ready, its
//! deadline passed, a message for it arrived) and acts through the
//! [`context::Context`]: it submits jobs, posts messages to other sessions by
//! token and starts new sessions. It never blocks and never holds a reference to
//! another session.
#![forbid(unsafe_code)]

pub mod acceptance;
pub mod access;
pub mod admin;
pub mod bounce;
pub mod client_filter;
pub mod clients;
pub mod connection;
pub mod context;
pub mod dialogue;
pub mod disk;
pub mod dns_socket;
pub mod dnsbl;
pub mod encryption;
pub mod filter_files;
pub mod filter_run;
pub mod filters;
pub mod forwarder;
pub mod guest;
pub mod instance;
pub mod intake;
pub mod limits;
pub mod listener;
pub mod listening;
pub mod login;
pub mod lookup;
pub mod mail;
pub mod maildrop;
pub mod metrics_server;
pub mod name_servers;
pub mod net_filter;
pub mod parting;
pub mod passwords;
pub mod peer;
pub mod pop_server;
pub mod programs;
pub mod run;
pub mod security;
pub mod service_link;
pub mod session;
pub mod settlement;
pub mod smtp_client;
pub mod smtp_server;
pub mod verdict;
pub mod verification;
pub mod verifier_client;
pub mod watch;
