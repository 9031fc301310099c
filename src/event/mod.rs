//! Waiting: poller, tokens, timers, the worker pool and the waker.
#![forbid(unsafe_code)]
