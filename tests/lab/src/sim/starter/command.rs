//! How the starter starts a server: its configuration, its command line, the file that keeps it.
//!
//! Pure but for [`write_once`]; the exact text matters, because people and tools read it.

use std::io;
use std::path::Path;

use super::kinds::Kind;
use super::options::Options;
use super::peers::{Peer, Peers};
use crate::sim::files;
use crate::sim::version::Version;

/// Everything that a command line is made of.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The kind of server.
    pub kind: Kind,
    /// The program.
    pub program: String,
    /// Where the server's files lie.
    pub directory: String,
    /// Where the server's log lies.
    pub log_file: String,
    /// This starter.
    pub own: &'a Peer,
    /// The address under which it is reached.
    pub address: &'a str,
    /// All starters.
    pub peers: &'a Peers,
    /// What the starter was told.
    pub options: &'a Options,
    /// The version of the installed program.
    pub version: &'a Version,
    /// Whether the server is to upgrade its data and end.
    pub auto_upgrade: bool,
    /// A file with the cluster's secret, for the programs that take it so.
    pub secret_file: Option<String>,
}

type Pairs = Vec<(String, String)>;

/// Returns the command line.
pub fn command_line(recipe: &Recipe<'_>) -> Vec<String> {
    if recipe.kind.is_sync() {
        sync_line(recipe)
    } else {
        arangod_line(recipe)
    }
}

fn arangod_line(recipe: &Recipe<'_>) -> Vec<String> {
    let directory = &recipe.directory;
    let mut pairs: Pairs = Vec::new();
    let mut add = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    common_options(recipe, &mut add);
    let secure = recipe.peers.is_secure();
    let scheme = if secure { "ssl" } else { "tcp" };
    let own = format!(
        "{scheme}://{}:{}",
        recipe.address,
        recipe.own.port_of(recipe.kind)
    );
    role_options(recipe, &own, &mut add);
    let agents = recipe.peers.all.iter().filter(|peer| peer.has_agent);
    for agent in agents {
        let at = format!(
            "{scheme}://{}:{}",
            agent.address,
            agent.port_of(Kind::Agent)
        );
        match recipe.kind {
            Kind::Agent if agent.id != recipe.own.id => add("--agency.endpoint", &at),
            Kind::DbServer | Kind::Coordinator => add("--cluster.agency-endpoint", &at),
            Kind::Agent | Kind::Single | Kind::SyncMaster | Kind::SyncWorker => {}
        }
    }
    let passed = recipe.options.passed_to(recipe.kind);
    pairs.retain(|(name, _)| {
        !passed
            .iter()
            .any(|(other, _)| name.strip_prefix("--") == Some(other))
    });
    let head = [
        recipe.program.clone(),
        "-c".to_owned(),
        format!("{directory}/arangod.conf"),
    ];
    let passed = passed
        .into_iter()
        .map(|(name, value)| (format!("--{name}"), value));
    head.into_iter()
        .chain(
            pairs
                .into_iter()
                .chain(passed)
                .flat_map(|(name, value)| [name, value]),
        )
        .collect()
}

/// Adds what every server is given.
fn common_options(recipe: &Recipe<'_>, add: &mut impl FnMut(&str, &str)) {
    let directory = &recipe.directory;
    let startup = recipe.options.text("server.js-dir");
    add("--database.directory", &format!("{directory}/data"));
    add(
        "--javascript.startup-directory",
        startup.unwrap_or("/usr/share/arangodb3/js"),
    );
    add("--javascript.app-path", &format!("{directory}/apps"));
    add("--log.file", &recipe.log_file);
    add("--log.force-direct", "false");
    if recipe.version.at_least(3, 3, 20) {
        add("--javascript.copy-installation", "true");
    }
    if recipe.auto_upgrade {
        add("--database.auto-upgrade", "true");
    }
    if let Some(threads) = recipe.options.text("server.threads") {
        add("--server.threads", threads);
    }
}

