//! A look ahead for `plan`: hosts are asked and never changed, or not even asked; no records are kept.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::asking::Terminal;
use super::failure::{ExitCode, Failure};
use super::machine::{Machine, MachineDesk};
use super::prepared::Prepared;
use super::starting::{
    Request, asked_passwords, connector, engine_settings, machine_name, outline,
};
use super::{interrupt, output};
use crate::clock::{Clock, Stop};
use crate::connection::Connection;
use crate::events::{Event, EventKind, StepOutcome};
use crate::journal::{Entry, Header, Record, Sealer};
use crate::modules;
use crate::plan::Live;
use crate::rollout::{
    Connector, HandLine, NoSession, NothingBefore, Outside, Rollout, Survey, Surveyed, Wish,
};
use crate::secrets::Masker;
use crate::yaml::Problem;

/// Opens no session: a plan touches no host.
#[derive(Debug)]
struct NoHosts;

impl Connector for NoHosts {
    fn connect(&self, _: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        let problem = Problem::nowhere("a plan touches no host");
        Err(NoSession::Problem(problem))
    }
}

/// Looks ahead.
pub(super) fn look(
    request: &Request,
    prepared: &Prepared,
    wanted: Survey,
    masker: Masker,
    machine: &Machine,
) -> Result<Surveyed, Failure> {
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let (login, become_password) = asked_passwords(&request.reaching, &masker)?;
    let connector: Arc<dyn Connector> = if wanted.live {
        Arc::new(connector(request, prepared, machine, login)?)
    } else {
        Arc::new(NoHosts)
    };
    let rollout = Rollout {
        header: Header {
            run: "plan".to_owned(),
            playbook: request.playbook.clone(),
            machine: machine_name(),
            check: true,
            ..Header::default()
        },
        settings: engine_settings(request, prepared, become_password),
        outside: outside(request, prepared, (connector, stop), masker, machine),
        outline: outline(prepared),
        playbook: Arc::clone(&prepared.playbook),
        answers: Map::new(),
    };
    let surveyed = rollout.survey(wanted, Vec::new());
    drop(watching);
    Ok(surveyed)
}

/// Returns what an engine is handed that keeps no records and asks nobody.
pub(super) fn outside(
    request: &Request,
    prepared: &Prepared,
    (connector, stop): (Arc<dyn Connector>, Stop),
    masker: Masker,
    machine: &Machine,
) -> Outside {
    let clock: Arc<dyn Clock> = Arc::<crate::clock::SystemClock>::clone(&prepared.clock);
    Outside {
        clock,
        stop,
        connector,
        asker: Arc::new(Terminal::nobody()),
        desk: Arc::new(MachineDesk::new(machine, &request.sources)),
        world: Arc::clone(&prepared.world),
        templaters: Arc::<super::prepared::MachineTemplaters>::clone(&prepared.templaters),
        loader: Arc::clone(&prepared.loader),
        modules: modules::find,
        seal: Arc::new(Sealer::new(masker.clone())),
        masker,
        notes: modules::Notes::new(),
        previously: Arc::new(NothingBefore),
    }
}

/// Sums up what was seen.
pub(super) fn live(records: &[Entry], now: crate::clock::Timestamp) -> Live {
    let mut live = Live {
        at: now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        ..Live::default()
    };
    for entry in records {
        if let Record::Outcome(outcome) = &entry.record {
            live.saw_cluster(&Value::Object(outcome.result.clone()));
        }
        if let Record::Event(event) = &entry.record {
            saw(&mut live, event);
        }
    }
    live
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn saw(live: &mut Live, event: &Event) {
    match &event.kind {
        EventKind::BatchStarted { play, hosts, .. } => live.saw_batch(play, hosts),
        EventKind::StepFinished {
            step,
            outcome,
            result,
            ..
        } => {
            let what = match outcome {
                StepOutcome::Ok | StepOutcome::InDoubt => return,
                StepOutcome::Changed => "would be done".to_owned(),
                // A command has no check mode: it would be run.
                StepOutcome::Skipped { why } if why.starts_with("in check mode") => {
                    "would be done".to_owned()
                }
                StepOutcome::Skipped { why } => format!("skipped: {why}"),
                StepOutcome::Failed => format!("not so yet: {}", first_line(&result.message)),
                StepOutcome::Unreachable => {
                    format!("not reached: {}", first_line(&result.message))
                }
            };
            live.saw_step(&step.task, &step.host, &what);
        }
        _ => {}
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Tells by the exit code whether all hosts answered, and says why it was not looked further.
pub(super) fn exit(surveyed: &Surveyed) -> ExitCode {
    if let Some((_, why)) = &surveyed.ended.stopped {
        output::message(&format!("warning: not looked further than this: {why}\n"));
    }
    ExitCode::from_number(surveyed.ended.exit_code)
}

/// Shows what to type, in the order in which the run would do it.
pub(super) fn commands(lines: &[HandLine]) -> String {
    let mut text = String::new();
    let mut before: Option<(&str, u32, &str)> = None;
    for line in lines {
        let here = (line.stretch.as_str(), line.batch, line.host.as_str());
        if before.is_none_or(|before| before.0 != here.0) {
            let _ = writeln!(text, "\n# {}", line.stretch);
        }
        if before != Some(here) {
            let batch = match line.batch {
                0 => String::new(),
                number => format!("batch {number} ({}), ", line.hosts.join(", ")),
            };
            let _ = writeln!(text, "\n## {batch}for {}", line.host);
        }
        before = Some(here);
        let place = match line.line.host.as_str() {
            "" => "here".to_owned(),
            host => format!("on {host}"),
        };
        let _ = writeln!(text, "# {place}: {}", line.line.what);
        if let Some(condition) = &line.only_when {
            let _ = writeln!(text, "#   only when {condition}");
        }
        for command in line.line.command.lines() {
            let _ = writeln!(text, "{command}");
        }
    }
    text.trim_start().to_owned()
}
