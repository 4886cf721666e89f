//! `memsqld`: the process. It reads its configuration file, opens its port, serves, and ends at
//! a signal in good order.
//!
//! Its version is in a file beside the program, read once, as a real program has it built in.
//! A directory that a newer version has written is refused.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::address::Address;
use super::node::{Made, Node, Part};
use super::session::Service;
use super::store::Notes;
use super::switches::Live;
use super::variables::settings;
use super::wire::Tls;
use super::wire::server::converse;
use super::{aggregator, follow, heartbeat};
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::paths::Paths;
use crate::sim::version::Version;
use crate::sim::{time, tls};

/// Where the switches of a host are.
pub fn switches_path(paths: &Paths) -> PathBuf {
    paths.root().join("etc/lab/memsql.json")
}

/// Runs `memsqld` with the arguments after its name; returns its exit code.
pub fn main(_program: &str, args: &[String]) -> u8 {
    let file = args
        .iter()
        .find_map(|arg| arg.strip_prefix("--defaults-file="));
    let Some(file) = file else {
        eprint_line("memsqld: --defaults-file=FILE must be given");
        return 1;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(Path::new(file))),
        Err(error) => Err((1, error.to_string())),
    };
    match outcome {
        Ok(()) => 0,
        Err((code, why)) => {
            eprint_line(&format!("FATAL: {why}"));
            code
        }
    }
}

/// What a configuration file says that matters before the port is open.
#[derive(Debug)]
struct Configuration {
    text: String,
    at: Address,
    directory: PathBuf,
    certificate: Option<PathBuf>,
}

fn read(file: &Path) -> Result<Configuration, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let settings = settings(&text);
    let value = |name: &str| {
        let found = settings.iter().rev().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone())
    };
    let port = value("port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(3306);
    let host = value("bind_address").unwrap_or_else(|| "127.0.0.1".to_owned());
    Ok(Configuration {
        at: Address::new(host, port),
        directory: file.parent().unwrap_or(Path::new(".")).to_owned(),
        certificate: value("ssl_key").map(PathBuf::from),
        text,
    })
}

async fn run(file: &Path) -> Result<(), (u8, String)> {
    let plain = |why: String| (1, why);
    let configuration = read(file).map_err(plain)?;
    let directory = configuration.directory.clone();
    let version = directory.join("VERSION");
    let version = std::fs::read_to_string(&version)
        .map_err(|error| (1, format!("{}: {error}", version.display())))?;
    let version = version.trim().to_owned();
    let paths = Paths::of_this_host();
    let notes = Notes::of(&directory.join("data"));
    let part = notes.read("part").unwrap_or(Part::Leaf);
    let live = Live::open(&switches_path(&paths), part.word(), &configuration.at).map_err(plain)?;
    let effects = Effects::open(
        &paths.effects(),
        "memsqld",
        &version,
        &directory.to_string_lossy(),
    )
    .map_err(|error| (1, format!("lab: {}: {error}", paths.effects().display())))?;
    effects
        .record(
            "start",
            &json!({"part": part.word(), "at": configuration.at.to_string()}),
        )
        .map_err(|error| (1, error.to_string()))?;
    let failed: u64 = notes.read("starts_failed").unwrap_or(0);
    let fails = failed < live.now().start_failures;
    if fails {
        let failed = notes.write("starts_failed", &(failed + 1));
        failed.map_err(|error| (1, error.to_string()))?;
    }
    if let Some(code) = live.now().start_exit.or(fails.then_some(3)) {
        effects.note("start-refused");
        return Err((code, "Failed to start: the lab has been told so".to_owned()));
    }
    accept_directory(&notes, &version, live.now().old_reads_new).map_err(|why| {
        effects.note("start-refused");
        (1, why)
    })?;
    let tls = match &configuration.certificate {
        Some(pem) => {
            Some(Tls(tls::acceptor(pem).map_err(|error| {
                (1, format!("{}: {error}", pem.display()))
            })?))
        }
        None => None,
    };
    let node = Node::new(Made {
        at: configuration.at,
        version,
        directory,
        live,
        effects,
        tls,
        configuration: configuration.text,
    })
    .map_err(|error| (1, error.to_string()))?;
    node.pause(node.switches().start_delay_ms).await;
    serve(&node).await.map_err(|error| (1, error.to_string()))
}

