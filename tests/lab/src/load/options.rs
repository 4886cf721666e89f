//! What the load is told on its command line.

use std::path::PathBuf;

use crate::sim::http::Target;
use crate::sim::jwt;

/// Runs reads and writes against a cluster and judges what becomes of them.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// An agent's address, such as <http://10.77.0.11:8531>; several, for when one is away
    #[arg(long = "agent", required = true, value_delimiter = ',', value_parser = target)]
    pub agents: Vec<Target>,
    /// How many requests a second
    #[arg(long, default_value_t = 200)]
    pub rate: u64,
    /// The database; made if it is not there
    #[arg(long, default_value = "_system")]
    pub database: String,
    /// The collection; made if it is not there
    #[arg(long, default_value = "load")]
    pub collection: String,
    /// How many shards a new collection gets
    #[arg(long, default_value_t = 6)]
    pub shards: u64,
    /// How many copies a new collection gets
    #[arg(long, default_value_t = 2)]
    pub copies: u64,
    /// How long the client waits for an answer
    #[arg(long, default_value_t = 10_000)]
    pub deadline_ms: u64,
    /// From which latency on a request counts as stalled
    #[arg(long, default_value_t = 1_000)]
    pub gap_ms: u64,
    /// Requests on shards led by a stopped server may stall or fail: it was announced
    #[arg(long)]
    pub announced_gap: bool,
    /// How the databases' timers are scaled
    #[arg(long, default_value_t = 1.0)]
    pub factor: f64,
    /// A file with coordinators, one a line, that get no new requests
    #[arg(long)]
    pub drain_file: Option<PathBuf>,
    /// A sync master of the cluster that takes this one's changes; several, for when one is away
    #[arg(long = "sync-master", value_delimiter = ',', value_parser = target)]
    pub sync_masters: Vec<Target>,
    /// The token with which sync masters are watched
    #[arg(long, default_value = "")]
    pub sync_token: String,
    /// A file with the cluster's secret
    #[arg(long)]
    pub jwt_secret: Option<PathBuf>,
    /// How long the load runs; without it until a signal or the stop file
    #[arg(long)]
    pub seconds: Option<u64>,
    /// The load ends when this file is there
    #[arg(long)]
    pub stop_file: Option<PathBuf>,
    /// A file that is written when the load has begun
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// Where the report goes, besides standard output
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Only make database and collection
    #[arg(long)]
    pub prepare_only: bool,
}

fn target(text: &str) -> Result<Target, String> {
    Target::parse(text).ok_or_else(|| format!("`{text}` is not an address such as http://H:8531"))
}

impl Options {
    /// Returns the header that lets the client in everywhere.
    pub fn authorization(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.jwt_secret else {
            return Ok(None);
        };
        let secret = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let token = jwt::superuser(secret.trim(), "load");
        Ok(Some(format!("bearer {token}")))
    }
}
