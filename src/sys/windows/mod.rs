//! What Windows offers.

pub(super) mod file;