/// Takes over a directory of the same or an older version; what a newer one wrote is refused, unless it is said to be read.
fn accept_directory(notes: &Notes, version: &str, reads_newer: bool) -> Result<(), String> {
    let written: Option<String> = notes.read("version");
    let parsed = |text: &str| Version::parse(text).map_err(|error| error.to_string());
    if let Some(written) = &written
        && parsed(written)? > parsed(version)?
        && !reads_newer
    {
        return Err(format!(
            "the data directory was written by {written}, which is newer than {version}"
        ));
    }
    notes
        .write("version", &version)
        .map_err(|error| error.to_string())
}

/// Returns what is bound: all addresses of a host, as the real one does; of a machine's own loopback addresses only the
/// one that was given, since several clusters with the same ports lie on them.
fn own_address(host: &str) -> String {
    let own = Paths::of_this_host().address_of(host);
    match own.parse::<IpAddr>() {
        Ok(address) if address.to_canonical().is_loopback() => own,
        Ok(IpAddr::V6(_)) => "::".to_owned(),
        _ => "0.0.0.0".to_owned(),
    }
}

/// Serves until a signal or [`Node::stop`] ends it.
async fn serve(node: &Arc<Node>) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let listener = crate::sim::http::bind(&own_address(&node.at.host), node.at.port).await?;
    write_pid(node)?;
    begin(node).await;
    let work = tokio::spawn(accept(listener, Arc::clone(node)));
    node.effects.note("ready");
    tokio::select! {
        _ = term.recv() => node.effects.note("signal-term"),
        _ = int.recv() => node.effects.note("signal-int"),
        () = node.stopped() => {}
    }
    let began = time::mono_ms();
    work.abort();
    node.pause(node.switches().stop_delay_ms).await;
    let took = time::mono_ms().saturating_sub(began);
    node.effects.record("stop", &json!({"took_ms": took}))?;
    drop(std::fs::remove_file(node.directory.join("memsqld.pid")));
    Ok(())
}

fn write_pid(node: &Node) -> std::io::Result<()> {
    let pid = format!("{}\n", std::process::id());
    crate::sim::files::replace(&node.directory.join("memsqld.pid"), pid.as_bytes(), 0o644)
}

/// Does what comes before the first client, and begins what goes on beside them.
pub async fn begin(node: &Arc<Node>) {
    match node.part() {
        Part::Master => {
            node.change_meta(|meta| {
                // Whoever had locked a partition is gone.
                for database in meta.databases.values_mut() {
                    for partition in &mut database.partitions {
                        partition.locked = false;
                    }
                }
            });
        }
        Part::Aggregator => aggregator::refresh(node).await,
        Part::Leaf => {}
    }
    let recovers_until_ms = node.state().recovers_until_ms;
    if recovers_until_ms > 0 {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            let left = recovers_until_ms.saturating_sub(time::mono_ms());
            tokio::time::sleep(Duration::from_millis(left)).await;
            if !node.recovers() {
                node.effects.note("recovered");
            }
        });
    }
    tokio::spawn(heartbeat::live(Arc::clone(node)));
    tokio::spawn(follow::follow_all(Arc::clone(node)));
}

/// Lets clients in for ever.
pub async fn accept(listener: TcpListener, node: Arc<Node>) {
    let service = Arc::new(Service(node));
    // Ends with this future, and takes all connections with it.
    let mut conversations = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = Arc::clone(&service);
                    conversations.spawn(async move { drop(converse(stream, service).await) });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = conversations.join_next() => {}
        }
    }
}
