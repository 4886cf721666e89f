//! Running one case and comparing what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use serde_json::{Map, Value};
use stagger::clock::{Deadline, SimulatedClock, Stop};
use stagger::connection::{JobId, JobOutput, OnDeadline};
use stagger::modules::spec::{Arguments, ModuleSpec};
use stagger::modules::{Action, HostCx, ModuleError, Notes, Observed, Outcome, Watch, find};
use stagger::secrets::Masker;
use stagger::yaml::{Data, Loc, Node, Problem, Source};

use crate::case::{Case, Entry, Expect, Thing};
use crate::controller::CaseController;
use crate::host::{LocalHost, Shell};

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
    Unknown,
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
        Came::Would(change) => ran.changed = !change.silent,
        Came::Unknown | Came::Skipped(_) => {}
        Came::Failed(error) => {
            ran.failed = true;
            if let ModuleError::Failed { result, .. } = error {
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
        let after = snapshot(&self.dir);
        if before != after {
            return Err(format!(
                "observing changed something:\n{before:#?}\n{after:#?}"
            ));
        }
        let change = match observed {
            Ok(Observed::Same(outcome)) => return Ok((Came::Same(outcome), [self.host.trips, 0])),
            Ok(Observed::Skip(why)) => return Ok((Came::Skipped(why), [self.host.trips, 0])),
            Ok(Observed::Unknown(_)) if self.case.check => {
                return Ok((Came::Unknown, [self.host.trips, 0]));
            }
            Ok(Observed::Differs(change)) if self.case.check => {
                return Ok((Came::Would(change), [self.host.trips, 0]));
            }
            Ok(Observed::Differs(change) | Observed::Unknown(change)) => change,
            Err(error) => return Ok((Came::Failed(error), [self.host.trips, 0])),
        };
        if let (Some(part), true) = (&self.case.expect.summary, first)
            && !change.summary.contains(part)
        {
            return Err(format!("the summary is {:?}", change.summary));
        }
        // A change is data: it must survive being written down.
        let change = serde_json::from_value(serde_json::to_value(change).unwrap()).unwrap();
        let mut cx = HostCx {
            host: "host",
            connection: &mut self.host,
            user: None,
            environment: &environment,
            check: false,
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
        let observing = cx_trips(&mut cx);
        let applied = action.apply(&mut cx, &change);
        let trips = [observing, self.host.trips - observing];
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
            Came::Unknown if expect.unknown => {}
            Came::Unknown => return Err("it cannot be known in check mode".to_owned()),
            Came::Skipped(why) => match &expect.skipped {
                Some(part) if why.contains(part) => {}
                _ => return Err(format!("skipped: {why}")),
            },
            Came::Failed(error) => {
                let empty = Map::new();
                let result = match error {
                    ModuleError::Failed { result, .. } => result,
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

/// Answers all who connect, in a thread that ends with the tests: with the text as it is, or, where that starts with
/// `HTTP`, with one answer after the other (divided by a line `%%`) to whole requests, which are recorded.
fn greet(listener: TcpListener, greeting: &str, calls: PathBuf) {
    let answers: Vec<String> = greeting.split("\n%%\n").map(str::to_owned).collect();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let answer = answers.get(index).or(answers.last()).unwrap();
            if !answer.starts_with("HTTP") {
                drop(stream.write_all(answer.as_bytes()));
                continue;
            }
            let request = http_request(&mut stream);
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&calls)
                .unwrap();
            writeln!(file, "{request}").unwrap();
            let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
            let head = head.trim_end().replace('\n', "\r\n");
            let whole = format!(
                "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(whole.as_bytes()));
        }
    });
}

/// Reads a request and returns its first line, the headers that matter, and its body, in one line.
fn http_request(stream: &mut std::net::TcpStream) -> String {
    use std::io::Read as _;
    let (mut heard, mut byte) = (Vec::new(), [0_u8; 1]);
    while !heard.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        heard.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&heard).into_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let mut shown = head.lines().next().unwrap_or_default().to_owned();
    for name in ["user-agent", "authorization", "content-type", "x-test"] {
        if let Some(value) = header(name) {
            let value = if value.starts_with("multipart") {
                "multipart".to_owned()
            } else {
                value
            };
            write!(shown, " | {name}: {value}").unwrap();
        }
    }
    if !body.is_empty() && !shown.contains("multipart") {
        write!(shown, " | {}", String::from_utf8_lossy(&body)).unwrap();
    }
    shown
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

fn compare_failure(
    expect: &Expect,
    message: &str,
    result: &Map<String, Value>,
) -> Result<(), String> {
    match &expect.failed {
        Some(part) if message.contains(part) => compare_result(&expect.result, result),
        _ => Err(format!("failed: {message} {result:?}")),
    }
}

fn compare_result(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in wanted {
        let there = found.get(name);
        let right = there.map_or(value.is_null(), |there| matches(value, there));
        if !right {
            return Err(format!("the result's `{name}` is {there:?} in {found:#?}"));
        }
    }
    Ok(())
}

/// Compares a value: maps by the keys that are wanted, texts that start with `~` as patterns.
fn matches(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().all(|(name, value)| {
            found
                .get(name)
                .map_or(value.is_null(), |there| matches(value, there))
        }),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| matches(a, b))
        }
        (Value::String(pattern), found) if pattern.starts_with('~') => {
            let text = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            regex::Regex::new(&pattern[1..]).unwrap().is_match(&text)
        }
        _ => wanted == found,
    }
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

