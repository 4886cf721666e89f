//! What protects a cluster: guards, brackets, and conditions that ask a host first.

use std::sync::Arc;

use super::place::Place;
use super::typed::{Entry, shown};
use super::{Load, words};
use crate::modules::spec::Safety;
use crate::playbook::{Action, Bracket, Guard, Item, Level, Per, Probed, TakesDown, Task};
use crate::yaml::{Data, Fields, Node, Problem, flag};

/// Where a bracket stands; decides how often it can be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    Plays,
    Play,
    Block,
}

/// Whether what is asked again and again may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Reading,
    Changing,
}

impl Around {
    fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Plays => &["run", "host"],
            Self::Play => &["play", "batch", "host"],
            Self::Block => &["batch", "host"],
        }
    }
}

impl Load<'_> {
    /// Takes a list of guards.
    pub(super) fn guards(&mut self, entry: Entry<'_>, place: &Place) -> Vec<Arc<Guard>> {
        let place = place.child("guards").protected();
        self.list(entry)
            .iter()
            .zip(1..)
            .filter_map(|(node, number)| self.guard(node, &place.child(number), Asks::Reading))
            .collect()
    }

    /// Takes what keeps a bracket switched.
    fn renewals(&mut self, entry: Entry<'_>, place: &Place) -> Vec<Arc<Guard>> {
        let place = place.protected();
        self.list(entry)
            .iter()
            .zip(1..)
            .filter_map(|(node, number)| self.guard(node, &place.child(number), Asks::Changing))
            .collect()
    }

    fn guard(&mut self, node: &Node, place: &Place, asks: Asks) -> Option<Arc<Guard>> {
        let mut fields = self.fields(node, "a guard")?;
        let name = self.own_name(&mut fields, "a guard");
        let every = self.time_span(fields.take("every"));
        let until = self.conditions(fields.take("until"));
        let grace = self.time_span(fields.take("grace"));
        let unknown_grace = self.time_span(fields.take("unknown_grace"));
        let probe = self.probe(&mut fields, "a guard", place, asks);
        if until.is_empty() {
            let message = "this guard has no `until`: the condition that must hold";
            self.problem(Problem::at(&node.loc, message));
            return None;
        }
        Some(Arc::new(Guard {
            id: place.id.clone(),
            loc: node.loc.clone(),
            name: name?,
            probe: probe?,
            every,
            until,
            grace,
            unknown_grace,
        }))
    }

    /// Reads the rest of a map as a task, which only reads unless it is a renewal.
    fn probe(
        &mut self,
        fields: &mut Fields<'_>,
        what: &'static str,
        place: &Place,
        asks: Asks,
    ) -> Option<Arc<Task>> {
        let mut place = place.child("probe").protected();
        place.object = what;
        let loc = fields.node().loc.clone();
        let task = match self.task(fields, &place)? {
            Item::Task(task) => task,
            Item::Block(_) => {
                let message = format!("{what} asks by one module, not by what is imported");
                self.problem(Problem::at(&loc, message));
                return None;
            }
        };
        match &task.action {
            Action::Module {
                spec,
                name,
                arguments,
            } => {
                let says_no = |node: &Node| flag(node) == Ok(false);
                let only_reads =
                    spec.safety == Safety::ReadOnly || task.changed_when.iter().any(says_no);
                if !only_reads && asks == Asks::Reading {
                    let message = format!("{what} only reads, and `{name}` may change something");
                    let problem = Problem::at(&arguments.loc, message)
                        .width(name.chars().count())
                        .hint("if it does not, say `changed_when: false`");
                    self.problem(problem);
                }
                Some(task)
            }
            Action::Include(_) | Action::Meta(_) | Action::RoleArguments(_) => {
                let message = format!("{what} asks by a module, not by `{}`", task.action.name());
                self.problem(Problem::at(&loc, message));
                None
            }
        }
    }

    /// Takes a condition that may ask a host first.
    pub(super) fn probed(&mut self, entry: Entry<'_>, place: &Place) -> Option<Probed> {
        let (key, node) = entry?;
        let loc = node.loc.clone();
        if node.as_map().is_none() {
            let that = self.conditions(Some((key, node)));
            return (!that.is_empty()).then_some(Probed {
                loc,
                probe: None,
                that,
            });
        }
        let what = if key.name == "done_when" {
            "`done_when`"
        } else {
            "`hold_while`"
        };
        let mut fields = self.fields(node, what)?;
        let that = self.conditions(fields.take("that"));
        let probe = self.probe(&mut fields, what, &place.protected(), Asks::Reading);
        if that.is_empty() {
            let message = format!("{what} has no `that`: the condition on `result`");
            self.problem(Problem::at(&loc, message));
            return None;
        }
        Some(Probed {
            loc,
            probe: Some(probe?),
            that,
        })
    }

    /// Takes the members that are taken down: a text, a list, or a map of `members` and `within`.
    pub(super) fn takes_down(&mut self, entry: Entry<'_>) -> Option<TakesDown> {
        let (key, node) = entry?;
        match &node.data {
            Data::Map(_) => {
                let mut fields = self.fields(node, "`takes_down`")?;
                let members = fields.take("members").map(|(_, node)| node.clone());
                let within = self.time_span(fields.take("within"));
                self.unknown_keywords(fields.left(), "`takes_down`", &[&["members", "within"]]);
                if members.is_none() {
                    self.problem(Problem::at(&node.loc, "`takes_down` needs `members`"));
                }
                Some(TakesDown {
                    members: members?,
                    within,
                })
            }
            Data::Seq(_) | Data::Str(_) | Data::Int(_) => {
                self.texts(Some((key, node)));
                Some(TakesDown {
                    members: node.clone(),
                    within: None,
                })
            }
            Data::Null | Data::Bool(_) | Data::Float(_) => {
                let message = format!("`takes_down` must name members, not {}", shown(node));
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    /// Takes `bracket` and `brackets`.
    pub(super) fn brackets(
        &mut self,
        fields: &mut Fields<'_>,
        place: &Place,
        around: Around,
    ) -> Vec<Arc<Bracket>> {
        let (one, many) = (fields.take("bracket"), fields.take("brackets"));
        if let (Some(_), Some((key, _))) = (one, many) {
            let message = "`bracket` and `brackets` exclude each other";
            self.problem(Problem::at(&key.loc, message).width(key.name.chars().count()));
        }
        let Some((_, node)) = one.or(many) else {
            return Vec::new();
        };
        let place = place.child("bracket");
        node.as_seq()
            .unwrap_or(std::slice::from_ref(node))
            .iter()
            .zip(1..)
            .filter_map(|(node, number)| self.bracket(node, &place.child(number), around))
            .collect()
    }

    /// Reads one bracket.
    pub(super) fn bracket(
        &mut self,
        node: &Node,
        place: &Place,
        around: Around,
    ) -> Option<Arc<Bracket>> {
        let mut fields = self.fields(node, "a bracket")?;
        let fields = &mut fields;
        let name = self.own_name(fields, "a bracket");
        let keywords = self.keywords(fields);
        let context = place.level(Level::Bracket, keywords);
        let inner = place.within(&context);
        let per = self.per(fields.take("per"), around);
        let expect = fields.take("expect").map(|(_, node)| node.clone());
        let found = self.text(fields.take("found"));
        let hold_while = self.probed(fields.take("hold_while"), &inner.child("hold_while"));
        let hold_in_doubt = self.literal_flag(fields.take("hold_in_doubt"), true);
        let hold_wait = self.time_span(fields.take("hold_wait"));
        let mut part = |load: &mut Self, name: &'static str| {
            let list = load.list(fields.take(name));
            load.items(list, &inner.child(name))
        };
        let read = part(self, "read");
        let enter = part(self, "enter");
        let renew = self.renewals(fields.take("renew"), &inner.child("renew"));
        let mut part = |load: &mut Self, name: &'static str| {
            let list = load.list(fields.take(name));
            load.items(list, &inner.child(name))
        };
        let settle = part(self, "settle");
        let leave = part(self, "leave");
        let after = part(self, "after");
        let known = [words::SHARED, words::NARROWER, words::BRACKET];
        self.unknown_keywords(fields.left(), "a bracket", &known);
        for needed in ["enter", "leave"] {
            if node.entry(needed).is_none() {
                let message = format!("this bracket has no `{needed}`");
                self.problem(Problem::at(&node.loc, message));
            }
        }
        if found.is_none() && (expect.is_some() || !read.is_empty()) {
            let message = "this bracket reads what is there and has no `found`";
            let problem = Problem::at(&node.loc, message);
            self.problem(problem.hint("`found` is the expression of the value to write down"));
        }
        Some(Arc::new(Bracket {
            id: place.id.clone(),
            loc: node.loc.clone(),
            name: name?,
            context,
            per: per?,
            expect,
            read,
            found,
            enter,
            renew,
            settle,
            leave,
            after,
            hold_while,
            hold_in_doubt,
            hold_wait,
        }))
    }

    fn per(&mut self, entry: Entry<'_>, around: Around) -> Option<Per> {
        let Some(entry) = entry else {
            return Some(match around {
                Around::Plays => Per::Run,
                Around::Play => Per::Play,
                Around::Block => Per::Batch,
            });
        };
        match self.literal_choice(Some(entry), around.choices())?.as_str() {
            "run" => Some(Per::Run),
            "play" => Some(Per::Play),
            "batch" => Some(Per::Batch),
            _ => Some(Per::Host),
        }
    }

    /// Takes a name that the journal knows the thing by.
    fn own_name(&mut self, fields: &mut Fields<'_>, what: &str) -> Option<String> {
        let entry = fields.take("name");
        if entry.is_none() {
            let message = format!("{what} needs a `name`");
            self.problem(Problem::at(&fields.node().loc, message));
        }
        self.literal_text(entry)
    }

    /// Starts reading a map.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        match Fields::new(node, what) {
            Ok(fields) => Some(fields),
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }
}
