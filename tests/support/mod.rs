//! What several integration tests use.

pub(crate) mod in_memory;
pub(crate) mod transcript;
