//! Running one case and comparing what came of it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value};
use stagger::clock::{Deadline, SimulatedClock, Stop};
use stagger::connection::{JobId, JobOutput, OnDeadline};
use stagger::modules::spec::{Arguments, ModuleSpec};
use stagger::modules::{Action, HostCx, ModuleError, Notes, Observed, Outcome, Watch, find};
use stagger::secrets::Masker;
use stagger::yaml::{Data, Loc, Node, Problem, Source};

use crate::case::Case;
use crate::compare::{compare_failure, compare_result};
use crate::controller::CaseController;
use crate::host::{LocalHost, Shell};
use crate::laid::{compare_tree, make, snapshot};
use crate::listener::greet;

#[derive(Debug)]
struct Quiet;

impl Watch for Quiet {
    fn output(&self, _output: &JobOutput<'_>) {}
    fn saw(&self, _what: &str) {}
}

/// What running a module came to.
#[derive(Debug)]
enum Came {
    Same(Outcome),
    Changed(Outcome),
    /// Check mode: what would change.
    Would(stagger::modules::Change),
    /// Check mode: nobody knows what would change.
    Unknown(stagger::modules::Change),
    Skipped(String),
    Failed(ModuleError),
}

/// Runs one case; an error says what was not as expected.
pub fn case(module: &str, document: &str, shell: Shell) -> Result<(), String> {
    let temporary = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temporary.path()).unwrap();
    let dir = root.join("host");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = document
        .replace("{dir}", &dir.to_string_lossy())
        .replace("{port}", &port.to_string());
    let case: Case = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
    if case.except.contains_key(shell.name()) {
        return Ok(());
    }
    if case.about.is_empty() {
        return Err("it does not say what it is about".to_owned());
    }
    match case.listener.clone() {
        Some(greeting) => greet(listener, &greeting, root.join("calls")),
        None => drop(listener),
    }
    let (host, controller) = prepare(&case, &root, &dir, shell);
    let mut world = World {
        host,
        controller,
        case: &case,
        dir: dir.clone(),
    };
    let (action, spec) = match world.action(module) {
        Ok(made) => made,
        Err(message) => return compare_failure(&case.expect, &message, &Map::new()),
    };
    let (came, trips) = world.run(action.as_ref(), true)?;
    world.compare(&came, trips)?;
    if !case.check && !case.expect.again && case.expect.failed.is_none() && !case.expect.unknown {
        let (action, _) = world.action(module)?;
        match world.run(action.as_ref(), false)?.0 {
            Came::Same(_) | Came::Skipped(_) => {}
            other => return Err(format!("a second time it is not quiet: {other:?}")),
        }
    }
    if let Came::Same(outcome) | Came::Changed(outcome) = &came {
        for name in outcome.result.keys() {
            let documented = spec.returns.iter().any(|(known, _)| known == name);
            // `debug` names a field after what it shows, `uri` has one for each header.
            if !documented
                && !COMMON.contains(&name.as_str())
                && !spec.open
                && !matches!(module, "debug" | "uri")
            {
                return Err(format!("the result's field `{name}` is not in the table"));
            }
        }
    }
    Ok(())
}

/// What a case came to, for comparing with Ansible.
#[derive(Debug)]
pub struct Ran {
    /// Whether it failed.
    pub failed: bool,
    /// Whether something changed.
    pub changed: bool,
    /// The result.
    pub result: Map<String, Value>,
    /// The directory of the host.
    pub dir: PathBuf,
    _keep: tempfile::TempDir,
}

/// Runs a case without comparing it with what it expects.
pub fn ran(module: &str, document: &str, shell: Shell) -> Ran {
    let temporary = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temporary.path()).unwrap();
    let dir = root.join("host");
    let case: Case =
        serde_yaml::from_str(&document.replace("{dir}", &dir.to_string_lossy())).unwrap();
    let (host, controller) = prepare(&case, &root, &dir, shell);
    let mut world = World {
        host,
        controller,
        case: &case,
        dir: dir.clone(),
    };
    let mut ran = Ran {
        failed: true,
        changed: false,
        result: Map::new(),
        dir,
        _keep: temporary,
    };
    let Ok((action, _)) = world.action(module) else {
        return ran;
    };
    ran.failed = false;
    match world.run(action.as_ref(), true).unwrap().0 {
        Came::Same(outcome) | Came::Changed(outcome) => {
            ran.changed = outcome.changed;
            ran.result = outcome.result;
        }
        Came::Would(change) => {
            ran.changed = !change.silent;
            ran.result = change.result;
        }
        Came::Unknown(change) => ran.result = change.result,
        Came::Skipped(_) => {}
        Came::Failed(error) => {
            ran.failed = true;
            if let ModuleError::Failed { result, .. } | ModuleError::InDoubt { result, .. } = error
            {
                ran.result = result;
            }
        }
    }
    ran
}

