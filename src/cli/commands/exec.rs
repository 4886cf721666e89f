//! `stagger exec PATTERN -- COMMAND`: one command on many hosts, at once.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Map;

use super::super::args::{Exec, Selection};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::prepared::{MachineTemplaters, Mode, world};
use super::super::sessions::MachineConnector;
use super::super::{output, settings};
use crate::clock::{Clock as _, Deadline, Stop, SystemClock};
use crate::connection::{End, Job, JobCommand, JobEnd, JobId, Limit, OnDeadline};
use crate::inventory::HostName;
use crate::rollout::{Connector as _, NoSession, Templaters as _, Wish};
use crate::template::Variables;
use crate::vars::{Layers, World};

/// Runs the command on every host of the pattern, and prints what each said.
pub(in crate::cli) fn run(arguments: &Exec, machine: &Machine) -> Result<ExitCode, Failure> {
    let inventory = settings::inventory(&arguments.sources, machine)?;
    let mut hosts = inventory.select(&arguments.pattern, None)?;
    if let Some(limit) = settings::limit(&inventory, &arguments.sources, machine)? {
        hosts = limit.apply(&inventory, &hosts);
    }
    let none = Selection {
        tags: Vec::new(),
        skip_tags: Vec::new(),
    };
    let world = world(
        inventory,
        &arguments.sources,
        &none,
        Mode::default(),
        machine,
    )?;
    let clock = Arc::new(SystemClock::new());
    let templater = MachineTemplaters::new(machine, &clock).searching(&[]);
    let connector = MachineConnector::new(machine, templater, &arguments.reaching, None)?;
    let worst = Mutex::new(ExitCode::Done);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.reaching.forks.clamp(1, hosts.len().max(1)))
        .build();
    let pool =
        pool.map_err(|error| Failure::usage(format!("threads cannot be started: {error}")))?;
    pool.in_place_scope(|scope| {
        for host in &hosts {
            let (world, connector, worst, clock) = (&world, &connector, &worst, &clock);
            scope.spawn(move |_| {
                let (code, text) = on_host(host, &arguments.command, world, connector, clock);
                drop(output::data(&text));
                let mut worst = worst.lock().unwrap_or_else(PoisonError::into_inner);
                *worst = code.max(*worst);
            });
        }
    });
    Ok(worst.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[expect(
    clippy::too_many_lines,
    reason = "one thing after another; cutting it would hide the order"
)]
fn on_host(
    host: &HostName,
    command: &[String],
    world: &Arc<World>,
    connector: &MachineConnector,
    clock: &Arc<SystemClock>,
) -> (ExitCode, String) {
    let scope = world.scope(
        host.as_str(),
        "",
        &Arc::new(Layers::default()),
        &Arc::new(Map::new()),
    );
    let variables: Arc<dyn Variables> = Arc::new(scope);
    let wish = Wish {
        host: host.as_str(),
        variables: &variables,
        remote_user: None,
        port: None,
        connection: None,
    };
    let mut session = match connector.connect(&wish) {
        Ok(session) => session,
        Err(NoSession::Problem(problem)) => {
            return (ExitCode::Usage, format!("{host} | {}\n", problem.message));
        }
        Err(NoSession::Connection(error)) => {
            return (
                ExitCode::Unreachable,
                format!("{host} | unreachable: {error}\n"),
            );
        }
    };
    let stop = Stop::new();
    let limit = Limit {
        clock: clock.as_ref(),
        stop: &stop,
        deadline: Deadline::NEVER,
    };
    let job = Job {
        id: JobId::new(&format!("exec-{}-{}", clock.now().as_nanosecond(), host)),
        command: match command {
            [line] => JobCommand::Shell {
                text: line.clone(),
                shell: None,
            },
            words => JobCommand::Argv(words.iter().map(|word| word.clone().into_bytes()).collect()),
        },
        input: None,
        directory: None,
        environment: Vec::new(),
        on_deadline: OnDeadline::Leave,
        outlives_session: false,
    };
    match session.job(None, &job, limit, &mut |_| ()) {
        Ok(end) => {
            let code = if end.end == End::Code(0) {
                ExitCode::Done
            } else {
                ExitCode::Failed
            };
            let text = shown(host, &end);
            drop(session.forget(None, std::slice::from_ref(&job.id), limit));
            (code, text)
        }
        Err(error) if error.is_unreachable() => (
            ExitCode::Unreachable,
            format!("{host} | unreachable: {error}\n"),
        ),
        Err(error) => (ExitCode::Failed, format!("{host} | {error}\n")),
    }
}

fn shown(host: &HostName, end: &JobEnd) -> String {
    let how = match end.end {
        End::Code(code) => format!("rc={code}"),
        End::Signal(signal) => format!("signal {signal}"),
    };
    let mut text = format!("{host} | {how}\n");
    for part in [&end.out, &end.err] {
        for line in String::from_utf8_lossy(part).lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}
