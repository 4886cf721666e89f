//! What was typed of hosts that are asked in place of the records.

use std::path::PathBuf;

use clap::Args;

use super::HostKeys;

/// That hosts are asked in place of the records, and how they are reached.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct AskedHosts {
    /// Ask the hosts instead of the records: a PLAYBOOK is named in place of the run, and its inventory
    #[arg(long)]
    pub(in crate::cli) from_hosts: bool,
    /// Inventory of the hosts that are asked; may be repeated
    #[arg(short, long = "inventory", value_name = "SOURCE")]
    pub(in crate::cli) inventory: Vec<String>,
    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER")]
    pub(in crate::cli) user: Option<String>,
    /// Log in with this key file
    #[arg(long, alias = "key-file", value_name = "FILE")]
    pub(in crate::cli) private_key: Option<PathBuf>,
    /// Go through this host first; several are separated by commas
    #[arg(short = 'J', long, value_name = "HOST")]
    pub(in crate::cli) proxy_jump: Option<String>,
    /// Further options for SSH, of which the usual ones are understood
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub(in crate::cli) ssh_common_args: Option<String>,
    /// Read this file instead of ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ssh_config: Option<PathBuf>,
    /// What to do with host keys
    #[arg(long, value_enum, value_name = "HOW")]
    pub(in crate::cli) host_keys: Option<HostKeys>,
    /// Become another user on the hosts
    #[arg(short, long = "become")]
    pub(in crate::cli) become_user_wanted: bool,
    /// Become this user
    #[arg(long, value_name = "USER")]
    pub(in crate::cli) become_user: Option<String>,
    /// Become with this program
    #[arg(long, value_name = "METHOD")]
    pub(in crate::cli) become_method: Option<String>,
    /// Reach at most this many hosts at once
    #[arg(short, long, value_name = "N")]
    pub(in crate::cli) forks: Option<usize>,
    /// Give up connecting to a host after this many seconds
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(in crate::cli) timeout: Option<u64>,
}

/// What is said of variables and passwords where `apply` is not typed.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Opening {
    /// Set variables for the hosts that are asked
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(in crate::cli) extra_vars: Vec<String>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub(in crate::cli) ask_pass: bool,
    /// Ask for the password to become another user
    #[arg(short = 'K', long)]
    pub(in crate::cli) ask_become_pass: bool,
    #[command(flatten)]
    pub(in crate::cli) unlocking: super::Unlocking,
}
