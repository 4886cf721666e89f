//! What was typed of runs that go on without their operator: where they stop by themselves, whom they tell, and how they
//! are looked at and stopped from elsewhere.

use std::path::PathBuf;

use clap::Args;

use super::Showing;

/// How a run goes on without its operator, and where it stops by itself.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Pausing {
    /// Go on without this terminal once the run has begun; `stagger attach` shows it
    #[arg(long)]
    pub(in crate::cli) detach: bool,
    /// Stop at the first rest point after this time: HH:MM, or a date and a time
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Stop at the rest point behind a batch: so many batches of plays with `serial`, PLAY, or PLAY:BATCH
    #[arg(long, value_name = "BATCH")]
    pub(in crate::cli) pause_after: Option<String>,
    /// Leave this host out, and end as partial; may be repeated
    #[arg(long, value_name = "HOST", requires = "reason")]
    pub(in crate::cli) skip: Vec<String>,
    /// Tell this command or URL when the run starts, needs approval, stops, owes something or ends; may be repeated
    #[arg(long, value_name = "WHOM", env = "STAGGER_NOTIFY", hide_env_values = true, value_delimiter = None)]
    pub(in crate::cli) notify: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Attach {
    /// The run; the only one that goes on if none is named
    pub(in crate::cli) run: Option<String>,
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(in crate::cli) state: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) showing: Showing,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct StopRun {
    /// The run; the only one that goes on if none is named
    pub(in crate::cli) run: Option<String>,
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// No longer wait for the steps in flight, as the second Ctrl-C does
    #[arg(long)]
    pub(in crate::cli) now: bool,
}
