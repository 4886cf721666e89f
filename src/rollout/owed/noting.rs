//! A bracket and its notes: written before its first change, removed when it was left; who comes next goes on with them.
//!
//! A note names its run, so that a run that is refused where another one goes on takes nothing away from that one. A host
//! takes a note only if no other run left one there; else all are read, and who enters a bracket that another run left
//! entered gives it a note of its own first, with what that run found, and removes the other's once it is entered. So a
//! bracket costs each of its hosts one exchange when it is entered and one when it was left. In check mode nothing is
//! written.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::connection::owed::{remove, write, write_first};
use crate::events::StopCause;
use crate::inventory::HostName;
use crate::journal::{content_digest, mask_references};
use crate::playbook::{Context, Per};

use super::gathered::{FoundNote, Gathered, NotedDebt};
use super::hosts::{HostSaid, NoAnswer};
use super::note::{DecidedFor, Note, file_name, run_in_name};
use crate::rollout::engine::Engine;
use crate::rollout::open::Open;
use crate::rollout::place::{Left, Place};

impl Engine {
    /// Returns what an earlier run found that left this bracket entered, as its notes on the hosts say; writes nothing.
    pub(in crate::rollout) fn inherited(&self, open: &Open) -> Result<Option<Value>, Left> {
        if self.settings.survey || open.place.way_out {
            return Ok(None);
        }
        let id = open.bracket.id.as_str();
        let name = &open.bracket.name;
        let mut found = Vec::new();
        for (host, said) in self.on_each(open, |engine, place, context, host| {
            engine.lying_on(place, context, host)
        }) {
            match said {
                Ok(HostSaid { notes, .. }) => found.extend(notes),
                // What cannot be reached is told where a step would go there.
                Err(NoAnswer::Unreachable(_)) => {}
                Err(NoAnswer::Refused(reason)) => {
                    let message = format!(
                        "whether an earlier run left `{name}` entered cannot be read on {host}: {reason}"
                    );
                    self.halt(StopCause::Failed, message, id);
                    return Err(Left::Stopped);
                }
            }
        }
        let asked: Vec<String> = open.hosts.iter().map(ToString::to_string).collect();
        let gathered = Gathered::of(&found, &asked, &self.run);
        match gathered.debt(&open.reference) {
            Err(refusal) => {
                self.halt(StopCause::Failed, refusal.to_string(), id);
                Err(Left::Stopped)
            }
            Ok(None) => Ok(None),
            Ok(Some(debt)) => self.inherits(open, debt).map(Some),
        }
    }

    fn inherits(&self, open: &Open, debt: &NotedDebt) -> Result<Value, Left> {
        let note = &debt.note;
        let found = match self.outside.seal.unseal(&note.found) {
            Ok(found) => found,
            Err(error) => {
                let name = &note.bracket;
                let run = &note.run;
                let message = format!(
                    "what run {run} found for `{name}` cannot be put back from its note: {error}; recover that run where it was started"
                );
                self.halt(StopCause::Failed, message, open.bracket.id.as_str());
                return Err(Left::Stopped);
            }
        };
        // A look ahead has said it before.
        if !self.settings.check {
            self.warn(inherits(debt), None);
        }
        let mut state = self.state();
        let reference = open.reference.clone();
        state.inherited.insert(reference.clone(), debt.names());
        state.owed_since.insert(reference, debt.since.clone());
        Ok(found)
    }

    /// Writes down on the hosts what was found, before the first change, unless another run left a note there that says
    /// what it found for this bracket: then that is returned, and nothing is left written that says anything else.
    pub(in crate::rollout) fn note_first(&self, open: &Open) -> Result<Option<Value>, Left> {
        if self.settings.check || self.settings.survey {
            return Ok(None);
        }
        if open.place.way_out {
            return self.note_down(open).map(|()| None);
        }
        let own = file_name(&open.reference, &self.run);
        let ends = run_in_name(&self.run);
        let script = write_first(&own, &self.note_of(open).to_text(), &ends);
        let told = self.on_each(open, |engine, place, context, host| {
            engine.note_on(place, context, host, &script)
        });
        let lying = told.iter().filter_map(|(_, said)| said.as_ref().ok());
        let lying: Vec<FoundNote> = lying.flatten().cloned().collect();
        if lying.is_empty() {
            let told: Vec<_> = told
                .into_iter()
                .map(|(host, said)| (host, said.map(drop)))
                .collect();
            return self.noted(open, &told).map(|()| None);
        }
        let asked: Vec<String> = open.hosts.iter().map(ToString::to_string).collect();
        let gathered = Gathered::of(&lying, &asked, &self.run);
        let inherited = match gathered.debt(&open.reference) {
            Ok(Some(debt)) => self.inherits(open, debt).map(Some),
            // What lies there is of other brackets, or of other hosts on the same machine.
            Ok(None) => return self.note_down(open).map(|()| None),
            Err(refusal) => {
                self.halt(
                    StopCause::Failed,
                    refusal.to_string(),
                    open.bracket.id.as_str(),
                );
                Err(Left::Stopped)
            }
        };
        // Where no other note lay this one was taken, with what was not found by who came first.
        if inherited.is_err() {
            self.remove_notes(open, &[own]);
        }
        inherited
    }

