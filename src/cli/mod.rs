//! What a person types and sees: arguments, settings, commands, errors as text, progress.
//!
//! The only room that reads the environment, prints, and knows where files are.

mod args;
mod asking;
mod background;
mod commands;
mod embedded;
pub mod failure;
mod interrupt;
mod lines;
mod listing;
mod machine;
mod memory;
mod notify;
mod output;
mod owing;
mod pausing;
mod plan_file;
mod prepared;
mod progress;
mod prompts;
mod sealed_files;
mod secret_vars;
mod sessions;
mod settings;
mod starting;
mod surveying;
mod surviving;
mod vaults;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::{Cli, Command};
use failure::{ExitCode, Failure};
use machine::{Environment, Machine};

/// Runs the program and returns its exit code.
pub fn run() -> u8 {
    let code = match Cli::try_parse() {
        Ok(cli) => {
            let machine = Machine::new(Environment::read());
            match dispatch(cli.command, &machine) {
                Ok(code) => code,
                Err(failure) => {
                    // The line that is wrong may be one of a file that is in a vault.
                    let masker = vaults::masker(&machine);
                    for problem in &failure.problems {
                        output::message(&masker.mask(&failure::draw(problem)));
                    }
                    failure.code
                }
            }
        }
        Err(error) => usage(&error),
    };
    code as u8
}

/// Shows what the parser says: help and version are data, the rest is bad usage.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, of which only some matter here"
)]
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            drop(error.print());
            ExitCode::Done
        }
        _ => {
            drop(error.print());
            ExitCode::Usage
        }
    }
}

fn dispatch(command: Command, machine: &Machine) -> Result<ExitCode, Failure> {
    match command {
        Command::Inventory(arguments) => commands::inventory::run(&arguments, machine)?,
        Command::Modules(arguments) => commands::modules::run(&arguments)?,
        Command::Completions(arguments) => commands::manual::completions(&arguments)?,
        Command::Man(arguments) => commands::manual::man(&arguments)?,
        Command::Vault(arguments) => commands::vault::run(&arguments, machine)?,
        Command::Check(arguments) => commands::check::run(&arguments, machine)?,
        Command::Init(arguments) => commands::init::run(&arguments)?,
        Command::Apply(arguments) => return commands::apply::run(&arguments, machine),
        Command::Preflight(arguments) => return commands::apply::preflight(&arguments, machine),
        Command::Resume(arguments) => return commands::resume::run(&arguments, machine),
        Command::Recover(arguments) => return commands::resume::recover(&arguments, machine),
        Command::Runs(arguments) => commands::runs::run(&arguments, machine)?,
        Command::Status(arguments) => commands::status::run(&arguments, machine)?,
        Command::Attach(arguments) => return commands::attach::run(&arguments, machine),
        Command::Stop(arguments) => return commands::attach::stop(&arguments, machine),
        Command::Report(arguments) => commands::report::run(&arguments, machine)?,
        Command::Lock(arguments) => return commands::lock::run(&arguments, machine),
        Command::Plan(arguments) => return commands::plan::run(&arguments, machine),
        Command::Exec(arguments) => return commands::exec::run(&arguments, machine),
    }
    Ok(ExitCode::Done)
}
