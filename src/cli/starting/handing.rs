//! What the engine is handed beside the playbook: settings, sinks, sessions, and the run's header.

use std::path::Path;
use std::sync::Arc;

use serde_json::Map;

use super::{Request, operator};
use crate::cli::args::Showing;
use crate::cli::failure::{Failure, draw_as};
use crate::cli::lines::{Lines, Wanted};
use crate::cli::machine::Machine;
use crate::cli::notify::Notifier;
use crate::cli::output;
use crate::cli::prepared::Prepared;
use crate::cli::progress::{LiveView, Screen};
use crate::cli::sessions::MachineConnector;
use crate::clock::{Clock as _, Timestamp};
use crate::events::{NdjsonSink, PlayOutline, Sink};
use crate::journal::{Header, content_digest};
use crate::playbook::Files as _;
use crate::rollout::{BecomeDefaults, Settings, Templaters as _, Wish, layers_around};
use crate::secrets::Secret;
use crate::template::Variables;
use crate::vars::Layers;

pub(in crate::cli) fn engine_settings(
    request: &Request,
    prepared: &Prepared,
    become_password: Option<Secret>,
) -> Settings {
    let reaching = &request.reaching;
    Settings {
        forks: reaching.forks.max(1),
        check: request.mode.check,
        diff: request.mode.diff,
        step: request.step,
        tags: prepared.tags.clone(),
        limit: prepared.limit.clone(),
        approved: request.approve.clone(),
        start_at: request.start_at.clone(),
        r#become: BecomeDefaults {
            wanted: reaching.become_user_wanted,
            user: reaching.become_user.clone(),
            method: reaching.become_method.clone(),
            password: become_password,
        },
        ..Settings::default()
    }
}

pub(in crate::cli) fn outline(prepared: &Prepared) -> Vec<PlayOutline> {
    let play = |play: &&crate::plan::PlannedPlay| PlayOutline {
        id: play.id.as_str().to_owned(),
        name: play.title.clone(),
        batches: play
            .batches()
            .map(|batch| batch.iter().map(ToString::to_string).collect())
            .collect(),
    };
    prepared.plan.plays().iter().map(play).collect()
}

pub(super) fn header(request: &Request, prepared: &Prepared, machine: &Machine) -> Header {
    let inventory = prepared
        .world
        .inventory()
        .to_list_json(None, &prepared.world.inventory().hosts());
    Header {
        run: run_id(prepared.clock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        playbook: request.playbook.clone(),
        plan_digest: prepared.plan.digest.clone(),
        inventory_digest: content_digest(inventory.to_string().as_bytes()),
        frozen: Vec::new(),
        args: Vec::new(),
        reason: request.reason.clone(),
        operator: operator(machine).to_owned(),
        bastion: bastion(machine),
        machine: machine_name(),
        check: request.mode.check,
    }
}

/// Names this machine.
fn bastion(machine: &Machine) -> String {
    let name = machine
        .read("/proc/sys/kernel/hostname")
        .unwrap_or_default();
    String::from_utf8_lossy(&name).trim().to_owned()
}

/// Names this machine as locks on clusters do: its name, and the beginning of its machine-id if it has one.
pub(in crate::cli) fn machine_name() -> String {
    const DIGITS: usize = 8;
    let read = |path: &str| {
        let text = Machine::read_file(path).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let name = read("/proc/sys/kernel/hostname");
    let id: String = read("/etc/machine-id").chars().take(DIGITS).collect();
    format!("{name} {id}").trim().to_owned()
}

/// Names a run by its time and some chance: sorted by time, unique on this machine.
pub(in crate::cli) fn run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let chance = std::hash::RandomState::new().build_hasher().finish();
    format!("{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), chance & 0xffff)
}

/// Returns what is typed to find records that are not kept where they are looked for.
fn records(state: Option<&Path>) -> String {
    state.map_or_else(String::new, |path| format!(" --state {}", path.display()))
}

/// Returns where the live view is drawn, if there is one.
pub(in crate::cli) fn screen(showing: &Showing) -> Option<Screen> {
    (output::is_terminal() && !showing.plain).then(Screen::stderr)
}

pub(super) fn sinks(
    request: &Request,
    screen: Option<&Screen>,
    machine: &Machine,
) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let state = request.state.as_deref();
    let mut sinks = views(&request.showing, request.mode.diff, state, screen, machine)?;
    if !request.pausing.notify.is_empty() {
        let whom = request.pausing.notify.clone();
        sinks.push(Box::new(Notifier::new(whom, &bastion(machine))));
    }
    Ok(sinks)
}

/// Makes what shows a run to its operator, and what writes its events down.
pub(in crate::cli) fn views(
    showing: &Showing,
    diff: bool,
    state: Option<&Path>,
    screen: Option<&Screen>,
    machine: &Machine,
) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let wanted = Wanted {
        verbosity: showing.verbose,
        diff,
        color: screen.is_some() && machine.environment.get("NO_COLOR").is_none(),
        records: records(state),
    };
    let mut sinks: Vec<Box<dyn Sink>> = match screen {
        Some(screen) => vec![Box::new(LiveView::on(screen.clone(), wanted))],
        None => vec![Box::new(Lines::new(std::io::stderr(), wanted))],
    };
    if let Some(path) = &showing.events {
        let file = std::fs::File::create(path)
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
        sinks.push(Box::new(NdjsonSink::new(file)));
    }
    Ok(sinks)
}

/// Makes what opens the sessions, and looks at how every host of the plan is to be reached before any of them is.
pub(in crate::cli) fn connector(
    request: &Request,
    prepared: &Prepared,
    machine: &Machine,
    login: Option<Secret>,
) -> Result<MachineConnector, Failure> {
    let templater = prepared.templaters.searching(&[]);
    let connector = MachineConnector::new(machine, templater, &request.reaching, login)?;
    let directory = crate::playbook::directory_of(&request.playbook);
    let mut hosts = Vec::new();
    for play in prepared.playbook.plays() {
        let planned = prepared.plan.play(&play.id);
        let said = play.context.nearest(|k| k.connection.as_ref());
        let connection = said.and_then(crate::yaml::Node::as_str);
        if connection.is_some_and(|text| text.contains("{{")) {
            continue;
        }
        for host in planned.iter().flat_map(|planned| &planned.hosts) {
            hosts.push((host, connection, play));
        }
    }
    let variables: Vec<Arc<dyn Variables>> = hosts
        .iter()
        .map(|(host, _, play)| {
            let around = layers_around(&[], &Arc::default(), &play.role_uses, &play.context);
            let (layers, task) = (Arc::new(Layers::new(around)), Arc::new(Map::new()));
            let scope = prepared
                .world
                .scope(host.as_str(), directory, &layers, &task);
            Arc::new(scope) as Arc<dyn Variables>
        })
        .collect();
    let wishes = hosts
        .iter()
        .zip(&variables)
        .map(|((host, connection, _), variables)| Wish {
            host: host.as_str(),
            variables,
            remote_user: None,
            port: None,
            connection: *connection,
        });
    for warning in connector.check(wishes)? {
        output::message(&draw_as("warning", &warning));
    }
    Ok(connector)
}
