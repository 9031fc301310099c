//! Addresses, listeners, connecting and resolving.
#![forbid(unsafe_code)]
