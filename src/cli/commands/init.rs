//! `stagger init`: writes a shipped upgrade out, so that it can be edited, and says what to do with it.
//!
//! Never overwrites a file that is there, unless told to.

use std::fmt::Write as _;
use std::path::Path;

use super::super::failure::Failure;
use super::super::machine::{Machine, reason};
use super::super::{args, embedded, output};
use crate::template::shell_quote;

/// A shipped upgrade: its name, where its files lie below the top level, and what its inventory wants to be told.
#[derive(Debug)]
struct Upgrade {
    name: &'static str,
    directories: [&'static str; 2],
    inventory: &'static str,
    playbook: &'static str,
    wants: &'static str,
}

const UPGRADES: [Upgrade; 2] = [
    Upgrade {
        name: "arangodb",
        directories: ["roles/arangodb", "templates/arangodb"],
        inventory: "inventory/arangodb.yml",
        playbook: "roles/arangodb/upgrade.yml",
        wants: "your hosts, the version to go to, its packages, where the backup is",
    },
    Upgrade {
        name: "memsql",
        directories: ["roles/memsql", "templates/memsql"],
        inventory: "inventory/memsql.yml",
        playbook: "roles/memsql/upgrade.yml",
        wants: "your hosts, the version to go to, the login, where the backup is",
    },
];

/// How many of the files that are in the way are named.
const NAMED: usize = 3;

/// Writes the files.
pub(in crate::cli) fn run(arguments: &args::Init) -> Result<(), Failure> {
    let wanted: Vec<&Upgrade> = UPGRADES
        .iter()
        .filter(|upgrade| {
            let which = arguments.which.as_ref();
            which.is_none_or(|which| which == upgrade.name)
        })
        .collect();
    let mut files: Vec<&str> = Vec::new();
    for upgrade in &wanted {
        for directory in upgrade.directories {
            files.extend(embedded::below(directory));
        }
        files.push(upgrade.inventory);
    }
    if !arguments.force {
        nothing_is_there(&files, &arguments.into)?;
    }
    for file in &files {
        let content = embedded::read(file).unwrap_or_default();
        let path = arguments.into.join(file);
        let written = Machine::write_file(&path, content, 0o644);
        written.map_err(|error| {
            Failure::usage(format!(
                "cannot write {}: {}",
                path.display(),
                reason(&error)
            ))
        })?;
        output::message(&format!("wrote {}\n", path.display()));
    }
    output::message(&next(&wanted, &arguments.into));
    Ok(())
}

/// Refuses to write where files are already, and says how many of them somebody has edited.
fn nothing_is_there(files: &[&str], into: &Path) -> Result<(), Failure> {
    let there: Vec<&&str> = files
        .iter()
        .filter(|file| into.join(file).exists())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let edited = there.iter().filter(|file| {
        let content = std::fs::read(into.join(file)).unwrap_or_default();
        embedded::read(file) != Some(content.as_slice())
    });
    let named: Vec<String> = there
        .iter()
        .take(NAMED)
        .map(|file| into.join(file).display().to_string())
        .collect();
    let more = match there.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let are = if there.len() == 1 { "is" } else { "are" };
    let message = format!(
        "{} of the {} files {are} there already, {} of them not as shipped: {}{more}; nothing was written",
        there.len(),
        files.len(),
        edited.count(),
        named.join(", "),
    );
    Err(Failure::usage(message).hint(
        "go on with those that are there; or `--into DIR` writes elsewhere, `--force` overwrites them, edits too",
    ))
}

/// Says what comes next, in the words to type.
fn next(upgrades: &[&Upgrade], into: &Path) -> String {
    let mut text = String::from("\nwhat to do next:\n");
    let here = into == Path::new(".") || into.as_os_str().is_empty();
    if !here {
        let into = into.display().to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  cd {}", shell_quote(&into));
    }
    for upgrade in upgrades {
        let Upgrade {
            inventory,
            playbook,
            wants,
            ..
        } = upgrade;
        let comment = |text: &str| format!("# {text}");
        let steps = [
            (format!("edit {inventory}"), comment(wants)),
            (
                format!("stagger check {playbook} -i {inventory}"),
                comment("every mistake of every file"),
            ),
            (
                format!("stagger plan {playbook} -i {inventory}"),
                comment("what would be done; touches no host"),
            ),
            (
                format!("stagger preflight {playbook} -i {inventory}"),
                comment("asks the hosts; changes nothing"),
            ),
            (
                format!("stagger apply {playbook} -i {inventory} --reason \"WHY\""),
                comment("does it"),
            ),
        ];
        let width = steps.iter().map(|(line, _)| line.chars().count()).max();
        let width = width.unwrap_or_default();
        for (number, (line, comment)) in (1..).zip(steps) {
            let _ = writeln!(text, "  {number}. {line:width$}  {comment}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_upgrade_that_is_named_is_inside() {
        for upgrade in UPGRADES {
            assert!(embedded::read(upgrade.inventory).is_some(), "{upgrade:?}");
            assert!(embedded::read(upgrade.playbook).is_some(), "{upgrade:?}");
            for directory in upgrade.directories {
                assert!(embedded::below(directory).count() > 0, "{upgrade:?}");
            }
        }
    }
}
