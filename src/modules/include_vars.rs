//! `include_vars`: variables from files of the controller.

use serde_json::{Map, Value, json};

use super::files::{Flags, Pattern, Text};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "include_vars",
    summary: "Loads variables from files of the controller",
    notes: &[
        "Files are YAML or JSON, also vaulted; their texts are templates, rendered where they are used.",
    ],
    arguments: &[
        Argument::new("file", Kind::Str, "The file, looked for in `vars`.").aliases(&["free_form"]),
        Argument::new(
            "dir",
            Kind::Str,
            "A directory, all files of which are loaded in the order of their names.",
        ),
        Argument::new(
            "name",
            Kind::Str,
            "A variable that gets all of them as one map.",
        ),
        Argument::new(
            "depth",
            Kind::Int,
            "How many levels down in `dir`; 0 for all.",
        )
        .default("0"),
        Argument::new(
            "files_matching",
            Kind::Str,
            "A pattern that names in `dir` must match.",
        ),
        Argument::new(
            "ignore_files",
            Kind::List,
            "Names in `dir` that are left out.",
        ),
        Argument::new("extensions", Kind::List, "How names in `dir` must end.")
            .default("json,yaml,yml"),
        Argument::new(
            "ignore_unknown_extensions",
            Kind::Flag,
            "Whether other names in `dir` are left out instead of being a failure.",
        )
        .default("false"),
        Argument::new(
            "hash_behaviour",
            Kind::Str,
            "Whether maps of several files are merged.",
        )
        .choices(&["replace", "merge"]),
    ],
    free_form: Some("file"),
    exclusive: &[&["file", "dir"]],
    one_of: &[&["file", "dir"]],
    safety: Safety::Engine,
    needs_host: false,
    example: "- include_vars: \"{{ ansible_os_family }}.yml\"\n",
    returns: &[
        ("ansible_facts", "the variables"),
        ("ansible_included_var_files", "the files"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct IncludeVars;

impl Module for IncludeVars {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let matching = text("files_matching")
            .map(|pattern| Pattern::new(&pattern, Text::Utf8, Flags::default()))
            .transpose()
            .map_err(|error| error.in_task(arguments))?;
        let mut extensions = arguments.list("extensions");
        if extensions.is_empty() {
            extensions = ["json", "yaml", "yml"].map(str::to_owned).to_vec();
        }
        Ok(Box::new(Including {
            file: text("file"),
            dir: text("dir"),
            name: text("name"),
            depth: arguments
                .int("depth")
                .and_then(|depth| usize::try_from(depth).ok())
                .unwrap_or(0),
            matching,
            ignored: arguments.list("ignore_files"),
            extensions,
            lenient: arguments.flag("ignore_unknown_extensions"),
            merges: arguments.str("hash_behaviour") == Some("merge"),
        }))
    }
}

#[derive(Debug)]
struct Including {
    file: Option<String>,
    dir: Option<String>,
    name: Option<String>,
    depth: usize,
    matching: Option<Pattern>,
    ignored: Vec<String>,
    extensions: Vec<String>,
    lenient: bool,
    merges: bool,
}

impl Including {
    fn files(&self, cx: &HostCx<'_>) -> Result<Vec<String>, ModuleError> {
        let Some(dir) = &self.dir else {
            return Ok(self.file.clone().into_iter().collect());
        };
        let mut files = cx
            .controller
            .list("vars", dir)
            .map_err(ModuleError::Argument)?;
        files.sort();
        let mut chosen = Vec::new();
        for file in files {
            let name = file.rsplit('/').next().unwrap_or(&file);
            let deep = self.depth > 0 && file.matches('/').count() >= self.depth;
            let matches = match &self.matching {
                Some(pattern) => pattern.is_match(name)?,
                None => true,
            };
            if deep || !matches || self.ignored.iter().any(|ignored| ignored == name) {
                continue;
            }
            let end = name.rsplit_once('.').map_or("", |(_, end)| end);
            if self
                .extensions
                .iter()
                .any(|known| known.trim_start_matches('.') == end)
            {
                chosen.push(format!("{}/{file}", dir.trim_end_matches('/')));
            } else if !self.lenient {
                return Err(ModuleError::failed(format!(
                    "{dir}/{file} does not have a valid extension: {}",
                    self.extensions.join(", ")
                )));
            }
        }
        Ok(chosen)
    }
}

/// Puts the entries of one map over those of another; with `deep`, maps inside are put together too.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, deep: bool) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if deep => merge(old, new, true),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

impl Action for Including {
    fn describe(&self) -> String {
        let from = self.file.as_ref().or(self.dir.as_ref());
        format!("load variables from {}", from.map_or("", String::as_str))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let files = self.files(cx)?;
        let mut variables = Map::new();
        for file in &files {
            let read = cx
                .controller
                .variables(file)
                .map_err(ModuleError::Argument)?;
            merge(&mut variables, read, self.merges);
        }
        if let Some(name) = &self.name {
            variables = fields([(name.as_str(), Value::Object(variables))]);
        }
        Ok(Observed::Same(Outcome {
            result: fields([
                ("ansible_facts", json!(variables)),
                ("ansible_included_var_files", json!(files)),
            ]),
            effects: vec![Effect::IncludeVars {
                variables,
                source: files.join(", "),
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
