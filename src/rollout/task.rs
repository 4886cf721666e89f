//! One task on the hosts of a stretch: everything is rendered and every session is open before the first intent, all
//! intents are on disk before the first byte goes out, and all hosts are done before the next task begins.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::events::{EventKind, StepId, StopCause};
use crate::inventory::HostName;
use crate::journal::Record;
use crate::modules::spec::Safety;
use crate::playbook::{Action, Item, Task};
use crate::yaml::{Node, Problem};

use super::decide::Decision;
use super::ended::Ended;
use super::engine::{Engine, FailedAt};
use super::exit::Verdict;
use super::finish::Line;
use super::host_work::{HostReport, HostWork};
use super::ledger::Entry;
use super::place::{ASK, LEAVE, Left, Place, Walked};
use super::scope::Around;
use super::step::TaskRun;

/// Modules that are done once for all hosts of a batch, as in Ansible.
const ONCE: [&str; 2] = ["add_host", "pause"];

impl Engine {
    /// Walks items over hosts in lockstep.
    pub(super) fn run_items(&self, place: &Place, items: &[Item], hosts: &[HostName]) -> Walked {
        let mut walked = Walked::default();
        for item in items {
            let active = walked.through(hosts);
            if active.is_empty() {
                break;
            }
            if !self.may_go_on(place, item, &active) {
                walked.stopped(&active);
                break;
            }
            let part = match item {
                Item::Task(task) => self.run_task(place, task, &active),
                Item::Block(block) => self.run_block(place, block, &active),
            };
            walked.add(part);
        }
        walked
    }

    /// Runs one task on hosts.
    pub(super) fn run_task(&self, place: &Place, task: &Arc<Task>, hosts: &[HostName]) -> Walked {
        if !self.is_started(task) || !self.is_selected(task) || self.is_left_out(place, task) {
            return Walked::default();
        }
        self.run_whatever_tags(place, task, hosts)
    }

    /// Runs one task on hosts, whatever its tags are.
    pub(super) fn run_whatever_tags(
        &self,
        place: &Place,
        task: &Arc<Task>,
        hosts: &[HostName],
    ) -> Walked {
        match &task.action {
            Action::Module {
                spec, arguments, ..
            } => {
                if let Some(module) = (self.outside.modules)(spec.name) {
                    self.run_module(place, task, module, arguments, hosts)
                } else {
                    let message = format!("there is no module `{}`", spec.name);
                    self.fail_all(place, task, hosts, &Problem::at(&task.loc, message))
                }
            }
            Action::Include(include) => self.run_include(place, task, include, hosts),
            Action::Meta(meta) => self.run_meta(place, task, *meta, hosts),
            Action::RoleArguments(role) => self.check_role_arguments(place, task, role, hosts),
        }
    }

    fn run_module(
        &self,
        place: &Place,
        task: &Arc<Task>,
        module: &'static dyn crate::modules::Module,
        arguments: &Node,
        hosts: &[HostName],
    ) -> Walked {
        let around = self.around(place, &task.context);
        let run = TaskRun {
            place,
            task,
            around,
            module,
            arguments,
        };
        let once = match self.is_once(&run, hosts) {
            Ok(once) => once,
            Err(problem) => return self.fail_all(place, task, hosts, &problem),
        };
        let reports = if once {
            self.run_once(&run, hosts)
        } else {
            self.announce(place, task, hosts, &run.around);
            self.on_hosts(&run, hosts)
        };
        self.conclude(&run, reports, hosts, once)
    }

    /// Tells whether a task is done for one host only.
    fn is_once(&self, run: &TaskRun<'_>, hosts: &[HostName]) -> Result<bool, Problem> {
        if ONCE.contains(&run.module.spec().name) {
            return Ok(true);
        }
        let written = run.task.context.nearest(|k| k.run_once.as_ref());
        let Some(host) = hosts.first().filter(|_| written.is_some()) else {
            return Ok(run.place.once);
        };
        self.scope(host.as_str(), &run.around).flag(written, false)
    }

