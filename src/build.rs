//! Puts the shipped roles, templates and example inventories into the binary, and looks whether OpenSSL has threads.
//!
//! Each file is named to cargo, directories too, so that a new or changed file always leads to a new binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The top-level directories whose files are embedded.
const ROOTS: [&str; 3] = ["inventory", "roles", "templates"];

fn main() -> io::Result<()> {
    look_at_openssl()?;
    let top = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    for root in ROOTS {
        collect(&top, Path::new(root), &mut files)?;
    }
    files.sort();
    let mut table = String::from(
        "/// Path below the top level, and content.\npub(super) static FILES: &[(&str, &[u8])] = &[\n",
    );
    for file in &files {
        let path = file.to_string_lossy();
        let whole = top.join(file);
        writeln!(
            table,
            "    ({path:?}, include_bytes!({:?})),",
            whole.to_string_lossy()
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    let out = PathBuf::from(variable("OUT_DIR")?).join("embedded.rs");
    fs::File::create(&out).and_then(|mut file| io::Write::write_all(&mut file, table.as_bytes()))
}

/// Fails where OpenSSL was built without threads: its locks are no locks then, and sessions that shake hands at the same
/// time corrupt memory. `.cargo/openssl-perl` says how that comes about.
fn look_at_openssl() -> io::Result<()> {
    let include = PathBuf::from(variable("DEP_OPENSSL_INCLUDE")?);
    let header = fs::read_to_string(include.join("openssl/configuration.h"))?;
    if header.contains("define OPENSSL_THREADS") {
        return Ok(());
    }
    Err(io::Error::other(
        "OpenSSL was built without threads: is `.cargo/config.toml` of this project in force? \
         Then `cargo clean -p openssl-sys -p libssh2-sys` and build again",
    ))
}

/// Adds the files below a directory, and tells cargo to look at them.
fn collect(top: &Path, directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    report(directory);
    let whole = top.join(directory);
    if !whole.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(whole)? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(top, &path, files)?;
        } else {
            report(&path);
            files.push(path);
        }
    }
    Ok(())
}

fn report(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]
fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("cargo did not set {name}")))
}