    /// Writes down on the hosts what was found, whatever lies there. Every host that can be reached must take it.
    pub(in crate::rollout) fn note_down(&self, open: &Open) -> Result<(), Left> {
        if self.settings.check || self.settings.survey {
            return Ok(());
        }
        let name = file_name(&open.reference, &self.run);
        let script = write(&name, &self.note_of(open).to_text());
        let told = self.on_each(open, |engine, place, context, host| {
            engine.tell_host(place, context, host, &script)
        });
        self.noted(open, &told)
    }

    /// Judges what hosts said that were to take a note.
    fn noted(&self, open: &Open, told: &[(HostName, Result<(), NoAnswer>)]) -> Result<(), Left> {
        let written = told.iter().any(|(_, said)| said.is_ok());
        let refused = told.iter().find_map(|(host, said)| match said {
            Err(NoAnswer::Refused(reason)) => Some((host, reason)),
            Ok(()) | Err(NoAnswer::Unreachable(_)) => None,
        });
        let name = &open.bracket.name;
        if let Some((host, reason)) = refused {
            let message = format!(
                "`{name}` is not entered: what was found cannot be written down on {host}: {reason}"
            );
            return self.cannot_note(open, StopCause::Failed, message);
        }
        if written || told.is_empty() {
            return Ok(());
        }
        let reason = told.iter().find_map(|(_, said)| said.as_ref().err());
        let message = format!(
            "`{name}` is not entered: what was found can be written down nowhere: {}",
            reason.map_or("", NoAnswer::reason)
        );
        self.cannot_note(open, StopCause::Unreachable, message)
    }

    /// Nothing was switched: what other hosts took goes again, unless an earlier part of the run entered the bracket.
    fn cannot_note(&self, open: &Open, cause: StopCause, message: String) -> Result<(), Left> {
        let host = open.hosts.first().map(HostName::as_str);
        if open.place.way_out {
            // Who puts things back does it without a note rather than not at all.
            self.warn(message, host);
            return Ok(());
        }
        let known = self.outside.previously.bracket(&open.reference);
        if !known.is_some_and(|known| known.open) {
            self.remove_notes(open, &[file_name(&open.reference, &self.run)]);
        }
        if open.bracket.per == Per::Host {
            let unreachable = cause == StopCause::Unreachable;
            self.warn(message, host);
            return Err(if unreachable {
                Left::Unreachable
            } else {
                Left::Failed
            });
        }
        self.halt(cause, message, open.bracket.id.as_str());
        Err(Left::Stopped)
    }

    fn note_of(&self, open: &Open) -> Note {
        let now = self
            .clock()
            .now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let (state, header) = (self.state(), &self.header);
        let since = state.owed_since.get(&open.reference).cloned();
        drop(state);
        let found = open.place.top.get("found").cloned().unwrap_or_default();
        let seal = &self.outside.seal;
        let top = Value::Object((*open.place.top).clone());
        let masker = &self.outside.masker;
        let by_hand = open.hosts.first();
        let by_hand = by_hand.map(|host| self.by_hand(&open.place, &open.bracket.leave, host));
        let (decided, decided_for) = self.decided(&open.hosts);
        Note {
            run: self.run.clone(),
            version: header.version.clone(),
            playbook: header.playbook.clone(),
            playbook_digest: content_digest(self.playbook.source.text.as_bytes()),
            bracket_id: open.bracket.id.as_str().to_owned(),
            bracket: open.reference.name.clone(),
            object: open.reference.object.clone(),
            found: seal.seal(&found),
            since: since.unwrap_or_else(|| now.clone()),
            noted: now,
            order: u32::try_from(self.brackets.all().len()).unwrap_or(u32::MAX),
            operator: header.operator.clone(),
            bastion: header.bastion.clone(),
            machine: header.machine.clone(),
            reason: header.reason.as_ref().map(|reason| masker.mask(reason)),
            play: open.place.play.id().to_owned(),
            batch: open.place.batch,
            hosts: open.hosts.iter().map(ToString::to_string).collect(),
            top: crate::rollout::ended::object(seal.seal(&top)),
            by_hand: by_hand.unwrap_or_default(),
            decided,
            decided_for,
        }
    }

