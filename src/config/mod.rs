//! The option table, and all that is derived from it: parsing, checking, help
//! and the manual page. Takes text and opens nothing.
#![forbid(unsafe_code)]
