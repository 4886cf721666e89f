//! `lab ssh`: logs in to a host or to the bastion.

use std::process::ExitCode;

use clap::Args;

use super::Error;
use crate::command::{Command, Exit};
use crate::fleet::{Fleet, Place};

/// The name that stands for the bastion.
const BASTION: &str = "bastion";

/// Where to log in, and what to do there.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// HOST, or FLEET/HOST where several fleets have one of that name; `bastion` is a host too
    #[arg(value_name = "HOST")]
    host: String,
    /// The command; without one, a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    let (fleet, host) = find(place, &arguments.host)?;
    let exit = if host == BASTION {
        let words = if arguments.command.is_empty() {
            vec!["bash".to_owned()]
        } else {
            arguments.command.clone()
        };
        let command = Command::line("env").args(words);
        fleet.bastion().command(command).on_terminal()?
    } else {
        let ssh = fleet.bastion().ssh(&host);
        ssh.args(&arguments.command).on_terminal()?
    };
    Ok(match exit {
        Exit::Code(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Exit::Signal(_) => ExitCode::FAILURE,
    })
}

/// Finds the one fleet that is meant, and the host's name in it.
fn find(place: &Place, wanted: &str) -> Result<(Fleet, String), Error> {
    if let Some((fleet, host)) = wanted.split_once('/') {
        let fleet = Fleet::attach(place, fleet)?;
        if host != BASTION {
            fleet.host(host)?;
        }
        return Ok((fleet, host.to_owned()));
    }
    let has_it = |hosts: &[String]| wanted == BASTION || hosts.iter().any(|host| host == wanted);
    let mut records = place.records()?;
    records.retain(|record| has_it(&record.options.hosts));
    let names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
    match names.as_slice() {
        [] => Err(Error::Usage(format!("no fleet has a host `{wanted}`"))),
        [name] => Ok((Fleet::attach(place, name)?, wanted.to_owned())),
        names => Err(Error::Usage(format!(
            "several fleets have a host `{wanted}`: say which, as in `{}/{wanted}` ({})",
            names.first().unwrap_or(&""),
            names.join(", ")
        ))),
    }
}
