//! The commands, as the primary agent carries them out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::agent::Ops;
use super::cli::{Said, Typed};
use super::local::Order;
use super::monitor::{self, address};
use super::state::{Installable, Server, hash_of, id_of, table};
use super::{members, upgrade};
use crate::sim::memsql::switches::{OpsOutcome, Switches};
use crate::sim::memsql::wire::Answer;
use crate::sim::memsql::wire::client::{ask, quoted_text};
use crate::sim::paths::Paths;
use crate::sim::{files, time};

/// How long a statement of Ops may take.
const SQL_LIMIT: Duration = Duration::from_mins(10);

/// Carries out a command.
pub async fn carry_out(ops: &Arc<Ops>, typed: Typed) -> Said {
    let switches = ops.switches();
    let shows = match typed.command.as_str() {
        "status" => Some(Said::done(
            "MemSQL Ops is running with pid 3270 on port 9000.\n",
        )),
        "version" => Some(Said::done(format!("Version: {}\n", switches.ops_version))),
        "agent-list" => Some(list_agents(ops, &typed)),
        "memsql-list" => Some(list_servers(ops, &typed).await),
        "file-list" => Some(list_files(ops, &typed)),
        "memsql-path" => Some(path(ops, &typed)),
        "report" => Some(report(ops)),
        _ => None,
    };
    if let Some(said) = shows {
        return said;
    }
    let detail = json!({"rest": typed.rest, "flags": typed.flags, "values": typed.values.iter()
        .filter(|(name, _)| *name != "password").collect::<std::collections::BTreeMap<_, _>>()});
    ops.effects.record(&typed.command, &detail).ok();
    match outcome_of(ops, &typed) {
        OpsOutcome::Ok => change(ops, &typed).await,
        OpsOutcome::Fail => Said::failed(format!(
            "Failed to run {}: the lab has been told so\n",
            typed.command
        )),
        OpsOutcome::Lie => Said::done("Done.\n"),
        OpsOutcome::Deny => Said {
            exit: 1,
            ..change(ops, &typed).await
        },
        OpsOutcome::Hang => {
            tokio::time::sleep(Duration::from_hours(24)).await;
            Said::default()
        }
    }
}

/// Returns what a command ends in: by its words, and by the server that it is for.
fn outcome_of(ops: &Ops, typed: &Typed) -> OpsOutcome {
    let values = typed.values.values().flatten();
    let mut words = vec![typed.command.as_str()];
    words.extend(values.chain(&typed.rest).map(String::as_str));
    let server = typed
        .rest
        .first()
        .and_then(|id| ops.known().server(id).ok().map(address));
    let own = server.and_then(|at| ops.live.toward(&at));
    own.as_ref().unwrap_or(&ops.switches()).outcome_of(&words)
}

async fn change(ops: &Arc<Ops>, typed: &Typed) -> Said {
    if typed.has("async") {
        let (ops, mut typed) = (Arc::clone(ops), typed.clone());
        typed.flags.remove("async");
        tokio::spawn(async move { drop(Box::pin(changed(&ops, &typed)).await) });
        return Said::done("The job was started in the background.\n");
    }
    match changed(ops, typed).await {
        Ok(said) => Said::done(said + "\n"),
        Err(why) => Said::failed(why + "\n"),
    }
}

async fn changed(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    match typed.command.as_str() {
        "memsql-stop" => stop(ops, typed).await,
        "memsql-start" => start(ops, typed).await,
        "memsql-restart" => {
            stop(ops, typed).await?;
            start(ops, typed).await
        }
        "memsql-update-config" => configure(ops, typed).await,
        "memsql-upgrade" => upgrade::run(ops, typed).await,
        "agent-upgrade" => Ok("Successfully upgraded all agents".to_owned()),
        "cluster-manual-control" => manual_control(ops, typed),
        "memsql-deploy" => deploy(ops, typed).await,
        "memsql-monitor" => members::monitor(ops, typed),
        "memsql-unmonitor" => members::unmonitor(ops, typed),
        "memsql-delete" => members::delete(ops, typed).await,
        "file-add" => add_file(ops, typed).await,
        other => Err(format!("{other} is not played in the lab")),
    }
}

