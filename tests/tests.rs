//! The tests of the whole, one module for each topic.

mod vendor;
