//! Waiting: poller, tokens, timers and the worker pool.
//!
//! The loop (in `relay`) owns all sessions in a [`Slab`] and hands out
//! [`Token`]s; timers, jobs and readiness all name a session by its token, so
//! that whatever comes too late finds nothing and harms nothing.
#![forbid(unsafe_code)]

pub mod poller;
pub mod pool;
pub mod slab;
pub mod timers;
pub mod token;

pub use poller::{Interest, Pollable, Poller, Ready};
pub use pool::{Completion, Pool, Work};
pub use slab::Slab;
pub use timers::Timers;
pub use token::Token;
