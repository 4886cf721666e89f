//! Dynamic includes: what they name is found for each host, and hosts that name the same walk it together.
//!
//! An include that was begun stays taken on its hosts until it came to its end: a run that goes on finishes it, whatever its
//! conditions or its list say now. What was looked at is looked at again, and may be other by what was done inside.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::inventory::HostName;
use crate::journal::Record;
use crate::playbook::{Include, Included, Loaded, RoleChoice, Task};
use crate::yaml::Problem;

use super::ended::object;
use super::engine::Engine;
use super::host_work::asked;
use super::ledger::Entry;
use super::loops::Items;
use super::place::{Left, Place, Walked};
use super::previously::Taken;
use super::scope::{Around, Scope};

/// What an include names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Tasks(String),
    Role(RoleChoice),
}

/// Hosts that include the same with the same item.
struct Group {
    item: Option<usize>,
    named: Named,
    variables: Map<String, Value>,
    hosts: Vec<HostName>,
}

impl Engine {
    /// Runs what an include names, on each host.
    pub(super) fn run_include(
        &self,
        place: &Place,
        task: &Arc<Task>,
        include: &Include,
        hosts: &[HostName],
    ) -> Walked {
        let around = self.around(place, &task.context);
        self.announce(place, task, hosts, &around);
        let mut walked = Walked {
            begun: true,
            ..Walked::default()
        };
        let mut groups: Vec<Group> = Vec::new();
        // As in Ansible, only the first host includes; what is inside is not shared with the others.
        let written = task.context.nearest(|k| k.run_once.as_ref());
        let first = hosts.first().map(|host| self.scope(host.as_str(), &around));
        let once = match first.map(|scope| scope.flag(written, false)) {
            Some(Ok(once)) => once,
            Some(Err(problem)) => return self.fail_all(place, task, hosts, &problem),
            None => false,
        };
        let including = if once {
            hosts.get(..1).unwrap_or_default()
        } else {
            hosts
        };
        for host in including {
            if let Err(problem) = self.names(place, task, include, host, &around, &mut groups) {
                let only = std::slice::from_ref(host);
                walked.add(self.fail_all(place, task, only, &problem));
            }
        }
        groups.sort_by_key(|group| group.item);
        for group in groups {
            let active = walked.through(&group.hosts);
            if !active.is_empty() {
                walked.add(self.run_group(place, task, include, &group, &active));
            }
        }
        walked
    }

