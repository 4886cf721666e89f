//! Blocks: what is done, what is done if that fails, what is done in any case; and what protects a block.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::{BracketRef, EventKind};
use crate::inventory::HostName;
use crate::journal::Record;
use crate::playbook::{Block, BlockKind, Context, TakesDown};

use super::engine::{Debt, Engine};
use super::exit::Verdict;
use super::ledger::Entry;
use super::meta::role_key;
use super::place::{Left, Place, Walked};
use super::scope::text_of;

impl Engine {
    /// Walks a block with everything that protects it.
    pub(super) fn run_block(
        &self,
        place: &Place,
        block: &Arc<Block>,
        hosts: &[HostName],
    ) -> Walked {
        let protected = block.indivisible || !block.brackets.is_empty();
        let previously = &self.outside.previously;
        let path = format!("{}{}", block.id, place.suffix);
        if protected && previously.done(place.play.id(), place.batch, &path) {
            return Walked {
                begun: true,
                ..Walked::default()
            };
        }
        if block.indivisible && place.divisible && !place.way_out {
            self.rest_point(place, block.id.as_str());
        }
        let mut inside = place.clone();
        if block.indivisible {
            inside.divisible = false;
        }
        let unmet = self.unmet(place, block, hosts);
        let mut concerned = hosts.to_vec();
        concerned.retain(|host| !unmet.contains_key(host));
        if !unmet.is_empty() {
            let mut all = (*inside.unmet).clone();
            all.extend(unmet);
            inside.unmet = Arc::new(all);
        }
        if concerned.is_empty() {
            return self.sections(&inside, block, hosts);
        }
        let walked = self.guarded(&inside, &block.guards, || {
            self.within(
                &inside,
                &block.brackets,
                &concerned,
                &mut |inside, entered| {
                    let takes_down = block.takes_down.as_ref();
                    self.taking_down(inside, takes_down, &block.context, &concerned, |inside| {
                        let mut all = entered.to_vec();
                        all.extend(
                            hosts
                                .iter()
                                .filter(|host| !concerned.contains(host))
                                .cloned(),
                        );
                        all.sort_by_key(|host| hosts.iter().position(|other| other == host));
                        self.sections(inside, block, &all)
                    })
                },
            )
        });
        if protected {
            self.end_protected(place, block, path, &walked);
        }
        walked
    }

    /// Writes down that a protected block came to its end, if it did, and that the run may rest behind it.
    fn end_protected(&self, place: &Place, block: &Block, path: String, walked: &Walked) {
        if walked.is_good() && !place.way_out {
            let done = Record::Done {
                play: place.play.id().to_owned(),
                batch: place.batch,
                path,
            };
            drop(self.ledger.write(Entry::record(done)));
        }
        if !block.indivisible || !place.divisible {
            return;
        }
        self.finished(place.batch);
        if walked.is_good() {
            self.state().stretch_over = true;
        }
    }

    /// Returns the hosts that do not meet a protected block's conditions, with the condition: they skip its tasks one by
    /// one, and nothing is entered for them.
    fn unmet(
        &self,
        place: &Place,
        block: &Block,
        hosts: &[HostName],
    ) -> BTreeMap<HostName, String> {
        let protects = !block.brackets.is_empty() || block.takes_down.is_some();
        let conditions = block.context.conditions();
        if !protects || conditions.is_empty() {
            return BTreeMap::new();
        }
        let around = self.around(place, &block.context);
        let unmet = |host: &HostName| {
            if let Some(known) = place.unmet.get(host) {
                return Some((host.clone(), known.clone()));
            }
            let mut brackets = block.brackets.iter();
            if brackets.any(|bracket| self.was_left_open(bracket, host)) {
                return None;
            }
            let scope = self.scope(host.as_str(), &around);
            // A condition that cannot be asked fails its tasks; until then the block is protected.
            let found = scope.first_false(conditions.iter().copied()).ok()??;
            Some((host.clone(), text_of(found.to_value())))
        };
        hosts.iter().filter_map(unmet).collect()
    }

