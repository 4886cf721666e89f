//! What was typed behind `stagger vault`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Unlocking;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Vault {
    /// What to do.
    #[command(subcommand)]
    pub(in crate::cli) what: VaultCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum VaultCommand {
    /// Encrypt files in place
    Encrypt(VaultFiles),
    /// Decrypt files in place
    Decrypt(VaultFiles),
    /// Print what is in encrypted files
    View(VaultFiles),
    /// Edit an encrypted file with $EDITOR
    Edit(VaultEdit),
    /// Encrypt a value for a file of variables
    EncryptString(VaultString),
    /// Encrypt files with another password
    Rekey(VaultRekey),
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VaultFiles {
    /// The files; `-` is standard input
    #[arg(required = true)]
    pub(in crate::cli) files: Vec<String>,
    /// Write into this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) output: Option<String>,
    /// Encrypt with the password of this label
    #[arg(long, value_name = "LABEL")]
    pub(in crate::cli) encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) unlocking: Unlocking,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VaultEdit {
    /// The file; it is made if it is not there
    pub(in crate::cli) file: String,
    /// Encrypt with the password of this label
    #[arg(long, value_name = "LABEL")]
    pub(in crate::cli) encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) unlocking: Unlocking,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VaultString {
    /// The value; standard input if none is given, so that it is in no history
    pub(in crate::cli) text: Option<String>,
    /// The name of the variable
    #[arg(short, long, alias = "stdin-name", value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// Encrypt with the password of this label
    #[arg(long, value_name = "LABEL")]
    pub(in crate::cli) encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) unlocking: Unlocking,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VaultRekey {
    /// The files
    #[arg(required = true)]
    pub(in crate::cli) files: Vec<String>,
    /// Read the new password from this file, or from what it prints if it is a program
    #[arg(long, value_name = "FILE", conflicts_with = "new_vault_id")]
    pub(in crate::cli) new_vault_password_file: Option<PathBuf>,
    /// Read the new password and its label: LABEL@FILE, LABEL@prompt
    #[arg(long, value_name = "LABEL@SOURCE")]
    pub(in crate::cli) new_vault_id: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) unlocking: Unlocking,
}
