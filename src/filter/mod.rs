//! Programs and services of the operator that have a say in what is accepted:
//! what they are asked, and what their answers mean.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod built_in;
pub mod chain;
pub mod copy;
pub mod deliver;
pub mod dns;
pub mod msgid;
pub mod mx;
pub mod output;
pub mod program;
pub mod recheck;
pub mod spam;
pub mod spec;
pub mod split;
pub mod verdict;
pub mod verifier;
