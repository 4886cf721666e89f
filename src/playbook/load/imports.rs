//! Static imports of tasks and roles: read now, as if their tasks stood here.

use std::sync::Arc;

use super::Load;
use super::actions::Written;
use super::blocks::Scope;
use super::place::Place;
use super::roles::Asked;
use super::tasks::Own;
use crate::modules::spec::{builtin_name, is_template};
use crate::playbook::{Block, BlockKind, Item, Level, join};
use crate::yaml::{Data, Loc, Node, Problem};

impl Load<'_> {
    /// Reads what `import_tasks` or `import_role` names.
    pub(super) fn import(
        &mut self,
        own: Own,
        scope: Scope,
        written: &Written,
        place: &Place,
    ) -> Option<Item> {
        let context = place.level(Level::Block, own.keywords.clone());
        let inner = place.within(&context);
        let (kind, block) = if builtin_name(&written.name) == "import_tasks" {
            let file = self.task_file_argument(written)?;
            (BlockKind::Tasks, self.imported_tasks(&file, &inner)?)
        } else {
            if place.handlers {
                let problem = written.problem("a role cannot be a handler");
                self.problem(problem.hint("use `include_tasks`"));
                return None;
            }
            let asked = self.role_arguments(written)?;
            (BlockKind::Role, self.imported_role(&asked, &inner)?)
        };
        Some(Item::Block(Arc::new(Block {
            id: place.id.clone(),
            loc: own.loc,
            name: own.name,
            kind,
            context,
            block,
            rescue: Vec::new(),
            always: Vec::new(),
            indivisible: scope.indivisible,
            takes_down: own.takes_down,
            guards: scope.guards,
            brackets: scope.brackets,
            point_of_no_return: own.point_of_no_return,
        })))
    }

    fn imported_tasks(&mut self, file: &Node, place: &Place) -> Option<Vec<Item>> {
        let name = self.static_name(file, "include_tasks")?;
        let path = self.find_tasks(&name, &file.loc, place)?;
        if place.stack.contains(&path) {
            let message = format!("`{path}` imports itself");
            self.problem(Problem::at(&file.loc, message).width(name.chars().count()));
            return None;
        }
        Some(self.task_file(&path, &file.loc, place))
    }

    fn imported_role(&mut self, asked: &Asked, place: &Place) -> Option<Vec<Item>> {
        let name = self.static_name(&asked.name, "include_role")?;
        let files = [
            &asked.files.tasks,
            &asked.files.vars,
            &asked.files.defaults,
            &asked.files.handlers,
        ];
        for file in files.into_iter().flatten() {
            self.static_name(file, "include_role")?;
        }
        let public = match &asked.public {
            Some(node) => {
                let key = crate::yaml::Key {
                    name: "public".to_owned(),
                    loc: node.loc.clone(),
                };
                self.literal_flag(Some((&key, node)), true)
            }
            None => true,
        };
        let items = self.role_of(&name, asked, public, place)?;
        Some(vec![Item::Block(items)])
    }

    /// Returns a name that must be known before the run.
    fn static_name(&mut self, node: &Node, instead: &str) -> Option<String> {
        match node.as_str() {
            Some(text) if is_template(text) => {
                let message = "the name of what is imported must not be a template";
                let problem = Problem::at(&node.loc, message).width(text.chars().count());
                self.problem(problem.hint(format!("use `{instead}`")));
                None
            }
            Some(text) => Some(text.trim().to_owned()),
            None => {
                let message = format!("a name must be text, not {}", node.kind());
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    /// Returns the file that `import_tasks` or `include_tasks` names.
    pub(super) fn task_file_argument(&mut self, written: &Written) -> Option<Node> {
        let mut file = written.bare.clone();
        for (key, value) in &written.entries {
            match key.name.as_str() {
                "file" | "_raw_params" => file = Some(value.clone()),
                "apply" if builtin_name(&written.name) == "include_tasks" => {}
                other => {
                    let message = format!("unknown argument `{other}` of `{}`", written.name);
                    let problem = Problem::at(&key.loc, message).width(other.chars().count());
                    self.problem(problem.did_you_mean(other, ["file", "apply"]));
                }
            }
        }
        if file.is_none() {
            let message = format!("`{}` needs the name of a file", written.name);
            self.problem(written.problem(message));
        }
        file
    }

    /// Finds a file of tasks: beside the file that names it, in the role, beside the playbook.
    pub(super) fn find_tasks(&mut self, name: &str, at: &Loc, place: &Place) -> Option<String> {
        let mut directories = vec![place.directory.to_string()];
        let role = place.context.as_ref().and_then(|context| context.role());
        if let Some(role) = role {
            let kind = if place.handlers { "handlers" } else { "tasks" };
            directories.push(join(&role.role.path, kind));
            directories.push(role.role.path.clone());
        }
        directories.push(place.playbook_directory.to_string());
        directories.dedup();
        let candidates: Vec<String> = directories
            .iter()
            .map(|directory| join(directory, name))
            .collect();
        let found = candidates.iter().find(|path| self.is_file(path)).cloned();
        if found.is_none() {
            let mut problem =
                Problem::at(at, format!("there is no file `{name}`")).width(name.chars().count());
            problem.hint = self.nearest_file(&directories, name);
            self.problem(problem.note(format!("looked in {}", directories.join(", "))));
        }
        found
    }

    /// Returns "did you mean" for a file in one of these directories.
    pub(super) fn nearest_file(&self, directories: &[String], name: &str) -> Option<String> {
        let (inner, stem) = name.rsplit_once('/').unwrap_or(("", name));
        let names: Vec<String> = directories
            .iter()
            .flat_map(|directory| self.loader.files.list(&join(directory, inner)))
            .collect();
        let near = crate::yaml::nearest(stem, names.iter().map(String::as_str))?;
        Some(format!("did you mean `{}`?", join(inner, near)))
    }

    /// Reads a file of tasks.
    pub(super) fn task_file(&mut self, path: &str, at: &Loc, place: &Place) -> Vec<Item> {
        let Some(node) = self.document(path, Some(at)) else {
            return Vec::new();
        };
        let inner = place.in_file(path);
        match &node.data {
            Data::Seq(list) => self.items(list, &inner),
            Data::Null => Vec::new(),
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Map(_) => {
                let message = format!("a file of tasks must be a list, not {}", node.kind());
                self.problem(Problem::at(&node.loc, message));
                Vec::new()
            }
        }
    }
}
