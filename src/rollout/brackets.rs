//! Brackets: what `enter` switched, `leave` switches back, on every way out.
//!
//! Order: read and write down what is found, enter, what is inside, settle, leave, after. From the moment at which
//! `enter` may have switched anything its `leave` is due. It is tried again for a while, then owed; while it must not
//! be done it is held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::events::{BracketRef, EventKind, StopCause};
use crate::inventory::HostName;
use crate::journal::BracketChange;
use crate::modules::spec::is_template;
use crate::playbook::{Bracket, Item, Per};

use super::ended::{object, told};
use super::engine::Engine;
use super::ledger::Entry;
use super::open::Open;
use super::place::{Left, Place, Walked};

/// The brackets that are entered now, the outermost first.
#[derive(Debug, Default)]
pub(super) struct OpenBrackets {
    open: Mutex<Vec<Open>>,
    renewal: Mutex<()>,
    /// Held by who enters again what was only taken as entered.
    pub(super) again: Mutex<()>,
}

impl OpenBrackets {
    /// Tells whether a bracket is entered and not being left.
    pub(super) fn is_open(&self, reference: &BracketRef) -> bool {
        self.lock().iter().any(|open| open.reference == *reference)
    }

    /// Does a renewal unless its bracket is being left; while it is done no bracket begins to be left.
    pub(super) fn renew(&self, reference: &BracketRef, renewal: impl FnOnce()) {
        let _busy = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_open(reference) {
            renewal();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the brackets that are entered, the outermost first.
    pub(super) fn all(&self) -> Vec<Open> {
        self.lock().clone()
    }

    pub(super) fn push(&self, open: Open) {
        self.lock().push(open);
    }

    pub(super) fn remove(&self, reference: &BracketRef) -> bool {
        let _renewed = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = self.lock();
        let before = open.len();
        open.retain(|other| other.reference != *reference);
        open.len() < before
    }
}

/// What is done inside of brackets.
pub(super) type Inside<'a> = &'a mut dyn FnMut(&Place, &[HostName]) -> Walked;

impl Engine {
    /// Does something inside of brackets, the outermost first.
    pub(super) fn within(
        &self,
        place: &Place,
        brackets: &[Arc<Bracket>],
        hosts: &[HostName],
        body: Inside<'_>,
    ) -> Walked {
        let Some((outer, inner)) = brackets.split_first() else {
            return body(place, hosts);
        };
        if hosts.is_empty() {
            return self.within(place, inner, hosts, body);
        }
        let mut walked = Walked::default();
        let wanted = self.judged(place, outer, hosts, &mut walked);
        let hosts = wanted.as_slice();
        if hosts.is_empty() {
            return walked;
        }
        let entered = self.enter_all(place, outer, hosts, &mut walked);
        self.stop_outside_of_batches(place, outer, &walked);
        let active = walked.through(hosts);
        if self.is_halted() && !place.way_out {
            // Nothing inside is begun yet.
            walked.stopped(&active);
        } else if !active.is_empty() {
            let mut inside = place.clone();
            if let [only] = entered.as_slice() {
                inside = inside.with([("found".to_owned(), only.found())]);
            }
            let opens: Vec<&Open> = entered.iter().collect();
            walked.add(self.renewing(&opens, || self.within(&inside, inner, &active, body)));
        }
        let halted = self.is_halted();
        let closed = self.each(place, entered, usize::MAX, |open| {
            let good = !halted && walked.through(&open.hosts).len() == open.hosts.len();
            (self.close(&open, good), open)
        });
        for done in closed {
            match done {
                Ok((true, open)) => self.gate_behind(&open, &mut walked),
                Ok((false, _)) => {}
                Err(panic) => self.broke(&panic),
            }
        }
        walked
    }

    /// Stops the run where a bracket around whole plays was not entered on a host. Inside of batches the play's budget
    /// judges lost hosts.
    fn stop_outside_of_batches(&self, place: &Place, bracket: &Bracket, walked: &Walked) {
        let lost = walked.left.iter().find(|(_, left)| left.is_lost());
        if let (0, Some((host, left)), false) = (place.batch, lost, place.way_out) {
            let cause = left.cause();
            let message = format!(
                "the bracket `{}` could not be entered on {host}",
                bracket.name
            );
            self.halt(cause, message, bracket.id.as_str());
        }
    }

    /// Judges the conditions around a bracket, once for each host: who does not meet them takes no part in what is inside,
    /// not even if they come to hold meanwhile. A bracket that an earlier part of the run entered is gone on with.
    fn judged(
        &self,
        place: &Place,
        bracket: &Bracket,
        hosts: &[HostName],
        walked: &mut Walked,
    ) -> Vec<HostName> {
        let conditions = bracket.context.conditions();
        if conditions.is_empty() || place.way_out {
            return hosts.to_vec();
        }
        let around = self.around(place, &bracket.context);
        let mut wanted = Vec::new();
        for host in hosts {
            let scope = self.scope(host.as_str(), &around);
            match scope.first_false(conditions.iter().copied()) {
                Ok(None) => wanted.push(host.clone()),
                Ok(Some(_)) if self.was_left_open(bracket, host) => wanted.push(host.clone()),
                Ok(Some(_)) => {}
                Err(problem) => {
                    let name = &bracket.name;
                    let why = format!("whether to enter `{name}`: {}", told(&problem));
                    self.warn(why, Some(host.as_str()));
                    walked.left.insert(host.clone(), Left::Failed);
                }
            }
        }
        wanted
    }

    /// Tells whether an earlier part of the run entered a bracket for a host and did not leave it.
    pub(super) fn was_left_open(&self, bracket: &Bracket, host: &HostName) -> bool {
        let object = match bracket.per {
            Per::Host => host.as_str().to_owned(),
            Per::Run | Per::Play | Per::Batch => String::new(),
        };
        let name = bracket.name.clone();
        let reference = BracketRef { name, object };
        self.known_open(&reference).is_some()
    }

    /// Tells whether the tags leave anything to do.
    pub(super) fn selects(&self, items: &[Item]) -> bool {
        self.settings.tags.is_everything()
            || items.iter().any(|item| match item {
                Item::Task(task) => self.is_selected(task),
                Item::Block(block) => {
                    self.selects(&block.block)
                        || self.selects(&block.rescue)
                        || self.selects(&block.always)
                }
            })
    }

    /// Enters a bracket once, or on each host.
    fn enter_all(
        &self,
        place: &Place,
        bracket: &Arc<Bracket>,
        hosts: &[HostName],
        walked: &mut Walked,
    ) -> Vec<Open> {
        let objects: Vec<(String, Vec<HostName>)> = if bracket.per == Per::Host {
            let own = |host: &HostName| (host.as_str().to_owned(), vec![host.clone()]);
            hosts.iter().map(own).collect()
        } else {
            vec![(String::new(), hosts.to_vec())]
        };
        let mut wanted = Vec::new();
        for (object, hosts) in objects {
            let reference = BracketRef {
                name: bracket.name.clone(),
                object,
            };
            let mut place = place.clone();
            place.own_pace |= bracket.per == Per::Host;
            wanted.push(Open {
                bracket: Arc::clone(bracket),
                reference,
                place,
                hosts,
            });
        }
        let mut entered = Vec::new();
        for done in self.each(place, wanted, usize::MAX, |open| self.enter(open)) {
            match done {
                Ok(Ok(open)) => entered.push(open),
                Ok(Err((hosts, left))) => {
                    for host in hosts {
                        walked.left.insert(host, left.clone());
                    }
                }
                Err(panic) => {
                    self.broke(&panic);
                    walked.stopped(hosts);
                }
            }
        }
        entered
    }

    /// Reads, writes down, switches. If switching fails the bracket is left at once.
    fn enter(&self, mut open: Open) -> Result<Open, (Vec<HostName>, Left)> {
        let entered = self.find(&mut open).and_then(|()| {
            if self.must_be_trusted(&open) {
                self.trust(&open)
            } else {
                self.switch(&open)
            }
        });
        match entered {
            Ok(()) => Ok(open),
            Err(left) => Err((open.hosts, left)),
        }
    }

    /// Enters once more what was left for a while, knowing what was found.
    pub(super) fn enter_again(&self, open: &Open) -> Result<(), Left> {
        self.note_down(open)?;
        self.switch(open)
    }

    fn switch(&self, open: &Open) -> Result<(), Left> {
        self.begin_to_enter(open)?;
        let place = self.bracket_place(open, "bracket enter", false);
        let walked = self.somewhere(open, &place, &open.bracket.enter);
        if let Some(left) = walked.left.values().next().cloned() {
            return Err(self.could_not_enter(open, left));
        }
        self.is_entered(open);
        Ok(())
    }

    /// Writes down that a bracket's leave is due from now on.
    pub(super) fn begin_to_enter(&self, open: &Open) -> Result<(), Left> {
        let by_hand = open
            .hosts
            .first()
            .map(|host| self.by_hand(&open.place, &open.bracket.leave, host))
            .unwrap_or_default();
        let top = Value::Object((*open.place.top).clone());
        let entering = BracketChange::Entering {
            by_hand,
            play: open.place.play.id().to_owned(),
            batch: open.place.batch,
            hosts: open.hosts.iter().map(ToString::to_string).collect(),
            top: object(self.outside.seal.seal(&top)),
        };
        if let (Err(unwritten), false) = (
            self.ledger.write(Entry::record(open.record(entering))),
            open.place.way_out,
        ) {
            let reason = unwritten.reason;
            let message = format!("the journal cannot be written: {reason}");
            self.halt(StopCause::Journal { reason }, message, &open.reference.name);
            return Err(Left::Stopped);
        }
        self.brackets.push(open.clone());
        Ok(())
    }

    fn could_not_enter(&self, open: &Open, left: Left) -> Left {
        self.close(open, false);
        if open.bracket.per == Per::Host {
            return left;
        }
        let cause = left.cause();
        let message = format!("the bracket `{}` could not be entered", open.bracket.name);
        self.halt(cause, message, open.bracket.id.as_str());
        Left::Stopped
    }

    /// Writes down that a bracket is entered.
    pub(super) fn is_entered(&self, open: &Open) {
        let event = EventKind::BracketEntered {
            bracket: open.reference.clone(),
        };
        let entry = Entry::record(open.record(BracketChange::Entered)).with_event(event);
        drop(self.ledger.write(entry));
        self.takes_over(open);
    }

    /// Finds what is there before the first change, and writes it down; what was found once is not read again until the
    /// bracket was left, by this run or another one.
    fn find(&self, open: &mut Open) -> Result<(), Left> {
        let reads = !open.bracket.read.is_empty() || open.bracket.found.is_some();
        if let Some(known) = self.known_open(&open.reference) {
            match known.found {
                Some(found) => open.finds(self.outside.seal.unseal_known(&found)),
                None if reads => {
                    open.finds(self.read_first(open)?);
                    self.tell_found(open);
                }
                None => open.finds(Value::Null),
            }
            return self.note_down(open);
        }
        let mut inherited = if self.settings.check {
            self.inherited(open)?
        } else {
            None
        };
        if inherited.is_none() {
            inherited = self.find_first(open, reads)?;
        }
        let inherits = inherited.is_some();
        if let Some(found) = inherited {
            open.finds(found);
            self.note_down(open)?;
        }
        if reads || inherits {
            self.tell_found(open);
        }
        Ok(())
    }

    /// Finds and writes down what nobody has found before; returns what another run found, if one did.
    fn find_first(&self, open: &mut Open, reads: bool) -> Result<Option<Value>, Left> {
        let found = if reads {
            self.read_first(open)?
        } else {
            Value::Null
        };
        open.finds(found);
        let odd = if reads { self.is_odd(open)? } else { None };
        if let Some(odd) = odd {
            // Perhaps another run switched it.
            if !self.settings.check
                && let Some(found) = self.inherited(open)?
            {
                return Ok(Some(found));
            }
            if !self.is_approved(&open.place, &open.bracket.name, &odd) {
                return Err(Left::Stopped);
            }
        }
        self.note_first(open)
    }

    /// Reads what is there before the first change.
    fn read_first(&self, open: &Open) -> Result<Value, Left> {
        match self.read_found(open, false) {
            Ok(found) => Ok(found),
            // Who looks ahead may not see yet what is there when the bracket is entered.
            Err(_) if self.settings.survey => Ok(Value::Null),
            Err(left) => {
                let name = &open.bracket.name;
                let message = format!("what the bracket `{name}` switches could not be read");
                self.halt(StopCause::Failed, message, open.bracket.id.as_str());
                Err(left)
            }
        }
    }

    fn tell_found(&self, open: &Open) {
        let found = open.found();
        let change = BracketChange::Found {
            found: self.outside.seal.seal(&found),
        };
        let bracket = open.reference.clone();
        let event = EventKind::BracketFound { bracket, found };
        let entry = Entry::record(open.record(change)).with_event(event);
        drop(self.ledger.write(entry));
    }

    /// Reads what is there.
    pub(super) fn read_found(&self, open: &Open, way_out: bool) -> Result<Value, Left> {
        let place = self.bracket_place(open, "bracket read", way_out);
        let walked = self.somewhere(open, &place, &open.bracket.read);
        let failed = walked.left.values().next().cloned();
        match (failed, &open.bracket.found, open.hosts.first()) {
            (Some(left), ..) => Err(left),
            (None, Some(expression), Some(host)) => {
                let around = self.around(&place, &open.context());
                let scope = self.scope(host.as_str(), &around);
                let found = match expression.as_str() {
                    Some(text) if !is_template(text) => scope.expression(text),
                    Some(_) | None => scope.value(expression),
                };
                found.map_err(|problem| {
                    self.warn(told(&problem), Some(host.as_str()));
                    Left::Failed
                })
            }
            (None, ..) => Ok(Value::Null),
        }
    }

    /// Compares what was found with what is normal; says what another value would mean, for the operator to judge.
    fn is_odd(&self, open: &Open) -> Result<Option<String>, Left> {
        let (Some(expect), Some(host)) = (&open.bracket.expect, open.hosts.first()) else {
            return Ok(None);
        };
        let around = self.around(&open.place, &open.context());
        let normal = match self.scope(host.as_str(), &around).value(expect) {
            Ok(normal) => normal,
            Err(problem) => {
                self.warn(told(&problem), Some(host.as_str()));
                return Err(Left::Stopped);
            }
        };
        let (name, found) = (&open.bracket.name, open.found());
        let odd = || {
            format!(
                "`{name}` normally finds {normal} and found {found}: it would be put back to {found}"
            )
        };
        Ok((normal != found).then(odd))
    }

    pub(super) fn bracket_place(&self, open: &Open, section: &'static str, way_out: bool) -> Place {
        Place {
            section,
            turn: self.fresh_turn(),
            divisible: false,
            way_out: way_out || open.place.way_out,
            once: open.bracket.per != Per::Host,
            ..open.place.clone()
        }
    }

    /// Walks a bracket's items on its host, or once for all its hosts, on the first that can be reached.
    pub(super) fn somewhere(&self, open: &Open, place: &Place, items: &[Item]) -> Walked {
        self.on_one_of(place, items, &open.hosts)
    }
}
