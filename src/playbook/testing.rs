//! For tests: a few modules' tables, files in memory, files of the fixtures, and a tree as text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Action, Block, Entry, FileKind, Files, Item, Loader, Playbook, Task, join};
use crate::clock::SimulatedClock;
use crate::modules::spec::{Argument, Kind, ModuleSpec, Safety, Specs};
use crate::template::{Outside, Templater};
use crate::yaml::Problem;

const COMMAND: &[Argument] = &[
    Argument::new("cmd", Kind::Str, ""),
    Argument::new("argv", Kind::List, ""),
    Argument::new("creates", Kind::Path, ""),
    Argument::new("removes", Kind::Path, ""),
    Argument::new("chdir", Kind::Path, ""),
    Argument::new("stdin", Kind::Str, ""),
];

static TABLES: &[ModuleSpec] = &[
    ModuleSpec {
        name: "command",
        arguments: COMMAND,
        free_form: Some("cmd"),
        one_of: &[&["cmd", "argv"]],
        safety: Safety::Once,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "shell",
        arguments: COMMAND,
        free_form: Some("cmd"),
        safety: Safety::Once,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "copy",
        arguments: &[
            Argument::new("src", Kind::Str, ""),
            Argument::new("content", Kind::Any, ""),
            Argument::new("dest", Kind::Path, "").required(),
            Argument::new("mode", Kind::Mode, ""),
            Argument::new("remote_src", Kind::Flag, ""),
        ],
        exclusive: &[&["src", "content"]],
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "template",
        arguments: &[
            Argument::new("src", Kind::Str, "").required(),
            Argument::new("dest", Kind::Path, "").required(),
            Argument::new("mode", Kind::Mode, ""),
        ],
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "systemd",
        aliases: &["service", "systemd_service"],
        arguments: &[
            Argument::new("name", Kind::Str, ""),
            Argument::new("state", Kind::Str, "").choices(&["started", "stopped", "restarted"]),
            Argument::new("enabled", Kind::Flag, ""),
        ],
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "debug",
        arguments: &[
            Argument::new("msg", Kind::Any, ""),
            Argument::new("var", Kind::Str, ""),
        ],
        safety: Safety::Engine,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "set_fact",
        arguments: &[Argument::new("cacheable", Kind::Flag, "")],
        open: true,
        safety: Safety::Engine,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "include_vars",
        arguments: &[
            Argument::new("file", Kind::Path, ""),
            Argument::new("name", Kind::Str, ""),
        ],
        free_form: Some("file"),
        safety: Safety::Engine,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "assert",
        arguments: &[
            Argument::new("that", Kind::Conditions, "").required(),
            Argument::new("fail_msg", Kind::Str, "").aliases(&["msg"]),
        ],
        safety: Safety::Engine,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "stat",
        arguments: &[Argument::new("path", Kind::Path, "").required()],
        safety: Safety::ReadOnly,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "setup",
        safety: Safety::ReadOnly,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "uri",
        arguments: &[
            Argument::new("url", Kind::Str, "").required(),
            Argument::new("method", Kind::Str, ""),
        ],
        safety: Safety::Once,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "arangodb_info",
        arguments: &[
            Argument::new("endpoints", Kind::List, "").required(),
            Argument::new("via", Kind::Str, ""),
        ],
        safety: Safety::ReadOnly,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "group_by",
        arguments: &[Argument::new("key", Kind::Str, "").required()],
        safety: Safety::Engine,
        ..ModuleSpec::EMPTY
    },
    ModuleSpec {
        name: "sysctl",
        arguments: &[Argument::new("name", Kind::Str, "").required()],
        ..ModuleSpec::EMPTY
    },
];

/// Returns the tables of the tests' modules.
pub(crate) fn specs() -> Arc<Specs> {
    Arc::new(TABLES.iter().collect())
}

/// Files in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryFiles(pub(crate) BTreeMap<String, String>);

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = self.0.get(path).ok_or("no such file")?;
        Ok(text.clone().into_bytes())
    }

    fn kind(&self, path: &str) -> Option<FileKind> {
        let inside = format!("{path}/");
        if self.0.contains_key(path) {
            Some(FileKind::File)
        } else {
            let mut names = self.0.keys();
            names
                .any(|name| name.starts_with(&inside))
                .then_some(FileKind::Directory)
        }
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let inside = match directory {
            "." => String::new(),
            other => format!("{other}/"),
        };
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter_map(|name| name.strip_prefix(&inside))
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }
}

/// Files below `tests/fixtures`.
#[derive(Debug)]
pub(crate) struct FixtureFiles;

impl FixtureFiles {
    fn whole(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(path)
    }
}

