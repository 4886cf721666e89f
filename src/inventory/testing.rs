//! Files in memory, for the tests of this room and of those above it.

use std::collections::BTreeMap;

use super::{Files, Inventory, Kind, Output};

/// Files by their paths; a path that begins another is a directory, and a text with `#!` may be run.
#[derive(Debug, Default)]
pub(crate) struct MemoryFiles {
    files: BTreeMap<String, String>,
    outputs: BTreeMap<String, Output>,
}

impl MemoryFiles {
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
        Self {
            files: files.into_iter().map(own).collect(),
            outputs: BTreeMap::new(),
        }
    }

    /// Adds what a program prints for a command line.
    pub(crate) fn output(mut self, command: &str, exit: i32, stdout: &str, stderr: &str) -> Self {
        let output = Output {
            success: exit == 0,
            end: format!("exit code {exit}"),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        self.outputs.insert(command.to_owned(), output);
        self
    }
}

impl Files for MemoryFiles {
    fn kind(&self, path: &str) -> Option<Kind> {
        if let Some(text) = self.files.get(path) {
            let executable = text.starts_with("#!");
            return Some(Kind::File { executable });
        }
        let begin = if path == "." {
            String::new()
        } else {
            format!("{path}/")
        };
        let is_directory = self.files.keys().any(|file| file.starts_with(&begin));
        is_directory.then_some(Kind::Directory)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = self.files.get(path).ok_or("there is no such file")?;
        Ok(text.clone().into_bytes())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let begin = format!("{directory}/");
        let names = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&begin));
        let mut names: Vec<String> = names
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        // Not sorted, as directories are not.
        names.reverse();
        Ok(names)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String> {
        let command = format!("{program} {}", arguments.join(" "));
        self.outputs
            .get(&command)
            .cloned()
            .ok_or_else(|| "it is not there".to_owned())
    }
}

/// Reads one INI or YAML inventory that must be right.
pub(crate) fn inventory(text: &str) -> Inventory {
    let files = MemoryFiles::new([("hosts", text)]);
    Inventory::load(&["hosts".to_owned()], &files).unwrap()
}
