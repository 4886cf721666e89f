//! What earlier parts of a run entered and did not leave: put back, or at least told.

use std::sync::Arc;

use serde_json::Value;

use crate::events::{BracketRef, EventKind, StopCause};
use crate::inventory::HostName;
use crate::journal::{BracketChange, Record};
use crate::playbook::{Block, Bracket, Entry as PlaybookEntry, Item, Playbook};

use super::ended::object;
use super::engine::{Debt, Engine};
use super::exit::Verdict;
use super::ledger::Entry;
use super::open::Open;
use super::place::Place;
use super::play_run::PlayRun;
use super::previously::{EnteredAt, KnownBracket};

impl Engine {
    /// Leaves what is still entered, the innermost first.
    pub(super) fn recover(&self, playbook: &Playbook) {
        self.forgive();
        let open = self.outside.previously.open_brackets();
        for reference in open.iter().rev() {
            if self.state().left_again.contains(reference) {
                continue;
            }
            let Some(known) = self.outside.previously.bracket(reference) else {
                continue;
            };
            match self.reopened(playbook, reference, &known) {
                Ok(open) => self.puts_back(&open),
                Err(reason) => self.still_owed(reference, &known, reason),
            }
        }
        self.forget_notes();
        // The run did not come to its end: it can still go on.
        let stopped = Record::Stopped {
            cause: StopCause::Asked {
                by: "recover".to_owned(),
            },
            place: String::new(),
        };
        drop(self.ledger.write(Entry::record(stopped)));
    }

    /// Returns what is known of a bracket that earlier parts of the run entered, and that nobody has left since.
    pub(super) fn known_open(&self, reference: &BracketRef) -> Option<KnownBracket> {
        if self.state().left_again.contains(reference) {
            return None;
        }
        let known = self.outside.previously.bracket(reference);
        known.filter(|known| known.open)
    }

    /// Leaves what earlier parts of the run entered at places that this part has behind it, and that it did not come to:
    /// what is around it, such as conditions or the hosts of a play, may be other than then.
    pub(super) fn leave_passed_by(&self, is_behind: impl Fn(&EnteredAt) -> bool) {
        if self.settings.check || self.settings.survey {
            return;
        }
        for reference in self.outside.previously.open_brackets().iter().rev() {
            let has_debt = self
                .state()
                .debts
                .iter()
                .any(|debt| debt.what == *reference);
            if has_debt || self.brackets.is_open(reference) {
                continue;
            }
            let known = self.known_open(reference);
            let Some(known) = known.filter(|known| is_behind(&known.entered)) else {
                continue;
            };
            // What is not found any more is told as owed when the run ends.
            if let Ok(open) = self.reopened(&self.playbook, reference, &known) {
                let name = &reference.name;
                let message = format!(
                    "`{name}` was entered by an earlier part of the run, which this part does not come to: it is left now"
                );
                self.warn(message, None);
                self.puts_back(&open);
            }
        }
    }

    fn puts_back(&self, open: &Open) {
        let from_hosts = self.outside.previously.is_from_hosts();
        let Some(other) = (!from_hosts).then(|| self.taken_over(open)).flatten() else {
            self.brackets.push(open.clone());
            self.close(open, false);
            return;
        };
        let note = &other.note;
        let message = format!(
            "`{}` is not put back: run {} of {} on {} has taken it over, with what was found before this run",
            note.bracket, note.run, note.operator, note.bastion
        );
        self.warn(message, None);
        self.is_left(&open.reference);
    }

    /// Writes down that nothing is owed of a bracket any more.
    pub(super) fn is_left(&self, reference: &BracketRef) {
        let record = Record::Bracket {
            bracket: reference.clone(),
            change: BracketChange::Left,
        };
        let event = EventKind::BracketLeft {
            bracket: reference.clone(),
        };
        drop(self.ledger.write(Entry::record(record).with_event(event)));
        self.state().left_again.insert(reference.clone());
    }

    /// Makes an open bracket of what the journal says of it.
    fn reopened(
        &self,
        playbook: &Playbook,
        reference: &BracketRef,
        known: &KnownBracket,
    ) -> Result<Open, String> {
        let bracket = find_bracket(playbook, &reference.name)
            .ok_or_else(|| "the playbook that the run kept has no such bracket".to_owned())?;
        let at = &known.entered;
        let hosts: Vec<HostName> = at.hosts.iter().map(|host| HostName::new(host)).collect();
        let seal = &self.outside.seal;
        let mut top = object(seal.unseal_known(&Value::Object(at.top.clone())));
        if let Some(found) = &known.found {
            top.insert("found".to_owned(), seal.unseal_known(found));
        }
        // Its steps are done in that run's name: what knows its run by that, such as a lock, is known again.
        if let Some((run, machine)) = self.outside.previously.entered_by(reference) {
            top.insert("stagger_run_id".to_owned(), Value::String(run));
            top.insert("stagger_machine".to_owned(), Value::String(machine));
        }
        let run = self.play_again(playbook, &at.play, &hosts)?;
        let mut place = Place::of(&run, "bracket").with(top);
        place.batch = at.batch;
        Ok(Open {
            bracket,
            reference: reference.clone(),
            place,
            hosts,
        })
    }