fn role_options(recipe: &Recipe<'_>, own: &str, add: &mut impl FnMut(&str, &str)) {
    match recipe.kind {
        Kind::Agent => {
            add("--agency.activate", "true");
            add("--agency.my-address", own);
            add("--agency.size", &recipe.peers.agency_size.to_string());
            add("--agency.supervision", "true");
            add("--foxx.queues", "false");
            add("--server.statistics", "false");
        }
        Kind::DbServer => {
            add("--cluster.my-address", own);
            add("--cluster.my-role", "PRIMARY");
            add("--foxx.queues", "false");
            add("--server.statistics", "true");
        }
        Kind::Coordinator => {
            add("--cluster.my-address", own);
            add("--cluster.my-role", "COORDINATOR");
            add("--foxx.queues", "true");
            add("--server.statistics", "true");
            if let Some(advertised) = recipe.options.text("cluster.advertised-endpoint") {
                let advertised = advertised
                    .replace("http://", "tcp://")
                    .replace("https://", "ssl://");
                add("--cluster.my-advertised-endpoint", &advertised);
            }
        }
        Kind::Single | Kind::SyncMaster | Kind::SyncWorker => {
            add("--foxx.queues", "true");
            add("--server.statistics", "true");
        }
    }
}

fn sync_line(recipe: &Recipe<'_>) -> Vec<String> {
    let port = recipe.own.port_of(recipe.kind);
    let option = |name: &str| recipe.options.text(name).unwrap_or_default();
    let mut pairs: Pairs = Vec::new();
    let mut add = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    add("log.file", &recipe.log_file);
    add(
        "server.endpoint",
        &format!("https://{}:{port}", recipe.address),
    );
    add("server.port", &port.to_string());
    add("monitoring.token", option("sync.monitoring.token"));
    add("master.jwt-secret", option("sync.master.jwt-secret"));
    let word = if recipe.kind == Kind::SyncMaster {
        add("server.keyfile", option("sync.server.keyfile"));
        add("server.client-cafile", option("sync.server.client-cafile"));
        add(
            "mq.type",
            recipe.options.text("sync.mq.type").unwrap_or("direct"),
        );
        if let Some(file) = &recipe.secret_file {
            add("cluster.jwt-secret", file);
        }
        for endpoint in recipe.peers.urls(Kind::Coordinator) {
            add("cluster.endpoint", &endpoint);
        }
        "master"
    } else {
        for peer in recipe.peers.all.iter().filter(|peer| peer.has_sync_master) {
            let port = peer.port_of(Kind::SyncMaster);
            add(
                "master.endpoint",
                &format!("https://{}:{port}", peer.address),
            );
        }
        "worker"
    };
    let passed = recipe.options.passed_to(recipe.kind);
    pairs.retain(|(name, _)| !passed.iter().any(|(other, _)| other == name));
    [recipe.program.clone(), "run".to_owned(), word.to_owned()]
        .into_iter()
        .chain(
            pairs
                .into_iter()
                .chain(passed)
                .map(|(name, value)| format!("--{name}={value}")),
        )
        .collect()
}

/// Returns the text of the file that keeps a command line: no quoting of any kind.
pub fn command_text(line: &[String]) -> String {
    line.join(" \\\n") + "\n"
}

/// Returns the text of `arangod.conf`.
pub fn config_text(recipe: &Recipe<'_>, jwt_secret: &str, keyfile: &str, cafile: &str) -> String {
    let secure = !keyfile.is_empty();
    let scheme = if secure { "ssl" } else { "tcp" };
    let any = if recipe.options.is_set("starter.disable-ipv6") {
        "0.0.0.0"
    } else {
        "[::]"
    };
    let port = recipe.own.port_of(recipe.kind);
    let mut text = String::from(
        "# ArangoDB configuration file\n#\n# Documentation:\n# https://docs.arangodb.com/Manual/Administration/Configuration/\n#\n\n",
    );
    let mut line = |written: &str| {
        text.push_str(written);
        text.push('\n');
    };
    line("[server]");
    line(&format!("endpoint = {scheme}://{any}:{port}"));
    line(&format!("authentication = {}", !jwt_secret.is_empty()));
    if !jwt_secret.is_empty() {
        line(&format!("jwt-secret = {jwt_secret}"));
    }
    line(&format!(
        "storage-engine = {}",
        recipe.peers.server_storage_engine
    ));
    line("[log]");
    line("level = INFO");
    if secure {
        line("[ssl]");
        line(&format!("keyfile = {keyfile}"));
        if !cafile.is_empty() {
            line(&format!("cafile = {cafile}"));
        }
    }
    text
}

/// Writes a file that is not there yet; one that is there stays, however old it is.
pub fn write_once(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    files::replace(path, text.as_bytes(), mode)
}

