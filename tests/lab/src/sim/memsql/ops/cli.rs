//! The command: reads what was typed, asks what must be asked, hands it to the agent of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::agent::{PORT, agent_address};
use crate::sim::http::{Call, Target, call};
use crate::sim::memsql::Address;
use crate::sim::memsql::server::switches_path;
use crate::sim::memsql::switches::{Live, Switches};
use crate::sim::paths::Paths;

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// The command.
    pub command: String,
    /// Options without a value.
    pub flags: BTreeSet<String>,
    /// Options with values.
    pub values: BTreeMap<String, Vec<String>>,
    /// The rest.
    pub rest: Vec<String>,
}

impl Typed {
    /// Tells whether an option was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Returns the value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }
}

/// What an agent has said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Said {
    /// The exit code.
    pub exit: u8,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

impl Said {
    /// It was done.
    pub fn done(out: impl Into<String>) -> Self {
        Self {
            exit: 0,
            out: out.into(),
            err: String::new(),
        }
    }

    /// It was not.
    pub fn failed(err: impl Into<String>) -> Self {
        Self {
            exit: 1,
            out: String::new(),
            err: err.into(),
        }
    }
}

/// Options of each command: flags, then those with a value, of which `*` marks those with several.
const COMMANDS: [(&str, &str, &str); 21] = [
    ("status", "", ""),
    ("version", "client-version-only client-sha-only", ""),
    ("agent-list", "q json", "role* memsql-role*"),
    (
        "memsql-list",
        "q json local include-unmonitored",
        "memsql-role* availability-group agent-id",
    ),
    ("file-list", "q json", ""),
    ("file-add", "no-prompt", "file-type"),
    ("memsql-stop", "async all no-prompt hard-stop", "timeout"),
    ("memsql-restart", "async all no-prompt", "timeout"),
    ("memsql-start", "async all no-prompt", "timeout"),
    (
        "memsql-update-config",
        "async all no-prompt delete set-global",
        "key value",
    ),
    (
        "memsql-upgrade",
        "async no-prompt restart-on-rollback skip-snapshot skip-version-check backup-data-directories \
         no-backup-data-directories",
        "file-path version version-hash stop-timeout memsql-id*",
    ),
    (
        "agent-upgrade",
        "async no-prompt",
        "file-path version timeout",
    ),
    ("cluster-manual-control", "enable disable", ""),
    (
        "memsql-deploy",
        "no-prompt",
        "role port availability-group agent-id version version-hash",
    ),
    ("memsql-delete", "no-prompt", ""),
    ("memsql-monitor", "", "host port user password"),
    ("memsql-unmonitor", "", ""),
    ("memsql-path", "", ""),
    ("memsql-update-root-password", "no-prompt", "password"),
    ("agent-start", "", ""),
    ("report", "", ""),
];