    fn sections(&self, place: &Place, block: &Arc<Block>, hosts: &[HostName]) -> Walked {
        let mut inner = place.clone();
        inner.rescued |= !block.rescue.is_empty();
        let mut walked = self.run_items(&inner, &block.block, hosts);
        let failed_at = self.state().failed_at.clone();
        if !block.rescue.is_empty() {
            self.rescue(place, block, &mut walked);
        }
        let mut undone = Vec::new();
        if !block.always.is_empty() && walked.begun {
            undone = self.always(place, block, hosts, &mut walked);
        }
        if block.kind == BlockKind::Role {
            let own = role_key(&block.context);
            let ends =
                |left: &Left| matches!(left, Left::EndRole(role) if Some(role) == own.as_ref());
            walked.left.retain(|_, left| !ends(left));
        }
        if block.indivisible {
            self.note_unfinished(place, block, &walked, &failed_at, &undone);
            self.note_put_right(place, block, &walked, &undone);
        }
        walked
    }

    /// Writes down that an indivisible block was begun and left nothing half done: a run that goes on finds the cluster whole.
    fn note_put_right(&self, place: &Place, block: &Block, walked: &Walked, undone: &[HostName]) {
        let is_put_right = |(host, left): (&HostName, &Left)| match left {
            Left::Failed => !block.always.is_empty() && !undone.contains(host),
            Left::EndHost | Left::EndRole(_) | Left::EndBatch | Left::EndPlay => true,
            Left::Unreachable | Left::InDoubt | Left::Stopped => false,
        };
        if walked.left.is_empty() || !walked.left.iter().all(is_put_right) {
            return;
        }
        let record = Record::PutRight {
            play: place.play.id().to_owned(),
            batch: place.batch,
            path: format!("{}{}", block.id, place.suffix),
        };
        drop(self.ledger.write(Entry::record(record)));
    }

    /// Runs `rescue` on the hosts that failed; it also runs when the run stops, because it puts right what was begun.
    fn rescue(&self, place: &Place, block: &Arc<Block>, walked: &mut Walked) {
        let is_failed = |left: &Left| *left == Left::Failed;
        let failed: Vec<HostName> = keys(&walked.left, is_failed);
        if failed.is_empty() {
            return;
        }
        let inside = self.putting_right(place, "rescue");
        let rescued = self.run_items(&inside, &block.rescue, &failed);
        for host in &failed {
            if let Some(left) = rescued.left.get(host) {
                walked.left.insert(host.clone(), left.clone());
            } else {
                walked.left.remove(host);
                self.count_rescue(host, &format!("{}{}", block.id, place.suffix));
                self.put_right(place, host);
            }
        }
    }

    /// What `rescue` came to the end of is put right: nothing is unfinished there, and the members that blocks inside
    /// took down are up again.
    fn put_right(&self, place: &Place, host: &HostName) {
        self.state().unfinished.retain(|(other, _)| other != host);
        let around = place.members.get(host).cloned().unwrap_or_default();
        let down = self.down.all().into_iter();
        let members: Vec<String> = down
            .filter(|(member, of)| host == of.as_str() && !around.contains(member))
            .map(|(member, _)| member)
            .collect();
        self.down.bring_up(&members, self.clock(), &self.ledger);
    }

    /// Counts a failure as rescued: something took care of it.
    pub(super) fn count_rescue(&self, host: &HostName, by: &str) {
        let (host, block) = (host.as_str().to_owned(), by.to_owned());
        {
            let mut state = self.state();
            let counts = state.recap.entry(host.clone()).or_default();
            counts.failed = counts.failed.saturating_sub(1);
            counts.rescued += 1;
        }
        let record = Record::Rescued {
            host: host.clone(),
            block: block.clone(),
        };
        let entry = Entry::record(record).with_event(EventKind::Rescued { host, block });
        drop(self.ledger.write(entry));
    }

    /// Runs `always` on all hosts, also those that were not reached and those that the run's stop kept from going on.
    /// Returns the hosts on which it could not be done.
    fn always(
        &self,
        place: &Place,
        block: &Arc<Block>,
        hosts: &[HostName],
        walked: &mut Walked,
    ) -> Vec<HostName> {
        let ended = |host: &HostName| {
            matches!(
                walked.left.get(host),
                Some(Left::EndHost | Left::EndPlay | Left::EndBatch)
            )
        };
        let mut all = hosts.to_vec();
        all.retain(|host| !ended(host));
        let inside = self.putting_right(place, "always");
        let done = self.run_items(&inside, &block.always, &all);
        let undone = done.left.keys().cloned().collect();
        for (host, left) in done.left {
            let was = walked.left.get(&host);
            let unreached = left == Left::Unreachable || left == Left::InDoubt;
            if unreached && was.is_none_or(|was| was.is_lost() || *was == Left::Stopped) {
                self.owe_always(place, block, &host);
            }
            walked.left.entry(host).or_insert(left);
        }
        undone
    }