/// Writes all that it knows into a file, for the vendor.
fn report(ops: &Ops) -> Said {
    let known = ops.known().clone();
    let all = json!({
        "agents": known.agents_json(&ops.switches().ops_version),
        "servers": known.servers_json(None, true),
        "files": known.files_json(None),
        "manual_control": known.manual_control,
    });
    let place = format!(
        "/var/lib/memsql-ops/reports/report-{}.json",
        time::unix_ms()
    );
    let path = Paths::of_this_host().place(&place);
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    match made.and_then(|()| files::replace(&path, format!("{all:#}\n").as_bytes(), 0o600)) {
        Ok(()) => Said::done(format!("Successfully created report\n{place}\n")),
        Err(error) => Said::failed(format!("{place}: {error}\n")),
    }
}

/// Prints JSON as it is, or as a fault has it.
fn printed(ops: &Ops, value: &Value) -> Said {
    let switches = ops.switches();
    let mut text = format!("{value:#}\n");
    if switches.ops_tears_json {
        text.truncate(text.len() / 2);
    }
    Said::done(format!("{}{text}", switches.ops_says_first))
}

fn list_agents(ops: &Ops, typed: &Typed) -> Said {
    let known = ops.known().agents_json(&ops.switches().ops_version);
    if typed.has("json") {
        return printed(ops, &known);
    }
    Said::done(shown(
        &known,
        &["agent_id", "host", "port", "role", "state", "version"],
    ))
}

fn list_files(ops: &Ops, typed: &Typed) -> Said {
    let known = ops.known().files_json(ops.switches().ops_files_on);
    if typed.has("json") {
        return printed(ops, &known);
    }
    Said::done(shown(&known, &["file_type", "version", "version_hash"]))
}

/// Tells whether a server is among those that were asked for.
fn is_wanted(typed: &Typed, one: &Value) -> bool {
    let word = |name: &str| {
        let value = one.get(name)?;
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        )
    };
    let own = word("role").unwrap_or_default();
    let fits = |role: &String| {
        own.eq_ignore_ascii_case(role)
            || (role.eq_ignore_ascii_case("aggregator") && own == "MASTER")
    };
    let roles = typed.values.get("memsql-role");
    let is = |option: &str, name: &str| {
        typed
            .value(option)
            .is_none_or(|value| word(name).as_deref() == Some(value))
    };
    roles.is_none_or(|roles| roles.iter().any(fits))
        && is("availability-group", "availability_group")
        && is("agent-id", "agent_id")
}

/// Shows hosts by the other names that they have.
fn rename(servers: &mut Value, switches: &Switches) {
    for one in servers.as_array_mut().into_iter().flatten() {
        let name = one.get("host").and_then(Value::as_str);
        let name = name.and_then(|host| switches.ops_names.get(host)).cloned();
        if let (Some(name), Some(own)) = (name, one.as_object_mut()) {
            own.insert("host".to_owned(), json!(name));
        }
    }
}

fn has_run_state(servers: &Value, wanted: &str) -> bool {
    let mut all = servers.as_array().into_iter().flatten();
    all.any(|one| one.get("run_state").and_then(Value::as_str) == Some(wanted))
}

async fn list_servers(ops: &Arc<Ops>, typed: &Typed) -> Said {
    let switches = ops.switches();
    if !switches.ops_list_is_stale {
        monitor::look(ops).await;
    }
    let (role, all) = (
        switches.ops_shows_role.as_deref(),
        typed.has("include-unmonitored"),
    );
    let mut fresh = ops.known().servers_json(role, all);
    rename(&mut fresh, &switches);
    let freezes_on = &switches.ops_list_freezes_on;
    let freezes = has_run_state(&fresh, freezes_on);
    let all = {
        let mut stale = ops
            .stale
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if switches.ops_list_is_stale || freezes || (!freezes_on.is_empty() && stale.is_some()) {
            stale.get_or_insert(fresh).clone()
        } else {
            *stale = None;
            fresh
        }
    };
    let all = all.as_array().into_iter().flatten();
    let all = Value::Array(all.filter(|one| is_wanted(typed, one)).cloned().collect());
    if typed.has("json") {
        return printed(ops, &all);
    }
    if typed.has("q") {
        let ids = all
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("memsql_id")?.as_str());
        return Said::done(ids.map(|id| format!("{id}\n")).collect::<Vec<_>>().concat());
    }
    Said::done(shown(
        &all,
        &[
            "memsql_id",
            "agent_id",
            "run_state",
            "cluster_state",
            "role",
            "host",
            "port",
            "memsql_version",
        ],
    ))
}

