//! The `emailrelay-filter-copy` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(emailrelay::cli::filter_copy::main())
}