    /// Returns the place for what puts right what was begun: when the run stops, on the way out.
    fn putting_right(&self, place: &Place, section: &'static str) -> Place {
        let mut inside = place.section(section);
        let asked = self.is_halted() || self.outside.stop.abandons();
        if asked && !place.way_out {
            inside.way_out = true;
            inside.turn = self.fresh_turn();
        }
        inside
    }

    fn owe_always(&self, place: &Place, block: &Arc<Block>, host: &HostName) {
        let what = BracketRef {
            name: format!("`always` of {}", block_title(block)),
            object: host.as_str().to_owned(),
        };
        let reason = format!("{host} could not be reached");
        let by_hand = self.by_hand(place, &block.always, host);
        let mut state = self.state();
        if state.debts.iter().any(|debt| debt.what == what) {
            return;
        }
        state.verdicts.insert(Verdict::Owed);
        state.debts.push(Debt {
            what: what.clone(),
            held: false,
            reason: reason.clone(),
            by_hand: by_hand.clone(),
        });
        drop(state);
        self.ledger.tell(EventKind::BracketOwed {
            bracket: what,
            reason,
            by_hand,
        });
    }

    /// Does something while members are declared down; those of hosts that came to its end are up again after it.
    pub(super) fn taking_down(
        &self,
        place: &Place,
        takes_down: Option<&TakesDown>,
        context: &Arc<Context>,
        hosts: &[HostName],
        body: impl FnOnce(&Place) -> Walked,
    ) -> Walked {
        let Some(takes_down) = takes_down else {
            return body(place);
        };
        let around = self.around(place, context);
        let mut all = (*place.members).clone();
        let mut own: BTreeMap<HostName, Vec<String>> = BTreeMap::new();
        for host in hosts {
            let scope = self.scope(host.as_str(), &around);
            let within = scope.duration(takes_down.within.as_ref());
            match (scope.texts(&takes_down.members), within) {
                (Ok(members), Ok(within)) => {
                    let (clock, ledger) = (self.clock(), &self.ledger);
                    self.down
                        .take_down(host.as_str(), &members, within, clock, ledger);
                    all.entry(host.clone())
                        .or_default()
                        .extend(members.iter().cloned());
                    own.insert(host.clone(), members);
                }
                (Err(problem), _) | (_, Err(problem)) => {
                    return self.not_begun(hosts, &problem);
                }
            }
        }
        let mut inside = place.clone();
        inside.members = Arc::new(all);
        let walked = body(&inside);
        for (host, members) in own {
            let left = walked.left.get(&host);
            let lost = left.is_some_and(|left| left.is_lost() || *left == Left::Stopped);
            if !lost {
                self.down.bring_up(&members, self.clock(), &self.ledger);
            }
        }
        walked
    }

    /// Nothing is begun on hosts for which a block's own keywords cannot be read.
    fn not_begun(&self, hosts: &[HostName], problem: &crate::yaml::Problem) -> Walked {
        self.warn(super::ended::told(problem), None);
        Walked {
            left: hosts
                .iter()
                .map(|host| (host.clone(), Left::Failed))
                .collect(),
            begun: false,
        }
    }
}

fn keys(left: &BTreeMap<HostName, Left>, wanted: impl Fn(&Left) -> bool) -> Vec<HostName> {
    left.iter()
        .filter(|(_, left)| wanted(left))
        .map(|(host, _)| host.clone())
        .collect()
}

/// Names a block for people: its name, else its place in the tree.
pub(super) fn block_title(block: &Block) -> String {
    let written = block.name.as_ref().and_then(crate::yaml::Node::as_str);
    written.map_or_else(|| format!("the block at {}", block.loc), str::to_owned)
}
