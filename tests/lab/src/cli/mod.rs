//! The command line of the lab, for a person and for scripts.
//!
//! One file a command. This is the only place that prints, and the only one that reads the
//! environment. Data goes to standard output, all else to standard error.

mod bench;
mod demo;
mod down;
mod faults;
mod interrupt;
mod memsql;
mod relay;
mod ssh;
mod status;
mod terminal;
mod traps;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::fleet::{self, Place};
use terminal::tell;

/// Boots hosts on this machine and tries stagger on them.
#[derive(Debug, Parser)]
#[command(name = "lab", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot hosts and leave them running
    Up(up::Arguments),
    /// Take fleets down, and whatever a crash has left
    Down(down::Arguments),
    /// Log in to a host, or run a command on it
    Ssh(ssh::Arguments),
    /// Upgrade a cluster while clients go on, and show what came of it
    Demo(demo::Arguments),
    /// Measure stagger beside what the same work costs by hand
    Bench(bench::Arguments),
    /// Let every class of fault befall every task of an upgrade, and judge what comes of it
    Faults(faults::Arguments),
    /// Run every case of the table of what can go wrong, and show how each row ended
    Traps(traps::Arguments),
    /// Show what runs
    Status(status::Arguments),
    #[command(hide = true)]
    Relay(relay::Arguments),
}

/// Why a command of the lab did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A fleet could not be made, used or taken down.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// A cluster could not be set up.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::Error),
    /// The product could not be built.
    #[error(transparent)]
    Product(#[from] crate::product::Error),
    /// A demonstration could not be carried out.
    #[error(transparent)]
    Demo(#[from] crate::demo::Error),
    /// A benchmark could not be carried out.
    #[error(transparent)]
    Bench(#[from] crate::bench::Error),
    /// A fault run could not be carried out.
    #[error(transparent)]
    Faults(#[from] crate::faults::Error),
    /// A table could not be run.
    #[error(transparent)]
    Traps(#[from] crate::traps::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] crate::command::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::files::Error),
    /// Something was asked for that is not there or is not clear.
    #[error("{0}")]
    Usage(String),
    /// Nowhere to keep things.
    #[error("neither HOME nor XDG_CACHE_HOME says where to keep root file systems")]
    NoCache,
    /// The lab cannot find itself.
    #[error("cannot find the program that this is: {0}")]
    NoProgram(std::io::Error),
}

/// Runs the lab as it was called, and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return parse_failure(&error),
    };
    match carry_out(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn carry_out(command: Command) -> Result<ExitCode, Error> {
    let place = place()?;
    match command {
        Command::Up(arguments) => up::run(&place, &arguments),
        Command::Down(arguments) => down::run(&place, &arguments),
        Command::Ssh(arguments) => ssh::run(&place, &arguments),
        Command::Demo(arguments) => demo::run(&place, &arguments),
        Command::Bench(arguments) => bench::run(&place, &arguments),
        Command::Faults(arguments) => faults::run(&place, &arguments),
        Command::Traps(arguments) => traps::run(&arguments),
        Command::Status(arguments) => status::run(&place, &arguments),
        Command::Relay(arguments) => relay::run(&arguments),
    }
}

fn parse_failure(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    // Nobody is left to be told that nobody can be told.
    let _closed = error.print();
    ExitCode::from(u8::from(!is_help))
}

/// Returns where this machine's fleets and this user's root file systems are.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab's environment is read here, and only here"
)]
pub fn place() -> Result<Place, Error> {
    let cache = match std::env::var("XDG_CACHE_HOME") {
        Ok(directory) if !directory.is_empty() => PathBuf::from(directory),
        Ok(_) | Err(_) => std::env::home_dir().ok_or(Error::NoCache)?.join(".cache"),
    };
    Ok(Place {
        cache: cache.join("stagger-lab"),
        fleets: fleet::fleets_of_this_machine().to_owned(),
        program: std::env::current_exe().map_err(Error::NoProgram)?,
    })
}

/// Tells whether `STAGGER_LAB=required` says that a lab that cannot start is a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab's environment is read here, and only here"
)]
pub fn is_required() -> bool {
    std::env::var("STAGGER_LAB").is_ok_and(|value| value == "required")
}

/// Returns the program that `STAGGER_LAB_PROGRAM` names, to be tried instead of the one that
/// would be built.
pub fn given_program() -> Option<PathBuf> {
    std::env::var_os("STAGGER_LAB_PROGRAM").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
