//! `stagger recover --from-hosts` and `stagger status --from-hosts`: what runs left whose records are not here.

use clap::Parser as _;

use super::super::args::{Cli, Command};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::owing;
use super::super::starting::{Request, ask_hosts, put_back};
use super::super::{output, settings};

/// Shows what notes and jobs on the hosts say, and puts back what is owed, with a reason.
pub(in crate::cli) fn recover(machine: &Machine) -> Result<ExitCode, Failure> {
    let request = request("recover")?;
    put_back(&request, machine)
}

/// Shows what notes and jobs on the hosts say.
pub(in crate::cli) fn status(json: bool, machine: &Machine) -> Result<(), Failure> {
    let request = request("status")?;
    let told = ask_hosts(&request, machine)?;
    let text = if json {
        settings::pretty(&owing::json(&told))
    } else {
        owing::text(&told)
    };
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

/// Reads what was typed as if it had been typed of `apply`: a run of the playbook, that walks nowhere.
fn request(command: &str) -> Result<Request, Failure> {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let words = as_apply(&typed, command);
    let line = ["stagger".to_owned()].into_iter().chain(words);
    let parsed = Cli::try_parse_from(line).map(|cli| cli.command);
    match parsed {
        Ok(Command::Apply(apply)) => Ok(Request::of(&apply)),
        Ok(_) | Err(_) => Err(Failure::usage(
            "--from-hosts needs the playbook in place of the run".to_owned(),
        )
        .hint(format!(
            "stagger {command} --from-hosts -i INVENTORY PLAYBOOK"
        ))),
    }
}

fn as_apply(typed: &[String], command: &str) -> Vec<String> {
    let mut words: Vec<String> = typed
        .iter()
        .filter(|word| !["--from-hosts", "--json"].contains(&word.as_str()))
        .cloned()
        .collect();
    if let Some(first) = words.iter_mut().find(|word| *word == command) {
        "apply".clone_into(first);
    }
    // A host that is gone for good is one that is not asked.
    for word in &mut words {
        if let Some(rest) = word.strip_prefix("--forgive") {
            *word = format!("--skip{rest}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_typed_stays_but_the_command() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (typed, command, is) in [
            (
                "recover --from-hosts -i recover site.yml --reason gone",
                "recover",
                "apply -i recover site.yml --reason gone",
            ),
            (
                "recover x.yml --from-hosts --forgive a --forgive=b",
                "recover",
                "apply x.yml --skip a --skip=b",
            ),
            (
                "status -i inv site.yml --from-hosts --json -b",
                "status",
                "apply -i inv site.yml -b",
            ),
        ] {
            assert_eq!(as_apply(&words(typed), command), words(is), "{typed}");
        }
    }
}
