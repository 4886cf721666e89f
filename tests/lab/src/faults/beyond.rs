//! Which of the requests that failed no correct tool could have saved: those that hung on a server that a fault took away.
//! Pure.
//!
//! A server that stops serving while a fault lasts, or directly after, was taken away by it, until it serves again. A
//! request that was sent to it, or to whoever waited for it, is lost whatever the tool does. All others are the tool's.

use serde_json::{Value, json};

/// How long after a fault a server may be seen to be away because of it: it is looked at every 0.2 s, for a second at most.
const SEEN_MS: u64 = 3_000;
/// How long after a server is back clients may still wait for it, or for whoever takes its place.
const FOUND_AGAIN_MS: u64 = 2_000;
/// How many of those that could have been saved are shown.
const SHOWN: usize = 5;

/// What is worked out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkedOut {
    /// How many no tool could have saved.
    pub beyond: usize,
    /// How many one could have.
    pub savable: usize,
    /// Some of those.
    pub examples: Vec<Value>,
}

/// Works it out from the clients' report, and from when faults lasted, in milliseconds of the wall clock.
pub fn work_out(report: &Value, faults: &[(u64, u64)]) -> WorkedOut {
    let zero = number(report, "zero_unix_ms");
    let taken = taken_away(report, zero, faults);
    let mut worked_out = WorkedOut::default();
    for request in list(report, "failed_each") {
        let (from, to) = (number(request, "begin_ms"), number(request, "end_ms"));
        let hung_on = hung_on(request);
        let is_beyond = taken.iter().any(|(server, begin, end)| {
            let overlaps = *begin <= to && end.saturating_add(FOUND_AGAIN_MS) >= from;
            overlaps && hung_on.iter().any(|one| one == server)
        });
        if is_beyond {
            worked_out.beyond += 1;
        } else {
            worked_out.savable += 1;
            if worked_out.examples.len() < SHOWN {
                worked_out
                    .examples
                    .push(json!({"unix_ms": zero + from, "request": request}));
            }
        }
    }
    worked_out
}

/// Returns the servers that faults took away, from when and until when by the clients' clock.
fn taken_away(report: &Value, zero: u64, faults: &[(u64, u64)]) -> Vec<(String, u64, u64)> {
    let mut taken = Vec::new();
    for server in list(report, "servers") {
        let host = server.get("host").and_then(Value::as_str);
        let name = format!("{}:{}", host.unwrap_or_default(), number(server, "port"));
        for outage in list(server, "outages") {
            let at = |place: usize| outage.get(place).and_then(Value::as_u64);
            let (Some(begin), Some(end)) = (at(0), at(1)) else {
                continue;
            };
            let begun = zero.saturating_add(begin);
            let is_by = |(from, to): &(u64, u64)| {
                begun.saturating_add(SEEN_MS) >= *from && begun <= to.saturating_add(SEEN_MS)
            };
            if faults.iter().any(is_by) {
                taken.push((name.clone(), begin, end));
            }
        }
    }
    taken
}

/// Returns the servers that a request hung on: that it was sent to, as its failure says, and that it waited for.
fn hung_on(request: &Value) -> Vec<String> {
    let failure = request.get("failure").and_then(Value::as_str);
    let sent_to = failure.and_then(|said| said.split(' ').next());
    let waited_for = list(request, "servers").filter_map(Value::as_str);
    waited_for.chain(sent_to).map(str::to_owned).collect()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failure: &str, servers: &[&str], begin_ms: u64) -> Value {
        json!({
            "zero_unix_ms": 1_000_000,
            "servers": [
                {"host": "h1", "port": 8529, "outages": [[10_000, 20_000], [50_000, 51_000]]},
                {"host": "h1", "port": 8530, "outages": [[10_200, 30_000]]},
            ],
            "failed_each": [
                {"begin_ms": begin_ms, "end_ms": begin_ms + 100, "failure": failure, "servers": servers},
            ],
        })
    }

    #[test]
    fn what_hung_on_a_server_that_a_fault_took_away_is_beyond_saving_and_nothing_else() {
        let fault = [(1_009_500, 1_015_000)];
        for (failure, servers, begin, beyond) in [
            ("h1:8529 cannot be reached", vec![], 12_000, true),
            ("h1:8529 does not answer", vec![], 9_950, true),
            ("status 503 errorNum 1", vec!["h1:8530"], 29_000, true),
            // Another server than was taken away; before; long after.
            ("h2:8529 cannot be reached", vec!["h2:8530"], 12_000, false),
            ("h1:8529 cannot be reached", vec![], 9_000, false),
            ("h1:8529 cannot be reached", vec![], 23_000, false),
            // It was away then, but no fault took it away.
            ("h1:8529 cannot be reached", vec![], 50_100, false),
        ] {
            let worked_out = work_out(&report(failure, &servers, begin), &fault);
            let expected = (usize::from(beyond), usize::from(!beyond));
            let told = (worked_out.beyond, worked_out.savable);
            assert_eq!(told, expected, "{failure} {servers:?} {begin}");
            assert_eq!(worked_out.examples.len(), expected.1);
        }
        let without = work_out(&report("h1:8529 cannot be reached", &[], 12_000), &[]);
        assert_eq!(without.savable, 1, "no fault, nothing is beyond saving");
    }
}