/// Reads what was typed; the error is what argparse would say.
pub fn parse(args: &[String], upgrade_takes_id: bool) -> Result<Typed, String> {
    let mut args = args.iter();
    let mut typed = Typed::default();
    while let Some(word) = args.next() {
        if word == "--settings-file" {
            args.next();
        } else {
            word.clone_into(&mut typed.command);
            break;
        }
    }
    let known = COMMANDS.iter().find(|(name, _, _)| *name == typed.command);
    let (name, flags, values) = known.ok_or_else(|| {
        format!(
            "usage: memsql-ops [command]\nmemsql-ops: error: invalid choice: '{}'",
            typed.command
        )
    })?;
    let usage = usage(name, flags, values, upgrade_takes_id);
    let wrong = |why: String| format!("{usage}memsql-ops {name}: error: {why}\n");
    let is = |options: &str, option: &str| {
        options
            .split_whitespace()
            .any(|own| own.trim_end_matches('*') == option)
    };
    while let Some(word) = args.next() {
        let (word, inline) = match word.split_once('=') {
            Some((word, value)) if word.starts_with("--") => (word, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let Some(option) = option_of(name, word) else {
            typed.rest.push(word.to_owned());
            continue;
        };
        let is_unknown = option == "memsql-id" && !upgrade_takes_id;
        if option == "help" || is(flags, option) {
            typed.flags.insert(option.to_owned());
        } else if is(values, option) && !is_unknown {
            let value = inline.or_else(|| args.next().cloned());
            let value = value
                .ok_or_else(|| wrong(format!("argument --{option}: expected one argument")))?;
            typed
                .values
                .entry(option.to_owned())
                .or_default()
                .push(value);
        } else {
            return Err(wrong(format!("unrecognized arguments: --{option}")));
        }
    }
    if typed.has("help") {
        typed.rest = vec![usage];
    }
    Ok(typed)
}

/// Returns the long name of an option, if a word is one.
fn option_of<'a>(command: &str, word: &'a str) -> Option<&'a str> {
    match word {
        "-h" if command == "memsql-monitor" => Some("host"),
        "-h" => Some("help"),
        "-q" => Some("q"),
        "-j" => Some("json"),
        "-r" if command == "memsql-list" => Some("memsql-role"),
        "-u" => Some("user"),
        "-p" => Some("password"),
        "-r" => Some("role"),
        _ => word.strip_prefix("--"),
    }
}

fn usage(name: &str, flags: &str, values: &str, upgrade_takes_id: bool) -> String {
    let flags = flags.split_whitespace().map(|flag| format!("[--{flag}]"));
    let values = values
        .split_whitespace()
        .filter(|value| upgrade_takes_id || *value != "memsql-id*");
    let values = values.map(|value| {
        let value = value.trim_end_matches('*');
        format!("[--{value} {}]", value.to_uppercase().replace('-', "_"))
    });
    let all: Vec<String> = flags.chain(values).collect();
    format!("usage: memsql-ops {name} [-h] {}\n", all.join(" "))
}

fn tell(said: &Said) -> u8 {
    drop(std::io::stdout().write_all(said.out.as_bytes()));
    drop(std::io::stderr().write_all(said.err.as_bytes()));
    said.exit
}

fn switches() -> Result<std::sync::Arc<Switches>, String> {
    let paths = Paths::of_this_host();
    let at = Address::new(agent_address(&paths), PORT);
    let live = Live::open(&switches_path(&paths), "ops", &at)?;
    Ok(live.now())
}

/// Runs a command; returns its exit code.
pub async fn run(args: &[String]) -> u8 {
    let switches = match switches() {
        Ok(switches) => switches,
        Err(why) => return tell(&Said::failed(format!("{why}\n"))),
    };
    let typed = match parse(args, switches.upgrade_takes_id) {
        Ok(typed) => typed,
        Err(err) => {
            return tell(&Said {
                exit: 2,
                err,
                ..Said::default()
            });
        }
    };
    if typed.has("help") {
        return tell(&Said::done(typed.rest.concat()));
    }
    if typed.command == "version" && typed.has("client-version-only") {
        return tell(&Said::done(format!("{}\n", switches.ops_version)));
    }
    if let Some(refused) = prompts(&typed) {
        return tell(&refused);
    }
    let said = hand_over(&typed).await;
    tell(&said)
}

async fn hand_over(typed: &Typed) -> Said {
    let host = agent_address(&Paths::of_this_host());
    let Some(agent) = Target::parse(&format!("http://{host}:{PORT}")) else {
        return Said::failed("no agent\n");
    };
    let request =
        Call::new(&agent, "POST", "/command", Duration::from_hours(2)).json(&json!(typed));
    match call(request).await {
        Ok(reply) => serde_json::from_value(reply.json())
            .unwrap_or_else(|error| Said::failed(format!("{error}\n"))),
        Err(error) if error.was_not_sent() => Said::failed("MemSQL Ops is not running.\n"),
        Err(error) => Said::failed(format!(
            "Lost connection to the MemSQL Ops agent: {error}\n"
        )),
    }
}

