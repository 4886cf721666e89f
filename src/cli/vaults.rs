//! Where the passwords of vaults come from: files, programs, the operator.
//!
//! They are read beside the memory of a run, so that no run keeps one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::args::Unlocking;
use super::asking::password;
use super::failure::Failure;
use super::machine::{Machine, end, reason};
use crate::secrets::{DEFAULT_LABEL, Masker, Secret, is_vaulted};
use crate::yaml::{Source, open_vaulted, parse};

/// The sources that are no file.
const PROMPTS: [&str; 2] = ["prompt", "prompt_ask_vault_pass"];

/// Reads all passwords that are named, each once, and gives them to the machine's vault.
pub(super) fn unlock(unlocking: &Unlocking, machine: &Machine) -> Result<(), Failure> {
    let mut named: Vec<(String, String)> = Vec::new();
    for id in &unlocking.vault_id {
        let (label, source) = label_and_source(id);
        named.push((label.to_owned(), source.to_owned()));
    }
    for file in &unlocking.vault_password_file {
        let source = file.to_string_lossy().into_owned();
        named.push((DEFAULT_LABEL.to_owned(), source));
    }
    if unlocking.ask_vault_pass {
        named.push((DEFAULT_LABEL.to_owned(), "prompt".to_owned()));
    }
    for (label, source) in named {
        if machine.vault.is_new(&format!("{label}@{source}")) {
            machine.vault.add(&label, read(&label, &source)?);
        }
    }
    Ok(())
}

/// Opens what an earlier part of a run read, so that its secrets are known again under their names.
pub(super) fn reopen<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>, machine: &Machine) {
    for (path, content) in files {
        let holds = |mark: &[u8]| content.windows(mark.len()).any(|part| part == mark);
        if is_vaulted(content) {
            // A password that is missing is told where the file is needed.
            drop(machine.opened(path, content.to_vec()));
        } else if holds(b"$ANSIBLE_VAULT;")
            && let Ok(text) = std::str::from_utf8(content)
            && let Ok(mut node) = parse(&Source::new(path, text))
        {
            open_vaulted(&mut node, Some(&machine.vault), &mut Vec::new());
        }
    }
}

/// Splits what names a password: LABEL@SOURCE, or a source alone.
pub(super) fn label_and_source(id: &str) -> (&str, &str) {
    id.split_once('@').unwrap_or((DEFAULT_LABEL, id))
}

/// Returns what masks everything that a vault held.
pub(super) fn masker(machine: &Machine) -> Masker {
    let masker = Masker::new();
    let ears = masker.clone();
    machine.vault.listen(move |_, secret| ears.add(secret));
    masker
}

/// Reads a password from a file, from what a program prints, or from the operator.
pub(super) fn read(label: &str, source: &str) -> Result<Secret, Failure> {
    let text = if PROMPTS.contains(&source) {
        asked(label)?
    } else {
        from_file(label, source)?
    };
    if text.reveal().is_empty() {
        return Err(Failure::usage(format!(
            "the vault password from {source} is empty"
        )));
    }
    Ok(text)
}

fn asked(label: &str) -> Result<Secret, Failure> {
    let prompt = match label {
        DEFAULT_LABEL => "Vault password:".to_owned(),
        label => format!("Vault password ({label}):"),
    };
    password(&prompt).ok_or_else(|| {
        Failure::usage("a vault password is to be typed, and there is no terminal")
            .hint("--vault-password-file FILE")
    })
}

fn from_file(label: &str, source: &str) -> Result<Secret, Failure> {
    let cannot = |why: String| {
        Failure::usage(format!(
            "cannot read the vault password from {source}: {why}"
        ))
    };
    let found = std::fs::metadata(source).map_err(|error| cannot(reason(&error)))?;
    if found.permissions().mode() & 0o111 != 0 && found.is_file() {
        return printed(label, source).map_err(cannot);
    }
    let text = std::fs::read_to_string(source).map_err(|error| cannot(reason(&error)))?;
    Ok(Secret::new(text.trim()))
}

/// Runs a program for its password; one whose name ends in `-client` is told the label, as Ansible does.
#[expect(
    clippy::disallowed_methods,
    reason = "password programs are programs of the operator's machine"
)]
fn printed(label: &str, program: &str) -> Result<Secret, String> {
    let path = if program.contains('/') {
        program.to_owned()
    } else {
        format!("./{program}")
    };
    let stem = Path::new(program).file_stem().unwrap_or_default();
    let mut command = Command::new(path);
    if stem.to_string_lossy().ends_with("-client") {
        command.args(["--vault-id", label]);
    }
    let output = command
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| reason(&error))?;
    if !output.status.success() {
        return Err(format!("the program ended with {}", end(output.status)));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "it is no UTF-8 text".to_owned())?;
    Ok(Secret::new(text.trim_matches(['\r', '\n'])))
}
