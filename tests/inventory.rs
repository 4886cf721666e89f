//! Inventories on disk, read as Ansible reads them.
//!
//! Each directory of `tests/fixtures/inventory` holds an inventory and `expected.json`: what `ansible-inventory` of
//! ansible-core 2.19 printed for it (`--list`, `--graph`), and what its patterns selected.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stagger::inventory::{Files, Inventory, Kind, Output, VarsDirectory};

/// The files below a directory.
#[derive(Debug)]
struct Disk {
    root: PathBuf,
}

impl Files for Disk {
    fn kind(&self, path: &str) -> Option<Kind> {
        let found = fs::metadata(self.root.join(path)).ok()?;
        Some(if found.is_dir() {
            Kind::Directory
        } else {
            let executable = found.permissions().mode() & 0o111 != 0;
            Kind::File { executable }
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.root.join(path)).map_err(|error| error.to_string())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.root.join(directory)).map_err(|error| error.to_string())?;
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        Ok(entries.filter_map(Result::ok).map(name).collect())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where this test starts scripts"
    )]
    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String> {
        let output = std::process::Command::new(self.root.join(program))
            .args(arguments)
            .output()
            .map_err(|error| error.to_string())?;
        Ok(Output {
            success: output.status.success(),
            end: output.status.to_string(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// Compares one directory; the error names what differs.
fn compare(directory: &Path) -> Result<(), String> {
    let text = fs::read_to_string(directory.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let files = Disk {
        root: directory.to_owned(),
    };
    let loaded = Inventory::load(&texts(&expected["sources"]), &files);
    if expected["list"].is_null() {
        return loaded.map_or(Ok(()), |_| Err("no problem was found".to_owned()));
    }
    let inventory = loaded.map_err(|problems| format!("{problems:#?}"))?;
    let mut problems = Vec::new();
    let play = expected["playbook"].as_str().unwrap();
    let playbook = VarsDirectory::load(play, &inventory, &files, &mut problems);
    if !problems.is_empty() {
        return Err(format!("{problems:#?}"));
    }
    let same = |what: &str, found: &Value, expected: &Value| {
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (format!("{found:#}"), format!("{expected:#}"));
        let difference = similar::TextDiff::from_lines(expected.as_str(), found.as_str());
        Err(format!("{what}:\n{}", difference.unified_diff()))
    };
    let hosts = inventory.hosts();
    let list = inventory.to_list_json(Some(&playbook), &hosts);
    same("list", &list, &expected["list"])?;
    let graph = Value::from(inventory.graph("all").unwrap());
    same("graph", &graph, &expected["graph"])?;
    for (pattern, hosts) in expected["hosts"].as_object().unwrap() {
        let found = inventory
            .select_any(pattern, None)
            .map_err(|problem| problem.message)?;
        let found = found
            .iter()
            .map(|host| Value::from(host.as_str()))
            .collect();
        same(pattern, &found, hosts)?;
    }
    Ok(())
}

#[test]
fn inventories_are_read_as_ansible_reads_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inventory");
    let mut directories: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").exists())
        .collect();
    directories.sort();
    assert!(directories.len() >= 13, "fixtures are missing");
    let failed: Vec<String> = directories
        .iter()
        .filter_map(|directory| {
            let error = compare(directory).err()?;
            Some(format!("{}: {error}", directory.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
