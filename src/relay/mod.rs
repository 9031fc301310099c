//! Sessions, the forwarder and the loop that drives them.
#![forbid(unsafe_code)]
