//! `stagger man`, for the whole and for each command, and `stagger completions`, made from the table of arguments.

use clap::CommandFactory as _;

use super::super::failure::Failure;
use super::super::{args, output};
use crate::yaml::nearest;

/// What the page of the whole says of the others that it names.
const OTHERS: &str = "`stagger man COMMAND` prints the page of a command, such as stagger-apply(1); \
                      `stagger man apply | man -l -` shows it.";

/// Prints the manual page of the whole, or of a command.
pub(in crate::cli) fn man(arguments: &args::Man) -> Result<(), Failure> {
    let mut cli = args::Cli::command().after_long_help(OTHERS);
    // Only then does a command know the whole of its name.
    cli.build();
    let command = match &arguments.name {
        None => cli,
        Some(name) => command(&cli, name)?,
    };
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(command).render(&mut page);
    made.map_err(|error| Failure::usage(format!("cannot make the page: {error}")))?;
    print(&page)
}

/// Finds a command by its name, also as its page is named: `stagger-apply`.
fn command(cli: &clap::Command, name: &str) -> Result<clap::Command, Failure> {
    let short = name.strip_prefix("stagger-").unwrap_or(name);
    let found = cli.find_subcommand(short).cloned();
    found.ok_or_else(|| {
        let failure = Failure::usage(format!("there is no command `{name}`"));
        let names = cli.get_subcommands().map(clap::Command::get_name);
        match nearest(short, names) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`stagger --help` lists them"),
        }
    })
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
