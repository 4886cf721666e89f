//! The door of the lab: hands the command line over and returns the exit code.
//!
//! Called by a simulated program's name it is that program.

use std::process::ExitCode;

use clap::Parser;
use lab::sim;

/// Runs reads and writes against a cluster and judges what becomes of them.
#[derive(Debug, Parser)]
#[command(name = "lab load")]
struct LoadCommand {
    #[command(flatten)]
    options: lab::load::Options,
}

/// Runs reads and writes against a MemSQL cluster and judges what becomes of them.
#[derive(Debug, Parser)]
#[command(name = "lab load memsql")]
struct MemsqlLoadCommand {
    #[command(flatten)]
    options: lab::load::memsql::Options,
}

fn main() -> ExitCode {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if let Some(program) = sim::Program::named(&name) {
        return ExitCode::from(sim::run(program, &name, &rest));
    }
    match rest.split_first() {
        Some((first, rest)) if first == "sim" => ExitCode::from(sim::run_named(rest)),
        Some((first, rest))
            if first == "load" && rest.first().is_some_and(|word| word == "memsql") =>
        {
            let MemsqlLoadCommand { options } = MemsqlLoadCommand::parse_from(rest);
            ExitCode::from(lab::load::memsql::main(options))
        }
        Some((first, _)) if first == "load" => {
            let LoadCommand { options } = LoadCommand::parse_from(&rest);
            ExitCode::from(lab::load::main(options))
        }
        _ => lab::cli::run(std::env::args_os()),
    }
}
