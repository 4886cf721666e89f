//! What the engine does on behalf of modules: variables, groups, sessions, pauses.

use serde_json::{Map, Value, json};

use crate::clock::{StopLevel, Woken};
use crate::inventory::HostName;
use crate::journal::{Record, RecordedEffect};
use crate::modules::Effect;
use crate::yaml::Problem;

use super::ended::{Ended, object, told};
use super::engine::Engine;
use super::host_work::HostReport;
use super::step::Step;

/// The inventory says whether a group or host is new, and what is wrong with its variables.
fn take_change(ended: &mut Ended, changed: Result<bool, Vec<Problem>>) {
    match changed {
        Ok(changed) => ended.set_changed(changed),
        Err(problems) => {
            let texts: Vec<String> = problems.iter().map(told).collect();
            *ended = Ended::failed(texts.join("; "), ended.result.clone());
        }
    }
}

impl Engine {
    /// Does what a step asks of the engine.
    pub(super) fn carry_out(&self, step: &Step, ended: &mut Ended, report: &mut HostReport) {
        let context = &step.task.context;
        let to_delegate = context.nearest(|k| k.delegate_facts.as_ref());
        let to_delegate = step.scope.flag(to_delegate, false).unwrap_or(false);
        let owner = if to_delegate {
            &step.runs_on
        } else {
            &step.host
        };
        ended.owner = Some(owner.as_str().to_owned());
        for effect in ended.effects.clone() {
            match effect {
                Effect::Pause {
                    prompt,
                    duration,
                    echo,
                } => match duration {
                    Some(duration) => self.pause_for(ended, duration, step.indivisible),
                    None => self.ask(ended, &prompt, echo),
                },
                Effect::ResetConnection => self.sessions.reset(step.runs_on.as_str()),
                Effect::SetFact { variables, facts } => {
                    report.facts.push((facts, variables.clone()));
                    self.set(owner, facts, variables);
                }
                Effect::IncludeVars { variables, source } => {
                    let world = &self.outside.world;
                    world.include_vars(owner.as_str(), &source, variables);
                }
                Effect::AddHost {
                    name,
                    groups,
                    variables,
                } => {
                    let added = self.outside.world.add_host(&name, &groups, &variables);
                    take_change(ended, added);
                }
                Effect::GroupBy { group, parents } => {
                    let world = &self.outside.world;
                    take_change(ended, world.group_by(step.host.as_str(), &group, &parents));
                }
            }
        }
    }

    fn set(&self, host: &HostName, facts: bool, variables: Map<String, Value>) {
        let world = &self.outside.world;
        if facts {
            world.set_facts(host.as_str(), variables);
        } else {
            world.set_variables(host.as_str(), variables);
        }
    }

    /// Gives what a task that ran once found to all hosts that it ran for.
    /// Returns what is written of that.
    pub(super) fn share_facts(&self, owners: &[HostName], report: &HostReport) -> Vec<Record> {
        let others = || owners.iter().filter(|host| **host != report.host);
        let mut records = Vec::new();
        for (facts, variables) in &report.facts {
            for host in others() {
                self.set(host, *facts, variables.clone());
            }
            records.push(Record::Shared {
                hosts: others().map(|host| host.as_str().to_owned()).collect(),
                facts: *facts,
                variables: object(self.outside.seal.seal(&Value::Object(variables.clone()))),
            });
        }
        records
    }

    fn ask(&self, ended: &mut Ended, prompt: &str, echo: bool) {
        if let Some(line) = self.outside.asker.pause(prompt, echo) {
            ended.result.insert("user_input".to_owned(), json!(line));
            if !echo {
                let secret = crate::secrets::Secret::new(line);
                self.outside.masker.add(&secret);
            }
        } else {
            let message = "the task waits for an answer, and nobody is there to give one";
            *ended = Ended::failed(message.to_owned(), ended.result.clone());
        }
    }

    /// Waits. Where the run may not stop, what follows needs the whole of it: a first Ctrl-C and a guard do not shorten it,
    /// and one that is given up is waited for again.
    fn pause_for(&self, ended: &mut Ended, duration: std::time::Duration, indivisible: bool) {
        let stop = &self.outside.stop;
        let until = self.clock().deadline(duration);
        while let Some(left) = until.left(self.clock()).filter(|left| !left.is_zero()) {
            let slice = left.min(std::time::Duration::from_secs(1));
            self.look_at_guards();
            if !indivisible && (stop.level() >= StopLevel::Drain || self.guards_breached()) {
                break;
            }
            if self.clock().wait(slice, stop) == Woken::Stopped {
                if indivisible {
                    *ended = Ended::skipped("the run stopped while it waited".to_owned(), None);
                    ended.stopped = true;
                }
                break;
            }
        }
    }

    /// Makes what is written of an effect; pauses and sessions are nothing to be done again.
    pub(super) fn recorded(&self, effect: &Effect) -> Option<RecordedEffect> {
        let seal = |variables: &Map<String, Value>| {
            object(self.outside.seal.seal(&Value::Object(variables.clone())))
        };
        Some(match effect {
            Effect::SetFact { variables, facts } => RecordedEffect::SetFact {
                variables: seal(variables),
                facts: *facts,
            },
            Effect::IncludeVars { variables, source } => RecordedEffect::IncludeVars {
                variables: seal(variables),
                source: source.clone(),
            },
            Effect::AddHost {
                name,
                groups,
                variables,
            } => RecordedEffect::AddHost {
                name: name.clone(),
                groups: groups.clone(),
                variables: seal(variables),
            },
            Effect::GroupBy { group, parents } => RecordedEffect::GroupBy {
                group: group.clone(),
                parents: parents.clone(),
            },
            Effect::ResetConnection | Effect::Pause { .. } => return None,
        })
    }
}
