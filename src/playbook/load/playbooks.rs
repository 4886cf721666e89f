//! A playbook's file: plays, brackets around plays, and other playbooks.

use std::sync::Arc;

use super::place::Place;
use super::protection::Around;
use super::{Load, words};
use crate::modules::spec::{builtin_name, is_template};
use crate::playbook::{BracketEntry, Entry, Keywords, Level, TaskId, join};
use crate::yaml::{Data, Fields, Key, Node, Problem};

const IMPORT: &[&str] = &["import_playbook", "name", "vars", "when", "tags"];
const AROUND: &[&str] = &["bracket", "plays", "hosts", "guards"];

/// What the imports of a playbook put on its plays.
#[derive(Debug, Clone, Default)]
pub(super) struct Over {
    when: Vec<Node>,
    tags: Vec<Node>,
    vars: Vec<(Key, Node)>,
}

impl Over {
    /// Puts it on a play's keywords; an import's variables win over the play's.
    pub(super) fn put_on(&self, keywords: &mut Keywords) {
        let mut when = self.when.clone();
        when.append(&mut keywords.when);
        keywords.when = when;
        keywords.tags.extend(self.tags.iter().cloned());
        let Some((first, _)) = self.vars.first() else {
            return;
        };
        let mut vars = self.vars.clone();
        let own = keywords.vars.take();
        let loc = own
            .as_ref()
            .map_or_else(|| first.loc.clone(), |node| node.loc.clone());
        for (key, value) in own.iter().filter_map(Node::as_map).flatten() {
            if !vars.iter().any(|(other, _)| other.name == key.name) {
                vars.push((key.clone(), value.clone()));
            }
        }
        keywords.vars = Some(Node::new(Data::Map(vars), loc));
    }

    /// Adds an import that lies inside of this one.
    fn with(&self, inner: Keywords) -> Self {
        let mut over = self.clone();
        over.when.extend(inner.when);
        over.tags.extend(inner.tags);
        for (key, value) in inner.vars.iter().filter_map(Node::as_map).flatten() {
            if !over.vars.iter().any(|(outer, _)| outer.name == key.name) {
                over.vars.push((key.clone(), value.clone()));
            }
        }
        over
    }
}

impl Load<'_> {
    /// Reads a playbook.
    pub(super) fn playbook(&mut self, path: &str) -> Vec<Entry> {
        let path = join("", path);
        let Some(node) = self.document(&path, None) else {
            return Vec::new();
        };
        let place = Place::of_playbook(&path, TaskId::new(""));
        self.playbook_entries(&node, &Over::default(), &place)
    }

    fn playbook_entries(&mut self, node: &Node, over: &Over, place: &Place) -> Vec<Entry> {
        let Some(list) = node.as_seq() else {
            let message = format!("a playbook must be a list of plays, not {}", node.kind());
            self.problem(Problem::at(&node.loc, message));
            return Vec::new();
        };
        if list.is_empty() {
            self.problem(Problem::at(&node.loc, "there are no plays here"));
        }
        list.iter()
            .flat_map(|node| self.playbook_entry(node, over, place))
            .collect()
    }

    fn playbook_entry(&mut self, node: &Node, over: &Over, place: &Place) -> Vec<Entry> {
        let Some(mut fields) = self.fields(node, "a play") else {
            return Vec::new();
        };
        let imported = fields.take_where(|key| builtin_name(key) == "import_playbook");
        if let Some((_, file)) = imported {
            return self.imported_playbook(fields, file, over, place);
        }
        if node.entry("plays").is_some() {
            return self.around(fields, over, place).into_iter().collect();
        }
        self.count.plays += 1;
        let mut place = place.clone();
        place.id = TaskId::new(&self.count.plays.to_string());
        self.play(fields, over, &place)
            .map(Entry::Play)
            .into_iter()
            .collect()
    }

    fn imported_playbook(
        &mut self,
        mut fields: Fields<'_>,
        file: &Node,
        over: &Over,
        place: &Place,
    ) -> Vec<Entry> {
        fields.take("name");
        let keywords = Keywords {
            when: self.conditions(fields.take("when")),
            tags: self.tags(fields.take("tags")),
            vars: self.vars(fields.take("vars")),
            ..Keywords::default()
        };
        self.unknown_keywords(fields.left(), "`import_playbook`", &[IMPORT]);
        let Some(name) = file.as_str().filter(|text| !is_template(text)) else {
            let message = "the name of an imported playbook must be text without templates";
            self.problem(Problem::at(&file.loc, message));
            return Vec::new();
        };
        let path = join(&place.directory, name.trim());
        if place.stack.contains(&path) {
            let message = format!("`{path}` imports itself");
            self.problem(Problem::at(&file.loc, message).width(name.chars().count()));
            return Vec::new();
        }
        if !self.is_file(&path) {
            let directories = [place.directory.to_string()];
            let mut problem = Problem::at(&file.loc, format!("there is no file `{path}`"))
                .width(name.chars().count());
            problem.hint = self.nearest_file(&directories, name);
            self.problem(problem);
            return Vec::new();
        }
        let Some(node) = self.document(&path, Some(&file.loc)) else {
            return Vec::new();
        };
        let mut inner = Place::of_playbook(&path, TaskId::new(""));
        inner.context.clone_from(&place.context);
        inner.stack.extend(place.stack.iter().cloned());
        self.playbook_entries(&node, &over.with(keywords), &inner)
    }

    /// Reads a bracket around plays.
    fn around(&mut self, mut fields: Fields<'_>, over: &Over, place: &Place) -> Option<Entry> {
        let fields = &mut fields;
        let loc = fields.node().loc.clone();
        self.count.brackets += 1;
        let mut place = place.clone();
        place.id = TaskId::new(&format!("around{}", self.count.brackets));
        fields.take("name");
        let keywords = self.keywords(fields);
        let context = place.level(Level::Playbook, keywords);
        let inner = place.within(&context);
        let hosts = self.text(fields.take("hosts"));
        let guards = self.guards(fields.take("guards"), &inner);
        let bracket = fields.take("bracket").map(|(_, node)| node);
        if bracket.is_none() {
            let problem = Problem::at(&loc, "`plays` needs a `bracket` to go around them");
            self.problem(problem);
        }
        let bracket =
            bracket.and_then(|node| self.bracket(node, &inner.child("bracket"), Around::Plays));
        let plays = fields.take("plays");
        let known = [words::SHARED, words::NARROWER, AROUND];
        self.unknown_keywords(fields.left(), "a bracket around plays", &known);
        let entries = match plays {
            Some((_, node)) => self.playbook_entries(node, over, &inner),
            None => Vec::new(),
        };
        Some(Entry::Bracket(Arc::new(BracketEntry {
            bracket: bracket?,
            guards,
            hosts,
            context,
            entries,
        })))
    }
}