fn shown(all: &Value, names: &[&str]) -> String {
    let heads: Vec<String> = names
        .iter()
        .map(|name| name.replace('_', " ").to_uppercase())
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows = all.as_array().into_iter().flatten().map(|one| {
        let cells = names.iter().map(|name| {
            let cell = one.get(name).map_or(String::new(), |v| {
                v.as_str().map_or_else(|| v.to_string(), str::to_owned)
            });
            if name.ends_with("_id") {
                cell.chars().take(7).collect()
            } else {
                cell
            }
        });
        cells.collect()
    });
    table(&heads, &rows.collect::<Vec<_>>())
}

fn path(ops: &Ops, typed: &Typed) -> Said {
    let id = typed.rest.first().map_or("", String::as_str);
    match ops.known().server(id) {
        Ok(server) => Said::done(format!("{}\n", server.directory)),
        Err(why) => Said::failed(why + "\n"),
    }
}

/// Returns the servers that a command is for.
pub fn meant(ops: &Ops, typed: &Typed) -> Result<Vec<Server>, String> {
    let known = ops.known();
    if typed.has("all") {
        return Ok(known.servers.clone());
    }
    if typed.rest.is_empty() {
        return Err("A MemSQL ID or --all must be given.".to_owned());
    }
    typed
        .rest
        .iter()
        .map(|id| known.server(id).cloned())
        .collect()
}

/// Marks a server as one that a command works on.
pub fn busy(ops: &Ops, id: &str, busy: bool) {
    if let Some(server) = ops.known().server_mut(id) {
        server.busy = busy;
        server.down_since_ms = None;
    }
}

