//! One agent at work: it elects, replicates, writes down, applies, and answers.
//!
//! All decisions are [`Core`]'s and are made under one lock; nothing waits while it is held.
//! What a decision leaves to be written is on disk before its messages go out.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{oneshot, watch};

use super::super::server::Server;
use super::journal::Journal;
use super::memo::{Answer as Answered, Memo};
use super::notify;
use super::raft::{Ack, Answer, Ask, Core, Record, Role, Timing};
use super::store::Store;
use crate::sim::files;
use crate::sim::http::{Call, Target, call};
use crate::sim::time;

/// The state of an agent, behind its lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) core: Option<Core>,
    records: Vec<Record>,
    store: Arc<Store>,
    spear: Arc<Store>,
    spear_is_behind: bool,
    transient: Arc<Store>,
    memo: Memo,
    applied: u64,
    pool: BTreeMap<String, String>,
    lead_term: Option<u64>,
    lead_since_ms: u64,
    pub(super) flapped_ms: u64,
}

/// An agent.
#[derive(Debug)]
pub struct Agent {
    /// The server that it is.
    pub server: Arc<Server>,
    inner: Mutex<Inner>,
    journal: Journal,
    pub(super) progress: watch::Sender<u64>,
    pub(super) timing: Timing,
    restarted: bool,
}

/// Why an agent does not carry out what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Another agent leads; its address is given.
    Elsewhere(Target),
    /// Nobody leads.
    NoLeader,
}

/// What an agent shows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The term.
    pub term: u64,
    /// The leader; empty if there is none.
    pub leader: String,
    /// Whether it leads itself.
    pub leading: bool,
    /// Up to where the log counts.
    pub commit: u64,
    /// How the others stand, if it leads.
    pub acks: BTreeMap<String, Ack>,
    /// The agents and their addresses.
    pub pool: BTreeMap<String, String>,
    /// How long it has been leading.
    pub led_for_ms: u64,
    /// The shortest and longest time before an election.
    pub timing: Timing,
    /// Whether it had been part of an agency before this start.
    pub restarted: bool,
}

const POOL_FILE: &str = "agency-pool.json";
const LOG_FILE: &str = "agency-log.jsonl";

