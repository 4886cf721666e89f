//! `command_file`: a program's command line that is kept in a file, read as an argument vector and rewritten.
//!
//! The ArangoDB starter writes such files (`arangod_command.txt`): one argument a line, each line but the last ended by a
//! blank and a backslash, no quoting at all (arangodb starter, `service/server_config_builder.go`). Such a file is written
//! once and may be stale, so the command line of the running process wins where one is named. No shell ever splits or
//! expands anything of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::cluster::process::{self, Process, SHELL};
use crate::template::{shell_quote, shell_quote_bytes};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "command_file",
    summary: "Reads a program's command line from a file, compares it with the running process, and rewrites it",
    notes: &[
        "The running process wins where `pid` is given: the file was written at the first start and may be stale.",
        "The result's `quoted` are shell words, safe in a script whatever bytes the arguments hold.",
        "Changes nothing on the host.",
    ],
    arguments: &[
        Argument::new(
            "path",
            Kind::Path,
            "The file, such as `arangod_command.txt`.",
        )
        .required(),
        Argument::new("pid", Kind::Int, "The process that runs with it now."),
        Argument::new(
            "start",
            Kind::Int,
            "When that process started, in ticks since boot; another start is another process.",
        ),
        Argument::new(
            "drop",
            Kind::List,
            "Options to leave out, in both forms, `--name value` and `--name=value`.",
        ),
        Argument::new("add", Kind::List, "Arguments to put at the end."),
        Argument::new(
            "replace",
            Kind::Map,
            "Options and the values that they get; one that is not there is added.",
        ),
        Argument::new(
            "ignore",
            Kind::List,
            "Options that do not count when file and process are compared.",
        ),
    ],
    safety: Safety::ReadOnly,
    example: "\
- name: read the command line of the agent
  command_file:
    path: /var/lib/arangodb/cluster/agent8531/arangod_command.txt
    pid: \"{{ agent.pid }}\"
    drop: [--database.auto-upgrade]
    add: [--database.auto-upgrade=true]
  register: line",
    returns: &[
        (
            "argv",
            "the rewritten argument vector; an argument that is no UTF-8 is `{base64: ...}`",
        ),
        (
            "quoted",
            "the same as shell words, each safe to stand in a script",
        ),
        ("source", "`process` or `file`: what it was made of"),
        ("file_found", "whether the file is there"),
        ("same", "whether file and process agree"),
        ("differences", "what differs, for people"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct CommandFile;

impl Module for CommandFile {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let pid = arguments.int("pid").map(u32::try_from).transpose();
        let replace = arguments
            .get("replace")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        Ok(Box::new(Read {
            path: arguments.str("path").unwrap_or_default().to_owned(),
            pid: pid
                .map_err(|_| vec![Problem::at(&arguments.loc, "`pid` must be a process's id")])?,
            start: arguments
                .int("start")
                .and_then(|start| u64::try_from(start).ok()),
            rewrite: Rewrite {
                drop: arguments.list("drop"),
                add: arguments.list("add"),
                replace,
            },
            ignore: arguments.list("ignore"),
        }))
    }
}

#[derive(Debug)]
struct Read {
    path: String,
    pid: Option<u32>,
    start: Option<u64>,
    rewrite: Rewrite,
    ignore: Vec<String>,
}

impl Action for Read {
    fn describe(&self) -> String {
        format!("read the command line in {}", self.path)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let path = shell_quote(&self.path);
        let process = self
            .pid
            .map(|pid| format!("stagger_process {pid}\n"))
            .unwrap_or_default();
        let marker = cx.marker()?;
        let reply = cx.script(format!(
            "{}{SHELL}\n[ -r {path} ] && {{ stagger_at file; cat {path}; }}\n{process}:",
            marker.shell()
        ))?;
        let parts = marker.parts(&reply.out);
        let file = parts.iter().find(|part| part.name == "file");
        let file = file.map(|part| part.content);
        let running = self.running(process::parse(&parts))?;
        let outcome = self.compare(file.map(parse), running)?;
        Ok(Observed::Same(outcome))
    }

    fn apply(&self, _: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        Err(ModuleError::failed(
            "reading a command line changes nothing",
        ))
    }
}

impl Read {
    fn running(&self, processes: Vec<Process>) -> Result<Option<Process>, ModuleError> {
        let Some(pid) = self.pid else { return Ok(None) };
        match processes.into_iter().next() {
            None => Err(ModuleError::failed(format!("there is no process {pid}"))),
            Some(process) if self.start.is_some_and(|start| start != process.start) => {
                Err(ModuleError::failed(format!(
                    "process {pid} is another one now: it started at another time"
                )))
            }
            Some(process) => Ok(Some(process)),
        }
    }

    fn compare(
        &self,
        file: Option<Vec<Vec<u8>>>,
        running: Option<Process>,
    ) -> Result<Outcome, ModuleError> {
        let found = file.is_some();
        let differences = match (&file, &running) {
            (Some(file), Some(process)) => differences(file, &process.argv, &self.ignore),
            _ => Vec::new(),
        };
        let source = if running.is_some() { "process" } else { "file" };
        let argv = running
            .map(|process| process.argv)
            .or(file)
            .filter(|argv| !argv.is_empty())
            .ok_or_else(|| {
                ModuleError::failed(format!(
                    "{} is not there or empty, and no process was named",
                    self.path
                ))
            })?;
        let argv = self.rewrite.apply(argv);
        let mut result = Map::new();
        result.insert("same".into(), json!(differences.is_empty() && found));
        result.insert("file_found".into(), json!(found));
        result.insert("differences".into(), json!(differences));
        result.insert("source".into(), json!(source));
        result.insert(
            "argv".into(),
            argv.iter().map(|word| word_value(word)).collect(),
        );
        result.insert(
            "quoted".into(),
            argv.iter()
                .map(|word| Value::from(shell_quote_bytes(word)))
                .collect(),
        );
        Ok(Outcome {
            result,
            ..Outcome::default()
        })
    }
}

/// Reads the file: comments and empty lines dropped, the ` \` at a line's end as well; each other line is one argument.
fn parse(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b" \\").unwrap_or(line));
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(<[u8]>::to_vec)
        .collect()
}

