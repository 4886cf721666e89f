//! `stagger man` and `stagger completions`, made from the table of arguments.

use clap::CommandFactory as _;

use super::super::failure::Failure;
use super::super::{args, output};

/// Prints the manual page.
pub(in crate::cli) fn man() -> Result<(), Failure> {
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(args::Cli::command()).render(&mut page);
    made.map_err(|error| Failure::usage(format!("cannot make the page: {error}")))?;
    print(&page)
}

/// Prints a completion script.
pub(in crate::cli) fn completions(arguments: &args::Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut args::Cli::command(),
        "stagger",
        &mut script,
    );
    print(&script)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    output::data(&String::from_utf8_lossy(text))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}
