//! What was typed behind `stagger lock`.

use clap::{Args, Subcommand};

use super::{Reaching, Sources};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Lock {
    /// What to do.
    #[command(subcommand)]
    pub(in crate::cli) what: LockCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum LockCommand {
    /// Say who has the lock; ends with 5 if somebody has it
    Status(LockStatus),
    /// Take the lock, so that no run begins
    Acquire(LockAcquire),
    /// Give back a lock that was taken by hand
    Release(LockRelease),
}

/// Whose lock.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Locked {
    /// The upgrade that the lock is of
    #[arg(value_parser = ["arangodb", "memsql"])]
    pub(in crate::cli) upgrade: String,
    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
    #[command(flatten)]
    pub(in crate::cli) reaching: Reaching,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct LockStatus {
    #[command(flatten)]
    pub(in crate::cli) locked: Locked,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct LockAcquire {
    #[command(flatten)]
    pub(in crate::cli) locked: Locked,
    /// Why: whoever meets the lock is told
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: String,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct LockRelease {
    #[command(flatten)]
    pub(in crate::cli) locked: Locked,
    /// Give back a lock that a run or somebody else has
    #[arg(long, requires = "reason")]
    pub(in crate::cli) force: bool,
    /// Why it is taken from whoever has it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}
