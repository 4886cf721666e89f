//! What is so after an upgrade and after each stop, against what must be; the program under test is only asked what it
//! says is owed, and held to it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::Error;
use super::reference::touched;
use super::scene::{Off, Scene, State};
use super::upgrade::Shared;
use crate::command::Exit;

/// What is wrong with an upgrade as a whole.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// What is not as before, or was switched off and not told.
    pub leftovers: Vec<String>,
    /// What was done more often than is due: what, and how often too often.
    pub twice: Vec<(String, usize)>,
    /// Why it did not come to its end.
    pub stuck: Vec<String>,
    /// What clients met with and no fault explains.
    pub clients: Vec<String>,
}

impl Judged {
    /// Tells whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        let lists = [&self.leftovers, &self.stuck, &self.clients];
        self.twice.is_empty() && lists.into_iter().all(Vec::is_empty)
    }
}

/// Locks what several upgrades share; one that has failed leaves it as it was.
pub fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what is not as wanted.
pub fn differences(wanted: &State, after: &State) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = wanted.keys().chain(after.keys()).collect();
    let none = String::from("nothing");
    let differs = |name: &String| {
        let is = after.get(name).unwrap_or(&none);
        let wanted = wanted.get(name).unwrap_or(&none);
        (is != wanted).then(|| format!("{name} is {is}, not {wanted}"))
    };
    names.into_iter().filter_map(differs).collect()
}

/// Returns what was done more often than is due.
pub fn twice(
    shared: &Shared<'_>,
    effects: &[Value],
    explained: &BTreeMap<&str, usize>,
) -> Vec<(String, usize)> {
    let touched = touched(effects, shared.once);
    shared.reference.surplus(&touched, explained)
}

/// Returns what is switched off though the program has ended and does not say that it is.
pub fn told(scene: &impl Scene, exit: Exit) -> Result<Vec<String>, Error> {
    let off = scene.off()?;
    if off.is_empty() {
        return Ok(Vec::new());
    }
    let status = if scene.is_lost() {
        scene.told_by_hosts()
    } else {
        scene.status()
    };
    let status = status.within(Duration::from_mins(1)).output()?;
    let standing: Value = serde_json::from_str(&status.out).unwrap_or_default();
    let untold = untold(&off, &standing);
    let told = |off: &Off| format!("{} after {exit}, and status does not say it", off.what);
    Ok(untold.into_iter().map(told).collect())
}

/// Returns what is switched off without a bracket that is entered, owed or held; by the records or by the hosts.
fn untold<'a>(off: &'a [Off], standing: &Value) -> Vec<&'a Off> {
    let names = |list: &str, name: &str| -> Vec<String> {
        let brackets = standing.get(list).and_then(Value::as_array);
        let names = brackets.into_iter().flatten();
        let names = names.filter_map(|bracket| Some(bracket.get(name)?.as_str()?.to_owned()));
        names.collect()
    };
    let names = [names("brackets", "name"), names("owed", "bracket")].concat();
    let answers = |off: &&Off| !names.iter().any(|name| name.contains(off.bracket));
    off.iter().filter(answers).collect()
}

/// Returns the end of what a program said.
pub fn end_of(out: &str, err: &str) -> String {
    let lines: Vec<&str> = out.lines().chain(err.lines()).collect();
    let wanted = lines.iter().rposition(|line| line.starts_with("error"));
    let from = wanted.unwrap_or(lines.len().saturating_sub(3));
    let end: Vec<&str> = lines.iter().skip(from).take(6).copied().collect();
    end.join(" | ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_is_not_as_wanted_is_named() {
        let state = |pairs: &[(&str, &str)]| -> State {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let wanted = state(&[("a", "1"), ("b", "2")]);
        assert!(differences(&wanted, &wanted).is_empty());
        let after = state(&[("a", "1"), ("b", "3"), ("c", "4")]);
        assert_eq!(
            differences(&wanted, &after),
            ["b is 3, not 2", "c is 4, not nothing"]
        );
        assert_eq!(differences(&wanted, &state(&[("a", "1")])).len(), 1);
    }

    #[test]
    fn what_is_off_must_be_told() {
        let off = [Off {
            what: "auto_attach is off".to_owned(),
            bracket: "attached by themselves",
        }];
        let standing = |name: &str| json!({"brackets": [{"name": name, "state": "owed"}]});
        let told = standing("detached leaves are not attached by themselves (first group)");
        assert!(untold(&off, &told).is_empty());
        assert_eq!(untold(&off, &standing("the lock")).len(), 1);
        let by_hosts =
            json!({"owed": [{"bracket": "detached leaves are not attached by themselves"}]});
        assert!(untold(&off, &by_hosts).is_empty());
        assert_eq!(untold(&off, &Value::Null).len(), 1);
    }

    #[test]
    fn the_last_error_is_what_it_said() {
        assert_eq!(end_of("a\nb", "c\nerror: x\n  --> y"), "error: x |   --> y");
        assert_eq!(end_of("a\nb\nc\nd", ""), "b | c | d");
    }
}