    /// Returns what the run has decided for a bracket's hosts by `set_fact`: for all of them alike, and for each. Results
    /// are not among it, as they can be had again, nor anything long.
    fn decided(&self, hosts: &[HostName]) -> (Map<String, Value>, DecidedFor) {
        const LONGEST: usize = 4096;
        let mut each = DecidedFor::new();
        for host in hosts {
            let state = self.outside.world.state(host.as_str());
            let decided = state.variables().filter(|(_, value)| !is_result(value));
            let sealed =
                decided.map(|(name, value)| (name.to_owned(), self.outside.seal.seal(value)));
            let short = sealed.filter(|(_, value)| value.to_string().len() <= LONGEST);
            each.insert(host.to_string(), short.collect());
        }
        let mut alike = each.values().next().cloned().unwrap_or_default();
        alike.retain(|name, value| each.values().all(|own| own.get(name) == Some(&*value)));
        for own in each.values_mut() {
            own.retain(|name, _| !alike.contains_key(name));
        }
        each.retain(|_, own| !own.is_empty());
        (alike, each)
    }

    /// The bracket is entered: the notes of the runs that it was inherited from are no longer needed.
    pub(in crate::rollout) fn takes_over(&self, open: &Open) {
        let names = self.state().inherited.remove(&open.reference);
        if let Some(names) = names.filter(|_| !self.settings.check) {
            self.remove_notes(open, &names);
        }
    }

    /// The bracket was left: its notes go.
    pub(in crate::rollout) fn nothing_owed(&self, open: &Open) {
        if self.settings.check || self.settings.survey {
            return;
        }
        let mut names = vec![file_name(&open.reference, &self.run)];
        names.extend(self.outside.previously.notes(&open.reference));
        self.remove_notes(open, &names);
        self.state().owed_since.remove(&open.reference);
    }

    /// Returns which other run has taken over what this one entered: it goes on with what this one found, and leaves it.
    pub(in crate::rollout) fn taken_over(&self, open: &Open) -> Option<NotedDebt> {
        let own = file_name(&open.reference, &self.run);
        let mut found = Vec::new();
        for (_, said) in self.on_each(open, |engine, place, context, host| {
            engine.lying_on(place, context, host)
        }) {
            // Who cannot be asked may have this run's own note still.
            found.extend(said.ok()?.notes);
        }
        if found.iter().any(|note| note.name == own) {
            return None;
        }
        let asked: Vec<String> = open.hosts.iter().map(ToString::to_string).collect();
        let gathered = Gathered::of(&found, &asked, &self.run);
        gathered.debt(&open.reference).ok().flatten().cloned()
    }

    fn remove_notes(&self, open: &Open, names: &[String]) {
        let script = remove(names);
        let told = self.on_each(open, |engine, place, context, host| {
            let said = engine.tell_host(place, context, host, &script);
            match said {
                // Nobody comes back for it: what may have passed is tried once more.
                Err(NoAnswer::Refused(_)) => engine.tell_host(place, context, host, &script),
                Ok(()) | Err(NoAnswer::Unreachable(_)) => said,
            }
        });
        for (host, said) in told {
            if let Err(error) = said {
                let (name, reason) = (&open.bracket.name, error.reason());
                let files = names.join(", ");
                let message = format!(
                    "a note that `{name}` is owed may still lie on this host, though it is not: {reason}; remove it there: owed/{files}"
                );
                self.warn(message, Some(host.as_str()));
            }
        }
    }

    /// Does something about a bracket's notes on hosts, on many at once.
    fn on_each<R: Send>(
        &self,
        open: &Open,
        ask: impl Fn(&Self, &Place, &Arc<Context>, &HostName) -> Result<R, NoAnswer> + Sync,
    ) -> Vec<(HostName, Result<R, NoAnswer>)> {
        let context = open.context();
        let mut place = open.place.clone();
        // What was begun about a note is done, whatever the operator says meanwhile.
        place.way_out = true;
        let told = self.each(&place, open.hosts.clone(), usize::MAX, |host| {
            let said = ask(self, &place, &context, &host);
            (host, said)
        });
        told.into_iter()
            .zip(&open.hosts)
            .map(|(done, host)| {
                done.unwrap_or_else(|panic| (host.clone(), Err(NoAnswer::Refused(panic))))
            })
            .collect()
    }
}

/// Tells whether a value is what a step came to.
fn is_result(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| {
        fields.get("changed").is_some_and(Value::is_boolean) || fields.contains_key("skipped")
    })
}

/// Says that a bracket is gone on with that another run left entered.
fn inherits(debt: &NotedDebt) -> String {
    let note = &debt.note;
    format!(
        "run {} of {} on {} entered `{}` and did not leave it, since {}: what it found is what will be put back: {}",
        note.run,
        note.operator,
        note.bastion,
        note.bracket,
        debt.since,
        mask_references(&note.found.to_string())
    )
}
