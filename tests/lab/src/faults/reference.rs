//! What an undisturbed upgrade is like: which steps it takes, in which order, and how often each server is touched. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::follow::{Seen, Step, Task};

/// How often something was done to one server: by what it was, and the server.
pub type Touched = BTreeMap<(String, String), usize>;

/// The yardstick.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    order: Vec<(String, Task)>,
    position: BTreeMap<String, usize>,
    turns: BTreeMap<String, String>,
    due: Touched,
    most: BTreeMap<String, usize>,
}

impl Reference {
    /// Reads it from what an undisturbed run said, and from what was counted.
    pub fn of(seen: &[Seen], effects: &[Value], once: &[&str]) -> Self {
        let mut reference = Self::default();
        for seen in seen {
            let Seen::Intended(step) = seen else { continue };
            if let Some(task) = &step.task
                && !reference.position.contains_key(&step.key)
            {
                let position = reference.order.len();
                reference.position.insert(step.key.clone(), position);
                let turn = reference.turns.entry(step.turn.clone());
                turn.or_insert_with(|| step.key.clone());
                reference.order.push((step.key.clone(), task.clone()));
            }
        }
        reference.due = touched(effects, once);
        for ((what, _), times) in &reference.due {
            let most = reference.most.entry(what.clone()).or_default();
            *most = (*times).max(*most);
        }
        reference
    }

    /// Tells where in the run a step comes, and what it is called here: the same task in the same turn may have been
    /// another host's.
    pub fn known(&self, step: &Step) -> Option<(usize, &str)> {
        let own = self.position.get_key_value(&step.key);
        let same_turn = || self.position.get_key_value(self.turns.get(&step.turn)?);
        let (key, position) = own.or_else(same_turn)?;
        Some((*position, key))
    }

    /// Returns the distinct tasks with the steps that they are taken in, in the order of the run.
    pub fn tasks(&self) -> Vec<(&Task, Vec<&str>)> {
        let mut tasks: Vec<(&Task, Vec<&str>)> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, task) in &self.order {
            let at = *known.entry(&task.place).or_insert(tasks.len());
            match tasks.get_mut(at) {
                Some((_, keys)) => keys.push(key),
                None => tasks.push((task, vec![key])),
            }
        }
        tasks
    }

    /// Returns the steps between two tasks, by the names of their files.
    pub fn between(&self, first: &str, last: &str) -> BTreeSet<&str> {
        let mut order = self.order.iter();
        let begin = order.rposition(|(_, task)| task.place.contains(first));
        let mut order = self.order.iter();
        let end = order.position(|(_, task)| task.place.contains(last));
        let (Some(begin), Some(end)) = (begin, end) else {
            return BTreeSet::new();
        };
        let inner = self.order.get(begin + 1..end).unwrap_or_default();
        inner.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// Returns what was done more often to a server than is due, where `explained` says how often more is explained.
    pub fn surplus(
        &self,
        touched: &Touched,
        explained: &BTreeMap<&str, usize>,
    ) -> Vec<(String, usize)> {
        let over = touched.iter().filter_map(|(touch, times)| {
            let (what, server) = touch;
            // A server that has another name in each cluster is one like any other.
            let due = self.due.get(touch).or_else(|| self.most.get(what));
            let due = due.copied().unwrap_or_default();
            let more = explained.get(what.as_str()).copied().unwrap_or_default();
            let over = times.saturating_sub(due + more);
            let told = format!("{what} of {server}: {times} times, due {due}");
            (over > 0).then_some((told, over))
        });
        over.collect()
    }
}

/// Counts what was done to which server, of what is to be done once.
pub fn touched(effects: &[Value], once: &[&str]) -> Touched {
    let mut touched = Touched::new();
    for effect in effects {
        let what = effect.get("what").and_then(Value::as_str);
        let Some(what) = what.filter(|what| once.contains(what)) else {
            continue;
        };
        *touched
            .entry((what.to_owned(), server_of(effect)))
            .or_default() += 1;
    }
    touched
}

/// Returns the server that something was done to: its id, its address or its directory.
fn server_of(effect: &Value) -> String {
    const WHERE: [&str; 6] = [
        "/detail/values/memsql-id",
        "/detail/rest/0",
        "/detail/leaf",
        "/detail/directory",
        "/detail/package",
        "/place",
    ];
    let mut found = WHERE
        .iter()
        .filter_map(|pointer| effect.pointer(pointer)?.as_str());
    found.next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(key: &str) -> Step {
        Step {
            key: key.to_owned(),
            turn: format!("turn {}", key.trim_end_matches(['1', '2'])),
            host: "h".to_owned(),
            task: None,
        }
    }

    fn intended(key: &str, place: &str) -> Seen {
        Seen::Intended(Step {
            task: Some(Task {
                place: place.to_owned(),
                name: "n".to_owned(),
            }),
            ..step(key)
        })
    }

    #[test]
    fn steps_have_an_order_and_tasks_their_steps() {
        let seen = [
            intended("a", "lock_take.yml:1:1"),
            intended("b", "stop.yml:1:1"),
            intended("c", "start.yml:1:1"),
            intended("b", "stop.yml:1:1"),
            intended("d", "stop.yml:1:1"),
            intended("e", "lock_give_back.yml:1:1"),
        ];
        let reference = Reference::of(&seen, &[], &[]);
        let tasks = reference.tasks();
        assert_eq!(tasks.len(), 4);
        assert_eq!(tasks[1].1, ["b", "d"]);
        assert_eq!(reference.known(&step("c")), Some((2, "c")));
        assert_eq!(reference.known(&step("x")), None);
        // Another host has its turn there.
        assert_eq!(reference.known(&step("c2")), Some((2, "c")));
        let held = reference.between("lock_take", "lock_give_back");
        assert_eq!(held.into_iter().collect::<Vec<_>>(), ["b", "c", "d"]);
    }

    #[test]
    fn what_is_done_more_often_than_due_is_seen_unless_it_is_explained() {
        let stop = |id: &str| json!({"what": "memsql-stop", "detail": {"rest": [id]}});
        let detach = json!({"what": "detach", "detail": {"leaf": "h:1"}, "place": "/m"});
        let once = ["memsql-stop", "detach"];
        let all = [stop("A"), stop("B"), detach.clone()];
        let reference = Reference::of(&[], &all, &once);
        let none = BTreeMap::new();
        assert!(reference.surplus(&touched(&all, &once), &none).is_empty());
        let twice = [
            stop("A"),
            stop("A"),
            stop("B"),
            detach.clone(),
            detach.clone(),
            detach,
        ];
        let surplus = reference.surplus(&touched(&twice, &once), &none);
        assert_eq!(surplus.iter().map(|(_, over)| over).sum::<usize>(), 3);
        let explained = BTreeMap::from([("detach", 2)]);
        assert_eq!(
            reference.surplus(&touched(&twice, &once), &explained).len(),
            1
        );
    }
}
