//! Rest points: the only places where a polite stop, guards, budgets, `--step` and approvals take effect.

use crate::clock::StopLevel;
use crate::events::{EventKind, StopCause};
use crate::inventory::HostName;
use crate::journal::Record;
use crate::playbook::{Item, Task};
use crate::yaml::Node;

use super::block::block_title;
use super::budget::{Budget, Lost};
use super::engine::Engine;
use super::ledger::Entry;
use super::outside::StepAnswer;
use super::place::Place;

impl Engine {
    /// Tells whether an item may begin.
    pub(super) fn may_go_on(&self, place: &Place, item: &Item, hosts: &[HostName]) -> bool {
        let id = match item {
            Item::Task(task) => &task.id,
            Item::Block(block) => &block.id,
        };
        self.may_rest(place, id.as_str())
            && self.step_wanted(place, item)
            && self.points_passed(place, item, hosts)
    }

    /// Tells whether the run goes on at a place; outside of indivisible stretches this is where it may stop.
    pub(super) fn may_rest(&self, place: &Place, before: &str) -> bool {
        let stop = &self.outside.stop;
        if place.way_out {
            return stop.level() < StopLevel::Quit;
        }
        if stop.abandons() {
            self.interrupted(before);
            return false;
        }
        if !place.divisible {
            return true;
        }
        if self.is_halted() {
            return false;
        }
        if let Some(failure) = self.ledger.failure() {
            let reason = failure.reason;
            let message = format!("the journal cannot be written: {reason}");
            self.halt(StopCause::Journal { reason }, message, before);
            return false;
        }
        if !self.guards_pass(before) {
            return false;
        }
        if stop.level() >= StopLevel::Drain {
            self.interrupted(before);
            return false;
        }
        if let Some(why) = self.budget_of(place).exceeded(self.lost_of(place)) {
            self.halt(StopCause::Failed, why, before);
            return false;
        }
        self.trusts_no_more(place, before) && !self.pauses(before)
    }

    /// A step ended because the run is to stop: for whatever reason that was.
    pub(super) fn stop_here(&self, place: &Place, at: &str) {
        if place.way_out {
            return;
        }
        if self.outside.stop.level() >= StopLevel::Drain {
            self.interrupted(at);
        } else {
            self.guards_pass(at);
        }
    }

    fn interrupted(&self, before: &str) {
        let message = "the operator stopped the run";
        self.halt(StopCause::Interrupted, message, before);
    }

    /// Tells what happens on a signal, once for each.
    pub(super) fn tell_stop(&self) {
        let level = self.outside.stop.level();
        let mut state = self.state();
        if level == StopLevel::None || state.stop_told == Some(level) {
            return;
        }
        state.stop_told = Some(level);
        drop(state);
        let (number, message) = match level {
            StopLevel::None => return,
            StopLevel::Drain => (
                1,
                "going on to the next rest point, leaving the brackets, then stopping; \
                 Ctrl-C again stops waiting for the steps in flight",
            ),
            StopLevel::Abandon => (
                2,
                "not waiting for the steps in flight, which are in doubt now; leaving the brackets; \
                 Ctrl-C again quits at once and leaves them as they are",
            ),
            StopLevel::Quit => (3, "quitting; what is owed is in the journal"),
        };
        self.ledger.tell(EventKind::StopAsked {
            level: number,
            message: message.to_owned(),
        });
    }

    /// Writes that the run may stop here.
    pub(super) fn rest_point(&self, place: &Place, before: &str) {
        let play = place.play.id().to_owned();
        let (batch, before) = (place.batch, before.to_owned());
        let record = Record::RestPoint {
            play: play.clone(),
            batch,
            before: before.clone(),
        };
        let event = EventKind::RestPointReached {
            play,
            batch,
            before,
        };
        drop(self.ledger.write(Entry::record(record).with_event(event)));
    }

    /// Returns what the play says about failures.
    pub(super) fn budget_of(&self, place: &Place) -> Budget {
        let play = place.play.play();
        let on_failure = play.map(|play| play.on_failure).unwrap_or_default();
        let written = play.and_then(|play| play.max_fail_percentage.as_ref());
        let max_fail_percentage = written.and_then(|node| {
            let host = place.play.hosts().first()?;
            let context = place.play.play().map(|play| play.context.clone())?;
            let scope = self.scope(host.as_str(), &self.around(place, &context));
            scope.number(Some(node)).ok().flatten()
        });
        Budget {
            on_failure,
            max_fail_percentage,
        }
    }

    /// Counts the hosts that are lost.
    pub(super) fn lost_of(&self, place: &Place) -> Lost {
        let state = self.state();
        let in_batch = place.batch_hosts.iter();
        Lost {
            of_run: state.hosts.len(),
            in_run: state.lost.len(),
            of_batch: place.batch_hosts.len(),
            in_batch: in_batch
                .filter(|host| state.lost.contains_key(*host))
                .count(),
        }
    }

    /// Passes the points of no return of an item, all that lie inside of it if the run cannot stop there.
    fn points_passed(&self, place: &Place, item: &Item, hosts: &[HostName]) -> bool {
        let id = match item {
            Item::Task(task) => &task.id,
            Item::Block(block) => &block.id,
        };
        let path = format!("{id}{}", place.suffix);
        if place.way_out || self.state().left_out.contains(&path) {
            return true;
        }
        let mut points = Vec::new();
        collect_points(item, &mut points);
        let Some(host) = hosts.first().filter(|_| !points.is_empty()) else {
            return true;
        };
        let context = match item {
            Item::Task(task) => &task.context,
            Item::Block(block) => &block.context,
        };
        let around = self.around(place, context);
        // Nobody is asked about what is skipped on every host; a condition that cannot be asked is none of these.
        let conditions = context.conditions();
        let skipped = |host: &HostName| {
            let scope = self.scope(host.as_str(), &around);
            matches!(scope.first_false(conditions.iter().copied()), Ok(Some(_)))
        };
        if !conditions.is_empty() && hosts.iter().all(skipped) {
            return true;
        }
        let scope = self.scope(host.as_str(), &around);
        points.iter().all(|(node, note)| {
            let name = scope
                .text(node)
                .unwrap_or_else(|_| node.to_value().to_string());
            self.is_approved(place, &name, note)
        })
    }