    /// Runs a task on the first host that can be reached; where hosts go at their own pace, on the first that comes.
    fn run_once(&self, run: &TaskRun<'_>, hosts: &[HostName]) -> Vec<HostReport> {
        if run.place.own_pace {
            return self.run_once_at_own_pace(run, hosts);
        }
        let mut reports = Vec::new();
        for host in hosts {
            let only = std::slice::from_ref(host);
            self.announce(run.place, run.task, only, &run.around);
            reports = self.on_hosts(run, only);
            let unreached = |report: &HostReport| report.left == Some(Left::Unreachable);
            if !(run.place.once && reports.iter().any(unreached)) {
                break;
            }
        }
        reports
    }

    fn run_once_at_own_pace(&self, run: &TaskRun<'_>, hosts: &[HostName]) -> Vec<HostReport> {
        let key = format!("{}/{}{}", run.place.batch, run.task.id, run.place.suffix);
        let slot = run.place.play.once(&key);
        let mut done = slot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(result) = done.as_ref() {
            let report = |host: &HostName| HostReport::given(host, result.clone());
            return hosts.iter().map(report).collect();
        }
        self.announce(run.place, run.task, hosts, &run.around);
        let reports = self.on_hosts(run, hosts);
        *done = reports.first().map(|report| report.result.clone());
        reports
    }

    /// Tells that a task begins.
    pub(super) fn announce(
        &self,
        place: &Place,
        task: &Arc<Task>,
        hosts: &[HostName],
        around: &Around,
    ) {
        let first = hosts.first().map(|host| self.scope(host.as_str(), around));
        let name = first.map_or_else(
            || task.title().to_owned(),
            |scope| self.task_name(task, &scope),
        );
        self.ledger.tell(EventKind::TaskStarted {
            task: self.task_ref(place, task, &name),
            hosts: hosts.iter().map(|host| host.as_str().to_owned()).collect(),
        });
    }

    /// Prepares every host, writes all intents in one commit, and runs every host.
    fn on_hosts(&self, run: &TaskRun<'_>, hosts: &[HostName]) -> Vec<HostReport> {
        let at_once = self.at_once(run, hosts);
        let alike = self.watch_alike(run);
        let prepared = self.each(run.place, hosts.to_vec(), at_once, |host| {
            self.prepare(run, &host)
        });
        let mut works = Vec::new();
        let mut reports = Vec::new();
        for (host, prepared) in hosts.iter().zip(prepared) {
            match prepared {
                Ok(work) => works.push(work),
                Err(panic) => reports.push(self.panicked(run, host, &panic)),
            }
        }
        if let Err(unwritten) = self.write_intents(run, &works) {
            let problem = Problem::at(&run.task.loc, format!("not begun: {}", unwritten.reason));
            self.halt_unwritten(&unwritten.reason, run);
            for work in works {
                reports.push(self.refused(run, work, &problem));
            }
            return reports;
        }
        let names: Vec<HostName> = works.iter().map(|work| work.host.clone()).collect();
        let done = self.each(run.place, works, at_once, |work| {
            let report = self.work(run, work, alike.spared());
            alike.count(&report);
            report
        });
        if let Some(why) = alike.breaks() {
            self.halt(StopCause::Failed, why, run.task.id.as_str());
        }
        for (host, report) in names.iter().zip(done) {
            match report {
                Ok(report) => reports.push(report),
                Err(panic) => reports.push(self.panicked(run, host, &panic)),
            }
        }
        reports
    }

    fn at_once(&self, run: &TaskRun<'_>, hosts: &[HostName]) -> usize {
        let throttle = run.task.context.nearest(|k| k.throttle.as_ref());
        let first = hosts.first().filter(|_| throttle.is_some());
        let count = first.and_then(|host| {
            let scope = self.scope(host.as_str(), &run.around);
            scope.count(throttle).ok().flatten()
        });
        match count {
            Some(count) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
            Some(_) | None => usize::MAX,
        }
    }

