//! Scopes of other hosts, circles and depth, threads, loops, times and speed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::differential::Files;
use super::room_tests::{templater, variables};
use super::{ErrorKind, Origin, Raw, Scopes, Templater, Variables};
use crate::clock::SimulatedClock;
use crate::yaml::Source;

/// The variables of several hosts.
#[derive(Debug)]
struct World(BTreeMap<String, Value>);

impl World {
    fn scope(self: &Arc<Self>, host: &str) -> Arc<dyn Variables> {
        Arc::new(Host(Arc::clone(self), host.to_owned()))
    }
}

#[derive(Debug)]
struct Host(Arc<World>, String);

impl Variables for Host {
    fn lookup(&self, name: &str) -> Option<Raw> {
        let value = self.0.0.get(&self.1)?.get(name)?.clone();
        Some(Raw {
            value,
            templated: true,
            origin: None,
        })
    }

    fn names(&self) -> Vec<String> {
        let own = self.0.0.get(&self.1).and_then(Value::as_object);
        own.into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn scopes(&self, name: &str) -> Option<Arc<dyn Scopes>> {
        (name == "hostvars").then(|| Arc::new(Hosts(Arc::clone(&self.0))) as _)
    }
}

#[derive(Debug)]
struct Hosts(Arc<World>);

impl Scopes for Hosts {
    fn names(&self) -> Vec<String> {
        self.0.0.keys().cloned().collect()
    }

    fn scope(&self, host: &str) -> Option<Arc<dyn Variables>> {
        self.0.0.contains_key(host).then(|| self.0.scope(host))
    }
}

#[test]
fn the_variables_of_other_hosts_are_rendered_in_their_scope() {
    let host = |n: u32| {
        json!({"me": format!("h{n}"), "ip": format!("10.0.0.{n}"), "url": "http://{{ ip }}:{{ port | default(80) }}",
            "peer": "{{ hostvars['h2'].me if me == 'h1' else hostvars['h1'].me }}",
            "circle": "{{ hostvars[('h2' if me == 'h1' else 'h1')].circle }}", "bad": "{{ nope }}"})
    };
    let world = BTreeMap::from([("h1".to_owned(), host(1)), ("h2".to_owned(), host(2))]);
    let world = Arc::new(World(world));
    let vars = world.scope("h1");
    let templater = templater(&[]);
    let value = |text: &str| templater.value(&json!(text), Origin::Nowhere, &vars);
    assert_eq!(
        value("{{ hostvars['h2'].url }}").unwrap(),
        "http://10.0.0.2:80"
    );
    assert_eq!(
        value("{{ hostvars.h2['url'] }} {{ url }}").unwrap(),
        "http://10.0.0.2:80 http://10.0.0.1:80"
    );
    assert_eq!(value("{{ peer }} {{ hostvars.h2.peer }}").unwrap(), "h2 h1");
    assert_eq!(value("{{ hostvars | list }}").unwrap(), json!(["h1", "h2"]));
    assert_eq!(value("{{ hostvars | length }}{{ 'h2' in hostvars }}{{ 'h3' in hostvars }}{{ hostvars.h1 | length }}").unwrap(), "2TrueFalse6");
    assert_eq!(
        value("{{ ['h1', 'h2'] | map('extract', hostvars, 'ip') | list }}").unwrap(),
        json!(["10.0.0.1", "10.0.0.2"])
    );
    assert_eq!(
        value("{{ hostvars['h3'].ip | default('none') }}").unwrap(),
        "none"
    );
    assert_eq!(
        value("{{ hostvars.h2.nope | default('none') }}").unwrap(),
        "none"
    );
    assert_eq!(
        value("{{ hostvars.h2.get('ip') }} {{ hostvars.h2.keys() | sort | first }}").unwrap(),
        "10.0.0.2 bad"
    );
    let error = value("{{ circle }}").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cycle);
    assert!(
        error.message.ends_with("`circle` -> `circle` -> `circle`"),
        "{}",
        error.message
    );
    assert_eq!(
        value("{{ hostvars.h3.ip }}").unwrap_err().message,
        "`hostvars.h3` is undefined"
    );
}