    /// Makes a play of an earlier part of the run again, for what is done in it without walking there.
    pub(super) fn play_again(
        &self,
        playbook: &Playbook,
        id: &str,
        hosts: &[HostName],
    ) -> Result<Arc<PlayRun>, String> {
        let play = playbook
            .plays()
            .find(|play| play.id.as_str() == id)
            .map(Arc::clone);
        let made = |files| {
            let (play, hosts) = (play.clone(), hosts.to_vec());
            PlayRun::new(id.to_owned(), play, hosts, files, Arc::clone(&self.answers))
        };
        let run = made(Vec::new());
        let Some(play) = &play else {
            return Ok(run);
        };
        let scope = self.hostless(&run, &play.context);
        let files = self.play_files(play, &scope);
        files
            .map(made)
            .map_err(|problem| super::ended::told(&problem))
    }

    /// Tells what earlier parts of the run left entered and this one did not leave either.
    pub(super) fn tell_old_debts(&self) {
        for reference in self.outside.previously.open_brackets() {
            let told = {
                let state = self.state();
                state.left_again.contains(&reference)
                    || state.debts.iter().any(|debt| debt.what == reference)
            };
            let known = self.outside.previously.bracket(&reference);
            if let (false, Some(known)) = (told, known) {
                let reason = "an earlier part of the run entered it, and it was not left since";
                self.still_owed(&reference, &known, reason.to_owned());
            }
        }
    }

    fn still_owed(&self, reference: &BracketRef, known: &KnownBracket, reason: String) {
        let by_hand = known.entered.by_hand.clone();
        {
            let mut state = self.state();
            state.verdicts.insert(Verdict::Owed);
            state.debts.push(Debt {
                what: reference.clone(),
                held: false,
                reason: reason.clone(),
                by_hand: by_hand.clone(),
            });
        }
        let record = Record::Bracket {
            bracket: reference.clone(),
            change: BracketChange::Owed {
                reason: reason.clone(),
            },
        };
        let event = EventKind::BracketOwed {
            bracket: reference.clone(),
            reason,
            by_hand,
        };
        drop(self.ledger.write(Entry::record(record).with_event(event)));
    }
}

/// Finds a bracket by its name: around plays, in plays, in blocks, in what they include.
fn find_bracket(playbook: &Playbook, name: &str) -> Option<Arc<Bracket>> {
    let among = |brackets: &[Arc<Bracket>]| {
        let mut brackets = brackets.iter();
        brackets
            .find(|bracket| bracket.name == name)
            .map(Arc::clone)
    };
    if let Some(found) = around(&playbook.entries, name) {
        return Some(found);
    }
    for play in playbook.plays() {
        let inside = || {
            let mut sections = play.sections().into_iter();
            sections.find_map(|(_, items)| in_items(items, name))
        };
        if let Some(found) = among(&play.brackets).or_else(inside) {
            return Some(found);
        }
    }
    let mut includes = playbook.includes.values();
    includes.find_map(|loaded| in_block(&loaded.block, name))
}

fn around(entries: &[PlaybookEntry], name: &str) -> Option<Arc<Bracket>> {
    entries.iter().find_map(|entry| match entry {
        PlaybookEntry::Play(_) => None,
        PlaybookEntry::Bracket(entry) if entry.bracket.name == name => {
            Some(Arc::clone(&entry.bracket))
        }
        PlaybookEntry::Bracket(entry) => around(&entry.entries, name),
    })
}

fn in_items(items: &[Item], name: &str) -> Option<Arc<Bracket>> {
    items.iter().find_map(|item| match item {
        Item::Task(_) => None,
        Item::Block(block) => in_block(block, name),
    })
}

fn in_block(block: &Block, name: &str) -> Option<Arc<Bracket>> {
    let own = block.brackets.iter().find(|bracket| bracket.name == name);
    own.map(Arc::clone)
        .or_else(|| in_items(&block.block, name))
        .or_else(|| in_items(&block.rescue, name))
        .or_else(|| in_items(&block.always, name))
}
