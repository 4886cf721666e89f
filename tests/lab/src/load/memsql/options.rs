//! What the load on a MemSQL cluster is told on its command line.

use std::path::PathBuf;

use crate::sim::memsql::Address;
use crate::sim::memsql::wire::Login;

/// Runs reads and writes against a MemSQL cluster and judges what becomes of them.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// An aggregator's address, such as `10.77.0.11:3306`; several, for when one is away
    #[arg(long = "aggregator", required = true, value_delimiter = ',', value_parser = address)]
    pub aggregators: Vec<Address>,
    /// How many child aggregators may be away at once, as the upgrade is told
    #[arg(long, default_value_t = 1)]
    pub aggregators_at_once: usize,
    /// How many requests a second
    #[arg(long, default_value_t = 200)]
    pub rate: u64,
    /// A database; made if it is not there; several times for several
    #[arg(long = "database", default_value = "shop")]
    pub databases: Vec<String>,
    /// How long the client waits for an answer
    #[arg(long, default_value_t = 10_000)]
    pub deadline_ms: u64,
    /// From which latency on a request counts as stalled
    #[arg(long, default_value_t = 1_000)]
    pub gap_ms: u64,
    /// A file with aggregators, one a line, that get no new requests
    #[arg(long)]
    pub drain_file: Option<PathBuf>,
    /// The user of the clients
    #[arg(long, default_value = "root")]
    pub user: String,
    /// A file with the user's password
    #[arg(long)]
    pub password: Option<PathBuf>,
    /// Speak TLS
    #[arg(long)]
    pub tls: bool,
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
    /// Only make databases and tables
    #[arg(long)]
    pub prepare_only: bool,
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text)
        .ok_or_else(|| format!("`{text}` is not an address such as 10.77.0.11:3306"))
}

impl Options {
    /// Returns how clients log in.
    pub fn login(&self) -> Result<Login, String> {
        let password = match &self.password {
            None => String::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                text.trim().to_owned()
            }
        };
        Ok(Login {
            user: self.user.clone(),
            password,
            database: None,
            tls: self.tls,
        })
    }
}