fn thing(entry: &Entry) -> Thing {
    match entry {
        Entry::Text(text) => Thing {
            content: Some(text.clone()),
            ..Thing::default()
        },
        Entry::Other(thing) => thing.clone(),
    }
}

fn bytes(thing: &Thing) -> Vec<u8> {
    match &thing.base64 {
        Some(text) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap(),
        None => thing.content.clone().unwrap_or_default().into_bytes(),
    }
}

/// Makes one file, directory or link.
pub fn make(path: &Path, entry: &Entry) {
    let thing = thing(entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if let Some(target) = &thing.link {
        std::os::unix::fs::symlink(target, path).unwrap();
        return;
    }
    if let Some(other) = &thing.hard {
        fs::hard_link(other, path).unwrap();
        return;
    }
    if thing.directory {
        fs::create_dir_all(path).unwrap();
    } else {
        fs::write(path, bytes(&thing)).unwrap();
    }
    if let Some(owner) = &thing.owner {
        let (uid, gid) = owner.split_once(':').unwrap();
        std::os::unix::fs::chown(path, uid.parse().ok(), gid.parse().ok()).unwrap();
    }
    let default = if thing.directory { "0755" } else { "0644" };
    let mode = u32::from_str_radix(thing.mode.as_deref().unwrap_or(default), 8).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if let Some(modified) = thing.modified {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(modified);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
}

fn compare_tree(dir: &Path, wanted: &BTreeMap<String, Option<Entry>>) -> Result<(), String> {
    for (name, entry) in wanted {
        let path = dir.join(name);
        let found = fs::symlink_metadata(&path);
        let Some(entry) = entry else {
            if found.is_ok() {
                return Err(format!("{name} is there"));
            }
            continue;
        };
        let found = found
            .map_err(|error| format!("{name}: {error}; there are {:?}", snapshot(dir).keys()))?;
        let thing = thing(entry);
        if let Some(target) = &thing.link {
            if fs::read_link(&path).ok().as_deref() != Some(Path::new(target)) {
                return Err(format!("{name} does not lead to {target}"));
            }
            continue;
        }
        if thing.directory != found.is_dir() || found.is_symlink() {
            return Err(format!("{name} is {:?}", found.file_type()));
        }
        if (thing.content.is_some() || thing.base64.is_some())
            && fs::read(&path).unwrap() != bytes(&thing)
        {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            return Err(format!("{name} holds {text:?}"));
        }
        let mode = format!("{:04o}", found.permissions().mode() & 0o7777);
        if thing.mode.as_ref().is_some_and(|wanted| *wanted != mode) {
            return Err(format!("{name} has the mode {mode}"));
        }
        let owner = format!("{}:{}", found.uid(), found.gid());
        if thing.owner.as_ref().is_some_and(|wanted| *wanted != owner) {
            return Err(format!("{name} belongs to {owner}"));
        }
        if let Some(other) = &thing.hard {
            let other = fs::metadata(other).map_err(|error| error.to_string())?;
            if other.ino() != found.ino() {
                return Err(format!("{name} is another file"));
            }
        }
        if thing
            .modified
            .is_some_and(|wanted| i64::try_from(wanted).unwrap() != found.mtime())
        {
            return Err(format!("{name} was changed at {}", found.mtime()));
        }
    }
    Ok(())
}

/// Everything in a directory, as text that differs when anything differs.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let Ok(state) = fs::symlink_metadata(&path) else {
            continue;
        };
        let mut shown = String::new();
        write!(
            shown,
            "{:o} {}:{} {} {}.{}",
            state.mode(),
            state.uid(),
            state.gid(),
            state.size(),
            state.mtime(),
            state.mtime_nsec()
        )
        .unwrap();
        if state.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if state.is_file() {
            write!(
                shown,
                " {:?}",
                String::from_utf8_lossy(&fs::read(&path).unwrap())
            )
            .unwrap();
        }
        found.insert(path, shown);
    }
    found
}
