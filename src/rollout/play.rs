//! One play: its hosts, guards, gate, brackets and batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::events::{EventKind, GateTime, PlayOutline, StopCause};
use crate::inventory::HostName;
use crate::journal::Record;
use crate::modules::spec::is_template;
use crate::plan::{next, ordered, sizes};
use crate::playbook::{Bracket, Context, Order, Per, Play, Share};
use crate::yaml::{Node, Problem};

use super::ended::told;
use super::engine::Engine;
use super::ledger::Entry;
use super::place::{Left, Place, Walked};
use super::play_run::PlayRun;
use super::scope::Scope;

impl Engine {
    /// Runs a play.
    pub(super) fn run_play(&self, play: &Arc<Play>) {
        let id = play.id.to_string();
        if self.outside.previously.done(&id, 0, "") {
            return;
        }
        match self.begin_play(play) {
            Ok(Some(place)) => self.go_through_play(play, &place),
            Ok(None) => {}
            Err(problem) => {
                let message = format!("`{}` cannot begin: {}", play.title(), told(&problem));
                self.halt(StopCause::Failed, message, &id);
            }
        }
    }

    /// Finds a play's hosts and variables.
    pub(super) fn begin_play(&self, play: &Arc<Play>) -> Result<Option<Place>, Problem> {
        let bare = PlayRun::new(
            play.id.to_string(),
            Some(Arc::clone(play)),
            Vec::new(),
            Vec::new(),
            Arc::clone(&self.answers),
        );
        let scope = self.hostless(&bare, &play.context);
        if names_nobody(&scope, &play.hosts)? {
            return Ok(None);
        }
        let hosts = self.hosts_of(&scope, &play.hosts)?;
        let hosts: Vec<HostName> = hosts
            .into_iter()
            .filter(|host| !self.is_lost(host))
            .collect();
        if hosts.is_empty() {
            self.warn(format!("`{}` has no hosts left", play.title()), None);
            return Ok(None);
        }
        let order = match &play.order {
            Some(node) => Order::parse(&scope.text(node)?)
                .ok_or_else(|| Problem::at(&node.loc, "this is no order of hosts"))?,
            None => Order::default(),
        };
        let hosts = ordered(hosts, order, self.settings.seed);
        self.state().hosts.extend(hosts.iter().cloned());
        let files = self.play_files(play, &scope)?;
        let run = PlayRun::new(
            play.id.to_string(),
            Some(Arc::clone(play)),
            hosts,
            files,
            Arc::clone(&self.answers),
        );
        Ok(Some(Place::of(&run, "play")))
    }

    /// Returns the scope of what is rendered before there is a host.
    pub(super) fn hostless(&self, play: &Arc<PlayRun>, context: &Arc<Context>) -> Scope {
        let place = Place::of(play, "play");
        self.scope("localhost", &self.around(&place, context))
    }

    /// Returns the hosts that a pattern names, as far as the run is not limited.
    pub(super) fn hosts_of(&self, scope: &Scope, pattern: &Node) -> Result<Vec<HostName>, Problem> {
        if names_nobody(scope, pattern)? {
            return Ok(Vec::new());
        }
        let text = scope.texts(pattern)?.join(",");
        let inventory = self.outside.world.inventory();
        let mut hosts = inventory.select_any(&text, Some(&pattern.loc))?;
        if let Some(limit) = &self.settings.limit {
            hosts = limit.apply(&inventory, &hosts);
        }
        hosts.retain(|host| !self.is_skipped(host));
        Ok(hosts)
    }

    fn go_through_play(&self, play: &Arc<Play>, place: &Place) {
        let shares = match self.shares(play, place) {
            Ok(shares) => shares,
            Err(problem) => {
                let message = format!("`{}` cannot begin: {}", play.title(), told(&problem));
                self.halt(StopCause::Failed, message, place.play.id());
                return;
            }
        };
        // Tags take nothing away that protects what is done; where nothing is done there is nothing to protect.
        if play.is_protected() && !self.selects_of(play) {
            return;
        }
        let hosts = place.play.hosts().to_vec();
        self.ledger.tell(EventKind::PlayStarted {
            play: outline(play, &hosts, &shares),
        });
        let of_play = |bracket: &&Arc<Bracket>| matches!(bracket.per, Per::Run | Per::Play);
        let brackets: Vec<Arc<Bracket>> = play.brackets.iter().filter(of_play).cloned().collect();
        self.finishes_first(place);
        let walked = self.guarded(place, &play.guards, || {
            let ready = self.may_rest(place, place.play.id())
                && self.play_approved(play, place)
                && self.gate_into(place, &hosts);
            let mut walked = Walked::default();
            if !ready {
                walked.stopped(&hosts);
                return walked;
            }
            walked.add(self.within(place, &brackets, &hosts, &mut |inside, hosts| {
                self.batches(inside, play, hosts, &shares)
            }));
            let active = walked.through(&hosts);
            if !self.is_halted() && !active.is_empty() {
                self.pass_gate(place, GateTime::Last, 0, &active);
            }
            walked
        });
        self.state().finishing.clear();
        // What its guards saw during its last steps is not forgotten with them: the end of a play is a rest point too.
        self.stops_on_kept_breach(place.play.id());
        let id = place.play.id().to_owned();
        let mut end = Entry::event(EventKind::PlayFinished { play: id.clone() });
        if !self.is_halted() && !walked.left.values().any(Left::is_lost) {
            let done = Record::Done {
                play: id,
                batch: 0,
                path: String::new(),
            };
            end = end.with_record(done).synced(true);
        }
        drop(self.ledger.write(end));
        if !self.is_halted() {
            self.play_ended(play);
        }
    }