/// Fields of file modules that each table need not name.
const COMMON: [&str; 12] = [
    "uid",
    "gid",
    "owner",
    "group",
    "mode",
    "state",
    "size",
    "msg",
    "dest",
    "path",
    "backup",
    "ansible_facts",
];

struct World<'a> {
    host: LocalHost,
    controller: CaseController,
    case: &'a Case,
    dir: PathBuf,
}

impl World<'_> {
    fn action(&self, module: &str) -> Result<(Box<dyn Action>, &'static ModuleSpec), String> {
        let module = find(module).ok_or("there is no such module")?;
        let loc = Loc::start(&Source::new("case.yml", ""));
        let written = Node::new(Data::Map(Vec::new()), loc);
        let said = |problems: Vec<Problem>| {
            let messages: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            messages.join("; ")
        };
        let arguments =
            Arguments::of(module.spec(), &self.case.arguments, &written).map_err(said)?;
        let action = module.action(&arguments).map_err(said)?;
        Ok((action, module.spec()))
    }

    fn run(&mut self, action: &dyn Action, first: bool) -> Result<(Came, [usize; 2]), String> {
        let clock = SimulatedClock::new();
        let (stop, job, masker) = (Stop::new(), JobId::new("case"), Masker::new());
        let notes = Notes::new();
        let environment: Vec<(String, String)> =
            self.case.environment.clone().into_iter().collect();
        let before = snapshot(&self.dir);
        self.host.trips = 0;
        assert!(!action.describe().is_empty());
        let mut cx = HostCx {
            host: "host",
            connection: &mut self.host,
            user: None,
            environment: &environment,
            check: self.case.check,
            diff: self.case.diff,
            clock: &clock,
            stop: &stop,
            deadline: Deadline::NEVER,
            controller: &self.controller,
            job: &job,
            indivisible: false,
            on_deadline: OnDeadline::Leave,
            background: None,
            watch: &Quiet,
            masker: &masker,
            notes: &notes,
        };
        let observed = action.observe(&mut cx);
        let observing = cx_trips(&mut cx);
        let after = snapshot(&self.dir);
        if before != after {
            return Err(format!(
                "observing changed something:\n{before:#?}\n{after:#?}"
            ));
        }
        let change = match observed {
            Ok(Observed::Same(outcome)) => return Ok((Came::Same(outcome), [observing, 0])),
            Ok(Observed::Skip(why)) => return Ok((Came::Skipped(why), [observing, 0])),
            Ok(Observed::Unknown(change)) if self.case.check => {
                return Ok((Came::Unknown(change), [observing, 0]));
            }
            Ok(Observed::Differs(change)) if self.case.check => {
                return Ok((Came::Would(change), [observing, 0]));
            }
            Ok(Observed::Differs(change) | Observed::Unknown(change)) => change,
            Err(error) => return Ok((Came::Failed(error), [observing, 0])),
        };
        if let (Some(part), true) = (&self.case.expect.summary, first)
            && !change.summary.contains(part)
        {
            return Err(format!("the summary is {:?}", change.summary));
        }
        // A change is data: it must survive being written down.
        let change = serde_json::from_value(serde_json::to_value(change).unwrap()).unwrap();
        let applied = action.apply(&mut cx, &change);
        let trips = [observing, cx_trips(&mut cx) - observing];
        Ok(match applied {
            Ok(outcome) => (Came::Changed(outcome), trips),
            Err(error) => (Came::Failed(error), trips),
        })
    }

    fn compare(&self, came: &Came, trips: [usize; 2]) -> Result<(), String> {
        let expect = &self.case.expect;
        if let Some(wanted) = expect.trips
            && wanted != trips
        {
            return Err(format!("{trips:?} round trips instead of {wanted:?}"));
        }
        match came {
            Came::Same(outcome) | Came::Changed(outcome) => self.compare_outcome(outcome)?,
            Came::Would(change) => {
                let outcome = Outcome {
                    changed: !change.silent,
                    result: change.result.clone(),
                    diff: change.diff.clone(),
                    ..Outcome::default()
                };
                if let Some(part) = &expect.summary
                    && !change.summary.contains(part)
                {
                    return Err(format!("the summary is {:?}", change.summary));
                }
                self.compare_outcome(&outcome)?;
            }
            Came::Unknown(change) if expect.unknown => {
                compare_result(&expect.result, &change.result)?;
            }
            Came::Unknown(_) => return Err("it cannot be known in check mode".to_owned()),
            Came::Skipped(why) => match &expect.skipped {
                Some(part) if why.contains(part) => {}
                _ => return Err(format!("skipped: {why}")),
            },
            Came::Failed(error) => {
                let empty = Map::new();
                let result = match error {
                    ModuleError::Failed { result, .. } | ModuleError::InDoubt { result, .. } => {
                        result
                    }
                    _ => &empty,
                };
                compare_failure(expect, &error.to_string(), result)?;
            }
        }
        compare_tree(&self.dir, &expect.after)?;
        if let Some(calls) = &expect.calls {
            let made = fs::read_to_string(&self.host.calls).unwrap_or_default();
            let made: Vec<&str> = made.lines().collect();
            if made != *calls {
                return Err(format!("the calls were {made:#?}"));
            }
        }
        let written = self.controller.written.lock().unwrap();
        for (path, content) in &expect.written {
            match written.get(path) {
                Some(found) if found == content.as_bytes() => {}
                other => {
                    return Err(format!(
                        "{path} on the controller: {other:?} of {:?}",
                        written.keys()
                    ));
                }
            }
        }
        Ok(())
    }

    fn compare_outcome(&self, outcome: &Outcome) -> Result<(), String> {
        let expect = &self.case.expect;
        if expect.failed.is_some() || expect.unknown || expect.skipped.is_some() {
            return Err(format!("it went well: {outcome:?}"));
        }
        if expect
            .changed
            .is_some_and(|changed| changed != outcome.changed)
        {
            return Err(format!("changed is {}: {outcome:?}", outcome.changed));
        }
        compare_result(&expect.result, &outcome.result)?;
        if let Some([before, after]) = &expect.diff {
            let found = outcome.diff.as_ref().ok_or("there is no difference")?;
            if (&found.before, &found.after) != (before, after) {
                return Err(format!("the difference is {found:#?}"));
            }
        }
        if let Some(effects) = &expect.effects {
            let made: Vec<String> = outcome
                .effects
                .iter()
                .map(|effect| format!("{effect:?}"))
                .collect();
            if made != *effects {
                return Err(format!("the effects are {made:#?}"));
            }
        }
        if let Some(secrets) = &expect.secrets {
            let made: Vec<&str> = outcome
                .secrets
                .iter()
                .map(stagger::secrets::Secret::reveal)
                .collect();
            if made != *secrets {
                return Err(format!("the secrets are {made:?}"));
            }
        }
        Ok(())
    }
}

