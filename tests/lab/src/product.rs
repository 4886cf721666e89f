//! The program under test, built from this tree as it is released.
//!
//! Cargo is asked where the program lies; nothing is guessed. Whoever prints a figure prints
//! the version and the digest of what it was measured on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::{self, Command};
use crate::files;

/// A program that was built.
#[derive(Debug, Clone)]
pub struct Product {
    /// Where it lies.
    pub program: PathBuf,
    /// What it says its version is.
    pub version: String,
    /// The digest of the file.
    pub sha256: String,
    /// The size of the file.
    pub bytes: usize,
}

/// A program that could not be built or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo or the program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// The program could not be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Cargo did not say where the program lies.
    #[error("cargo built no program `{0}`")]
    NoProgram(String),
}

/// A build from nothing, on a machine that is busy with something else too.
const BUILD_LIMIT: Duration = Duration::from_mins(40);

/// Builds a package of this tree as it is released, showing cargo's progress.
pub fn build(package: &str) -> Result<Product, Error> {
    look_at(&built(
        building(&[]).args(released(package)).showing_errors(),
        package,
    )?)
}

/// The same with what processor time nobody else wants, for whoever has something else to do meanwhile.
pub fn build_beside(package: &str) -> Result<Product, Error> {
    let building = building(&["nice", "-n", "19"]).args(released(package));
    look_at(&built(building, package)?)
}

/// Builds a package of this tree as its tests are built, for trials that measure nothing, and returns where it lies.
///
/// All that the tests are made of is asked for: where they run it is there, with the same features of what it stands on.
pub fn build_for_trial(package: &str) -> Result<PathBuf, Error> {
    let building = building(&[]).args(["--workspace", "--bins", "--tests"]);
    built(building, package)
}

fn released(package: &str) -> [&str; 5] {
    ["--release", "--package", package, "--bin", package]
}

fn building(by: &[&str]) -> Command {
    Command::new("env")
        .args(unset())
        .args(by)
        .args(["cargo", "build", "--locked"])
        .arg("--message-format=json-render-diagnostics")
        .directory(Path::new(env!("CARGO_MANIFEST_DIR")))
        .within(BUILD_LIMIT)
}

fn built(building: Command, package: &str) -> Result<PathBuf, Error> {
    program_in(&building.run()?, package).ok_or_else(|| Error::NoProgram(package.to_owned()))
}

/// Returns how `env` takes away what would make cargo build another program, or the same one all over again.
///
/// Flags from outside silently make another program than the released one. What `cargo run` and `cargo test` tell
/// the program that they start (its package's name, version, ...) is asked for by build scripts, which run anew, with
/// all that stands on them, where it differs.
fn unset() -> Vec<String> {
    let told =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names
        .filter(told)
        .chain(["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"].map(str::to_owned))
        .flat_map(|name| ["-u".to_owned(), name])
        .collect()
}

/// Describes a program that is there; it is found from other directories too, such as the bastion's.
pub fn look_at(program: &Path) -> Result<Product, Error> {
    let program = files::absolute(program)?;
    let bytes = files::read_bytes(&program)?;
    let digest = Sha256::digest(&bytes);
    let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let version = Command::new(&program).arg("--version").run()?;
    Ok(Product {
        program,
        version: version.trim().to_owned(),
        sha256: hex.concat(),
        bytes: bytes.len(),
    })
}

impl Product {
    /// Returns what belongs in every report.
    pub fn json(&self) -> Value {
        json!({
            "version": self.version,
            "sha256": self.sha256,
            "bytes": self.bytes,
        })
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, {} bytes, sha256 {}",
            self.version, self.bytes, self.sha256
        )
    }
}

/// Finds where a program lies in cargo's messages, one JSON value a line.
fn program_in(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines();
    let messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| {
        let is_it = message.get("reason")? == "compiler-artifact"
            && message.pointer("/target/name")? == name
            && message.pointer("/target/kind/0")? == "bin"
            // The program's own unit tests are a program of its name too.
            && message.pointer("/profile/test")? == false;
        let path = message.get("executable")?.as_str()?;
        is_it.then(|| PathBuf::from(path))
    });
    programs.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_a_path_that_is_good_everywhere() {
        let here = std::env::current_dir().unwrap();
        let up = here.components().skip(1).map(|_| "..");
        // Any program that tells its version.
        let relative: PathBuf = up.chain(["bin", "bash"]).collect();
        let told = look_at(&relative).unwrap();
        assert!(
            relative.is_relative() && told.program.is_absolute(),
            "{told}"
        );
    }

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let built = |name: &str, kind: &str, path: Value, test: bool| {
            json!({
                "reason": "compiler-artifact",
                "target": {"name": name, "kind": [kind]},
                "profile": {"test": test},
                "executable": path,
            })
            .to_string()
        };
        let artifact = |name: &str, kind: &str, path: Value| built(name, kind, path, false);
        let messages = [
            artifact("stagger", "lib", Value::Null),
            artifact("build-script-build", "custom-build", json!("/t/build")),
            "not a message".to_owned(),
            built("stagger", "bin", json!("/t/x/deps/stagger-0123"), true),
            artifact("stagger", "bin", json!("/t/x/release/stagger")),
            json!({"reason": "build-finished", "success": true}).to_string(),
        ]
        .join("\n");
        let found = program_in(&messages, "stagger");
        assert_eq!(found.as_deref(), Some(Path::new("/t/x/release/stagger")));
        assert_eq!(program_in(&messages, "lab"), None);
    }
}
