//! `arangod`: the database, as an agent, a DB-Server, a coordinator or on its own.
//!
//! [`main`] is the program: command line, version check, auto-upgrade, then one of the roles.

pub mod agency;
pub mod auth;
pub mod cluster;
pub mod config;
pub mod coordinator;
pub mod data;
pub mod dbserver;
pub mod log;
pub mod options;
pub mod server;
pub mod single;
pub mod supervision;
pub mod upgrade;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use tokio::sync::Notify;

use self::auth::Auth;
use self::data::DataDir;
use self::log::Log;
use self::options::Options;
use self::server::{Role, Server};
use self::upgrade::Verdict;
use super::effects::{Effects, eprint_line};
use super::paths::Paths;
use super::switches::Live;
use super::version::Version;

/// Runs `arangod` with the arguments after its name; returns its exit code.
pub fn main(program: &str, args: &[String]) -> u8 {
    let paths = Paths::of_this_host();
    let version = match Version::installed(&paths.version()) {
        Ok(version) => version,
        Err(error) => {
            eprint_line(&format!("lab: {error}"));
            return 1;
        }
    };
    let options = match Options::parse(args, &version) {
        Ok(options) => options,
        Err(error) => {
            eprint_line(&format!(
                "Error while processing command-line options for {program}:\n  {error}\n\nUse --help or --help-all to get an overview of available options\n"
            ));
            return error.exit_code();
        }
    };
    if options.is_set("version") {
        drop(print_version(&version));
        return 0;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(start(&paths, version, options, args)),
        Err(error) => {
            eprint_line(&format!("cannot start: {error}"));
            1
        }
    }
}

fn print_version(version: &Version) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{version}\n")?;
    for (name, value) in [
        ("architecture", "64bit"),
        ("asan", "false"),
        ("asm-crc32", "true"),
        ("build-repository", "heads/lab"),
        ("compiler", "gcc [6.4.0]"),
        ("debug", "false"),
        ("endianness", "little"),
        ("maintainer-mode", "false"),
        ("platform", "linux"),
    ] {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out, "server-version: {version}")?;
    writeln!(out, "sizeof int: 4")?;
    out.flush()
}

async fn start(paths: &Paths, version: Version, options: Options, args: &[String]) -> u8 {
    let server = match prepare(paths, version, options, args) {
        Ok(server) => Arc::new(server),
        Err((code, text)) => {
            eprint_line(&text);
            return code;
        }
    };
    let code = match go(&server).await {
        Ok(code) => code,
        Err(error) => {
            server.log.fatal(&error.to_string());
            1
        }
    };
    server.count("exit", &json!({"code": code}));
    if code == 0 {
        leave(server);
    }
    code
}

/// Gives the directory back in good order, as far as nothing still uses it.
fn leave(server: Arc<Server>) {
    match Arc::try_unwrap(server) {
        Ok(server) => server.data.leave(),
        // Tasks that end with the process still hold it; the lock file goes all the same.
        Err(shared) => drop(std::fs::remove_file(shared.data.path().join("LOCK"))),
    }
}

fn prepare(
    paths: &Paths,
    version: Version,
    options: Options,
    args: &[String],
) -> Result<Server, (u8, String)> {
    let role = Role::of(&options);
    let refuse = |code: u8, what: String| (code, format!("FATAL {what}"));
    let live = Live::open(&paths.switches(), role.name())
        .map_err(|error| refuse(1, format!("lab: {error}")))?;
    let directory = options
        .text("database.directory")
        .ok_or_else(|| refuse(1, "no database path has been supplied, giving up".into()))?;
    let effects = Effects::open(
        &paths.effects(),
        role.name(),
        &version.to_string(),
        directory,
    )
    .map_err(|error| refuse(1, format!("lab: {}: {error}", paths.effects().display())))?;
    let log = Log::open(options.text("log.file").map(Path::new))
        .map_err(|error| refuse(1, format!("cannot open the log file: {error}")))?;
    let upgrading = options.is_set("database.auto-upgrade");
    let what = if upgrading {
        "start-auto-upgrade"
    } else {
        "start"
    };
    effects
        .record(what, &json!({"argv": args}))
        .map_err(|error| refuse(1, format!("lab: {error}")))?;
    log.info(&format!(
        "ArangoDB {version} [linux] 64bit, using jemalloc, VPack 0.1.33, RocksDB 5.16.0"
    ));
    let data = DataDir::hold(Path::new(directory), options.text("server.storage-engine")).map_err(
        |error| {
            log.fatal(&error.to_string());
            refuse(error.exit_code(), error.to_string())
        },
    )?;
    let id = data
        .identity(role.prefix())
        .map_err(|error| refuse(1, error.to_string()))?;
    Ok(Server {
        role,
        id,
        version,
        auth: Auth::of(&options),
        options,
        live,
        log,
        effects,
        data,
        serving: AtomicBool::new(false),
        read_only: AtomicBool::new(false),
        stop: Notify::new(),
    })
}

async fn go(server: &Arc<Server>) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    if server.options.is_set("database.auto-upgrade") && !upgrade::is_of_the_cluster(server) {
        let stopped = async {
            drop(server::wait_for_stop(server).await);
        };
        return Ok(upgrade::run(server, stopped).await?);
    }
    if server.options.is_set("database.check-version")
        && let Verdict::Exit(code) = upgrade::check_only(server)?
    {
        return Ok(code);
    }
    if let Some(code) = server.live.now().start_exit {
        server.log.fatal("cannot start");
        return Ok(code);
    }
    if let Verdict::Exit(code) = upgrade::check(server)? {
        return Ok(code);
    }
    let server = Arc::clone(server);
    match server.role {
        Role::Agent => agency::serve(server).await,
        Role::DbServer => dbserver::serve(server).await,
        Role::Coordinator => coordinator::serve(server).await,
        Role::Single => single::serve(server).await,
    }
}