impl Agent {
    /// Opens what an agent left behind.
    pub fn open(server: Arc<Server>) -> io::Result<Self> {
        let switches = server.live.now();
        let ping = |name: &str, default: f64, floor: u64| {
            let seconds = server.options.number(name).unwrap_or(default);
            let ms = Duration::from_secs_f64(seconds.max(0.0));
            time::ms(time::scaled(ms, switches.time_factor)).max(floor)
        };
        // A loaded machine must not depose leaders, whatever the factor.
        let timing = Timing {
            min_ping_ms: ping("agency.election-timeout-min", 1.0, 300),
            max_ping_ms: ping("agency.election-timeout-max", 5.0, 1500),
        };
        let directory = server.data.path();
        let (journal, records) = Journal::open(&directory.join(LOG_FILE), switches.agency_sync)?;
        let pool: BTreeMap<String, String> = match files::read_if_there(&directory.join(POOL_FILE))?
        {
            Some(text) => serde_json::from_str(&text)?,
            None => BTreeMap::from([(server.id.clone(), server.own_endpoint())]),
        };
        let restarted = !records.is_empty();
        let agent = Self {
            server,
            inner: Mutex::new(Inner {
                core: None,
                records,
                store: Arc::default(),
                spear: Arc::default(),
                spear_is_behind: true,
                transient: Arc::default(),
                memo: Memo::default(),
                applied: 0,
                pool,
                lead_term: None,
                lead_since_ms: 0,
                flapped_ms: time::mono_ms(),
            }),
            journal,
            progress: watch::Sender::new(0),
            timing,
            restarted,
        };
        agent.begin_if_complete();
        Ok(agent)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many agents there must be.
    pub fn size(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an agency has a handful of agents"
        )]
        let size = self.server.options.number("agency.size").unwrap_or(1.0) as usize;
        size.max(1)
    }

    /// Returns the agents known so far.
    pub fn pool(&self) -> BTreeMap<String, String> {
        self.lock().pool.clone()
    }

    /// Learns of other agents; tells whether there is room for all of them.
    pub fn meet(&self, others: &BTreeMap<String, String>) -> bool {
        let mut inner = self.lock();
        let mut pool = inner.pool.clone();
        pool.extend(others.clone());
        pool.insert(self.server.id.clone(), self.server.own_endpoint());
        if pool.len() > self.size() {
            return false;
        }
        if pool != inner.pool {
            inner.pool = pool;
            let text = json!(inner.pool).to_string();
            let path = self.server.data.path().join(POOL_FILE);
            if let Err(error) = files::replace(&path, text.as_bytes(), 0o644) {
                self.server
                    .log
                    .error(&format!("{}: {error}", path.display()));
            }
        }
        drop(inner);
        self.begin_if_complete();
        true
    }

    fn begin_if_complete(&self) {
        let mut inner = self.lock();
        if inner.core.is_some() || inner.pool.len() < self.size() {
            return;
        }
        let seed = time::unix_us()
            ^ self.server.id.bytes().fold(7_u64, |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
        let members = inner.pool.keys().cloned().collect();
        let records = std::mem::take(&mut inner.records);
        inner.core = Some(Core::new(
            &self.server.id,
            members,
            self.timing,
            seed,
            records,
            time::mono_ms(),
        ));
        drop(inner);
        self.progress.send_modify(|step| *step += 1);
    }

    /// Makes one decision, applies what it lets count, and hands over what is to be written.
    pub(super) fn decide<T>(
        &self,
        decision: impl FnOnce(&mut Core, u64) -> T,
    ) -> Option<(T, oneshot::Receiver<()>)> {
        let mut inner = self.lock();
        let before = inner.core.as_ref()?.mark();
        let decided = decision(inner.core.as_mut()?, time::mono_ms());
        let safe = self.settle(&mut inner);
        let after = inner.core.as_ref()?.mark();
        drop(inner);
        // Most decisions are that nothing is to be done: nobody is woken for those.
        if after != before {
            self.progress.send_modify(|step| *step += 1);
        }
        Some((decided, safe))
    }

    fn settle(&self, inner: &mut Inner) -> oneshot::Receiver<()> {
        let Some(core) = inner.core.as_mut() else {
            return self.journal.write(Vec::new());
        };
        if core.role() == Role::Leader && inner.lead_term != Some(core.term()) {
            inner.lead_term = Some(core.term());
            inner.lead_since_ms = time::mono_ms();
            inner.transient = Arc::default();
            inner.spear_is_behind = true;
            // An entry of its own term lets everything before it count.
            core.propose(json!({}), time::unix_ms());
            self.server.log.info(&format!(
                "{{agency}} {}: leading in term {}",
                self.server.id,
                core.term()
            ));
        } else if core.role() != Role::Leader && inner.lead_term.take().is_some() {
            inner.transient = Arc::default();
        }
        let safe = self.journal.write(core.take_unsaved());
        let mut changed = Vec::new();
        for entry in core.counted_after(inner.applied) {
            if let Some(operations) = entry.operations.as_object() {
                let store = Arc::make_mut(&mut inner.store);
                changed.extend(store.apply(operations, entry.unix_ms));
            }
        }
        let news = core.commit() != inner.applied;
        inner.applied = core.commit();
        inner.memo.forget(&changed);
        if core.role() == Role::Leader {
            // From then on it is ahead by what this leader itself proposes, and nothing else.
            if news && inner.spear_is_behind {
                inner.spear_is_behind = false;
                inner.spear = Arc::clone(&inner.store);
                for entry in core.uncounted() {
                    if let Some(operations) = entry.operations.as_object() {
                        Arc::make_mut(&mut inner.spear).apply(operations, entry.unix_ms);
                    }
                }
            }
            let notices = inner.store.notices(&changed);
            notify::send(notices, core.term(), inner.applied);
        }
        safe
    }

    /// Returns what the agent shows of itself.
    pub fn seen(&self) -> Seen {
        let inner = self.lock();
        let now = time::mono_ms();
        let core = inner.core.as_ref();
        let leading = core.is_some_and(|core| core.role() == Role::Leader);
        Seen {
            term: core.map_or(0, Core::term),
            leader: core.and_then(Core::leader).unwrap_or_default().to_owned(),
            leading,
            commit: core.map_or(0, Core::commit),
            acks: core
                .filter(|_| leading)
                .map(|core| core.acks(now))
                .unwrap_or_default(),
            pool: inner.pool.clone(),
            led_for_ms: if leading {
                now.saturating_sub(inner.lead_since_ms)
            } else {
                0
            },
            timing: self.timing,
            restarted: self.restarted,
        }
    }

    /// Returns all three trees.
    pub fn whole(&self) -> Value {
        let inner = self.lock();
        json!({
            "spearhead": [inner.spear.root(), {}, {}, {}],
            "read_db": [inner.store.root(), {}, {}, {}],
            "transient": [inner.transient.root(), {}, {}, {}],
        })
    }

    /// Returns the tree that counts as JSON, as this agent has it.
    pub fn tree_text(&self) -> Vec<u8> {
        let store = Arc::clone(&self.lock().store);
        serde_json::to_vec(store.root()).unwrap_or_default()
    }

    fn lead<'a>(&self, inner: &'a mut Inner) -> Result<&'a mut Inner, Refused> {
        let Some(core) = inner.core.as_ref() else {
            return Err(Refused::NoLeader);
        };
        if core.is_ready_leader() {
            return Ok(inner);
        }
        let leader = core.leader().filter(|leader| *leader != self.server.id);
        let endpoint = leader.and_then(|leader| inner.pool.get(leader));
        match endpoint.and_then(|endpoint| Target::parse(endpoint)) {
            Some(target) => Err(Refused::Elsewhere(target)),
            None => Err(Refused::NoLeader),
        }
    }

    /// Returns the trees that count, the lasting and the passing one, if this agent leads.
    pub fn trees(&self) -> Result<(Arc<Store>, Arc<Store>), Refused> {
        let mut inner = self.lock();
        let inner = self.lead(&mut inner)?;
        Ok((Arc::clone(&inner.store), Arc::clone(&inner.transient)))
    }

    /// Reads from the tree that counts, if this agent leads.
    pub fn read(&self, paths: &[String]) -> Result<Value, Refused> {
        let mut inner = self.lock();
        Ok(self.lead(&mut inner)?.store.read(paths))
    }

    /// Answers a question of several readings, if this agent leads; nothing if it is none.
    ///
    /// What was answered before is answered again as long as nothing that it names changes.
    pub fn read_all(&self, question: &[u8]) -> Result<Option<Answered>, Refused> {
        let mut inner = self.lock();
        let inner = self.lead(&mut inner)?;
        if let Some(known) = inner.memo.answer(question) {
            return Ok(Some(known));
        }
        let Ok(readings) = serde_json::from_slice::<Vec<Vec<String>>>(question) else {
            return Ok(None);
        };
        let answers: Vec<Value> = readings
            .iter()
            .map(|paths| inner.store.read(paths))
            .collect();
        let answer = Answered {
            index: inner.applied,
            text: serde_json::to_vec(&answers).unwrap_or_default().into(),
        };
        let paths = readings.into_iter().flatten();
        inner.memo.keep(question, paths, answer.clone());
        Ok(Some(answer))
    }

    /// Carries out transactions; returns the index of each, 0 where a precondition failed.
    pub async fn write(&self, transactions: &[Transaction]) -> Result<Vec<u64>, Refused> {
        let (results, safe, term) = {
            let mut inner = self.lock();
            let factor = self.server.live.now().time_factor;
            let led = self.lead(&mut inner)?;
            let now = time::unix_ms();
            let mut results = Vec::new();
            for transaction in transactions {
                if !led.spear.holds(&transaction.preconditions) {
                    results.push(0);
                    continue;
                }
                let operations = scale_ttl(&transaction.operations, factor);
                Arc::make_mut(&mut led.spear).apply(&operations, now);
                let core = led.core.as_mut().ok_or(Refused::NoLeader)?;
                let index = core.propose(Value::Object(operations), now);
                results.push(index.ok_or(Refused::NoLeader)?);
            }
            let term = led.core.as_ref().map_or(0, Core::term);
            let safe = self.settle(led);
            (results, safe, term)
        };
        safe.await.map_err(|_| Refused::NoLeader)?;
        self.progress.send_modify(|step| *step += 1);
        let last = results.iter().copied().max().unwrap_or(0);
        self.wait_until_counted(last, term).await?;
        Ok(results)
    }

    /// Changes the passing tree, which only the leader holds.
    pub fn write_transient(&self, transactions: &[Transaction]) -> Result<Vec<u64>, Refused> {
        let mut inner = self.lock();
        let led = self.lead(&mut inner)?;
        let now = time::unix_ms();
        Ok(transactions
            .iter()
            .map(|transaction| {
                let holds = led.transient.holds(&transaction.preconditions);
                if holds {
                    Arc::make_mut(&mut led.transient).apply(&transaction.operations, now);
                }
                u64::from(holds)
            })
            .collect())
    }

    async fn wait_until_counted(&self, index: u64, term: u64) -> Result<(), Refused> {
        let limit = Duration::from_millis(self.timing.max_ping_ms * 2);
        let mut progress = self.progress.subscribe();
        let counted = async {
            loop {
                {
                    let inner = self.lock();
                    let core = inner.core.as_ref();
                    if core.is_none_or(|core| core.term() != term || core.role() != Role::Leader) {
                        return Err(Refused::NoLeader);
                    }
                    if inner.applied >= index {
                        return Ok(());
                    }
                }
                if progress.changed().await.is_err() {
                    return Err(Refused::NoLeader);
                }
            }
        };
        tokio::time::timeout(limit, counted)
            .await
            .unwrap_or(Err(Refused::NoLeader))
    }

    /// Answers another agent; nothing if this one takes no part.
    pub async fn asked(&self, ask: Ask) -> Option<Answer> {
        if !self.server.live.now().agent_catches_up {
            return None;
        }
        let (answer, safe) = self.decide(|core, now| core.asked(ask, now))?;
        safe.await.ok()?;
        Some(answer)
    }

    pub(super) async fn ask(&self, peer: &str, ask: Ask) {
        let (path, term) = match &ask {
            Ask::Vote { term, .. } => ("/_api/agency_priv/requestVote", *term),
            Ask::Append { term, .. } => ("/_api/agency_priv/appendEntries", *term),
        };
        let Some(target) = self.pool().get(peer).and_then(|at| Target::parse(at)) else {
            return;
        };
        let limit = Duration::from_millis(self.timing.min_ping_ms);
        let authorization = self.server.authorization();
        let asked = Call::new(&target, "POST", path, limit)
            .authorized(authorization.as_deref())
            .serialized(&ask)
            .kept();
        let Ok(reply) = call(asked).await else { return };
        if let Ok(answer) = serde_json::from_slice::<Answer>(&reply.body)
            && reply.status == 200
            && let Some(((), safe)) =
                self.decide(|core, now| core.answered(peer, term, answer, now))
        {
            drop(safe.await);
        }
    }

    pub(super) fn peers(&self) -> Vec<String> {
        let inner = self.lock();
        inner
            .pool
            .keys()
            .filter(|id| **id != self.server.id)
            .cloned()
            .collect()
    }
}

/// Operations and the conditions under which they are carried out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transaction {
    /// What to do.
    pub operations: Map<String, Value>,
    /// What must hold.
    pub preconditions: Map<String, Value>,
}

impl Transaction {
    /// Reads a transaction as it is sent: operations, conditions, a client's mark.
    pub fn parse(value: &Value) -> Option<Self> {
        let mut parts = value.as_array()?.iter();
        Some(Self {
            operations: parts.next()?.as_object()?.clone(),
            preconditions: parts
                .next()
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        })
    }
}

fn scale_ttl(operations: &Map<String, Value>, factor: f64) -> Map<String, Value> {
    let mut scaled = operations.clone();
    for operation in scaled.values_mut() {
        if let Some(ttl) = operation.get("ttl").and_then(Value::as_f64)
            && let Some(operation) = operation.as_object_mut()
            && operation.get("op").is_some()
        {
            operation.insert("ttl".to_owned(), json!(ttl * factor));
        }
    }
    scaled
}
