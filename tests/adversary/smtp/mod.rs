//! SMTP: the model, the alphabet, and the walks.

mod commands;
mod content;
mod memory;
mod model;
mod replies;
mod rules;
mod syntax;
#[cfg(unix)]
mod tcp;
mod terms;
mod walk;
