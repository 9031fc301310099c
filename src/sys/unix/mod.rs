//! What Unix systems offer.

pub(super) mod file;
