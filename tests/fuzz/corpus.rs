//! The seeds: those that are kept for this alone, and files of the repository that are good inputs as they stand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::parsers::Parser;

/// Returns all seeds of a parser with their names, in an order that is always the same.
pub(crate) fn seeds(parser: &Parser) -> Vec<(String, Vec<u8>)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    below(
        &top.join("tests/fixtures/fuzz").join(parser.name),
        "",
        &mut paths,
    );
    for (directory, end) in parser.also {
        below(&top.join(directory), end, &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let content = fs::read(&path).ok()?;
        let name = path.strip_prefix(top).unwrap_or(&path);
        Some((name.to_string_lossy().into_owned(), content))
    };
    paths.into_iter().filter_map(read).collect()
}

fn below(directory: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, end, found);
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
}
