//! `stagger vault`: files and values that are encrypted as `ansible-vault` does it.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use zeroize::Zeroizing;

use super::super::args::{self, VaultCommand, VaultEdit, VaultFiles, VaultRekey, VaultString};
use super::super::failure::Failure;
use super::super::machine::{Machine, end, reason};
use super::super::{output, vaults};
use crate::secrets::{DEFAULT_LABEL, Envelope, SALT_BYTES, Secret, encrypt, is_vaulted};

/// A file that nobody but its owner reads.
const PRIVATE: u32 = 0o600;

/// Does what was asked for.
pub(in crate::cli) fn run(arguments: &args::Vault, machine: &Machine) -> Result<(), Failure> {
    match &arguments.what {
        VaultCommand::Encrypt(files) => encrypt_files(files, machine),
        VaultCommand::Decrypt(files) => decrypt_files(files, machine),
        VaultCommand::View(files) => view(files, machine),
        VaultCommand::Edit(edit) => self::edit(edit, machine),
        VaultCommand::EncryptString(string) => encrypt_string(string, machine),
        VaultCommand::Rekey(rekey) => self::rekey(rekey, machine),
    }
}

/// Returns the label and the password to encrypt with; it is asked for, twice, if none is named.
fn to_encrypt(
    unlocking: &args::Unlocking,
    label: Option<&str>,
    machine: &Machine,
) -> Result<(String, Secret), Failure> {
    vaults::unlock(unlocking, machine)?;
    match (machine.vault.password(label), label) {
        (Some(found), _) => Ok(found),
        (None, Some(label)) => Err(Failure::usage(format!(
            "there is no vault password labelled `{label}`"
        ))
        .hint(format!("--vault-id {label}@FILE"))),
        (None, None) => {
            let password = vaults::read(DEFAULT_LABEL, "prompt")?;
            let again = vaults::read("once more", "prompt")?;
            if password == again {
                Ok((DEFAULT_LABEL.to_owned(), password))
            } else {
                Err(Failure::usage("the two passwords are not the same"))
            }
        }
    }
}

/// Makes sure that there is a password to decrypt with.
fn to_decrypt(unlocking: &args::Unlocking, machine: &Machine) -> Result<(), Failure> {
    vaults::unlock(unlocking, machine)?;
    if machine.vault.password(None).is_none() {
        let password = vaults::read(DEFAULT_LABEL, "prompt")?;
        machine.vault.add(DEFAULT_LABEL, password);
    }
    Ok(())
}

fn salt() -> Result<[u8; SALT_BYTES], Failure> {
    let mut salt = [0; SALT_BYTES];
    let flags = rustix::rand::GetRandomFlags::empty();
    match rustix::rand::getrandom(&mut salt, flags) {
        Ok(SALT_BYTES) => Ok(salt),
        Ok(_) | Err(_) => Err(Failure::usage("the system gives no random numbers")),
    }
}

fn sealed(plain: &[u8], (label, password): &(String, Secret)) -> Result<String, Failure> {
    encrypt(plain, label, password, &salt()?).map_err(|error| Failure::usage(error.to_string()))
}

fn content(file: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = if file == "-" {
        let mut all = Vec::new();
        io::stdin().lock().read_to_end(&mut all).map(|_| all)
    } else {
        std::fs::read(file)
    };
    read.map(Zeroizing::new)
        .map_err(|error| Failure::usage(format!("cannot read {file}: {}", reason(&error))))
}

fn opened(file: &str, content: &[u8], machine: &Machine) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !is_vaulted(content) {
        return Err(Failure::usage(format!("{file} is not encrypted")));
    }
    let text = String::from_utf8_lossy(content);
    let plain = machine.vault.open(&text);
    plain.map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))
}

/// Returns where a file's result goes: itself, or the one that is named.
fn target<'a>(file: &'a str, output: Option<&'a str>) -> &'a str {
    output.unwrap_or(file)
}

/// Writes a result whole or not at all; a file that was there keeps its mode, a new one is private.
fn write(to: &str, content: &[u8]) -> Result<(), Failure> {
    let cannot =
        |error: io::Error| Failure::usage(format!("cannot write {to}: {}", reason(&error)));
    if to == "-" {
        return output::bytes(content).map_err(cannot);
    }
    let mode = std::fs::metadata(to).map_or(PRIVATE, |found| found.permissions().mode() & 0o7777);
    Machine::write_file(Path::new(to), content, mode).map_err(cannot)
}

fn one_output(files: &VaultFiles) -> Result<(), Failure> {
    if files.output.is_some() && files.files.len() > 1 {
        return Err(Failure::usage("--output takes the result of one file"));
    }
    Ok(())
}

fn encrypt_files(files: &VaultFiles, machine: &Machine) -> Result<(), Failure> {
    one_output(files)?;
    let key = to_encrypt(&files.unlocking, files.encrypt_vault_id.as_deref(), machine)?;
    for file in &files.files {
        let plain = content(file)?;
        if is_vaulted(&plain) {
            return Err(Failure::usage(format!("{file} is encrypted already")));
        }
        let written = sealed(&plain, &key)?;
        write(target(file, files.output.as_deref()), written.as_bytes())?;
    }
    output::message("encrypted\n");
    Ok(())
}