/// Asks what a person is asked who did not say that he is not to be.
fn prompts(typed: &Typed) -> Option<Said> {
    for (question, wanted) in questions(typed) {
        drop(std::io::stdout().write_all(question.as_bytes()));
        drop(std::io::stdout().flush());
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer).unwrap_or(0);
        let answer = answer.trim();
        let is_it = wanted.is_none_or(|wanted| answer == wanted || answer.to_lowercase() == wanted);
        if read == 0 || !is_it {
            return Some(Said::failed("\nAborted.\n"));
        }
    }
    None
}

/// What is asked, and the answer without which nothing is done; without one any will do.
fn questions(typed: &Typed) -> Vec<(String, Option<&'static str>)> {
    let sure = |text: String| (text, Some("y"));
    match typed.command.as_str() {
        _ if typed.has("no-prompt") => Vec::new(),
        "memsql-upgrade" => {
            let version = typed
                .value("version")
                .map(|version| format!(" to MemSQL version {version}"));
            let to = version.unwrap_or_default();
            let mut all = vec![sure(format!(
                "Are you sure you want to upgrade your cluster{to}? This will temporarily shut down your cluster. [y/N] "
            ))];
            let said = ["backup-data-directories", "no-backup-data-directories"];
            if !said.iter().any(|flag| typed.has(flag)) {
                let text = "Do you want to back up the data directories? [Y/n] ";
                all.push((text.to_owned(), None));
            }
            all
        }
        "memsql-delete" => {
            let text = "This cannot be undone. Type DELETE to go on: ";
            vec![(text.to_owned(), Some("DELETE"))]
        }
        "memsql-stop" | "memsql-restart" => vec![sure("Are you sure? [y/N] ".to_owned())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, true)
    }

    #[test]
    fn what_is_typed_is_understood_or_refused() {
        let upgrade =
            typed("memsql-upgrade --memsql-id A --memsql-id B --no-prompt --version-hash=x")
                .unwrap();
        assert_eq!(upgrade.values["memsql-id"], ["A", "B"]);
        assert_eq!(upgrade.value("version-hash"), Some("x"));
        let list = typed("memsql-list -j -r leaf").unwrap();
        assert!(list.has("json") && list.value("memsql-role") == Some("leaf"));
        assert_eq!(typed("memsql-stop ABC --timeout 5").unwrap().rest, ["ABC"]);
        for line in [
            "memsql-stop --hardstop",
            "memsql-upgrade --memsql-id",
            "memsql-halt",
            "",
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_person_is_asked_and_a_script_is_not() {
        let asked = |line: &str| {
            let all = questions(&typed(line).unwrap());
            let all = all.iter().map(|(text, wanted)| format!("{text}{wanted:?}"));
            all.collect::<Vec<_>>()
        };
        let upgrade = asked("memsql-upgrade --version 5.0.8");
        assert!(upgrade[0].starts_with(
            "Are you sure you want to upgrade your cluster to MemSQL version 5.0.8? "
        ));
        assert!(upgrade[1].starts_with("Do you want to back up the data directories"));
        assert_eq!(
            asked("memsql-upgrade --no-backup-data-directories").len(),
            1
        );
        assert!(asked("memsql-delete ABC")[0].ends_with("Some(\"DELETE\")"));
        assert!(asked("memsql-stop ABC --no-prompt").is_empty());
        let monitor = typed("memsql-monitor -h h1 --port 3307 -u root -p x").unwrap();
        assert_eq!(monitor.value("host"), Some("h1"));
    }

    #[test]
    fn an_older_ops_does_not_know_one_server() {
        let words = ["memsql-upgrade", "--help"].map(str::to_owned);
        assert!(parse(&words, true).unwrap().rest[0].contains("--memsql-id"));
        assert!(!parse(&words, false).unwrap().rest[0].contains("--memsql-id"));
        let words = ["memsql-upgrade", "--memsql-id", "A"].map(str::to_owned);
        assert!(parse(&words, false).is_err());
    }
}