    /// Tells whether the tags leave a play anything to do.
    pub(super) fn selects_of(&self, play: &Play) -> bool {
        let mut sections = play.sections().into_iter();
        sections.any(|(_, items)| self.selects(items))
    }

    fn play_approved(&self, play: &Arc<Play>, place: &Place) -> bool {
        let Some(point) = &play.point_of_no_return else {
            return true;
        };
        let scope = self.hostless(&place.play, &play.context);
        let name = scope
            .text(point)
            .unwrap_or_else(|_| point.to_value().to_string());
        let note = format!("after `{}` there is no way back", play.title());
        self.is_approved(place, &name, &note)
    }

    fn shares(&self, play: &Arc<Play>, place: &Place) -> Result<Vec<Share>, Problem> {
        let scope = self.hostless(&place.play, &play.context);
        let mut shares = Vec::new();
        for node in &play.serial {
            let value = scope.value(node)?;
            let wrong = || {
                Problem::at(
                    &node.loc,
                    format!("`serial` takes numbers and percentages, not {value}"),
                )
            };
            shares.extend(Share::of(&value).ok_or_else(wrong)?);
        }
        Ok(shares)
    }

    /// Runs batch after batch; each is cut from what is so at that moment.
    fn batches(
        &self,
        place: &Place,
        play: &Arc<Play>,
        hosts: &[HostName],
        shares: &[Share],
    ) -> Walked {
        let sizes = sizes(shares, hosts.len());
        let mut walked = Walked::default();
        let mut left = hosts.to_vec();
        // What is half done is finished first: until then the cluster is not whole, and no gate passes.
        let half_done = self.half_done(place);
        let fresh = (1_u32..).filter(|number| !half_done.contains(number));
        let mut numbers = half_done.iter().copied().chain(fresh);
        while let Some(number) = numbers.next().filter(|_| !left.is_empty()) {
            let known = self.known_batch(place, number, &left);
            if self.is_behind(place, number, known.as_deref(), &mut left) {
                continue;
            }
            let ready = self.may_rest(place, &format!("{} batch {number}", place.play.id()))
                && self.gate_before(place, number, &left);
            if !ready {
                walked.stopped(&left);
                break;
            }
            if !self.goes_on_after(place, number, &left) {
                walked.stopped(&left);
                break;
            }
            left.retain(|host| !self.is_lost(host));
            let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
            let size = sizes
                .get(index)
                .or(sizes.last())
                .copied()
                .unwrap_or(left.len());
            let batch = match known {
                Some(known) => known,
                None => match self.next_batch(place, play, &left, size) {
                    Ok(batch) => batch,
                    Err(problem) => {
                        self.halt(StopCause::Failed, told(&problem), place.play.id());
                        walked.stopped(&left);
                        break;
                    }
                },
            };
            left.retain(|host| !batch.contains(host));
            let of = u32::try_from(sizes.len()).unwrap_or(u32::MAX).max(number);
            // The order of the hosts may be worked out anew for the next batch: then what is opened is needed later.
            let next = sizes.get(index + 1).or(sizes.last()).copied().unwrap_or(0);
            let follow = left.get(..next.min(left.len())).unwrap_or_default();
            let part = self.opening_ahead(place, play, (&batch, follow), || {
                self.run_batch(place, play, number, of, &batch)
            });
            let ends = part.left.values().any(|left| *left == Left::EndPlay);
            walked.add(part);
            if !self.goes_on_after(place, number, &batch) {
                walked.stopped(&left);
                break;
            }
            if ends {
                break;
            }
            self.batch_ended(play, number);
            self.rest_point(place, "the next batch");
        }
        walked
    }

