//! A mail relay: accepts mail by SMTP, spools it durably and forwards it.
//!
//! # Layers
//!
//! A module may use only modules of rows above it; `tests/layering.rs` enforces
//! it by reading the sources.
//!
//! | row | module | may use | what it is for |
//! |---|---|---|---|
//! | 0 | [`base`] | std | byte queues, text of one line, dates, the log |
//! | 0 | [`sys`] | `base` | every operating system call that std does not offer |
//! | 1 | [`proto`] | `base` | protocols as pure machines: bytes and time in, actions out |
//! | 1 | [`config`] | `base` | the option table, and all that is derived from it |
//! | 1 | [`tls`] | `sys`, `base` | engines: ciphertext to plaintext and back |
//! | 1 | [`event`] | `sys`, `base` | poller, tokens, timers, worker pool, waker |
//! | 2 | [`net`] | `event`, `sys`, `base` | addresses, listeners, connecting, resolving |
//! | 2 | [`store`] | `sys`, `base` | the spool directory |
//! | 2 | [`auth`] | `proto`, `sys`, `base` | secrets, trusted addresses, the check of credentials |
//! | 3 | [`filter`] | all above but `config` | programs and services that judge mail |
//! | 4 | [`relay`] | all above | sessions, the forwarder, the loop |
//! | 5 | [`cli`] | all above | start-up and exit codes |

pub mod auth;
pub mod base;
pub mod cli;
pub mod config;
pub mod event;
pub mod filter;
pub mod net;
pub mod proto;
pub mod relay;
pub mod store;
pub mod sys;
pub mod tls;