#[test]
fn circles_are_named_and_deep_templates_are_no_danger() {
    let mut text = "c1: \"{{ c2 }}\"\nc2: \"x{{ c1 }}\"\nv0: end\n".to_owned();
    for index in 1..=300 {
        let _ = writeln!(text, "v{index}: \"{{{{ v{} }}}}\"", index - 1);
    }
    let vars = variables("v.yml", &text);
    let templater = templater(&[("self.j2", "{% include 'self.j2' %}")]);
    let of = |text: &str| templater.value(&json!(text), Origin::Nowhere, &vars);
    assert_eq!(
        of("{{ c1 }}").unwrap_err().message,
        "variables need each other in a circle: `c1` -> `c2` -> `c1`"
    );
    assert_eq!(of("{{ v90 }}").unwrap(), "end");
    assert!(
        of("{{ v300 }}")
            .unwrap_err()
            .message
            .contains("levels deep")
    );
    assert!(
        of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")
            .unwrap_err()
            .message
            .contains("levels deep")
    );
    let source = Source::new("x.j2", "{% include 'self.j2' %}");
    assert!(
        templater
            .render(&source, &vars)
            .unwrap_err()
            .message
            .contains("levels deep")
    );
    assert!(
        of("{% set l = [] %}{% set _ = l.append(l) %}{{ l }}")
            .unwrap_err()
            .message
            .contains("nested")
    );
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(70), ")".repeat(70));
    assert_eq!(of(&nested).unwrap(), 1);
    let nested = format!("{{{{ {}1{} }}}}", "[".repeat(140), "]".repeat(140));
    assert!(of(&nested).is_err());
}

#[test]
fn threads_share_one_templater() {
    let templater = templater(&[]);
    let vars = variables("v.yml", "a: 1\nb: \"{{ a + 1 }}\"\n");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (templater, vars) = (templater.clone(), Arc::clone(&vars));
            scope.spawn(move || {
                for _ in 0..200 {
                    let text = json!(format!("{{{{ b * {number} }}}}"));
                    let value = templater.value(&text, Origin::Nowhere, &vars).unwrap();
                    assert_eq!(value, number * 2);
                }
            });
        }
    });
}

#[test]
fn lookups_can_be_called_for_loops() {
    let templater = templater(&[]);
    let vars = variables("v.yml", "a: 1\n");
    let items = templater.lookup(
        "nested",
        &[json!([1, 2]), json!(["a"])],
        Origin::Nowhere,
        &vars,
    );
    assert_eq!(items.unwrap(), [json!([1, "a"]), json!([2, "a"])]);
    let error = templater
        .lookup("nosuch", &[], Origin::Nowhere, &vars)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown);
}

#[test]
fn local_time_is_that_of_the_zone() {
    let outside = Arc::new(Files::default());
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let templater = Templater::with_zone(outside, Arc::new(SimulatedClock::new()), zone);
    let vars = variables("v.yml", "a: 1\n");
    let of = |text: &str| {
        templater
            .value(&json!(text), Origin::Nowhere, &vars)
            .unwrap()
    };
    assert_eq!(of("{{ now(fmt='%F %T') }}"), "2026-01-01 02:00:00");
    assert_eq!(of("{{ now(utc=true).strftime('%H') }}"), "00");
    assert_eq!(of("{{ '%Y-%m-%d %H' | strftime(0) }}"), "1970-01-01 02");
    assert_eq!(of("{{ '%H' | strftime(0, utc=true) }}"), "00");
    assert_eq!(
        of("{{ '2024-01-02' | to_datetime('%Y-%m-%d') }}"),
        "2024-01-02 00:00:00"
    );
    assert_eq!(
        of(
            "{{ (('2024-01-02 03:04:05' | to_datetime) - ('2024-01-01 00:00:00' | to_datetime)).total_seconds() }}"
        ),
        97445.0
    );
    assert_eq!(
        of(
            "{{ (('2024-01-02 03:04:05' | to_datetime) - ('2024-01-01 00:00:00' | to_datetime)).days }}"
        ),
        1
    );
}

#[test]
fn json_query_is_jmespath() {
    let vars = variables(
        "v.yml",
        "d: {hosts: [{n: a, up: true}, {n: b, up: false}]}\n",
    );
    let templater = templater(&[]);
    let of = |text: &str| templater.value(&json!(text), Origin::Nowhere, &vars);
    assert_eq!(
        of("{{ d | json_query('hosts[?up].n') }}").unwrap(),
        json!(["a"])
    );
    assert_eq!(
        of("{{ d | json_query('length(hosts)') }}").unwrap(),
        json!(2)
    );
    assert!(of("{{ d | json_query('hosts[') }}").is_err());
}

#[test]
fn four_nested_templates_take_microseconds() {
    use crate::clock::{Clock as _, SystemClock};
    let text = "a: x\nb: \"{{ a }}1\"\nc: \"{{ b }}2\"\nd: \"{{ c | upper }}3\"\ne: \"{{ d }}4\"\n";
    let vars = variables("v.yml", text);
    let templater = templater(&[]);
    let text = json!("{{ e }}");
    let value = || templater.value(&text, Origin::Nowhere, &vars).unwrap();
    assert_eq!(value(), "X1234");
    let clock = SystemClock::new();
    let before = clock.elapsed();
    for _ in 0..2000 {
        value();
    }
    let each = clock.elapsed().saturating_sub(before) / 2000;
    // In a release build it is of the order of 15 microseconds; this holds in a slow debug build on a busy machine.
    assert!(each.as_micros() < 2000, "{each:?}");
}