impl Files for FixtureFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(Self::whole(path)).map_err(|_| "no such file".to_owned())
    }

    fn kind(&self, path: &str) -> Option<FileKind> {
        let meta = std::fs::metadata(Self::whole(path)).ok()?;
        Some(if meta.is_dir() {
            FileKind::Directory
        } else {
            FileKind::File
        })
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(Self::whole(directory)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn is_shipped(&self, path: &str) -> bool {
        path.contains("roles/shipped/")
    }
}

/// Makes a loader of files in memory: pairs of path and text.
pub(crate) fn loader(files: &[(&str, &str)]) -> Loader {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    Loader::new(Arc::new(MemoryFiles(files)), specs(), Vec::new())
}

/// Loads `site.yml`.
pub(crate) fn load(files: &[(&str, &str)]) -> Result<Playbook, Vec<Problem>> {
    loader(files).load("site.yml")
}

/// Shows problems in lines: position, message, hint.
pub(crate) fn shown(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let loc = problem.loc.as_ref().map(|loc| format!("{loc}: "));
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})"));
            format!(
                "{}{}{}",
                loc.unwrap_or_default(),
                problem.message,
                hint.unwrap_or_default()
            )
        })
        .collect()
}

/// Shows a tree in lines: id and what it is.
pub(crate) fn outline(playbook: &Playbook) -> String {
    let mut lines = Vec::new();
    entries(&playbook.entries, &mut lines);
    for (id, loaded) in &playbook.includes {
        lines.push(format!("include {id}"));
        block(&loaded.block, &mut lines);
        for handler in &loaded.handlers {
            task("handler", handler, &mut lines);
        }
    }
    lines.join("\n")
}

fn entries(list: &[Entry], lines: &mut Vec<String>) {
    for entry in list {
        match entry {
            Entry::Bracket(around) => {
                lines.push(format!(
                    "bracket {} {}",
                    around.bracket.id, around.bracket.name
                ));
                items(&around.bracket.enter, lines);
                entries(&around.entries, lines);
                lines.push(format!("end {}", around.bracket.id));
            }
            Entry::Play(play) => {
                lines.push(format!("play {} {}", play.id, play.title()));
                items(&play.gate, lines);
                for guard in &play.guards {
                    lines.push(format!("guard {} {}", guard.id, guard.name));
                }
                for bracket in &play.brackets {
                    lines.push(format!(
                        "bracket {} {} {:?}",
                        bracket.id, bracket.name, bracket.per
                    ));
                    items(&bracket.enter, lines);
                    items(&bracket.leave, lines);
                }
                for (_, list) in play.sections() {
                    items(list, lines);
                }
                for handler in &play.handlers {
                    task("handler", handler, lines);
                }
                let uses: Vec<&str> = play
                    .role_uses
                    .iter()
                    .map(|used| used.role.name.as_str())
                    .collect();
                if !uses.is_empty() {
                    lines.push(format!("roles {}", uses.join(" ")));
                }
            }
        }
    }
}

fn items(list: &[Item], lines: &mut Vec<String>) {
    for item in list {
        match item {
            Item::Task(found) => task("task", found, lines),
            Item::Block(found) => block(found, lines),
        }
    }
}

fn block(found: &Arc<Block>, lines: &mut Vec<String>) {
    lines.push(format!("block {} {:?}", found.id, found.kind));
    items(&found.block, lines);
    items(&found.rescue, lines);
    items(&found.always, lines);
}

fn task(what: &str, found: &Task, lines: &mut Vec<String>) {
    let detail = match &found.action {
        Action::Module { arguments, .. } => arguments.to_value().to_string(),
        Action::Include(_) | Action::Meta(_) | Action::RoleArguments(_) => String::new(),
    };
    lines.push(format!(
        "{what} {} {} [{}] {detail}",
        found.id,
        found.title(),
        found.action.name()
    ));
}

/// What templates may ask of the fixtures.
#[derive(Debug)]
struct FixtureOutside(Vec<String>);

impl Outside for FixtureOutside {
    fn read(&self, kind: &str, path: &str) -> Result<String, String> {
        let path = self.find(kind, path).ok_or("there is no such file")?;
        let bytes = FixtureFiles.read(&path)?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    fn find(&self, _: &str, path: &str) -> Option<String> {
        let places = self.0.iter().map(|directory| join(directory, path));
        let mut places = places.filter(|path| FixtureFiles.kind(path).is_some());
        places.next()
    }

    fn glob(&self, _: &str, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn pipe(&self, _: &str) -> Result<String, String> {
        Err("no programs here".to_owned())
    }
}

/// Makes a templater that finds the fixtures' files in these directories.
pub(crate) fn templater(directories: &[String]) -> Templater {
    let outside = FixtureOutside(directories.to_vec());
    let clock = Arc::new(SimulatedClock::default());
    Templater::new(Arc::new(outside), clock)
}
