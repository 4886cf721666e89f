//! `stagger init`: writes a shipped upgrade out, so that it can be edited.

use super::super::failure::Failure;
use super::super::machine::{Machine, reason};
use super::super::{args, embedded, output};

/// Where the files of an upgrade lie below the top level.
const PLACES: [(&str, [&str; 3]); 2] = [
    (
        "arangodb",
        [
            "roles/arangodb",
            "templates/arangodb",
            "inventory/arangodb.yml",
        ],
    ),
    (
        "memsql",
        ["roles/memsql", "templates/memsql", "inventory/memsql.yml"],
    ),
];

/// Writes the files.
pub(in crate::cli) fn run(arguments: &args::Init) -> Result<(), Failure> {
    let wanted = |name: &str| arguments.which.as_ref().is_none_or(|which| which == name);
    let mut files: Vec<&str> = Vec::new();
    for (_, places) in PLACES.iter().filter(|(name, _)| wanted(name)) {
        for place in places {
            files.extend(embedded::below(place));
            files.extend(embedded::read(place).map(|_| *place));
        }
    }
    let there: Vec<String> = files
        .iter()
        .map(|file| arguments.into.join(file))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !arguments.force && !there.is_empty() {
        let failure = Failure::usage(format!(
            "{} is there already; nothing was written",
            there.join(", ")
        ));
        return Err(failure.hint("--force overwrites"));
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
    Ok(())
}