fn cx_trips(cx: &mut HostCx<'_>) -> usize {
    // The host counts; its debug text is the only way through the trait object.
    let shown = format!("{:?}", cx.connection);
    let number = shown.rsplit("trips: ").next().unwrap_or("0");
    number
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap_or(0)
}

/// Makes what is on the host before.
pub fn lay_out(case: &Case, root: &Path, dir: &Path) {
    for name in ["home", "programs", "host", "controller"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for (name, entry) in &case.before {
        if let Some(entry) = entry {
            make(&dir.join(name), entry);
        }
    }
}

fn prepare(case: &Case, root: &Path, dir: &Path, shell: Shell) -> (LocalHost, CaseController) {
    lay_out(case, root, dir);
    for (name, entry) in &case.controller {
        make(&root.join("controller").join(name), entry);
    }
    for (name, text) in &case.programs {
        let path = root.join("programs").join(name);
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>\"$CALLS\"\n{text}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let host = LocalHost {
        shell,
        programs: root.join("programs"),
        home: root.join("home"),
        calls: root.join("calls"),
        trips: 0,
    };
    let controller = CaseController {
        root: root.join("controller"),
        variables: case.variables.clone(),
        expressions: case.expressions.clone(),
        written: Mutex::default(),
    };
    (host, controller)
}
