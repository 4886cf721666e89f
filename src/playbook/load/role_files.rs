//! A role's directory: where it is, and what its files hold.

use std::sync::Arc;

use super::Load;
use super::includes::RoleChoice;
use super::place::Place;
use crate::playbook::{ArgumentSpec, Role, join};
use crate::yaml::{Data, Fields, Loc, Node, Problem};

/// What `meta/main.yml` says.
#[derive(Debug, Default)]
struct Meta {
    dependencies: Vec<Node>,
    allow_duplicates: bool,
    argument_specs: Option<Node>,
}

impl Load<'_> {
    /// Finds and reads a role, once for each choice of its files.
    pub(super) fn role(
        &mut self,
        choice: &RoleChoice,
        at: &Loc,
        place: &Place,
    ) -> Option<Arc<Role>> {
        let path = self.find_role(&choice.name, at, place)?;
        let key = format!("{path} {:?}", choice.files());
        if let Some(known) = self.roles.get(&key) {
            return known.clone();
        }
        let role = self.read_role(path, choice, at).map(Arc::new);
        self.roles.insert(key, role.clone());
        role
    }

    /// Returns the directories in which roles are looked for.
    fn role_directories(&self, place: &Place) -> Vec<String> {
        let playbook = place.playbook_directory.as_ref();
        let mut directories = vec![join(playbook, "roles")];
        directories.extend(self.loader.roles_path.iter().map(|path| join("", path)));
        // A playbook that lies in a role's directory, as the shipped ones do.
        directories.push(join(playbook, ".."));
        let around = place.context.iter().flat_map(|context| context.roles());
        directories.extend(around.map(|used| join(&used.role.path, "..")));
        directories.push(playbook.to_owned());
        directories.push("roles".to_owned());
        let mut kept: Vec<String> = Vec::new();
        for directory in directories {
            if !kept.contains(&directory) {
                kept.push(directory);
            }
        }
        kept
    }

    fn find_role(&mut self, name: &str, at: &Loc, place: &Place) -> Option<String> {
        let directories = self.role_directories(place);
        let mut paths: Vec<String> = directories
            .iter()
            .map(|directory| join(directory, name))
            .collect();
        if name.contains('/') {
            paths.push(join(&place.directory, name));
            paths.push(join("", name));
        }
        // A directory counts as a role only if it looks like one: the playbook's own directory is searched too.
        let parts = ["tasks", "meta", "defaults", "vars", "handlers"];
        let is_role = |path: &&String| {
            parts
                .iter()
                .any(|part| self.is_directory(&format!("{path}/{part}")))
        };
        let found = paths
            .iter()
            .find(is_role)
            .or_else(|| paths.iter().find(|path| self.is_directory(path)))
            .cloned();
        if found.is_none() {
            let names: Vec<String> = directories
                .iter()
                .flat_map(|directory| self.loader.files.list(directory))
                .collect();
            let mut problem = Problem::at(at, format!("there is no role `{name}`"))
                .width(name.chars().count())
                .did_you_mean(name, names.iter().map(String::as_str));
            if name.matches('.').count() >= 2 {
                problem = problem.hint("collections are outside the subset");
            }
            self.problem(problem.note(format!("looked in {}", directories.join(", "))));
        }
        found
    }

    fn read_role(&mut self, path: String, choice: &RoleChoice, at: &Loc) -> Option<Role> {
        let before = self.problems.len();
        let [tasks, vars, defaults, handlers] = choice.files();
        let defaults = self.role_variables(&path, "defaults", defaults, at);
        let vars = self.role_variables(&path, "vars", vars, at);
        let tasks = self.role_file(&path, "tasks", tasks, at);
        let handlers = self.role_file(&path, "handlers", handlers, at);
        let meta = self.role_meta(&path);
        let argument_spec = self.argument_spec(&path, choice, &meta);
        if self.problems.len() > before {
            return None;
        }
        Some(Role {
            name: choice.name.clone(),
            path,
            defaults,
            vars,
            tasks,
            handlers,
            dependencies: meta.dependencies,
            allow_duplicates: meta.allow_duplicates,
            argument_spec: argument_spec.map(Arc::new),
        })
    }

    fn role_variables(
        &mut self,
        path: &str,
        kind: &str,
        from: Option<&str>,
        at: &Loc,
    ) -> Vec<Node> {
        let directory = format!("{path}/{kind}");
        let files = self.variable_files(&directory, from.unwrap_or("main"));
        if files.is_empty() {
            self.missing_part(path, kind, from, at);
        }
        files
            .iter()
            .filter_map(|file| self.variables_of(file, Some(at)))
            .collect()
    }

    fn role_file(
        &mut self,
        path: &str,
        kind: &str,
        from: Option<&str>,
        at: &Loc,
    ) -> Option<String> {
        let found = self.find_stem(&format!("{path}/{kind}"), from.unwrap_or("main"));
        if found.is_none() {
            self.missing_part(path, kind, from, at);
        }
        found
    }

    /// Reports a file of a role that was asked for by name and is not there.
    fn missing_part(&mut self, path: &str, kind: &str, from: Option<&str>, at: &Loc) {
        let Some(from) = from else { return };
        let directory = format!("{path}/{kind}");
        let mut problem = Problem::at(at, format!("there is no file `{from}` in `{directory}`"));
        problem.hint = self.nearest_file(&[directory], from);
        self.problem(problem);
    }

    fn role_meta(&mut self, path: &str) -> Meta {
        let Some(file) = self.find_stem(&format!("{path}/meta"), "main") else {
            return Meta::default();
        };
        let Some(node) = self.document(&file, None) else {
            return Meta::default();
        };
        if node.data == Data::Null {
            return Meta::default();
        }
        let mut fields = match Fields::new(&node, "a role's `meta/main.yml`") {
            Ok(fields) => fields,
            Err(problem) => {
                self.problem(problem);
                return Meta::default();
            }
        };
        for ignored in ["galaxy_info", "collections", "standalone"] {
            fields.take(ignored);
        }
        let meta = Meta {
            dependencies: self.list(fields.take("dependencies")).to_vec(),
            allow_duplicates: self.literal_flag(fields.take("allow_duplicates"), false),
            argument_specs: fields.take("argument_specs").map(|(_, node)| node.clone()),
        };
        let known = [
            "dependencies",
            "allow_duplicates",
            "argument_specs",
            "galaxy_info",
        ];
        self.unknown_keywords(fields.left(), "a role's `meta/main.yml`", &[&known]);
        meta
    }

    fn argument_spec(
        &mut self,
        path: &str,
        choice: &RoleChoice,
        meta: &Meta,
    ) -> Option<ArgumentSpec> {
        let specs = match self.find_stem(&format!("{path}/meta"), "argument_specs") {
            Some(file) => self.document(&file, None)?.entry("argument_specs").cloned(),
            None => meta.argument_specs.clone(),
        }?;
        let from = choice.tasks_from.as_deref().unwrap_or("main");
        let stem = from.rsplit_once('.').map_or(from, |(stem, _)| stem);
        let (mut problems, mut chosen) = (Vec::new(), None);
        if specs.as_map().is_none() {
            let message = format!("`argument_specs` must be a map, not {}", specs.kind());
            problems.push(Problem::at(&specs.loc, message));
        }
        for (key, node) in specs.as_map().unwrap_or_default() {
            let spec = ArgumentSpec::read(&key.name, node, &mut problems);
            if key.name == stem {
                chosen = spec;
            }
        }
        self.problems.extend(problems);
        chosen
    }
}
