//! The `stagger` program: an exit code from [`stagger::cli::run`], nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(stagger::cli::run())
}