    /// Finds what a host includes, for each of its items.
    fn names(
        &self,
        place: &Place,
        task: &Task,
        include: &Include,
        host: &HostName,
        around: &Around,
        groups: &mut Vec<Group>,
    ) -> Result<(), Problem> {
        let whole = self.scope(host.as_str(), around);
        let mut taken = self.taken(place, task, host);
        let items = match Items::of(task, &whole) {
            Ok(items) => items,
            Err(_) if !taken.is_empty() => {
                return self.name_taken(include, host, &whole, taken, groups);
            }
            Err(problem) => match asked(place, host, task, &whole) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) | Err(_) => return Err(problem),
            },
        };
        for index in 0..items.as_ref().map_or(1, Items::len) {
            let item = items.as_ref().map(|_| index);
            let variables = items.as_ref().map(|items| items.variables(index));
            let variables = variables.unwrap_or_default();
            let scope = whole.with(variables.clone());
            let was_taken = taken.iter().position(|taken| taken.item == item);
            let was_taken = was_taken.map(|position| taken.remove(position));
            if was_taken.is_none() && asked(place, host, task, &scope)?.is_some() {
                continue;
            }
            let named = named_then(include, &scope, was_taken.as_ref())?;
            into_groups(groups, host, item, named, variables);
        }
        self.name_taken(include, host, &whole, taken, groups)
    }

    /// Goes on with what is no longer in the list, as it was.
    fn name_taken(
        &self,
        include: &Include,
        host: &HostName,
        whole: &Scope,
        taken: Vec<Taken>,
        groups: &mut Vec<Group>,
    ) -> Result<(), Problem> {
        for taken in taken {
            let sealed = Value::Object(taken.variables.clone());
            let variables = object(self.outside.seal.unseal_known(&sealed));
            let scope = whole.with(variables.clone());
            let named = named_then(include, &scope, Some(&taken))?;
            into_groups(groups, host, taken.item, named, variables);
        }
        Ok(())
    }

    /// Returns what an earlier part of the run began of an include and did not end. What is asked anew each time is never
    /// gone on with.
    fn taken(&self, place: &Place, task: &Task, host: &HostName) -> Vec<Taken> {
        if place.turn > 0 {
            return Vec::new();
        }
        let path = format!("{}{}", task.id, place.suffix);
        let previously = &self.outside.previously;
        previously.taken(place.play.id(), place.batch, &path, host.as_str())
    }

    /// Writes down that an include is begun on hosts, or came to its end there.
    fn note_taken(
        &self,
        place: &Place,
        task: &Task,
        group: &Group,
        hosts: &[HostName],
        over: bool,
    ) {
        if place.turn > 0 || hosts.is_empty() {
            return;
        }
        let variables = if over {
            Map::new()
        } else {
            let variables = Value::Object(group.variables.clone());
            object(self.outside.seal.seal(&variables))
        };
        let record = Record::Included {
            play: place.play.id().to_owned(),
            batch: place.batch,
            path: format!("{}{}", task.id, place.suffix),
            item: group.item,
            hosts: hosts.iter().map(ToString::to_string).collect(),
            file: match &group.named {
                Named::Tasks(file) if !over => file.clone(),
                Named::Tasks(_) | Named::Role(_) => String::new(),
            },
            variables,
            over,
        };
        // What cannot be written is told by the first step inside, which does not begin then.
        drop(self.ledger.write(Entry::record(record)));
    }

    fn run_group(
        &self,
        place: &Place,
        task: &Arc<Task>,
        include: &Include,
        group: &Group,
        hosts: &[HostName],
    ) -> Walked {
        let loader = &self.outside.loader;
        let loaded: Result<Loaded, Vec<Problem>> = match &group.named {
            Named::Tasks(file) => loader.load_tasks(task, file),
            Named::Role(choice) => loader.load_role(task, choice),
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                let mut problems = problems.into_iter();
                let first = problems.next();
                let mut first = first.unwrap_or_else(|| Problem::at(&task.loc, "nothing to load"));
                first
                    .notes
                    .extend(problems.map(|problem| super::ended::told(&problem)));
                return self.fail_all(place, task, hosts, &first);
            }
        };
        place.play.bring(&loaded.handlers, loaded.role.as_ref());
        let hosts = once_each(place, include, &group.named, hosts);
        let mut inside = place.with(group.variables.clone());
        if let Some(item) = group.item {
            inside.suffix = format!("{}@{item}", place.suffix).into();
        }
        if include.indivisible {
            inside.divisible = false;
        }
        self.note_taken(place, task, group, &hosts, false);
        let walked = self.taking_down(
            &inside,
            task.takes_down.as_ref(),
            &task.context,
            &hosts,
            |inside| self.run_block(inside, &loaded.block, &hosts),
        );
        let mut ended = hosts;
        ended.retain(|host| {
            let left = walked.left.get(host);
            !left.is_some_and(|left| left.is_lost() || *left == Left::Stopped)
        });
        self.note_taken(place, task, group, &ended, true);
        walked
    }
}

/// Adds a host to those that include the same with the same item.
fn into_groups(
    groups: &mut Vec<Group>,
    host: &HostName,
    item: Option<usize>,
    named: Named,
    variables: Map<String, Value>,
) {
    let same = groups
        .iter_mut()
        .find(|group| group.item == item && group.named == named && group.variables == variables);
    match same {
        Some(group) => group.hosts.push(host.clone()),
        None => groups.push(Group {
            item,
            named,
            variables,
            hosts: vec![host.clone()],
        }),
    }
}

/// Returns what an include names; one that was begun names the file that it named then.
fn named_then(include: &Include, scope: &Scope, taken: Option<&Taken>) -> Result<Named, Problem> {
    match taken {
        Some(taken) if !taken.file.is_empty() => Ok(Named::Tasks(taken.file.clone())),
        Some(_) | None => named(include, scope),
    }
}

/// Leaves out the hosts on which a role ran before that runs once in a play.
fn once_each(place: &Place, include: &Include, named: &Named, hosts: &[HostName]) -> Vec<HostName> {
    let (
        Named::Role(choice),
        Included::Role {
            allow_duplicates, ..
        },
    ) = (named, &include.what)
    else {
        return hosts.to_vec();
    };
    let mut hosts = hosts.to_vec();
    if !allow_duplicates {
        hosts.retain(|host| !place.play.runs_role(host, &choice.name));
    }
    hosts
}

fn named(include: &Include, scope: &Scope) -> Result<Named, Problem> {
    match &include.what {
        Included::Tasks { file } => scope.text(file).map(Named::Tasks),
        Included::Role {
            name,
            files,
            public,
            ..
        } => {
            let text = |node: &Option<crate::yaml::Node>| {
                node.as_ref().map(|node| scope.text(node)).transpose()
            };
            Ok(Named::Role(RoleChoice {
                name: scope.text(name)?,
                tasks_from: text(&files.tasks)?,
                vars_from: text(&files.vars)?,
                defaults_from: text(&files.defaults)?,
                handlers_from: text(&files.handlers)?,
                public: scope.flag(public.as_ref(), false)?,
            }))
        }
    }
}
