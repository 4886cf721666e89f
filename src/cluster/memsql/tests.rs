mod parsing;
mod unread;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::ops::{self, Said};
use super::parse::{self, Row};
use super::{Ask, AskError, Depth, Questions, Where, judge, read};
use crate::cluster::model::memsql::testing::healthy;
use crate::cluster::model::memsql::{Address, Cluster, InstanceRole, Leaf, ONLINE};

/// Rows of a table as a client prints it.
fn table(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let columns = cells(lines.next().unwrap());
    lines
        .map(|line| {
            let values = cells(line).into_iter().map(|cell| match cell.as_str() {
                "NULL" => Value::Null,
                _ => Value::String(cell),
            });
            columns.iter().cloned().zip(values).collect()
        })
        .collect()
}

fn said(text: &str) -> Said {
    Said {
        code: 0,
        text: text.to_owned(),
    }
}

#[test]
fn ops_is_heard_through_other_words_and_never_believed_without_a_list() {
    let nodes = r#"[{"memsql_id":"AB","agent_id":"A1","memsql_version":"5.5.12","role":"LEAF","host":"h","port":3306,
        "availability_group":null,"cluster_state":"CONNECTED","run_state":"RUNNING","state":"ONLINE"}]"#;
    let first = format!("[warning] a new version is out\n{nodes}\n");
    for text in [nodes, first.as_str()] {
        let found = ops::nodes(&said(text)).unwrap();
        assert_eq!(found[0].address.to_string(), "h:3306");
        assert_eq!(found[0].group, None);
    }
    for torn in ["", "Are you sure? [y/N]", &nodes[..40], "[\"a\"]"] {
        assert!(ops::nodes(&said(torn)).is_err(), "{torn}");
    }
    assert_eq!(
        ops::version(&said("Version: 5.7.1\n")).as_deref(),
        Some("5.7.1")
    );
    assert_eq!(ops::version(&said("6.0")).as_deref(), Some("6.0"));
}