fn word_value(word: &[u8]) -> Value {
    match std::str::from_utf8(word) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": STANDARD.encode(word)}),
    }
}

/// What is to be changed in an argument vector.
#[derive(Debug)]
struct Rewrite {
    drop: Vec<String>,
    add: Vec<String>,
    replace: Map<String, Value>,
}

impl Rewrite {
    fn apply(&self, argv: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let replaced = self.replace.keys().map(String::as_str);
        let gone: Vec<&str> = self
            .drop
            .iter()
            .map(String::as_str)
            .chain(replaced)
            .collect();
        let mut words = without(argv, &gone);
        for (name, value) in &self.replace {
            words.push(name.clone().into_bytes());
            words.push(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
                    .into_bytes(),
            );
        }
        words.extend(self.add.iter().map(|word| word.clone().into_bytes()));
        words
    }
}

/// Leaves options out: `--name=value` is one word; after `--name` alone a word that is no option is its value.
fn without(argv: Vec<Vec<u8>>, names: &[&str]) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    let mut value_of_dropped = false;
    for word in argv {
        let is_value = std::mem::take(&mut value_of_dropped) && !word.starts_with(b"-");
        let exact = names.iter().any(|name| name.as_bytes() == word);
        let joined = names.iter().any(|name| {
            word.strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"="))
        });
        value_of_dropped = exact;
        if !(is_value || exact || joined) {
            kept.push(word);
        }
    }
    kept
}