fn decrypt_files(files: &VaultFiles, machine: &Machine) -> Result<(), Failure> {
    one_output(files)?;
    to_decrypt(&files.unlocking, machine)?;
    for file in &files.files {
        let plain = opened(file, &content(file)?, machine)?;
        write(target(file, files.output.as_deref()), &plain)?;
    }
    output::message("decrypted\n");
    Ok(())
}

fn view(files: &VaultFiles, machine: &Machine) -> Result<(), Failure> {
    to_decrypt(&files.unlocking, machine)?;
    for file in &files.files {
        let plain = opened(file, &content(file)?, machine)?;
        write("-", &plain)?;
    }
    Ok(())
}

fn rekey(arguments: &VaultRekey, machine: &Machine) -> Result<(), Failure> {
    to_decrypt(&arguments.unlocking, machine)?;
    let new_file = arguments.new_vault_password_file.as_deref();
    let key = match (&arguments.new_vault_id, new_file) {
        (Some(id), _) => {
            let (label, source) = vaults::label_and_source(id);
            (label.to_owned(), vaults::read(label, source)?)
        }
        (None, Some(file)) => {
            let source = file.to_string_lossy();
            let password = vaults::read(DEFAULT_LABEL, &source)?;
            (DEFAULT_LABEL.to_owned(), password)
        }
        (None, None) => {
            let password = vaults::read("new", "prompt")?;
            if password != vaults::read("new, once more", "prompt")? {
                return Err(Failure::usage("the two passwords are not the same"));
            }
            (DEFAULT_LABEL.to_owned(), password)
        }
    };
    // All are opened before the first is written.
    let mut all = Vec::new();
    for file in &arguments.files {
        all.push((file, opened(file, &content(file)?, machine)?));
    }
    for (file, plain) in all {
        write(file, sealed(&plain, &key)?.as_bytes())?;
    }
    output::message("encrypted anew\n");
    Ok(())
}

fn encrypt_string(arguments: &VaultString, machine: &Machine) -> Result<(), Failure> {
    let key = to_encrypt(
        &arguments.unlocking,
        arguments.encrypt_vault_id.as_deref(),
        machine,
    )?;
    let plain = if let Some(text) = &arguments.text {
        Zeroizing::new(text.clone().into_bytes())
    } else {
        if io::stdin().is_terminal() {
            output::message("type the value, and Ctrl-D twice at its end:\n");
        }
        content("-")?
    };
    let written = sealed(&plain, &key)?;
    let lines: Vec<&str> = written.lines().collect();
    let indented = lines.join("\n          ");
    let text = match &arguments.name {
        Some(name) => format!("{name}: !vault |\n          {indented}\n"),
        None => format!("!vault |\n          {indented}\n"),
    };
    output::data(&text).map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

/// Hands the text to an editor in a private file, which is wiped before it goes.
fn edit(arguments: &VaultEdit, machine: &Machine) -> Result<(), Failure> {
    let file = arguments.file.as_str();
    let label = arguments.encrypt_vault_id.as_deref();
    let exists = Path::new(file).exists();
    let (plain, key) = if exists {
        to_decrypt(&arguments.unlocking, machine)?;
        let content = content(file)?;
        let plain = opened(file, &content, machine)?;
        let envelope = Envelope::parse(&String::from_utf8_lossy(&content));
        let old =
            envelope.map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
        // The one that opened it, under its own label, unless another one is asked for.
        let key = match label {
            Some(label) => to_encrypt(&arguments.unlocking, Some(label), machine)?,
            None => machine
                .vault
                .opener(&old)
                .ok_or_else(|| Failure::usage(format!("no password opens {file}")))?,
        };
        (plain, key)
    } else {
        let key = to_encrypt(&arguments.unlocking, label, machine)?;
        (Zeroizing::default(), key)
    };
    let edited = in_editor(&plain, Path::new(file), machine)?;
    if exists && *edited == *plain {
        output::message("nothing was changed\n");
        return Ok(());
    }
    write(file, sealed(&edited, &key)?.as_bytes())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the editor is a program of the operator's machine"
)]
fn in_editor(plain: &[u8], file: &Path, machine: &Machine) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let cannot =
        |error: io::Error| Failure::usage(format!("the text cannot be edited: {}", reason(&error)));
    let ending = file
        .extension()
        .map(|ending| format!(".{}", ending.to_string_lossy()));
    let directory = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(cannot)?;
    let path = directory
        .path()
        .join(format!("vault{}", ending.unwrap_or_default()));
    Machine::write_file(&path, plain, PRIVATE).map_err(cannot)?;
    let environment = &machine.environment;
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| environment.get(name));
    let editor = editor.unwrap_or("vi");
    let status = Command::new("/bin/sh")
        .args(["-c", "exec $0 \"$1\"", editor])
        .arg(&path)
        .status()
        .map_err(cannot)?;
    let edited = std::fs::read(&path).map(Zeroizing::new);
    // What an editor leaves beside it goes with the directory; the text itself is overwritten first.
    let long = edited
        .as_ref()
        .map_or(plain.len(), |text| text.len())
        .max(plain.len());
    drop(
        std::fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(&vec![0; long])?;
                file.sync_all()
            }),
    );
    if !status.success() {
        return Err(Failure::usage(format!(
            "the editor {editor} ended with {}; nothing was changed",
            end(status)
        )));
    }
    edited.map_err(cannot)
}
