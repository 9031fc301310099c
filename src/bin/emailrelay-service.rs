//! The `emailrelay-service` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(emailrelay::cli::service::main())
}