fn seconds(typed: &Typed, name: &str) -> u64 {
    typed
        .value(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(300)
}

/// Stops a server.
pub async fn stop_one(
    ops: &Arc<Ops>,
    server: &Server,
    timeout_s: u64,
    hard: bool,
) -> Result<(), String> {
    busy(ops, &server.memsql_id, true);
    let order = Order::Stop {
        directory: server.directory.clone(),
        timeout_s,
        hard,
    };
    let outcome = ops
        .order(&server.host, order, Duration::from_secs(timeout_s + 10))
        .await;
    busy(ops, &server.memsql_id, false);
    if outcome.is_ok()
        && let Some(own) = ops.known().server_mut(&server.memsql_id)
    {
        (own.runs, own.answers, own.connected) = (false, false, false);
    }
    outcome.map(|_| ())
}

/// Starts a server.
pub async fn start_one(ops: &Arc<Ops>, server: &Server) -> Result<(), String> {
    busy(ops, &server.memsql_id, true);
    let order = Order::Start {
        directory: server.directory.clone(),
        at: address(server),
        timeout_s: 300,
    };
    let outcome = ops
        .order(&server.host, order, Duration::from_secs(310))
        .await;
    busy(ops, &server.memsql_id, false);
    outcome.map(|_| ())
}

async fn stop(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    for server in meant(ops, typed)? {
        stop_one(
            ops,
            &server,
            seconds(typed, "timeout"),
            typed.has("hard-stop"),
        )
        .await?;
    }
    Ok("Successfully stopped MemSQL".to_owned())
}

async fn start(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    for server in meant(ops, typed)? {
        start_one(ops, &server).await?;
    }
    Ok("Successfully started MemSQL".to_owned())
}

/// Says a statement to a server, as root.
pub async fn sql(ops: &Ops, server: &Server, text: &str) -> Result<(), String> {
    let limits = (Duration::from_secs(5), SQL_LIMIT);
    match ask(&server.host, server.port, &ops.login(), text, limits).await {
        Ok(Answer::Rows(_) | Answer::Done(_)) => Ok(()),
        Ok(Answer::HangUp) => Err("the server hung up".to_owned()),
        Err(error) => Err(format!("{}:{}: {error}", server.host, server.port)),
    }
}

async fn configure(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    let key = typed.value("key").ok_or("--key must be given.")?.to_owned();
    let value = if typed.has("delete") {
        None
    } else {
        Some(typed.value("value").unwrap_or("").to_owned())
    };
    for server in meant(ops, typed)? {
        let order = Order::Configure {
            directory: server.directory.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        ops.order(&server.host, order, Duration::from_secs(30))
            .await?;
        if let Some(value) = value.as_deref().filter(|_| typed.has("set-global")) {
            sql(
                ops,
                &server,
                &format!("SET @@GLOBAL.{key} = {}", quoted_text(value)),
            )
            .await?;
        }
    }
    Ok("Successfully updated the configuration".to_owned())
}

fn manual_control(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    if typed.has("enable") == typed.has("disable") {
        return Err("one of the arguments --enable --disable is required".to_owned());
    }
    let on = typed.has("enable");
    ops.change(|known| {
        known.manual_control = on;
        for server in &mut known.servers {
            server.down_since_ms = None;
        }
    });
    let word = if on { "enabled" } else { "disabled" };
    Ok(format!("Successfully {word} manual cluster control"))
}

async fn add_file(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    let path = typed.rest.first().ok_or("A file must be given.")?;
    let version = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let version = version.lines().next().unwrap_or_default().trim().to_owned();
    let hash = hash_of(&version);
    let agents = ops.known().agents.clone();
    for agent in agents {
        let order = Order::AddFile {
            version: version.clone(),
            hash: hash.clone(),
        };
        ops.order(&agent.host, order, Duration::from_secs(30))
            .await?;
    }
    ops.change(|known| {
        known.files.retain(|file| file.hash != hash);
        known.files.push(Installable {
            version: version.clone(),
            hash,
        });
    });
    Ok(format!(
        "Adding a MemSQL file\nUnpacking archive to determine its version\nSuccessfully added a MemSQL file with version {version}"
    ))
}

async fn deploy(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    let role = typed.value("role").unwrap_or("leaf").to_uppercase();
    let port: u16 = typed
        .value("port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(3306);
    let (agent, file) = {
        let known = ops.known();
        let wanted = typed.value("agent-id").unwrap_or_default();
        let agent = known
            .agents
            .iter()
            .find(|one| one.agent_id == wanted || one.host == wanted);
        let agent = agent.cloned().ok_or("No such agent.")?;
        (
            agent,
            known
                .file(typed.value("version-hash"), typed.value("version"))?
                .clone(),
        )
    };
    let memsql_id = id_of(&format!("{} {port} {}", agent.host, time::unix_us()));
    let short: String = memsql_id.chars().take(7).collect();
    let server = Server {
        directory: format!("/var/lib/memsql/{}-{port}-{short}", role.to_lowercase()),
        agent_id: agent.agent_id,
        host: agent.host,
        port,
        group: typed
            .value("availability-group")
            .and_then(|group| group.parse().ok()),
        version: file.version,
        unmonitored: false,
        runs: true,
        answers: false,
        connected: false,
        down_since_ms: None,
        busy: true,
        memsql_id,
        role,
    };
    make(ops, &server, &file.hash).await?;
    join(ops, &server).await?;
    ops.change(|known| {
        known.servers.push(Server {
            busy: false,
            ..server.clone()
        });
    });
    Ok(format!(
        "Successfully deployed MemSQL\n{}",
        server.memsql_id
    ))
}

async fn make(ops: &Arc<Ops>, server: &Server, hash: &str) -> Result<(), String> {
    let mut settings = Vec::new();
    if server.role == "MASTER" {
        settings.push(("redundancy_level".to_owned(), "2".to_owned()));
    }
    if let Some(certificate) = &ops.settings.certificate {
        settings.push(("ssl_key".to_owned(), certificate.clone()));
        settings.push(("have_ssl".to_owned(), "YES".to_owned()));
    }
    let order = Order::Make {
        directory: server.directory.clone(),
        at: address(server),
        hash: hash.to_owned(),
        password: ops.settings.password.clone(),
        settings,
    };
    ops.order(&server.host, order, Duration::from_mins(1))
        .await?;
    let order = Order::Start {
        directory: server.directory.clone(),
        at: address(server),
        timeout_s: 60,
    };
    ops.order(&server.host, order, Duration::from_secs(70))
        .await
        .map(|_| ())
}

async fn join(ops: &Arc<Ops>, server: &Server) -> Result<(), String> {
    let at = format!("{}:{}", quoted_text(&server.host), server.port);
    if server.role == "MASTER" {
        return sql(ops, server, &format!("BOOTSTRAP AGGREGATOR {at}")).await;
    }
    let master = ops
        .known()
        .servers
        .iter()
        .find(|one| one.role == "MASTER")
        .cloned();
    let master = master.ok_or("There is no master aggregator.")?;
    let text = match server.role.as_str() {
        "LEAF" => format!(
            "ADD LEAF root@{at} INTO GROUP {}",
            server.group.unwrap_or(1)
        ),
        _ => format!("ADD AGGREGATOR root@{at}"),
    };
    sql(ops, &master, &text).await
}
