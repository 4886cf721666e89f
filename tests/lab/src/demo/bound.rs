//! The least time that an upgrade could have taken: what the servers themselves needed to
//! stop, to upgrade and to start, one after the other, what the cluster needed to move
//! leadership and to switch maintenance mode, and the waits that the role states.
//! Pure: read from what the servers counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// What the servers needed for themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needed {
    /// From the signal to the end, of those that were stopped to be upgraded.
    pub stop: Duration,
    /// From the start to the end of the upgrades of their directories.
    pub upgrade: Duration,
    /// From the start of the starter to the server being ready, and all others of the host taken up again.
    pub start: Duration,
    /// How many servers were upgraded.
    pub servers: usize,
}

impl Needed {
    /// Returns the sum of it all.
    pub fn total(&self) -> Duration {
        self.stop + self.upgrade + self.start
    }

    fn add(&mut self, other: Self) {
        self.stop += other.stop;
        self.upgrade += other.upgrade;
        self.start += other.start;
        self.servers += other.servers;
    }
}

/// What the cluster needed beside its servers: for what was asked of its supervision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// For moves of shards and of leadership; those at the same time count once.
    pub jobs: Duration,
    /// For switching maintenance mode, until the coordinator answered.
    pub maintenance: Duration,
}

/// Reads from the counts of all hosts what the cluster needed for what it was asked.
pub fn asked(effects: &[String]) -> Asked {
    let lines = effects.iter().flat_map(|effects| effects.lines());
    let all: Vec<Value> = lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |what: &'static str| all.iter().filter(move |e| text(e, "/what") == what);
    let mut jobs: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for asked in of("job-asked") {
        let begun = at(asked);
        jobs.insert(text(asked, "/detail/id"), (begun, begun));
    }
    for ended in of("job-ended") {
        if let Some((_, end)) = jobs.get_mut(text(ended, "/detail/id")) {
            *end = at(ended).max(*end);
        }
    }
    let switched = of("maintenance").filter_map(|e| e.pointer("/detail/took_ms")?.as_u64());
    Asked {
        jobs: Duration::from_millis(covered(jobs.into_values().collect())),
        maintenance: Duration::from_millis(switched.sum()),
    }
}

/// Returns how much of time these spans cover together.
fn covered(mut spans: Vec<(u64, u64)>) -> u64 {
    spans.sort_unstable();
    let (mut sum, mut until) = (0, 0);
    for (begin, end) in spans {
        sum += end.saturating_sub(begin.max(until));
        until = until.max(end);
    }
    sum
}

/// Reads from the count of one host what its servers needed.
pub fn needed(effects: &str) -> Needed {
    let mut servers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in effects.lines() {
        let Ok(effect) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let place = text(&effect, "/place").to_owned();
        servers.entry(place).or_default().push(effect);
    }
    let starter = servers.iter().find(|(_, effects)| {
        let first = effects.first().map(|effect| text(effect, "/role"));
        first == Some("starter")
    });
    let starter = starter.map(|(_, effects)| effects.as_slice());
    let mut all = Needed::default();
    for server in servers.values() {
        all.add(of_server(server, starter.unwrap_or_default()));
    }
    all
}

/// One server's: the stop before its first auto-upgrade, the last one that went well, and the
/// start after that.
fn of_server(effects: &[Value], starter: &[Value]) -> Needed {
    let is = |what: &'static str| move |effect: &&Value| text(effect, "/what") == what;
    let Some(begin) = effects.iter().position(|e| is("start-auto-upgrade")(&e)) else {
        return Needed::default();
    };
    let (before, after) = effects.split_at(begin);
    let stop = before.iter().rfind(is("stop"));
    let stop = stop.and_then(|stop| stop.pointer("/detail/took_ms")?.as_u64());
    let upgraded = |effect: &&Value| {
        is("auto-upgrade-end")(effect) && effect.pointer("/detail/exit") == Some(&Value::from(0))
    };
    let Some(end) = after.iter().rposition(|effect| upgraded(&effect)) else {
        return Needed::default();
    };
    let (during, then) = after.split_at(end);
    let upgrade_began = during.iter().rfind(is("start-auto-upgrade")).map_or(0, at);
    let upgrade_ended = then.iter().find(is("exit")).or(then.first()).map_or(0, at);
    let start = then.iter().find(is("start")).map_or(0, at);
    let ready = then.iter().find(is("ready")).map_or(start, at);
    let (start, ready) = with_starter(starter, start, ready);
    Needed {
        stop: Duration::from_millis(stop.unwrap_or(0)),
        upgrade: Duration::from_millis(upgrade_ended.saturating_sub(upgrade_began)),
        start: Duration::from_millis(ready.saturating_sub(start)),
        servers: 1,
    }
}

