//! What `meta` asks of the engine.

use std::sync::Arc;

use crate::inventory::HostName;
use crate::playbook::{Context, Meta, Task};
use crate::yaml::Problem;

use super::engine::Engine;
use super::host_work::asked;
use super::place::{Left, Place, Walked};

impl Engine {
    /// Does what a `meta` task asks, on the hosts on which its conditions hold; what concerns all is asked on the first.
    pub(super) fn run_meta(
        &self,
        place: &Place,
        task: &Arc<Task>,
        meta: Meta,
        hosts: &[HostName],
    ) -> Walked {
        let concerns_all = match meta {
            Meta::EndPlay
            | Meta::EndBatch
            | Meta::ClearHostErrors
            | Meta::ClearFacts
            | Meta::RefreshInventory => true,
            Meta::FlushHandlers
            | Meta::EndHost
            | Meta::EndRole
            | Meta::ResetConnection
            | Meta::Noop => false,
        };
        let around = self.around(place, &task.context);
        let asked_of = if concerns_all {
            hosts.get(..1)
        } else {
            Some(hosts)
        };
        let mut willing = Vec::new();
        for host in asked_of.unwrap_or_default() {
            match asked(place, host, task, &self.scope(host.as_str(), &around)) {
                Ok(None) => willing.push(host.clone()),
                Ok(Some(_)) => {}
                Err(problem) => return self.fail_all(place, task, hosts, &problem),
            }
        }
        if willing.is_empty() {
            return Walked::default();
        }
        let willing = if concerns_all {
            hosts.to_vec()
        } else {
            willing
        };
        self.do_meta(place, task, meta, &willing)
    }

    fn do_meta(&self, place: &Place, task: &Arc<Task>, meta: Meta, hosts: &[HostName]) -> Walked {
        let mut walked = Walked::default();
        let leave = |left: &Left| {
            let pairs = hosts.iter().map(|host| (host.clone(), left.clone()));
            Walked {
                left: pairs.collect(),
                begun: true,
            }
        };
        match meta {
            Meta::FlushHandlers => walked = self.flush(place, task.id.as_str(), hosts),
            Meta::EndHost => walked = leave(&Left::EndHost),
            Meta::EndPlay => walked = leave(&Left::EndPlay),
            Meta::EndBatch => walked = leave(&Left::EndBatch),
            Meta::EndRole => {
                if let Some(role) = role_key(&task.context) {
                    walked = leave(&Left::EndRole(role));
                } else {
                    let problem = Problem::at(&task.loc, "`end_role` stands in no role");
                    walked = self.fail_all(place, task, hosts, &problem);
                }
            }
            Meta::ClearHostErrors => {
                let mut state = self.state();
                for host in place.batch_hosts.iter() {
                    state.lost.remove(host);
                    state.leaving.remove(host);
                }
            }
            Meta::ClearFacts => {
                for host in hosts {
                    self.outside.world.clear_facts(host.as_str());
                }
            }
            Meta::ResetConnection => {
                for host in hosts {
                    self.sessions.reset(host.as_str());
                }
            }
            Meta::RefreshInventory => {
                let read = self.outside.desk.inventory();
                if let Err(problems) = read.and_then(|new| self.outside.world.refresh(new)) {
                    let problem = problems.into_iter().next();
                    let problem = problem.unwrap_or_else(|| {
                        Problem::at(&task.loc, "the inventory cannot be read again")
                    });
                    walked = self.fail_all(place, task, hosts, &problem);
                }
            }
            Meta::Noop => {}
        }
        walked
    }
}

/// Names the use of a role that a level is written in.
pub(super) fn role_key(context: &Context) -> Option<String> {
    let role = context.role()?;
    Some(format!("{} at {}", role.role.name, role.loc))
}