    /// Writes the intents of the first steps of all hosts. What only concerns the engine sends nothing and needs none.
    fn write_intents(
        &self,
        run: &TaskRun<'_>,
        works: &[HostWork],
    ) -> Result<(), super::ledger::Unwritten> {
        let mut entry = Entry::default().synced(true);
        let mut any = false;
        for work in works {
            let Some(step) = work.first.as_ref() else {
                continue;
            };
            if step.safety == Safety::Engine || step.decision != Decision::Run {
                continue;
            }
            any = true;
            entry = self.intent(entry, step, work.attempt);
        }
        if !any {
            return match self.ledger.failure() {
                Some(failure) if !run.place.way_out => Err(failure),
                Some(_) | None => Ok(()),
            };
        }
        match self.ledger.write(entry) {
            Err(failure) if !run.place.way_out => Err(failure),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Adds a step's intent to an entry.
    pub(super) fn intent(&self, entry: Entry, step: &super::step::Step, attempt: u32) -> Entry {
        let intent = step.intent(&self.run, attempt);
        let event = EventKind::StepIntended {
            step: step.id.clone(),
            name: step.name.clone(),
            label: step.label.clone(),
            job: intent.job.clone(),
            attempt,
        };
        entry.with_record(Record::Intent(intent)).with_event(event)
    }

    fn halt_unwritten(&self, reason: &str, run: &TaskRun<'_>) {
        let cause = StopCause::Journal {
            reason: reason.to_owned(),
        };
        let message = format!("the journal cannot be written: {reason}");
        self.halt(cause, message, run.task.id.as_str());
    }

    fn refused(&self, run: &TaskRun<'_>, work: HostWork, problem: &Problem) -> HostReport {
        let ended = Ended::wrong(problem);
        let mut report = HostReport::new(&work.host);
        report.result.clone_from(&ended.result);
        report.left = Some(Left::Failed);
        self.finish_unprepared(run, &work.host, None, &ended);
        report
    }

    /// A worker panicked: nobody knows what its step did, and stagger has a bug.
    fn panicked(&self, run: &TaskRun<'_>, host: &HostName, panic: &str) -> HostReport {
        let ended = Ended::in_doubt(format!("stagger failed while the step ran: {panic}"));
        self.finish_unprepared(run, host, None, &ended);
        self.broke(&format!("a step ran on {host}: {panic}"));
        let mut report = HostReport::new(host);
        report.result = ended.result;
        report.left = Some(Left::InDoubt);
        report
    }

    /// stagger has a bug: the run stops at the next rest point.
    pub(super) fn broke(&self, panic: &str) {
        self.state().verdicts.insert(Verdict::Bug);
        let message = format!("stagger failed while {panic}");
        self.halt(StopCause::InDoubt, message, "");
    }

    /// Lets a task fail on all hosts for a reason that is the same on all.
    pub(super) fn fail_all(
        &self,
        place: &Place,
        task: &Arc<Task>,
        hosts: &[HostName],
        problem: &Problem,
    ) -> Walked {
        let mut walked = Walked {
            begun: true,
            ..Walked::default()
        };
        for host in hosts {
            let ended = Ended::wrong(problem);
            let line = Line::new(place.step(&task.id, host, None), task.title(), task, place);
            self.finish(&line, &ended);
            self.remember_failure(host, task, &ended.result);
            if !self.settings.survey {
                walked.left.insert(host.clone(), Left::Failed);
            }
        }
        walked
    }

    /// Takes the reports of all hosts in their order: variables, notifications, who goes on.
    fn conclude(
        &self,
        run: &TaskRun<'_>,
        reports: Vec<HostReport>,
        hosts: &[HostName],
        once: bool,
    ) -> Walked {
        let mut walked = Walked {
            begun: true,
            ..Walked::default()
        };
        let task = run.task;
        let mut registered = Entry::default();
        for report in reports {
            let owners: &[HostName] = if once {
                &run.place.batch_hosts
            } else {
                std::slice::from_ref(&report.host)
            };
            if let Some(record) = self.register(run, &report.host, owners, &report.result) {
                registered = registered.with_record(record);
            }
            if once {
                for record in self.share_facts(owners, &report) {
                    registered = registered.with_record(record);
                }
            }
            if report.changed {
                self.notify(run, &report.host);
            }
            if report.left == Some(Left::Stopped) {
                self.stop_here(run.place, run.task.id.as_str());
            }
            if let Some(left) = report.left {
                self.remember_failure(&report.host, task, &report.result);
                // What is done once for all fails for all.
                let who = if once {
                    hosts
                } else {
                    std::slice::from_ref(&report.host)
                };
                if left == Left::Failed && task.finds_lock && !run.place.rescued {
                    self.state().verdicts.insert(Verdict::Locked);
                }
                let is_final = left.is_lost()
                    && !run.place.rescued
                    && ![LEAVE, ASK].contains(&run.place.section);
                if is_final {
                    self.state().leaving.extend(who.iter().cloned());
                }
                for host in who {
                    walked.left.insert(host.clone(), left.clone());
                }
            }
        }
        drop(self.ledger.write(registered));
        self.spread_fatal(run, hosts, &mut walked);
        walked
    }

    /// `any_errors_fatal`: a failure on one host is one on all.
    fn spread_fatal(&self, run: &TaskRun<'_>, hosts: &[HostName], walked: &mut Walked) {
        let lost = walked.left.values().any(Left::is_lost);
        let written = run.task.context.nearest(|k| k.any_errors_fatal.as_ref());
        let (true, Some(host), Some(_)) = (lost, hosts.first(), written) else {
            return;
        };
        let scope = self.scope(host.as_str(), &run.around);
        if scope.flag(written, false).unwrap_or(true) {
            for host in hosts {
                walked.left.entry(host.clone()).or_insert(Left::Failed);
            }
        }
    }

    /// Gives a result to the hosts that see it; returns what is written of that.
    fn register(
        &self,
        run: &TaskRun<'_>,
        host: &HostName,
        owners: &[HostName],
        result: &Map<String, Value>,
    ) -> Option<Record> {
        let name = run.task.register.as_ref()?;
        let step = run.place.step(&run.task.id, host, None);
        Some(self.set_registered(owners, name, result, step))
    }

    /// Sets a registered variable on hosts; returns what is written of that.
    pub(super) fn set_registered(
        &self,
        owners: &[HostName],
        name: &str,
        result: &Map<String, Value>,
        step: StepId,
    ) -> Record {
        let value = Value::Object(result.clone());
        for host in owners {
            let mut variables = Map::new();
            variables.insert(name.to_owned(), value.clone());
            self.outside.world.set_variables(host.as_str(), variables);
        }
        Record::Registered {
            hosts: owners.iter().map(|host| host.as_str().to_owned()).collect(),
            name: name.to_owned(),
            value: self.outside.seal.seal(&value),
            step: Some(step),
        }
    }

    /// Notes what `rescue` sees as `ansible_failed_task` and `ansible_failed_result`.
    pub(super) fn remember_failure(
        &self,
        host: &HostName,
        task: &Task,
        result: &Map<String, Value>,
    ) {
        let mut variables = Map::new();
        let about = serde_json::json!({
            "name": task.title(),
            "action": task.action.name(),
            "path": task.loc.to_string(),
        });
        variables.insert("ansible_failed_task".to_owned(), about);
        variables.insert(
            "ansible_failed_result".to_owned(),
            Value::Object(result.clone()),
        );
        self.outside.world.set_variables(host.as_str(), variables);
        let mut state = self.state();
        let failed = FailedAt {
            task: task.id.clone(),
            name: task.title().to_owned(),
            at: task.loc.to_string(),
        };
        state.failed_at.insert(host.clone(), failed);
    }
}
