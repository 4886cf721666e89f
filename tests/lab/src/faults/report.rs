//! What a fault run came to, for people and for scripts.

use std::time::Duration;

use serde_json::{Value, json};

use super::Options;
use super::case::Case;
use super::classes::End;
use super::pool::Pool;
use super::upgrade::Ended;

/// At most one case in so many may need the operator.
const OPERATOR_SHARE: usize = 10;
/// How many of a list are shown.
const SHOWN: usize = 50;

/// All upgrades together.
#[derive(Debug, Default)]
pub struct Total {
    /// What kept the lab itself from going on.
    pub broken: Vec<String>,
    cases: Vec<Case>,
    leftovers: Vec<String>,
    twice: Vec<(String, usize)>,
    stuck: Vec<String>,
    clients: Vec<String>,
    upgrades: usize,
    requests: u64,
    beyond: usize,
    harmed: Vec<Value>,
}

/// What of a clients' report is told beside, where faults harm clients by themselves.
const BESIDE: [&str; 4] = [
    "failed_requests",
    "invariant_breaches",
    "lost_writes",
    "longest_stall_ms",
];

impl Total {
    /// Adds what came of an upgrade.
    pub fn add(&mut self, number: usize, ended: Ended) {
        let judged = ended.judged;
        let of = |what: String| format!("upgrade {number}: {what}");
        self.upgrades += 1;
        self.leftovers.extend(judged.leftovers.into_iter().map(of));
        let twice = judged.twice.into_iter();
        self.twice
            .extend(twice.map(|(what, times)| (of(what), times)));
        self.stuck.extend(judged.stuck.into_iter().map(of));
        self.clients.extend(judged.clients.into_iter().map(of));
        let load = ended.load.unwrap_or_default();
        self.beyond += ended.worked_out.beyond;
        self.requests += load
            .get("requests")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let harms = ended.cases.iter().any(|case| case.class.harms_clients);
        if harms {
            let beside = BESIDE
                .iter()
                .map(|name| ((*name).to_owned(), load.get(*name).cloned()));
            let mut beside: serde_json::Map<_, _> = beside
                .map(|(name, value)| (name, value.unwrap_or_default()))
                .collect();
            beside.insert("upgrade".to_owned(), json!(number));
            let beyond = json!(ended.worked_out.beyond);
            beside.insert("requests_beyond_saving".to_owned(), beyond);
            self.harmed.push(Value::Object(beside));
        }
        self.cases.extend(ended.cases);
    }

    /// Returns all of it; `ok` says whether it may stay so.
    pub fn json(&self, options: &Options, pool: &Pool, wall: Duration) -> Value {
        let failed = self.cases.iter().filter(|case| case.has_failed()).count() + self.stuck.len();
        let ended = |end| {
            self.cases
                .iter()
                .filter(|case| case.end == Some(end))
                .count()
        };
        let twice: usize = self.twice.iter().map(|(_, times)| times).sum();
        let needs = ended(End::NeedsOperator);
        let not_run: Vec<Value> = pool
            .left()
            .into_iter()
            .map(|pair| json!({"class": pair.class.name, "task": pair.task.place, "name": pair.task.name}))
            .collect();
        let ok = failed == 0
            && twice == 0
            && self.leftovers.is_empty()
            && self.clients.is_empty()
            && self.broken.is_empty()
            && needs * OPERATOR_SHARE <= self.cases.len();
        json!({
            "ok": ok,
            "seed": options.seed,
            "factor": options.factor,
            "cases": self.cases.len(),
            "failed": failed,
            "not_run": not_run.len(),
            "not_drawn": pool.spared(),
            "commands_run_twice": twice,
            "silent_leftovers": self.leftovers.len(),
            "rides_out": ended(End::RidesOut),
            "resumes_to_end": ended(End::ResumesToEnd),
            "needs_operator": needs,
            "upgrades": self.upgrades,
            "requests": self.requests,
            "requests_beyond_saving": self.beyond,
            "wall_s": wall.as_secs(),
            "broken": self.broken,
            "stuck": self.stuck,
            "twice": self.twice.iter().map(|(what, _)| what).take(SHOWN).collect::<Vec<_>>(),
            "leftovers": self.leftovers.iter().take(SHOWN).collect::<Vec<_>>(),
            "clients": self.clients.iter().take(SHOWN).collect::<Vec<_>>(),
            "clients_harmed_by_the_faults": self.harmed,
            "left": not_run,
            "each": self.cases.iter().map(Case::json).collect::<Vec<_>>(),
        })
    }
}

/// Puts an upgrade into a line.
pub fn line(number: usize, ended: &Ended) -> String {
    let cases = ended.cases.iter().map(|case| {
        let end = case.end.map_or("no end", End::word);
        let mark = if case.has_failed() { "FAILED " } else { "" };
        let said: Vec<_> = case.wrong.iter().chain(&case.stops).cloned().collect();
        let said = if case.has_failed() {
            format!("\n      {}", said.join("\n      "))
        } else {
            String::new()
        };
        let (class, task) = (case.class.name, &case.task);
        format!(
            "\n    {mark}{class} at {} ({}): {end}{said}",
            task.place, task.name
        )
    });
    let judged = &ended.judged;
    let wrong = [&judged.leftovers, &judged.stuck, &judged.clients];
    let twice = judged.twice.iter().map(|(what, _)| what);
    let wrong = wrong.into_iter().flatten().chain(twice);
    let wrong = wrong.map(|what| format!("\n    WRONG {what}"));
    let all: Vec<String> = cases.chain(wrong).collect();
    format!(
        "upgrade {number}: {} faults{}",
        ended.cases.len(),
        all.concat()
    )
}

/// Puts the totals into words.
pub fn summary(report: &Value) -> String {
    const NAMES: [&str; 16] = [
        "seed",
        "factor",
        "upgrades",
        "cases",
        "failed",
        "not_run",
        "not_drawn",
        "commands_run_twice",
        "silent_leftovers",
        "rides_out",
        "resumes_to_end",
        "needs_operator",
        "requests",
        "requests_beyond_saving",
        "wall_s",
        "ok",
    ];
    let of = |name: &str| report.get(name).cloned().unwrap_or_default();
    let figures = NAMES.map(|name| format!("  {name:<20} {}\n", of(name)));
    let lists = ["broken", "stuck", "twice", "leftovers", "clients"].map(|name| {
        let list = of(name);
        let lines = list.as_array().into_iter().flatten();
        let lines = lines.map(|line| format!("  {name}: {}\n", line.as_str().unwrap_or_default()));
        lines.collect::<Vec<_>>().concat()
    });
    format!("{}{}", figures.concat(), lists.concat())
}