    /// Tells whether a point of no return is approved; asks the operator if not, with the brackets left meanwhile.
    pub(super) fn is_approved(&self, place: &Place, name: &str, note: &str) -> bool {
        if self.settings.survey {
            return true;
        }
        let beforehand = self.settings.approved.iter().any(|other| other == name)
            || self.outside.previously.approved(name);
        {
            let mut state = self.state();
            if state.approved.contains(name) {
                return true;
            }
            if beforehand {
                state.approved.insert(name.to_owned());
            }
        }
        if beforehand {
            self.approval(name, true, "beforehand");
            return true;
        }
        self.ledger.tell(EventKind::ApprovalAsked {
            name: name.to_owned(),
            note: note.to_owned(),
        });
        let can_ask = self.outside.asker.is_attended() && !place.own_pace && place.divisible;
        let answer = if can_ask {
            self.with_brackets_left(place, || self.outside.asker.approve(name, note))
        } else {
            None
        };
        if let Some(true) = answer {
            self.state().approved.insert(name.to_owned());
            self.approval(name, true, "the operator");
            !self.is_halted()
        } else {
            let why = if answer.is_none() {
                "nobody could be asked"
            } else {
                "the operator said no"
            };
            self.approval(name, false, why);
            let cause = StopCause::Approval {
                name: name.to_owned(),
            };
            let message = format!(
                "`{name}` is not approved: {why}; go on with `stagger resume {} --approve '{name}'`",
                self.run
            );
            self.halt(cause, message, name);
            false
        }
    }

    fn approval(&self, name: &str, given: bool, by: &str) {
        let record = Record::Approval {
            name: name.to_owned(),
            given,
            by: by.to_owned(),
        };
        let (name, by) = (name.to_owned(), by.to_owned());
        let event = if given {
            EventKind::ApprovalGiven { name, by }
        } else {
            EventKind::ApprovalRefused { name, why: by }
        };
        drop(self.ledger.write(Entry::record(record).with_event(event)));
    }

    /// Leaves the brackets around a place, asks, passes the gate again, and enters the brackets again.
    fn with_brackets_left(
        &self,
        place: &Place,
        ask: impl FnOnce() -> Option<bool>,
    ) -> Option<bool> {
        let open = self.brackets.all();
        for bracket in open.iter().rev() {
            self.close(bracket, false);
        }
        if self.is_halted() {
            return None;
        }
        let answer = ask();
        if answer == Some(true) {
            if !self.pass_gate_again(place) {
                return None;
            }
            for bracket in &open {
                if self.enter_again(bracket).is_err() {
                    return None;
                }
            }
        }
        answer
    }

    /// Asks whether an item shall be done (`--step`).
    fn step_wanted(&self, place: &Place, item: &Item) -> bool {
        if !self.state().stepping || place.way_out || place.gate || !place.divisible {
            return true;
        }
        let (title, id) = match item {
            Item::Task(task) => (task.title().to_owned(), &task.id),
            Item::Block(block) if block.indivisible => (block_title(block), &block.id),
            Item::Block(_) => return true,
        };
        match self.outside.asker.step(&title) {
            StepAnswer::Run => true,
            StepAnswer::Continue => {
                self.state().stepping = false;
                true
            }
            StepAnswer::Skip => {
                let left_out = format!("{id}{}", place.suffix);
                self.state().left_out.insert(left_out);
                true
            }
            StepAnswer::Stop => {
                let by = "--step".to_owned();
                self.halt(StopCause::Asked { by }, "stopped at a step", id.as_str());
                false
            }
        }
    }

    /// Tells whether the operator left out a task, or the block around it.
    pub(super) fn is_left_out(&self, place: &Place, task: &Task) -> bool {
        let state = self.state();
        !state.left_out.is_empty()
            && state.left_out.iter().any(|left_out| {
                let path = format!("{}{}", task.id, place.suffix);
                path.strip_prefix(left_out.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
    }

    /// Tells whether the run has come to the task at which it starts.
    pub(super) fn is_started(&self, task: &Task) -> bool {
        let mut state = self.state();
        if state.before_start {
            let wanted = self.settings.start_at.as_deref();
            state.before_start = wanted.is_some_and(|wanted| !task.is_called(wanted));
        }
        !state.before_start
    }

    /// Tells whether a task takes part, by its tags.
    pub(super) fn is_selected(&self, task: &Task) -> bool {
        self.settings.tags.takes_context(&task.context)
    }
}

/// Collects the points of no return of an item; inside of a block only where the run cannot stop.
fn collect_points<'a>(item: &'a Item, points: &mut Vec<(&'a Node, String)>) {
    match item {
        Item::Task(task) => {
            if let Some(point) = &task.point_of_no_return {
                points.push((
                    point,
                    format!("after `{}` there is no way back", task.title()),
                ));
            }
        }
        Item::Block(block) => {
            if let Some(point) = &block.point_of_no_return {
                let title = block_title(block);
                points.push((point, format!("after {title} there is no way back")));
            }
            if block.indivisible {
                for item in block.block.iter().chain(&block.always) {
                    collect_points(item, points);
                }
            }
        }
    }
}
