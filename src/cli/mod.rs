//! What a person types and sees: arguments, settings, commands, errors as text, progress.
//!
//! The only room that reads the environment, prints, and knows where files are.

mod args;
mod embedded;

pub mod failure;
mod lines;
mod progress;

/// Runs the program and returns its exit code.
pub fn run() -> u8 {
    failure::ExitCode::Done as u8
}
