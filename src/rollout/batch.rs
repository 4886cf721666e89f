//! One batch of a play: its brackets, facts, sections and handlers.

use std::sync::Arc;

use crate::events::EventKind;
use crate::inventory::HostName;
use crate::journal::Record;
use crate::playbook::{Action, Bracket, Per, Play, Section, Strategy, Task};
use crate::yaml::{Data, Node, Problem};

use super::engine::Engine;
use super::ledger::Entry;
use super::place::{Left, Place, Walked};

impl Engine {
    /// Runs a batch; the hosts that are lost in it take no further part in the run.
    pub(super) fn run_batch(
        &self,
        place: &Place,
        play: &Arc<Play>,
        number: u32,
        of: u32,
        hosts: &[HostName],
    ) -> Walked {
        let mut inside = place.section("tasks");
        inside.batch = number;
        inside.batch_hosts = hosts.into();
        let names: Vec<String> = hosts.iter().map(|host| host.as_str().to_owned()).collect();
        let id = place.play.id().to_owned();
        let record = Record::Batch {
            play: id.clone(),
            batch: number,
            hosts: names.clone(),
        };
        let event = EventKind::BatchStarted {
            play: id.clone(),
            batch: number,
            of,
            hosts: names,
        };
        drop(self.ledger.write(Entry::record(record).with_event(event)));
        let of_batch = |bracket: &&Arc<Bracket>| matches!(bracket.per, Per::Batch | Per::Host);
        let brackets: Vec<Arc<Bracket>> = play.brackets.iter().filter(of_batch).cloned().collect();
        let walked = self.within(&inside, &brackets, hosts, &mut |inside, hosts| match self
            .strategy(inside, play)
        {
            Ok(Strategy::Linear) => self.play_sections(inside, play, hosts),
            Ok(Strategy::Free) => self.at_own_pace(inside, play, hosts),
            Err(problem) => self.refuse_all(hosts, &problem),
        });
        self.finished(number);
        self.leave_passed_by(|at| at.play == id && at.batch == number);
        for (host, left) in &walked.left {
            if left.is_lost() {
                self.lose(host, left);
            }
        }
        let mut end = Entry::event(EventKind::BatchFinished {
            play: id.clone(),
            batch: number,
        });
        if !self.is_halted() && !walked.left.values().any(Left::is_lost) {
            let path = String::new();
            let done = Record::Done {
                play: id,
                batch: number,
                path,
            };
            end = end.with_record(done).synced(true);
        }
        drop(self.ledger.write(end));
        walked
    }

    fn strategy(&self, place: &Place, play: &Arc<Play>) -> Result<Strategy, Problem> {
        let (Some(node), Some(host)) = (&play.strategy, place.batch_hosts.first()) else {
            return Ok(Strategy::Linear);
        };
        let scope = self.scope(host.as_str(), &self.around(place, &play.context));
        let word = scope.text(node)?;
        Strategy::parse(&word).ok_or_else(|| {
            let problem = Problem::at(&node.loc, format!("unknown strategy `{word}`"));
            problem.hint("known are linear and free")
        })
    }

    fn refuse_all(&self, hosts: &[HostName], problem: &Problem) -> Walked {
        self.warn(super::ended::told(problem), None);
        let failed = hosts.iter().map(|host| (host.clone(), Left::Failed));
        Walked {
            left: failed.collect(),
            begun: false,
        }
    }

    /// Lets every host of a batch go at its own pace.
    fn at_own_pace(&self, place: &Place, play: &Arc<Play>, hosts: &[HostName]) -> Walked {
        let mut inside = place.clone();
        inside.own_pace = true;
        let done = self.each(place, hosts.to_vec(), usize::MAX, |host| {
            self.play_sections(&inside, play, std::slice::from_ref(&host))
        });
        let mut walked = Walked::default();
        for (host, done) in hosts.iter().zip(done) {
            match done {
                Ok(done) => walked.add(done),
                Err(panic) => {
                    self.broke(&panic);
                    walked.left.insert(host.clone(), Left::InDoubt);
                }
            }
        }
        walked
    }

    /// Walks a play's sections over hosts, with the handlers at their ends.
    fn play_sections(&self, place: &Place, play: &Arc<Play>, hosts: &[HostName]) -> Walked {
        let mut walked = self.gather_facts(place, play, hosts);
        self.read_host_files(place, play, &walked.through(hosts));
        for (section, items) in play.sections() {
            let active = walked.through(hosts);
            if active.is_empty() {
                break;
            }
            let inside = place.section(section_words(section));
            walked.add(self.run_items(&inside, items, &active));
            let occasion = match section {
                Section::PreTasks => "pre_tasks",
                Section::Roles => continue,
                Section::Tasks => "tasks",
                Section::PostTasks => "post_tasks",
            };
            walked.add(self.flush(&inside, occasion, &walked.through(hosts)));
            self.flush_failed(&inside, play, occasion, hosts, &walked);
        }
        walked
    }

    /// `force_handlers`: hosts that failed run their handlers all the same.
    fn flush_failed(
        &self,
        place: &Place,
        play: &Arc<Play>,
        occasion: &str,
        hosts: &[HostName],
        walked: &Walked,
    ) {
        let failed = |host: &&HostName| walked.left.get(*host) == Some(&Left::Failed);
        let failed: Vec<HostName> = hosts.iter().filter(failed).cloned().collect();
        let Some(host) = failed.first() else {
            return;
        };
        let scope = self.scope(host.as_str(), &self.around(place, &play.context));
        let written = play.force_handlers.as_ref();
        if scope
            .flag(written, self.settings.force_handlers)
            .unwrap_or(false)
        {
            self.flush(place, occasion, &failed);
        }
    }

    fn gather_facts(&self, place: &Place, play: &Arc<Play>, hosts: &[HostName]) -> Walked {
        let Some(host) = hosts.first() else {
            return Walked::default();
        };
        let scope = self.scope(host.as_str(), &self.around(place, &play.context));
        match scope.flag(play.gather_facts.as_ref(), true) {
            Ok(false) => return Walked::default(),
            Ok(true) => {}
            Err(problem) => return self.refuse_all(hosts, &problem),
        }
        let Some(setup) = (self.outside.modules)("setup") else {
            return Walked::default();
        };
        let loc = play.loc.clone();
        let name = "gather facts".to_owned();
        let task = Arc::new(Task {
            id: play.id.child("facts"),
            loc: loc.clone(),
            name: Some(Node::new(Data::Str(name), loc.clone())),
            context: Arc::clone(&play.context),
            action: Action::Module {
                spec: setup.spec(),
                name: "setup".to_owned(),
                arguments: Node::new(Data::Map(Vec::new()), loc),
            },
            r#loop: None,
            register: None,
            until: Vec::new(),
            retries: None,
            delay: None,
            changed_when: Vec::new(),
            failed_when: Vec::new(),
            is_handler: false,
            listen: Vec::new(),
            r#async: None,
            poll: None,
            done_when: None,
            takes_down: None,
            point_of_no_return: None,
            on_deadline: None,
            finds_lock: false,
        });
        if !self.may_rest(place, task.id.as_str()) {
            let mut walked = Walked::default();
            walked.stopped(hosts);
            return walked;
        }
        // Facts are gathered whatever tags are chosen, as in Ansible.
        self.run_whatever_tags(place, &task, hosts)
    }
}

fn section_words(section: Section) -> &'static str {
    match section {
        Section::PreTasks => "pre_tasks",
        Section::Roles => "roles",
        Section::Tasks => "tasks",
        Section::PostTasks => "post_tasks",
    }
}