#[cfg(test)]
mod tests {
    use super::super::peers::tests::peer;
    use super::*;

    fn line(kind: Kind, version: &str, auto_upgrade: bool, args: &[&str]) -> Vec<String> {
        let mut peers = Peers::beginning(peer("a", "H1", 0), 3, "rocksdb", String::new());
        peers.all.push(peer("b", "H2", 0));
        peers.all.push(peer("c", "H3", 0));
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (_, options) = Options::parse(&args).unwrap();
        let recipe = Recipe {
            kind,
            program: "/usr/sbin/arangod".into(),
            directory: format!("/D/{}8531", kind.name()),
            log_file: format!("/D/{}8531/arangod.log", kind.name()),
            own: &peers.all[0],
            address: "H1",
            peers: &peers,
            options: &options,
            version: &Version::parse(version).unwrap(),
            auto_upgrade,
            secret_file: None,
        };
        command_line(&recipe)
    }

    #[test]
    fn an_agents_command_file_is_as_the_real_one() {
        let text = command_text(&line(Kind::Agent, "3.3.20", false, &[]));
        let expected = "/usr/sbin/arangod \\\n-c \\\n/D/agent8531/arangod.conf \\\n--database.directory \\\n/D/agent8531/data \\\n--javascript.startup-directory \\\n/usr/share/arangodb3/js \\\n--javascript.app-path \\\n/D/agent8531/apps \\\n--log.file \\\n/D/agent8531/arangod.log \\\n--log.force-direct \\\nfalse \\\n--javascript.copy-installation \\\ntrue \\\n--agency.activate \\\ntrue \\\n--agency.my-address \\\ntcp://H1:8531 \\\n--agency.size \\\n3 \\\n--agency.supervision \\\ntrue \\\n--foxx.queues \\\nfalse \\\n--server.statistics \\\nfalse \\\n--agency.endpoint \\\ntcp://H2:8531 \\\n--agency.endpoint \\\ntcp://H3:8531\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_file_first_written_in_an_upgrade_keeps_the_upgrade() {
        let line = line(Kind::DbServer, "3.3.20", true, &[]);
        let at = line
            .iter()
            .position(|arg| arg == "--database.auto-upgrade")
            .unwrap();
        assert_eq!(line[at + 1], "true");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arangod_command.txt");
        write_once(&path, &command_text(&line), 0o755).unwrap();
        write_once(&path, "later", 0o755).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), command_text(&line));
    }

    #[test]
    fn versions_and_roles_change_the_line() {
        let has = |line: &[String], arg: &str| line.iter().any(|found| found == arg);
        let old = line(Kind::Coordinator, "3.3.19", false, &[]);
        assert!(!has(&old, "--javascript.copy-installation"));
        assert!(has(&old, "COORDINATOR") && has(&old, "tcp://H1:8529"));
        let count = |line: &[String], arg: &str| line.iter().filter(|found| *found == arg).count();
        assert_eq!(count(&old, "--cluster.agency-endpoint"), 3);
        let dbserver = line(Kind::DbServer, "3.3.20", false, &[]);
        assert!(has(&dbserver, "PRIMARY") && has(&dbserver, "tcp://H1:8530"));
    }

    #[test]
    fn what_is_passed_on_comes_last_and_replaces() {
        let line = line(
            Kind::Agent,
            "3.3.20",
            false,
            &["--agents.log.force-direct=true", "--all.log.level=debug"],
        );
        let tail = &line[line.len() - 4..];
        assert_eq!(tail, ["--log.force-direct", "true", "--log.level", "debug"]);
        let count = line
            .iter()
            .filter(|arg| *arg == "--log.force-direct")
            .count();
        assert_eq!(count, 1);
    }

    #[test]
    fn sync_programs_take_joined_options() {
        let line = line(
            Kind::SyncMaster,
            "3.3.20",
            false,
            &["--sync.monitoring.token=tok"],
        );
        assert_eq!(line[1..3], ["run", "master"]);
        assert!(
            line.contains(&"--server.endpoint=https://H1:8532".to_owned()),
            "{line:?}"
        );
        assert!(
            line.contains(&"--cluster.endpoint=http://H2:8529".to_owned()),
            "{line:?}"
        );
        assert!(line.contains(&"--monitoring.token=tok".to_owned()));
    }
}
