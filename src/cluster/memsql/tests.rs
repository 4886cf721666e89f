mod fake;
mod parsing;
mod unread;

use serde_json::{Map, Value, json};

use fake::{Fake, MASTER, said, table};

use super::ops;
use super::parse;
use super::{Depth, Questions, Where, judge, read};
use crate::cluster::model::memsql::testing::healthy;
use crate::cluster::model::memsql::{Address, InstanceRole, ONLINE};

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
