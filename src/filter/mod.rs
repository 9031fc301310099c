//! Programs and services of the operator that have a say in what is accepted:
//! what they are asked, and what their answers mean.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod dns;
pub mod mx;
pub mod spec;
pub mod verifier;
