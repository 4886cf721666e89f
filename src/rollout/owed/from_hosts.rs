//! What a run owes that left no journal here, as its hosts tell it: asked for, and handed to who puts it back.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::connection::Become;
use crate::connection::owed::remove;
use crate::events::BracketRef;
use crate::inventory::HostName;
use crate::journal::{MemoryJournal, Seal};
use crate::playbook::{
    Bracket, BracketEntry, Context, Entry as PlaybookEntry, Item, Play, Playbook,
};
use crate::vars::World;

use super::gathered::{FoundNote, Gathered, NotedDebt};
use super::hosts::{HostSaid, NoAnswer};
use super::note::{file_name, run_in_name};
use crate::rollout::ended::object;
use crate::rollout::engine::Engine;
use crate::rollout::login::Login;
use crate::rollout::open::{Open, context_of};
use crate::rollout::place::Place;
use crate::rollout::play_run::PlayRun;
use crate::rollout::previously::{EnteredAt, KnownBracket, Previously};
use crate::rollout::run::Rollout;

/// What the hosts of a playbook told of runs that stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnHosts {
    /// What notes come to.
    pub gathered: Gathered,
    /// The jobs that run: host and name.
    pub jobs: Vec<(String, String)>,
    /// The hosts that did not tell, with the reason.
    pub silent: Vec<(String, String)>,
    /// The hosts that were asked.
    pub asked: Vec<String>,
}

impl OnHosts {
    /// Tells whether there is nothing to put back.
    pub fn owes_nothing(&self) -> bool {
        self.gathered.debts.is_empty() && self.gathered.refused.is_empty()
    }
}

/// What is known from the hosts alone: brackets that were entered and not left, and jobs that may belong to their runs.
#[derive(Debug, Default)]
pub struct FromHosts {
    debts: Vec<NotedDebt>,
    jobs: Vec<(String, String)>,
    silent: Vec<String>,
    asked: Vec<String>,
}

impl FromHosts {
    /// Takes what the hosts told.
    pub fn of(told: &OnHosts) -> Self {
        Self {
            debts: told.gathered.debts.clone(),
            jobs: told.jobs.clone(),
            silent: told.silent.iter().map(|(host, _)| host.clone()).collect(),
            asked: told.asked.clone(),
        }
    }

    fn debt(&self, bracket: &BracketRef) -> Option<&NotedDebt> {
        self.debts.iter().find(|debt| debt.bracket == *bracket)
    }
}

impl Previously for FromHosts {
    fn bracket(&self, bracket: &BracketRef) -> Option<KnownBracket> {
        let debt = self.debt(bracket)?;
        let note = &debt.note;
        // Its run may have known the same machines by names that nobody knows here.
        let mut hosts = note.hosts.clone();
        hosts.retain(|host| self.asked.contains(host));
        for host in debt.on() {
            if !hosts.iter().any(|known| known == host) {
                hosts.push(host.to_owned());
            }
        }
        Some(KnownBracket {
            found: Some(note.found.clone()),
            open: true,
            entered: EnteredAt {
                play: note.play.clone(),
                batch: note.batch,
                hosts,
                top: note.top.clone(),
                by_hand: note.by_hand.clone(),
            },
            inside: false,
        })
    }

    fn open_brackets(&self) -> Vec<BracketRef> {
        self.debts.iter().map(|debt| debt.bracket.clone()).collect()
    }

    fn restore(&self, world: &World, seal: &dyn Seal) {
        for debt in &self.debts {
            let note = &debt.note;
            for host in note.hosts.iter().filter(|host| self.asked.contains(host)) {
                for decided in [Some(&note.decided), note.decided_for.get(host)] {
                    let decided = Value::Object(decided.cloned().unwrap_or_default());
                    world.set_variables(host, object(seal.unseal_known(&decided)));
                }
            }
        }
    }

    fn notes(&self, bracket: &BracketRef) -> Vec<String> {
        self.debt(bracket).map(NotedDebt::names).unwrap_or_default()
    }

    fn entered_by(&self, bracket: &BracketRef) -> Option<(String, String)> {
        let note = &self.debt(bracket)?.note;
        Some((note.run.clone(), note.machine.clone()))
    }

    fn jobs(&self) -> Vec<(String, String)> {
        self.jobs.clone()
    }

    fn silent(&self) -> Vec<String> {
        self.silent.clone()
    }

    fn is_from_hosts(&self) -> bool {
        true
    }
}