/// Names what differs between the file and the process, as options with their values.
fn differences(file: &[Vec<u8>], running: &[Vec<u8>], ignore: &[String]) -> Vec<String> {
    let ignored: Vec<&str> = ignore.iter().map(String::as_str).collect();
    let pairs = |argv: &[Vec<u8>]| {
        let mut pairs: Vec<String> = Vec::new();
        for word in without(argv.to_vec(), &ignored) {
            let text = String::from_utf8_lossy(&word).into_owned();
            match pairs.last_mut() {
                Some(last)
                    if !text.starts_with('-') && last.starts_with('-') && !last.contains(' ') =>
                {
                    last.push(' ');
                    last.push_str(&text);
                }
                _ => pairs.push(text),
            }
        }
        pairs
    };
    let (in_file, in_process) = (pairs(file), pairs(running));
    let only = |these: &[String], those: &[String], place: &str| -> Vec<String> {
        these
            .iter()
            .filter(|pair| !those.contains(pair))
            .map(|pair| format!("only {place}: {pair}"))
            .collect()
    };
    [
        only(&in_file, &in_process, "in the file"),
        only(&in_process, &in_file, "in the running process"),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<Vec<u8>> {
        text.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_command_file_is_one_argument_a_line_and_never_split() {
        let old =
            b"/usr/sbin/arangod \\\n-c \\\n/my data/$x/arangod.conf \\\n--log.file \\\n/a\\b\n";
        assert_eq!(
            parse(old),
            words(&[
                "/usr/sbin/arangod",
                "-c",
                "/my data/$x/arangod.conf",
                "--log.file",
                "/a\\b"
            ])
        );
        let new = b"# Generated for informational purposes only.\n\n/usr/sbin/arangod \\\n--x=1\n";
        assert_eq!(parse(new), words(&["/usr/sbin/arangod", "--x=1"]));
    }

    #[test]
    fn options_are_dropped_in_both_forms_and_added_once() {
        let argv = words(&[
            "a",
            "--database.auto-upgrade",
            "true",
            "--x",
            "1",
            "--database.auto-upgrade=true",
            "--flag",
            "--y",
            "2",
        ]);
        let rewrite = Rewrite {
            drop: vec!["--database.auto-upgrade".into(), "--flag".into()],
            add: vec!["--database.auto-upgrade=true".into()],
            replace: json!({"--x": 7}).as_object().cloned().unwrap(),
        };
        assert_eq!(
            rewrite.apply(argv),
            words(&["a", "--y", "2", "--x", "7", "--database.auto-upgrade=true"])
        );
    }

    #[test]
    fn a_stale_file_is_told_by_what_differs() {
        let file = words(&[
            "a",
            "--agency.endpoint",
            "tcp://old:8531",
            "--database.auto-upgrade",
            "true",
            "--x=1",
        ]);
        let running = words(&["a", "--agency.endpoint", "tcp://new:8531", "--x=1"]);
        let ignore = ["--database.auto-upgrade".to_owned()];
        assert_eq!(
            differences(&file, &running, &ignore),
            [
                "only in the file: --agency.endpoint tcp://old:8531",
                "only in the running process: --agency.endpoint tcp://new:8531"
            ]
        );
        assert!(differences(&file, &file, &[]).is_empty());
    }

    fn read(pid: Option<u32>) -> Read {
        let option = "--database.auto-upgrade".to_owned();
        Read {
            path: "/d/arangod_command.txt".to_owned(),
            pid,
            start: None,
            rewrite: Rewrite {
                drop: vec![option.clone()],
                add: vec![option.clone() + "=true"],
                replace: Map::new(),
            },
            ignore: vec![option],
        }
    }

    #[test]
    fn the_running_process_wins_over_a_stale_file() {
        let old = || Some(words(&["arangod", "--agency.endpoint", "tcp://old:8531"]));
        let new = ["arangod", "--agency.endpoint", "tcp://new:8531"];
        let running = || {
            Some(Process {
                argv: words(&new),
                ..Process::default()
            })
        };
        let upgrades = |endpoint: &str| {
            json!([
                "arangod",
                "--agency.endpoint",
                endpoint,
                "--database.auto-upgrade=true"
            ])
        };
        let says = |pid, file, process| read(pid).compare(file, process).unwrap().result;
        let stale = says(Some(7), old(), running());
        assert_eq!(
            (&stale["source"], &stale["argv"], &stale["same"]),
            (
                &json!("process"),
                &upgrades("tcp://new:8531"),
                &json!(false)
            )
        );
        assert_eq!(stale["differences"].as_array().unwrap().len(), 2);
        let fresh = says(Some(7), Some(words(&new)), running());
        assert_eq!(
            (&fresh["same"], &fresh["differences"]),
            (&json!(true), &json!([]))
        );
        let gone = says(Some(7), None, running());
        assert_eq!(
            (&gone["source"], &gone["file_found"], &gone["same"]),
            (&json!("process"), &json!(false), &json!(false))
        );
        // Where nobody runs there is only the file.
        let down = says(None, old(), None);
        assert_eq!(
            (&down["source"], &down["argv"]),
            (&json!("file"), &upgrades("tcp://old:8531"))
        );
        assert!(read(None).compare(None, None).is_err());
    }

    #[test]
    fn another_process_than_the_one_that_was_seen_is_not_taken_for_it() {
        let process = Process {
            pid: 7,
            start: 9,
            argv: words(&["arangod"]),
            ..Process::default()
        };
        let seen = |start| Read {
            start,
            ..read(Some(7))
        };
        let there = |start| seen(start).running(vec![process.clone()]);
        assert!(there(None).unwrap().is_some());
        assert!(there(Some(9)).unwrap().is_some());
        assert!(there(Some(8)).is_err(), "its number was given anew");
        assert!(seen(None).running(Vec::new()).is_err(), "it has ended");
    }

    #[test]
    fn arguments_that_are_no_text_keep_their_bytes() {
        assert_eq!(word_value(b"/\xff"), json!({"base64": "L/8="}));
    }
}
