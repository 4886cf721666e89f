//! A whole cluster as processes of this machine, for a case that ends where something is not as it must be: what the lab
//! tells in results is unwrapped here, and a case that fails shows what was counted.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lab::cluster::loopback::{Loopback, Programs};
use lab::command::Output;
use lab::product;
use lab::sim::memsql::Address;
use lab::sim::memsql::wire::client::quoted_text;
use lab::sim::memsql::wire::{Answer, ClientError};
use serde_json::{Value, json};

use crate::harness::show;

pub(crate) use lab::cluster::loopback::{Called, PASSWORD, Plan, WAITS};

/// The cluster, and the operator's directory.
pub(crate) struct Stack(Loopback);

impl Deref for Stack {
    type Target = Loopback;

    fn deref(&self) -> &Loopback {
        &self.0
    }
}

impl DerefMut for Stack {
    fn deref_mut(&mut self) -> &mut Loopback {
        &mut self.0
    }
}

/// The program under test: given, or built with this one.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match lab::cli::given_program() {
        Some(program) => program,
        None => product::build_for_trial("stagger").unwrap(),
    })
}

/// The lab as it is built with this one, and the program under test.
pub(crate) fn programs() -> Programs {
    Programs {
        lab: env!("CARGO_BIN_EXE_lab").into(),
        stagger: program().to_owned(),
    }
}

impl Stack {
    /// Sets a cluster up and waits until it serves.
    pub(crate) fn up(plan: &Plan) -> Self {
        Self(Loopback::up(plan, &programs()).unwrap())
    }

    /// Waits, for half a minute at most.
    pub(crate) fn until(&self, what: &str, mut look: impl FnMut() -> bool) {
        self.0.until(what, || Ok(look())).unwrap();
    }

    /// Runs a command of Ops.
    pub(crate) fn ops(&self, line: &str) -> Output {
        self.0.ops(line).unwrap()
    }

    /// Runs a command of Ops that must be done.
    pub(crate) fn must(&self, line: &str) {
        self.0.must(line).unwrap();
    }

    /// Says a statement to the master aggregator.
    pub(crate) fn sql(&self, text: &str) {
        self.0.sql(text).unwrap();
    }

    /// Says a statement to a server.
    pub(crate) fn say(&self, at: &Address, text: &str) -> Result<Answer, ClientError> {
        self.0.say(at, text).unwrap()
    }

    /// Sets switches of the simulators, beside those that are set; null takes one away.
    #[expect(clippy::needless_pass_by_value, reason = "a case gives what it makes")]
    pub(crate) fn arm(&mut self, switches: Value) {
        self.0.arm(&switches).unwrap();
    }

    /// Sets switches of what a leaf does and what is done to it, in place of those that were set so; null takes them away.
    pub(crate) fn arm_leaf(&mut self, number: usize, switches: Value) {
        self.arm(json!({ format!("@leaf{number}"): switches }));
    }

    /// Upgrades, with the second group approved.
    pub(crate) fn upgrade(&self, variables: &Value) -> Output {
        let upgrading = self.upgrading(variables, "--approve second-group");
        upgrading.output().unwrap()
    }

    /// Goes on with the last run, as a person would; returns what came of it.
    pub(crate) fn resume(&self) -> Output {
        self.resuming("").output().unwrap()
    }

    /// Mends a server by hand, as the README says: it gets the new program, and is started.
    pub(crate) fn mend(&self, at: &Address) {
        self.0.mend(at).unwrap();
    }

    /// Shows what the servers and Ops counted, in its order, with the case that fails.
    fn show_effects(&self) {
        let effects = self.effects();
        let at = |effect: &Value| effect["unix_ms"].as_u64().unwrap_or(0);
        let first = effects.first().map_or(0, at);
        show("what was counted, in milliseconds:\n");
        for effect in &effects {
            let (ms, what, detail) = (at(effect) - first, &effect["what"], &effect["detail"]);
            show(&format!("{ms:>7} {} {what} {detail}\n", effect["place"]));
        }
        show(&format!("what the cluster is now: {}\n", self.meta()));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_effects();
        }
    }
}

/// Shows what stagger said, for a case that has failed.
pub(crate) fn said(output: &Output) -> String {
    let all = format!("{}\n{}", output.out, output.err);
    let lines: Vec<&str> = all.lines().collect();
    let from = lines.len().saturating_sub(60);
    format!("{}:\n{}", output.exit, lines[from..].join("\n"))
}

/// Says a text for a statement.
pub(crate) fn node(at: &Address) -> String {
    format!("{}:{}", quoted_text(&at.host), at.port)
}