/// Where and as whom a host is asked.
#[derive(Debug, Clone)]
struct Asking {
    place: Place,
    context: Arc<Context>,
    host: HostName,
    way: Option<(Login, Option<Become>)>,
}

impl Rollout {
    /// Asks all hosts of the playbook what runs left there; changes nothing and keeps no records.
    pub fn told_by_hosts(mut self) -> OnHosts {
        self.settings.check = true;
        self.settings.survey = true;
        let told = Mutex::new(OnHosts::default());
        self.go(Box::new(MemoryJournal::new()), Vec::new(), |engine, _| {
            let all = engine.all_hosts_told();
            *told.lock().unwrap_or_else(PoisonError::into_inner) = all;
        });
        told.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Says before the first step what notes on the hosts say is owed: a look ahead must not come to it only where it
    /// enters the bracket, which it may not do at all.
    pub(in crate::rollout) fn tell_noted(&self) {
        if !self.settings.check || self.settings.survey || !has_brackets(&self.playbook) {
            return;
        }
        let OnHosts { gathered, .. } = self.all_hosts_told();
        for refusal in &gathered.refused {
            self.warn(refusal.to_string(), None);
        }
        for debt in &gathered.debts {
            let note = &debt.note;
            let message = format!(
                "`{}` is owed on {}: run {} of {} on {} entered it and did not leave it, since {}; `stagger recover {}` there, \
                 or with its records gone `stagger recover --from-hosts`",
                note.bracket,
                debt.on().join(", "),
                note.run,
                note.operator,
                note.bastion,
                debt.since,
                note.run
            );
            self.warn(message, None);
        }
    }

    /// Returns the jobs that run on a host, whoever started them there; the error says why nobody knows.
    pub(in crate::rollout) fn jobs_on(&self, host: &HostName) -> Result<Vec<String>, String> {
        let mut jobs = Vec::new();
        for asking in self.askings().iter().filter(|asking| asking.host == *host) {
            let said = self.asks(asking);
            jobs.extend(said.map_err(|error| error.reason().to_owned())?.jobs);
        }
        Ok(jobs)
    }

    /// Removes this run's notes of brackets that are not owed: what was written before a bracket that was never entered, or
    /// that was given up.
    pub(in crate::rollout) fn forget_notes(&self) {
        if self.settings.check || self.outside.previously.is_from_hosts() {
            return;
        }
        let debts: Vec<String> = {
            let state = self.state();
            let debts = state.debts.iter();
            debts.map(|debt| file_name(&debt.what, &self.run)).collect()
        };
        let ends = format!(".{}", run_in_name(&self.run));
        let askings = self.askings();
        let Some(place) = askings.first().map(|asking| asking.place.clone()) else {
            return;
        };
        drop(self.each(&place, askings, usize::MAX, |asking| {
            // What cannot be reached was told, and keeps its notes.
            let Ok(said) = self.asks(&asking) else {
                return;
            };
            let names = said.notes.into_iter().map(|note| note.name);
            let own = names.filter(|name| name.ends_with(&ends) && !debts.contains(name));
            let own: Vec<String> = own.collect();
            if !own.is_empty() {
                let script = remove(&own);
                drop(self.tell_host(&asking.place, &asking.context, &asking.host, &script));
            }
        }));
    }

    /// Reads once more what a bracket switches, where nothing but notes tells what was found: says what is not as it was.
    pub(in crate::rollout) fn is_not_back(&self, open: &Open) -> Option<String> {
        let reads = !open.bracket.read.is_empty() && open.bracket.found.is_some();
        if !reads || !self.outside.previously.is_from_hosts() {
            return None;
        }
        let wanted = open.place.top.get("found").cloned().unwrap_or_default();
        match self.read_found(open, true) {
            Ok(found) if found == wanted => None,
            Ok(found) => {
                let masker = &self.outside.masker;
                let (found, wanted) = (masker.mask_value(&found), masker.mask_value(&wanted));
                Some(format!(
                    "it was switched back, and reads {found} instead of {wanted}"
                ))
            }
            Err(_) => Some(format!(
                "it was switched back, and cannot be read: {}",
                self.last_message(&open.hosts)
            )),
        }
    }

    fn asks(&self, asking: &Asking) -> Result<HostSaid, NoAnswer> {
        self.lying_on(&asking.place, &asking.context, &asking.host)
    }

    fn all_hosts_told(&self) -> OnHosts {
        let askings = self.askings();
        let mut all = OnHosts::default();
        let mut found: Vec<FoundNote> = Vec::new();
        for asking in &askings {
            let host = asking.host.as_str().to_owned();
            if !all.asked.contains(&host) {
                all.asked.push(host);
            }
        }
        let Some(place) = askings.first().map(|asking| asking.place.clone()) else {
            return all;
        };
        let told = self.each(&place, askings, usize::MAX, |asking| {
            let said = self.asks(&asking);
            (asking.host, said)
        });
        for (host, said) in told.into_iter().flatten() {
            let host = host.as_str().to_owned();
            match said {
                Ok(said) => {
                    for note in said.notes {
                        if !found.contains(&note) {
                            found.push(note);
                        }
                    }
                    for job in said.jobs {
                        let job = (host.clone(), job);
                        if !all.jobs.contains(&job) {
                            all.jobs.push(job);
                        }
                    }
                }
                Err(error) => {
                    let one = (host, error.reason().to_owned());
                    if !all.silent.contains(&one) {
                        all.silent.push(one);
                    }
                }
            }
        }
        all.gathered = Gathered::of(&found, &all.asked, &self.run);
        all
    }

    /// Returns where notes of the playbook's brackets may lie: each host of each play and bracket, as its steps reach it.
    fn askings(&self) -> Vec<Asking> {
        let mut askings = Vec::new();
        for play in self.playbook.plays() {
            self.asking_of_play(play, &mut askings);
        }
        for entry in &self.playbook.entries {
            if let PlaybookEntry::Bracket(around) = entry {
                self.asking_around(around, &mut askings);
            }
        }
        askings
    }

    fn asking_of_play(&self, play: &Arc<Play>, askings: &mut Vec<Asking>) {
        let id = play.id.as_str();
        let Ok(bare) = self.play_again(&self.playbook, id, &[]) else {
            return;
        };
        let scope = self.hostless(&bare, &play.context);
        let Ok(hosts) = self.hosts_of(&scope, &play.hosts) else {
            return;
        };
        let Ok(run) = self.play_again(&self.playbook, id, &hosts) else {
            return;
        };
        self.add_askings(&run, &play.context, &hosts, askings);
        for context in brackets_in(play)
            .iter()
            .filter_map(|bracket| context_of(bracket))
        {
            self.add_askings(&run, &context, &hosts, askings);
        }
    }

    fn asking_around(&self, around: &Arc<BracketEntry>, askings: &mut Vec<Asking>) {
        if let Some(place) = self.place_around(around) {
            let hosts = place.play.hosts().to_vec();
            let context = context_of(&around.bracket);
            let context = context.unwrap_or_else(|| Arc::clone(&around.context));
            self.add_askings(&place.play, &context, &hosts, askings);
        }
        for entry in &around.entries {
            if let PlaybookEntry::Bracket(inner) = entry {
                self.asking_around(inner, askings);
            }
        }
    }

    /// Adds hosts that are not yet asked in the same way.
    fn add_askings(
        &self,
        run: &Arc<PlayRun>,
        context: &Arc<Context>,
        hosts: &[HostName],
        askings: &mut Vec<Asking>,
    ) {
        let place = Place::of(run, "owed");
        for host in hosts.iter().filter(|host| !self.is_skipped(host)) {
            let way = self.way_to(&place, context, host);
            let mut known = askings.iter();
            if !known.any(|other| other.host == *host && other.way == way) {
                askings.push(Asking {
                    place: place.clone(),
                    context: Arc::clone(context),
                    host: host.clone(),
                    way,
                });
            }
        }
    }
}

/// Tells whether a playbook has brackets at all.
fn has_brackets(playbook: &Playbook) -> bool {
    let around = |entry: &PlaybookEntry| matches!(entry, PlaybookEntry::Bracket(_));
    playbook.entries.iter().any(around)
        || playbook.plays().any(|play| !brackets_in(play).is_empty())
}

/// Returns the brackets of a play and of the blocks in it.
fn brackets_in(play: &Play) -> Vec<Arc<Bracket>> {
    fn among(items: &[Item], found: &mut Vec<Arc<Bracket>>) {
        for item in items {
            if let Item::Block(block) = item {
                found.extend(block.brackets.iter().cloned());
                among(&block.block, found);
                among(&block.rescue, found);
                among(&block.always, found);
            }
        }
    }
    let mut found = play.brackets.clone();
    for (_, items) in play.sections() {
        among(items, &mut found);
    }
    found
}
