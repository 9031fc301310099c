//! The administration interface.

use crate::config::option::{Argument::Required, Opt, Status::Planned};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "admin",
        short: Some('a'),
        argument: Required("port"),
        status: Planned,
        summary: "port for administration connections",
        doc: "Accepts administration commands, such as one that starts forwarding, as lines of \
            text on this port.",
        ..Opt::FLAG
    },
    Opt {
        long: "admin-terminate",
        short: Some('Q'),
        status: Planned,
        summary: "let administrators end the program",
        doc: "Enables the administration command that ends the program.",
        ..Opt::FLAG
    },
];
