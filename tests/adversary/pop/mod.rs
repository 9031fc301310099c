//! POP3: the model, the alphabet, and the walks.

mod commands;
mod memory;
mod model;
#[cfg(unix)]
mod program;
#[cfg(unix)]
mod tcp;
mod walk;
