//! The administration interface, and metrics.

use crate::config::option::{Argument::Required, Opt};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "admin",
        short: Some('a'),
        argument: Required("port"),
        summary: "port for administration connections",
        doc: "Accepts administration commands, such as one that starts forwarding, as lines of \
            text on this port. Only those on this system are let in, unless --interface names an \
            address for it (admin=192.0.2.1); then whoever may use the other servers is. Without \
            --interface it listens on the loopback addresses.",
        ..Opt::FLAG
    },
    Opt {
        long: "admin-terminate",
        short: Some('Q'),
        summary: "let administrators end the program",
        doc: "Enables the administration command that ends the program.",
        ..Opt::FLAG
    },
    Opt {
        long: "metrics",
        argument: Required("[address:]port|path"),
        summary: "serve metrics for Prometheus over HTTP",
        doc: "Serves counters for Prometheus as /metrics over HTTP on this port of the loopback \
            addresses, and tells as /livez and /readyz whether the program works and whether mail \
            can be stored. Only those on this system are let in, unless an address is given with \
            the port; then whoever may use the other servers is. The path is that of a \
            unix-domain socket.",
        ..Opt::FLAG
    },
];
