//! What is not known, and what only a look tells: neither may pass for what is well.

use serde_json::{Map, Value};

use super::{Fake, MASTER, judge, look, questions, read};
use crate::cluster::memsql::{Depth, Where};
use crate::cluster::model::memsql::testing::healthy;

/// What an aggregator or a leaf does not tell is never taken for what is well.
#[test]
fn what_was_not_read_stands_against_it() {
    let read_so = |statement, number| {
        let mut fake = Fake::new(healthy(2, &[("shop", 8)]));
        fake.cluster.leaves[0].state = "detached".into();
        fake.broken = Some((statement, number));
        look(&mut fake, &questions())
    };
    let told = |seen: &Map<String, Value>, name: &str| seen[name]["problems"].to_string();
    let seen = read_so("SHOW VARIABLES", Some(1227));
    for address in ["10.0.9.0:3306", "10.0.9.1:3306"] {
        let unknown = format!("the variables of {address} are not known: no");
        assert!(told(&seen, "switches_known").contains(&unknown));
    }
    assert_eq!(told(&seen, "busy"), "[]");
    let seen = read_so("SELECT ID, USER", None);
    assert!(told(&seen, "busy").contains("what runs on 10.0.9.1:3306 is not known: no"));
    assert_eq!(told(&seen, "switches_known"), "[]");
    // Who does not know the statement has nothing to hide.
    for (number, recovers) in [(None, true), (Some(1227), true), (Some(1064), false)] {
        let seen = read_so("SHOW DATABASES EXTENDED", number);
        let recovering = seen["leaves"][0]["recovering"].as_array().unwrap();
        assert_eq!(recovering.is_empty(), !recovers, "{number:?}");
    }
    // Neither a switch that is not shown, nor a server that does not say what it runs.
    let mut fake = Fake::new(healthy(2, &[("shop", 8)]));
    let place = Where {
        with_ops: true,
        ..Where::default()
    };
    let mut view = read(&mut fake, &place, Depth::Full).unwrap();
    for (address, own) in &mut view.variables {
        let name = if address.host == MASTER {
            "auto_attach"
        } else {
            "aggregator_failure_detection"
        };
        own.remove(name);
    }
    view.cluster.leaves[2].version = None;
    let seen = judge(&view, &questions());
    let problems = told(&seen, "switches_known");
    for (address, name) in [
        ("10.0.9.0", "auto_attach"),
        ("10.0.9.1", "aggregator_failure_detection"),
    ] {
        let missing = format!("{address}:3306 does not show {name}");
        assert!(problems.contains(&missing), "{problems}");
    }
    let problems = told(&seen, "servers");
    assert!(problems.contains("10.0.2.0:3306 does not say its version"));
}
