//! The door of the lab: hands the command line over and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::cli::run(std::env::args_os())
}
