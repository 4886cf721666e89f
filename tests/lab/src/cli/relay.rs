//! `lab relay`: the process behind a disturbed link; the lab starts it itself.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Error;
use crate::fleet::Disturbance;

/// Between which interfaces, and how.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    near: String,
    far: String,
    #[arg(long)]
    delay_ms: u64,
    #[arg(long)]
    jitter_ms: u64,
    #[arg(long)]
    loss_percent: u8,
}

#[cfg(target_os = "linux")]
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let disturbance = Disturbance {
        delay: Duration::from_millis(arguments.delay_ms),
        jitter: Duration::from_millis(arguments.jitter_ms),
        loss_percent: arguments.loss_percent,
    };
    crate::relay::run(&arguments.near, &arguments.far, disturbance)
        .map_err(|error| Error::Usage(format!("relay: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn run(_arguments: &Arguments) -> Result<ExitCode, Error> {
    Err(Error::Usage("relay: only on Linux".to_owned()))
}