/// A cluster that answers as a real one.
struct Fake {
    cluster: Cluster,
    later: bool,
    ops: BTreeMap<String, Said>,
    asked: Vec<String>,
    broken: Option<(&'static str, Option<u16>)>,
    /// What a statement answers in place of what it would: its beginning, its table.
    instead: Option<(&'static str, &'static str)>,
}

const MASTER: &str = "10.0.9.0";

impl Fake {
    fn new(cluster: Cluster) -> Self {
        let mut nodes = Vec::new();
        let mut add = |address: &Address, role: &str, group: Option<u32>| {
            nodes.push(json!({
                "memsql_id": format!("{:0>40}", nodes.len()), "agent_id": "A1", "memsql_version": "5.5.12",
                "role": role, "host": address.host, "port": address.port, "availability_group": group,
                "cluster_state": "CONNECTED", "run_state": "RUNNING", "state": "ONLINE",
            }));
        };
        for found in &cluster.aggregators {
            add(
                &found.address,
                if found.master { "MASTER" } else { "AGGREGATOR" },
                None,
            );
        }
        for leaf in &cluster.leaves {
            add(&leaf.address, "LEAF", leaf.group);
        }
        let list = said(&Value::Array(nodes).to_string());
        let agents = r#"[{"agent_id":"A1","host":"10.0.9.0","port":9000,"role":"PRIMARY","state":"ONLINE","version":"5.7.1"}]"#;
        let files = r#"[{"version":"5.7.2","version_hash":"03e5","file_type":"memsql","agent_ids":["A1"]}]"#;
        let ops = [
            ("nodes", list.clone()),
            ("all", list),
            (
                "status",
                said("MemSQL Ops is running with pid 3270 on port 9000."),
            ),
            ("version", said("5.7.1")),
            ("agents", said(agents)),
            (
                "help",
                said("usage: memsql-ops memsql-upgrade [--memsql-id ID]"),
            ),
            ("files", said(files)),
        ];
        Self {
            cluster,
            later: false,
            ops: ops.map(|(name, said)| (name.to_owned(), said)).into(),
            asked: Vec::new(),
            broken: None,
            instead: None,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one answer for each statement")]
    fn answer(&self, at: &Address, statement: &str) -> String {
        let mut text = String::new();
        if statement == "SHOW LEAVES" {
            text.push_str("Host|Port|Availability_Group|Pair_Host|Pair_Port|State\n");
            for leaf in &self.cluster.leaves {
                let pair = leaf.pair.clone().unwrap();
                let (host, port) = (&leaf.address.host, leaf.address.port);
                let group = leaf.group.unwrap();
                writeln!(
                    text,
                    "{host}|{port}|{group}|{}|{}|{}",
                    pair.host, pair.port, leaf.state
                )
                .unwrap();
            }
        } else if statement == "SHOW AGGREGATORS" {
            text.push_str("Host|Port|State|Master_Aggregator\n");
            for found in &self.cluster.aggregators {
                let host = if found.master {
                    "127.0.0.1"
                } else {
                    &found.address.host
                };
                let flag = u8::from(found.master);
                writeln!(text, "{host}|{}|{}|{flag}", found.address.port, found.state).unwrap();
            }
        } else if statement == "SHOW DATABASES" {
            text.push_str("Database\ninformation_schema\nmemsql\nsharding\n");
            text.push_str(&self.cluster.databases.join("\n"));
        } else if statement == "SHOW CLUSTER STATUS" {
            text.push_str("Host|Port|Database|Role|State|Position|Details\n");
            for copy in &self.cluster.instances {
                let role = match (&copy.role, self.later) {
                    (InstanceRole::Slave, true) => "Replica".to_owned(),
                    (role, _) => format!("{role:?}"),
                };
                let (host, port) = (&copy.address.host, copy.address.port);
                writeln!(
                    text,
                    "{host}|{port}|{}|{role}|{}|0:100|",
                    copy.name, copy.state
                )
                .unwrap();
            }
        } else if let Some(database) = statement.strip_prefix("SHOW PARTITIONS ON ") {
            text.push_str("Ordinal|Host|Port|Role|Locked\n");
            let name = database.trim_matches('`').replace("``", "`");
            for copy in self
                .cluster
                .placements
                .iter()
                .filter(|copy| copy.database == name)
            {
                let address = copy.address.clone().unwrap();
                let locked = u8::from(copy.locked);
                writeln!(
                    text,
                    "{}|{}|{}|{:?}|{locked}",
                    copy.ordinal, address.host, address.port, copy.role
                )
                .unwrap();
            }
        } else if statement.starts_with("SELECT @@memsql_version") {
            text.push_str("version\n5.5.12");
        } else if statement == "SHOW VARIABLES" {
            text.push_str("Variable_name|Value\nredundancy_level|2\nauto_attach|ON\nleaf_failure_detection|ON\naggregator_failure_detection|ON");
        } else if statement == "SELECT 1" {
            text.push_str("1\n1");
        } else {
            text.push_str("Action\n");
        }
        assert!(
            !at.host.starts_with("127."),
            "nobody dials a list's 127.0.0.1"
        );
        text
    }
}

impl Ask for Fake {
    fn sql(&mut self, at: &Address, statement: &str) -> Result<Vec<Row>, AskError> {
        self.asked.push(format!("{at} {statement}"));
        let silent = |leaf: &&Leaf| leaf.address == *at && !leaf.answers;
        if self.cluster.leaves.iter().find(silent).is_some() {
            return Err(AskError::new("refused"));
        }
        if let Some((broken, number)) = self.broken
            && statement.starts_with(broken)
        {
            return Err(AskError {
                message: "no".to_owned(),
                number,
            });
        }
        if let Some((words, answer)) = self.instead
            && statement.starts_with(words)
        {
            return Ok(table(answer));
        }
        Ok(table(&self.answer(at, statement)))
    }

    fn leave(&mut self, _: &Address) {}

    fn ops(&mut self, _: bool) -> Result<BTreeMap<String, Said>, AskError> {
        Ok(self.ops.clone())
    }
}

fn look(fake: &mut Fake, questions: &Questions) -> Map<String, Value> {
    let place = Where {
        with_ops: true,
        aliases: questions.aliases.clone(),
        ..Where::default()
    };
    let view = read(fake, &place, Depth::Full).unwrap();
    judge(&view, questions)
}

fn questions() -> Questions {
    Questions {
        to: Some("5.7.2".to_owned()),
        long_statement: 60,
        ..Questions::default()
    }
}

const VERDICTS: [&str; 16] = [
    "ops",
    "nodes",
    "target",
    "file",
    "redundancy_without_detached",
    "plans",
    "busy",
    "inventory",
    "layout",
    "servers",
    "switches_known",
    "redundancy",
    "status",
    "masters",
    "even",
    "copies",
];

#[test]
fn a_healthy_cluster_is_judged_well_in_every_version() {
    for later in [false, true] {
        let mut fake = Fake::new(healthy(2, &[("shop", 8), ("a`b-3", 4)]));
        fake.later = later;
        let seen = look(&mut fake, &questions());
        for name in VERDICTS {
            assert_eq!(seen[name]["ok"], true, "{name}: {}", seen[name]);
        }
        assert_eq!(seen["master"], format!("{MASTER}:3306"));
        assert_eq!(seen["databases"], json!(["shop", "a`b-3"]));
        assert_eq!(seen["order"], json!([1, 2]));
        assert_eq!(seen["versions"], json!(["5.5.12"]));
        assert_eq!(seen["detach"]["10.0.1.0:3306"]["ok"], true);
        assert_eq!(seen["stop"]["10.0.1.0:3306"]["ok"], false);
        assert_eq!(seen["switches"]["auto_attach"].as_array().unwrap().len(), 1);
        assert_eq!(
            seen["switches"]["failure_detection"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        assert!(
            fake.asked
                .iter()
                .any(|asked| asked.ends_with("SHOW PARTITIONS ON `a``b-3`"))
        );
    }
}

fn edit(fake: &mut Fake, part: &str, from: &str, to: &str) {
    let text = fake.ops[part].text.clone();
    assert!(text.contains(from), "{part}: {text}");
    fake.ops
        .insert(part.to_owned(), said(&text.replacen(from, to, 1)));
}

#[expect(clippy::too_many_lines, reason = "one row after another")]
#[test]
fn what_is_wrong_is_found_by_its_verdict() {
    type Change = fn(&mut Fake);
    let table: [(&str, &str, Change); 27] = [
        ("Ops is down", "ops", |f| {
            edit(f, "status", "is running", "is not running");
        }),
        ("Ops is old", "ops", |f| {
            edit(f, "version", "5.7.1", "5.6.9");
        }),
        ("Ops does not say what it is", "ops", |f| {
            edit(f, "version", "5.7.1", "who knows");
        }),
        ("no single upgrades", "ops", |f| {
            edit(f, "help", "--memsql-id", "--all");
        }),
        ("an agent is away", "ops", |f| {
            edit(f, "agents", "ONLINE", "OFFLINE");
        }),
        ("no primary", "ops", |f| {
            edit(f, "agents", "PRIMARY", "FOLLOWER");
        }),
        ("garbage", "ops", |f| edit(f, "files", "[", "{")),
        ("no file", "target", |f| edit(f, "files", "5.7.2", "5.7.1")),
        ("the file is not everywhere", "target", |f| {
            edit(f, "files", "A1", "A2");
        }),
        ("nobody says where the file is", "target", |f| {
            edit(f, "files", "[\"A1\"]", "[]");
        }),
        ("nobody says where the file is", "file", |f| {
            edit(f, "files", "[\"A1\"]", "[]");
        }),
        ("the file is of another version", "file", |f| {
            edit(f, "files", "5.7.2", "5.7.1");
        }),
        ("a node does not run", "nodes", |f| {
            edit(f, "nodes", "RUNNING", "NOT RUNNING");
        }),
        ("a node that Ops does not know", "nodes", |f| {
            edit(f, "nodes", "10.0.1.1", "10.7.7.7");
        }),
        ("another group", "nodes", |f| {
            edit(
                f,
                "nodes",
                "\"availability_group\":1",
                "\"availability_group\":2",
            );
        }),
        ("an unmonitored node", "nodes", |f| {
            edit(f, "all", "[{", "[{},{");
        }),
        ("agents of several versions", "ops", |f| {
            edit(
                f,
                "agents",
                "[{",
                r#"[{"agent_id":"A2","host":"h","port":9000,"role":"FOLLOWER","state":"ONLINE","version":"5.7.0"},{"#,
            );
        }),
        ("two primaries", "ops", |f| {
            edit(
                f,
                "agents",
                "[{",
                r#"[{"agent_id":"A2","host":"h","port":9000,"role":"PRIMARY","state":"ONLINE","version":"5.7.1"},{"#,
            );
        }),
        ("a node that Ops does not find online", "nodes", |f| {
            edit(f, "nodes", "\"ONLINE\"", "\"OFFLINE\"");
        }),
        ("a node that Ops is not connected to", "nodes", |f| {
            edit(f, "nodes", "CONNECTED", "DISCONNECTED");
        }),
        ("two master aggregators", "servers", |f| {
            f.cluster.aggregators[1].master = true;
            f.instead = Some((
                "SHOW AGGREGATORS",
                "Host|Port|State|Master_Aggregator\n127.0.0.1|3306|online|1\n10.0.9.1|3306|online|1",
            ));
        }),
        ("an aggregator is offline", "servers", |f| {
            f.cluster.aggregators[1].state = "offline".into();
        }),
        ("a rebalance runs", "busy", |f| {
            f.instead = Some((
                "SHOW REBALANCE STATUS",
                "Action|Ordinal|Target_Host|Target_Port|Status\nCOPY PARTITION|1|10.0.1.0|3306|running",
            ));
        }),
        ("a rebalance was said", "busy", |f| {
            f.instead = Some((
                "SELECT ID, USER",
                "COMMAND|TIME|STATE|INFO\nQuery|0|executing|REBALANCE PARTITIONS ON shop",
            ));
        }),
        ("a silent leaf", "servers", |f| {
            f.cluster.leaves[0].answers = false;
        }),
        ("a leaf is offline", "servers", |f| {
            f.cluster.leaves[0].state = "offline".into();
        }),
        ("a locked partition", "masters", |f| {
            f.cluster.placements[0].locked = true;
        }),
    ];
    for (what, verdict, change) in table {
        let mut fake = Fake::new(healthy(2, &[("shop", 8)]));
        change(&mut fake);
        let seen = look(&mut fake, &questions());
        assert_eq!(seen[verdict]["ok"], false, "{what}: {}", seen[verdict]);
    }
}

#[test]
fn machines_have_several_names() {
    let mut fake = Fake::new(healthy(1, &[("shop", 2)]));
    let text = fake.ops["nodes"].text.replace("10.0.1.0", "leaf-one");
    fake.ops.insert("nodes".to_owned(), said(&text));
    fake.ops.insert("all".to_owned(), said(&text));
    let mut questions = questions();
    assert_eq!(look(&mut fake, &questions)["nodes"]["ok"], false);
    for (machine, names) in [("one", ["10.0.1.0", "leaf-one"]), ("m", ["10.0.9.0", "m"])] {
        questions.machines.insert(machine.to_owned());
        for name in names {
            questions.names(name, machine);
        }
    }
    let seen = look(&mut fake, &questions);
    assert_eq!(seen["nodes"]["ok"], true, "{}", seen["nodes"]);
    assert_eq!(seen["leaves"][0]["memsql_id"].as_str().unwrap().len(), 40);
    assert_eq!(
        seen["inventory"]["ok"], false,
        "two machines are on no host"
    );
}

/// Which of both hosts is meant nobody can tell, so neither is taken.
#[test]
fn a_name_of_two_hosts_is_refused() {
    for (name, refused) in [("10.0.1.0", true), ("LEAF-ONE", true), ("localhost", false)] {
        let mut fake = Fake::new(healthy(1, &[("shop", 2)]));
        let mut questions = questions();
        let own = [
            ("one", "10.0.1.0"),
            ("two", "10.0.2.0"),
            ("m", "10.0.9.0"),
            ("c", "10.0.9.1"),
        ];
        for (machine, address) in own {
            questions.machines.insert(machine.to_owned());
            questions.names(machine, machine);
            questions.names(address, machine);
            questions.names("localhost", machine);
        }
        questions.names("leaf-one", "one");
        let seen = look(&mut fake, &questions);
        assert_eq!(seen["inventory"]["ok"], true, "{}", seen["inventory"]);
        questions.names(name, "two");
        let seen = look(&mut fake, &questions);
        let problems = seen["inventory"]["problems"].to_string();
        assert_eq!(
            problems.contains("is the name of several hosts of the inventory: one, two"),
            refused,
            "{name}: {problems}"
        );
    }
}

/// What is known otherwise, a list that names no agents needs not say; and a hash brings no other version.
#[test]
fn the_file_is_that_of_the_version_and_known_to_be_everywhere() {
    let file = |version: &str, hash: &str, agents: &[&str]| ops::File {
        version: version.to_owned(),
        hash: hash.to_owned(),
        agents: agents.iter().map(ToString::to_string).collect(),
    };
    let files = vec![
        file("5.7.2", "03e5", &[]),
        file("5.5.12", "2886", &["A1"]),
        file("", "ffff", &["A1"]),
    ];
    let ops = super::Ops {
        agents: Some(vec![ops::Agent {
            id: "A1".into(),
            ..ops::Agent::default()
        }]),
        files: Some(files),
        ..super::Ops::default()
    };
    for (to, hash, everywhere, fine) in [
        ("5.7.2", None, false, false),
        ("5.7.2", None, true, true),
        ("5.5.12", None, false, true),
        ("5.5.12", Some("2886"), false, true),
        ("5.5.12", Some("03e5"), true, false),
        ("5.8.0", Some("ffff"), false, true),
        ("5.8.0", None, true, false),
    ] {
        let problems = ops.file_problems(to, hash, everywhere);
        assert_eq!(problems.is_empty(), fine, "{to} {hash:?}: {problems:?}");
    }
}

/// What is left to restore, and whose copies are missing, leaves out the leaf that this run has away.
#[test]
fn what_this_run_has_away_is_not_waited_for() {
    let mut cluster = healthy(2, &[("shop", 8)]);
    let away = Address::new("10.0.1.0", 3306);
    cluster.leaves[0].state = "detached".into();
    let leader = cluster.leaves[0].pair.clone().unwrap();
    for copy in &mut cluster.placements {
        if copy.address.as_ref() == Some(&leader) {
            copy.role = InstanceRole::Master;
        }
    }
    for copy in &mut cluster.instances {
        if copy.address == leader {
            copy.state = ONLINE.into();
        }
    }
    cluster
        .placements
        .retain(|copy| copy.address.as_ref() != Some(&away));
    let mut fake = Fake::new(cluster);
    let mut questions = questions();
    let seen = look(&mut fake, &questions);
    assert_eq!(seen["redundancy_without_detached"]["ok"], false);
    questions.doing.detached.insert(away);
    let seen = look(&mut fake, &questions);
    let verdict = &seen["redundancy_without_detached"];
    assert_eq!(
        (&verdict["ok"], &seen["redundancy"]["ok"]),
        (&json!(true), &json!(false)),
        "{verdict}"
    );
    let place = Where {
        with_ops: true,
        ..Where::default()
    };
    let mut view = read(&mut fake, &place, Depth::Full).unwrap();
    let step = |leaf: &str| format!("COPY PARTITION FORCE 0 on {leaf}:3306");
    view.plans.get_mut("shop").unwrap().restore = vec![step("10.0.1.0"), step("10.0.1.1")];
    assert_eq!(judge(&view, &questions)["restore"]["shop"], json!(1));
    // When it takes part again its copies are missing like any others.
    for leaf in &mut view.cluster.leaves {
        leaf.state = ONLINE.into();
    }
    let back = judge(&view, &questions);
    assert_eq!(back["restore"]["shop"], json!(2));
    assert_eq!(back["redundancy_without_detached"]["ok"], false);
    // The copy of another pair is missing: that is nobody's doing.
    let other = Address::new("10.0.1.1", 3306);
    fake.cluster
        .placements
        .retain(|copy| copy.address.as_ref() != Some(&other) || copy.role == InstanceRole::Master);
    let seen = look(&mut fake, &questions);
    assert_eq!(seen["redundancy_without_detached"]["ok"], false);
}

#[test]
fn the_statement_that_not_every_version_has_may_fail_and_others_may_not() {
    let place = Where {
        with_ops: true,
        ..Where::default()
    };
    for (statement, number, fine) in [
        ("SHOW REBALANCE STATUS", Some(1752), true),
        // Nobody answered: that says nothing of what runs.
        ("SHOW REBALANCE STATUS", None, false),
        ("EXPLAIN RESTORE", Some(1752), false),
        ("SHOW LEAVES", Some(1752), false),
    ] {
        let mut fake = Fake::new(healthy(1, &[("shop", 2)]));
        fake.broken = Some((statement, number));
        let found = read(&mut fake, &place, Depth::Full);
        assert_eq!(found.is_ok(), fine, "{statement}");
        if let Err(error) = found {
            assert_eq!(error.number, number);
        }
    }
}

#[test]
fn without_one_master_aggregator_nothing_is_asked() {
    for (from, to) in [("AGGREGATOR", "MASTER"), ("MASTER", "AGGREGATOR")] {
        let mut fake = Fake::new(healthy(1, &[("shop", 2)]));
        let text = fake.ops["nodes"].text.replacen(from, to, 1);
        fake.ops.insert("nodes".to_owned(), said(&text));
        let place = Where {
            with_ops: true,
            ..Where::default()
        };
        assert!(read(&mut fake, &place, Depth::Full).is_err(), "{from}");
        assert!(fake.asked.is_empty());
    }
}

/// 64 leaves and 2,000 partitions are judged in an instant.
#[test]
fn a_large_cluster_is_judged() {
    let mut fake = Fake::new(healthy(32, &[("a", 1000), ("b", 1000)]));
    let seen = look(&mut fake, &questions());
    assert_eq!(seen["detach"].as_object().unwrap().len(), 64);
    for name in VERDICTS {
        let verdict = &seen[name];
        assert!(verdict["ok"] == true || name == "even", "{name}: {verdict}");
    }
}

#[test]
fn only_the_usual_names_mean_the_machine_itself() {
    for (host, itself) in [
        ("127.0.0.1", true),
        ("LocalHost", true),
        ("::1", true),
        ("127.4.1.2", false),
        ("10.1.10.51", false),
    ] {
        assert_eq!(parse::is_loopback(host), itself, "{host}");
    }
}