/// The starter that started the server began before, and may still take up others after.
fn with_starter(starter: &[Value], start: u64, ready: u64) -> (u64, u64) {
    let is = |what: &'static str| move |effect: &&Value| text(effect, "/what") == what;
    let before = |effect: &&Value| at(effect) <= start;
    let Some(begun) = starter.iter().filter(before).rfind(is("start")).map(at) else {
        return (start, ready);
    };
    // Killed, it leaves no word of its end; the next one's start is that.
    let next = starter.iter().filter(is("start")).map(at);
    let ended = next
        .into_iter()
        .find(|next| *next > begun)
        .unwrap_or(u64::MAX);
    let own = |effect: &&Value| (begun..ended).contains(&at(effect));
    let taken = starter.iter().filter(is("adopt")).filter(own).map(at).max();
    (begun, ready.max(taken.unwrap_or_default()))
}

fn at(effect: &Value) -> u64 {
    let moment = effect.get("unix_ms").and_then(Value::as_u64);
    moment.unwrap_or_default()
}

fn text<'a>(effect: &'a Value, pointer: &str) -> &'a str {
    let found = effect.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(ms: u64, place: &str, what: &str, detail: &Value) -> String {
        json!({"unix_ms": ms, "place": place, "what": what, "detail": detail}).to_string() + "\n"
    }

    #[test]
    fn only_what_belongs_to_an_upgrade_counts() {
        let none = || Value::Null;
        let effects = [
            line(0, "/d/agent", "start", &none()),
            line(900, "/d/agent", "ready", &none()),
            line(5_000, "/d/agent", "stop", &json!({"took_ms": 300})),
            line(5_000, "/d/other", "start", &none()),
            line(6_000, "/d/agent", "start-auto-upgrade", &none()),
            line(6_400, "/d/agent", "auto-upgrade-end", &json!({"exit": 1})),
            line(6_410, "/d/agent", "exit", &json!({"code": 1})),
            line(7_000, "/d/agent", "start-auto-upgrade", &none()),
            line(8_000, "/d/agent", "auto-upgrade-end", &json!({"exit": 0})),
            line(8_020, "/d/agent", "exit", &json!({"code": 0})),
            line(9_000, "/d/agent", "start", &none()),
            line(9_500, "/d/agent", "ready", &none()),
            "torn {".to_owned(),
        ];
        let needed = needed(&effects.concat());
        assert_eq!(needed.stop.as_millis(), 300);
        assert_eq!(needed.upgrade.as_millis(), 1_020);
        assert_eq!(needed.start.as_millis(), 500);
        assert_eq!((needed.servers, needed.total().as_millis()), (1, 1_820));
    }

    #[test]
    fn the_starter_counts_until_it_has_all_servers() {
        let starter = |ms: u64, what: &str| {
            let mut effect = json!({"unix_ms": ms, "place": "/d", "what": what});
            effect["role"] = json!("starter");
            effect.to_string() + "\n"
        };
        let effects = [
            starter(0, "start"),
            starter(100, "adopt"),
            line(6_000, "/d/agent", "start-auto-upgrade", &Value::Null),
            line(8_000, "/d/agent", "auto-upgrade-end", &json!({"exit": 0})),
            line(8_000, "/d/agent", "exit", &json!({"code": 0})),
            starter(9_000, "start"),
            line(9_200, "/d/agent", "start", &Value::Null),
            line(9_500, "/d/agent", "ready", &Value::Null),
            starter(10_400, "adopt"),
            starter(11_400, "adopt"),
            starter(20_000, "start"),
            starter(20_100, "adopt"),
        ];
        let with_end = effects[..10].concat();
        assert_eq!(needed(&with_end).start.as_millis(), 2_400);
        assert_eq!(needed(&effects.concat()).start.as_millis(), 2_400);
    }

    #[test]
    fn jobs_at_the_same_time_count_once() {
        let of_one = [
            line(1_000, "/d/c", "job-asked", &json!({"id": "7"})),
            line(2_000, "/d/c", "job-asked", &json!({"id": "8"})),
            line(9_000, "/d/c", "job-asked", &json!({"id": "9"})),
            line(9_500, "/d/c", "maintenance", &json!({"took_ms": 1_100})),
        ];
        let of_another = [
            line(3_000, "/d/a", "job-ended", &json!({"id": "7"})),
            line(3_500, "/d/a", "job-ended", &json!({"id": "7"})),
            line(4_000, "/d/a", "job-ended", &json!({"id": "8"})),
            line(9_600, "/d/a", "job-ended", &json!({"id": "not asked for"})),
            line(9_900, "/d/a", "maintenance", &json!({"took_ms": 900})),
        ];
        let asked = asked(&[of_one.concat(), of_another.concat()]);
        assert_eq!(asked.jobs.as_millis(), 3_000, "the third never ended");
        assert_eq!(asked.maintenance.as_millis(), 2_000);
    }

    #[test]
    fn a_server_that_was_not_upgraded_needed_nothing() {
        let effects = line(1, "/d/a", "stop", &json!({"took_ms": 9}));
        assert_eq!(needed(&effects), Needed::default());
    }
}