    /// Tells whether there is nothing to do of a batch: it is done, or its hosts take no part any more.
    fn is_behind(
        &self,
        place: &Place,
        number: u32,
        known: Option<&[HostName]>,
        left: &mut Vec<HostName>,
    ) -> bool {
        let Some(known) = known else {
            self.finished(number);
            return self.half_done(place).contains(&number);
        };
        let done = self.outside.previously.done(place.play.id(), number, "");
        if done {
            left.retain(|host| !known.contains(host));
        }
        done
    }

    /// Cuts a play into batches as it would be cut now.
    pub(super) fn cut(&self, play: &Arc<Play>, place: &Place) -> Vec<Vec<HostName>> {
        let mut left = place.play.hosts().to_vec();
        let sizes = sizes(&self.shares(play, place).unwrap_or_default(), left.len());
        let mut batches = Vec::new();
        while !left.is_empty() {
            let size = sizes.get(batches.len()).or(sizes.last()).copied();
            let size = size.unwrap_or(left.len()).max(1);
            let batch = self.next_batch(place, play, &left, size);
            // An order that is worked out live and cannot be now is the inventory's.
            let batch = batch.unwrap_or_else(|_| left.iter().take(size).cloned().collect());
            left.retain(|host| !batch.contains(host));
            batches.push(batch);
        }
        batches
    }

    /// Returns the hosts of a batch as an earlier part of the run cut it.
    fn known_batch(&self, place: &Place, number: u32, left: &[HostName]) -> Option<Vec<HostName>> {
        let names: BTreeSet<String> = self
            .outside
            .previously
            .batch(place.play.id(), number)?
            .into_iter()
            .collect();
        let hosts: Vec<HostName> = left
            .iter()
            .filter(|host| names.contains(host.as_str()))
            .cloned()
            .collect();
        (!hosts.is_empty()).then_some(hosts)
    }

    fn next_batch(
        &self,
        place: &Place,
        play: &Arc<Play>,
        left: &[HostName],
        size: usize,
    ) -> Result<Vec<HostName>, Problem> {
        let mut left = left.to_vec();
        if let Some(order_by) = &play.order_by {
            let around = self.around(place, &play.context);
            let mut keyed = Vec::new();
            for host in left {
                let value = self.scope(host.as_str(), &around).value(order_by)?;
                keyed.push((SortKey::of(&value), host));
            }
            keyed.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
            left = keyed.into_iter().map(|(_, host)| host).collect();
        }
        let state = self.state();
        Ok(next(&left, size, |host| state.machines.get(host).cloned()))
    }

    /// Tells whether the play goes on with what is known of these hosts now.
    fn goes_on_after(&self, place: &Place, number: u32, batch: &[HostName]) -> bool {
        if self.is_halted() {
            return false;
        }
        let mut after = place.clone();
        after.batch = number;
        after.batch_hosts = batch.into();
        let lost = self.lost_of(&after);
        let Some(why) = self.budget_of(place).ends_after_batch(lost) else {
            return true;
        };
        let state = self.state();
        let unreachable = batch
            .iter()
            .any(|host| state.lost.get(host) == Some(&Left::Unreachable));
        drop(state);
        let cause = if unreachable {
            StopCause::Unreachable
        } else {
            StopCause::Failed
        };
        let at = format!("{} batch {number}", place.play.id());
        self.halt(cause, why, &at);
        false
    }
}

/// Tells whether a pattern is a template that gives an empty list: on purpose, so that its play takes no part.
///
/// An empty text is a variable that nobody has filled: a mistake.
fn names_nobody(scope: &Scope, pattern: &Node) -> Result<bool, Problem> {
    let template = pattern.as_str().is_some_and(is_template);
    Ok(template && is_empty_list(&scope.value(pattern)?))
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// What hosts are sorted by: numbers before texts.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum SortKey {
    Number(f64),
    Text(String),
}

impl SortKey {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(flag) => Self::Number(f64::from(u8::from(*flag))),
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::MAX)),
            Value::String(text) => match text.trim().parse() {
                Ok(number) => Self::Number(number),
                Err(_) => Self::Text(text.clone()),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Text(value.to_string()),
        }
    }
}

/// Shows a play as it would be cut now.
fn outline(play: &Play, hosts: &[HostName], shares: &[Share]) -> PlayOutline {
    let mut left = hosts;
    let mut batches = Vec::new();
    for size in sizes(shares, hosts.len()) {
        let (batch, rest) = left.split_at(size.min(left.len()));
        batches.push(batch.iter().map(|host| host.as_str().to_owned()).collect());
        left = rest;
    }
    PlayOutline {
        id: play.id.to_string(),
        name: play.title(),
        batches,
    }
}
