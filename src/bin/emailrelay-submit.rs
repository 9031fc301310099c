//! The `emailrelay-submit` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(emailrelay::cli::submit::main())
}
