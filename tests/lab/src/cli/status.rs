//! `lab status`: shows which fleets there are.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Error;
use super::terminal::print;
use crate::fleet::{Fleet, Host, Place, Record};

/// How to show it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    let records = place.records()?;
    let fleets: Vec<_> = records
        .iter()
        .map(|record| describe(place, record))
        .collect::<Result<_, _>>()?;
    if arguments.json {
        print(&format!("{:#}", Value::from(fleets)));
    } else if fleets.is_empty() {
        print("no fleet");
    } else {
        print(&fleets.iter().map(text_of).collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(place: &Place, record: &Record) -> Result<Value, Error> {
    let fleet = Fleet::attach(place, &record.name)?;
    let owner = match (record.owner.is_alive()?, record.owner.process) {
        (false, _) => "nobody: its lab has ended".to_owned(),
        (true, None) => "kept".to_owned(),
        (true, Some(process)) => format!("process {}", process.pid),
    };
    let hosts = fleet.hosts().iter().map(|host| {
        Ok(json!({
            "name": host.name(),
            "address": host.address(),
            "state": state_of(host)?,
        }))
    });
    Ok(json!({
        "name": record.name,
        "purpose": record.options.purpose,
        "since": record.since,
        "owner": owner,
        "directory": fleet.directory(),
        "hosts": hosts.collect::<Result<Vec<_>, Error>>()?,
    }))
}

fn state_of(host: &Host) -> Result<String, Error> {
    if !host.is_on()? {
        return Ok("off".to_owned());
    }
    // A host that is frozen or half up cannot be asked; that is its state, not a failure.
    let asked = host.run_within(
        "systemctl is-system-running",
        std::time::Duration::from_secs(3),
    );
    Ok(asked.map_or_else(
        |_| "does not answer".to_owned(),
        |output| output.out.trim().to_owned(),
    ))
}

fn text_of(fleet: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let part = |name: &str| text(fleet.get(name).unwrap_or(&Value::Null));
    let hosts = fleet.get("hosts").and_then(Value::as_array);
    let hosts = hosts.into_iter().flatten().map(|host| {
        let of = |name: &str| text(host.get(name).unwrap_or(&Value::Null));
        format!(
            "  {:<12} {:<14} {}\n",
            of("name"),
            of("address"),
            of("state")
        )
    });
    format!(
        "{} ({}), since {}, {}\n{}",
        part("name"),
        part("purpose"),
        part("since"),
        part("owner"),
        hosts.collect::<String>()
    )
}
