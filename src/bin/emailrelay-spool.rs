//! The `emailrelay-spool` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(emailrelay::cli::spool::main())
}
