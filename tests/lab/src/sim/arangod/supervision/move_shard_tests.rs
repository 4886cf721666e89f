//! Moving a shard: what is refused, and each step on the way.

use serde_json::json;

use super::*;

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn catalog(plan: &str, current: &str, like: Option<&str>) -> Catalog {
    Catalog::of(&json!({"arango": {
        "Plan": {
            "DBServers": {"A": "none", "B": "none", "C": "none"},
            "Collections": {"db": {
                "1": {"name": "c", "replicationFactor": 2, "shards": {"s1": list(plan)},
                      "distributeShardsLike": like.unwrap_or_default()},
                "2": {"name": "like", "replicationFactor": 2, "distributeShardsLike": "1",
                      "shards": {"s2": list(plan)}}
            }}
        },
        "Current": {"Collections": {"db": {
            "1": {"s1": {"servers": list(current)}}, "2": {"s2": {"servers": list(current)}}
        }}}
    }}))
}

fn job(from: &str, to: &str, is_leader: bool) -> MoveShard {
    MoveShard {
        job_id: "7".into(),
        database: "db".into(),
        collection: "1".into(),
        shard: "s1".into(),
        from_server: from.into(),
        to_server: to.into(),
        is_leader,
        remains_follower: false,
    }
}

fn servers() -> Servers {
    Servers {
        good: list("A B C").into_iter().collect(),
        ..Servers::default()
    }
}

fn planned(step: &Step) -> (Vec<String>, bool) {
    let Step::Replan { changes, ends } = step else {
        panic!("{step:?}");
    };
    assert_eq!(changes.len(), 2, "the clone goes along");
    assert_eq!(changes[0].after, changes[1].after);
    (changes[0].after.clone(), *ends)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_job_is_refused_for_each_of_its_reasons() {
    let good = servers;
    let set = |id: &str| BTreeSet::from([id.to_owned()]);
    let cases: Vec<(&str, Catalog, MoveShard, Servers)> = vec![
        (
            "collection is gone",
            Catalog::default(),
            job("A", "C", true),
            good(),
        ),
        (
            "distributeShardsLike",
            catalog("A B", "A B", Some("9")),
            job("A", "C", true),
            good(),
        ),
        (
            "toServer must not yet be planned",
            catalog("A B", "A B", None),
            job("A", "B", true),
            good(),
        ),
        (
            "toServer must not yet be planned",
            catalog("A B", "A B", None),
            job("B", "A", false),
            good(),
        ),
        (
            "fromServer must be leader",
            catalog("A B", "A B", None),
            job("B", "C", true),
            good(),
        ),
        (
            "fromServer must be follower",
            catalog("A B", "A B", None),
            job("A", "C", false),
            good(),
        ),
        (
            "fromServer must be in plan/DBServers",
            catalog("A B", "A B", None),
            job("X", "C", true),
            good(),
        ),
        (
            "toServer must be in plan/DBServers",
            catalog("A B", "A B", None),
            job("A", "X", true),
            good(),
        ),
        (
            "toServer must be GOOD",
            catalog("A B", "A B", None),
            job("A", "C", true),
            Servers {
                good: set("A"),
                ..good()
            },
        ),
        (
            "CleanedServers",
            catalog("A B", "A B", None),
            job("A", "C", true),
            Servers {
                cleaned: set("C"),
                ..good()
            },
        ),
        (
            "FailedServers",
            catalog("A B", "A B", None),
            job("A", "C", true),
            Servers {
                failed: set("C"),
                ..good()
            },
        ),
    ];
    for (why, catalog, job, servers) in cases {
        match job.begin(&catalog, &servers) {
            Step::Fail(text) => assert!(text.contains(why), "{text} is not {why}"),
            Step::Wait | Step::Replan { .. } => panic!("{why}: not refused"),
        }
    }
}

#[test]
fn a_locked_shard_or_target_waits() {
    let set = |id: &str| BTreeSet::from([id.to_owned()]);
    for servers in [
        Servers {
            locked: set("C"),
            ..servers()
        },
        Servers {
            locked_shards: set("s1"),
            ..servers()
        },
    ] {
        let step = job("A", "C", true).begin(&catalog("A B", "A B", None), &servers);
        assert_eq!(step, Step::Wait);
    }
}

#[test]
fn a_leader_moves_in_steps_each_waiting_for_the_last() {
    let job = job("A", "C", true);
    let begin = job.begin(&catalog("A B", "A B", None), &servers());
    assert_eq!(planned(&begin), (list("A B C"), false));
    let advance = |plan: &str, current: &str| job.advance(&catalog(plan, current, None), 0, 1000);
    for (plan, current) in [
        ("A B C", "A B"),
        ("_A B C", "A B C"),
        ("C B A", "_A B C"),
        ("C B A", "C"),
    ] {
        assert_eq!(advance(plan, current), Step::Wait, "{plan} / {current}");
    }
    assert_eq!(planned(&advance("A B C", "A B C")), (list("_A B C"), false));
    assert_eq!(
        planned(&advance("_A B C", "_A B C")),
        (list("C B A"), false)
    );
    assert_eq!(
        planned(&advance("C B A", "C B")),
        (list("C B"), true),
        "A loses its copy"
    );
    let stays = MoveShard {
        remains_follower: true,
        ..job
    };
    let end = stays.advance(&catalog("C B A", "C B", None), 0, 1000);
    assert_eq!(planned(&end), (list("C B A"), true));
}

#[test]
fn a_follower_moves_when_all_are_in_sync() {
    let job = job("B", "C", false);
    let begin = job.begin(&catalog("A B", "A B", None), &servers());
    assert_eq!(planned(&begin), (list("A B C"), false));
    let advance = |current: &str| job.advance(&catalog("A B C", current, None), 0, 1000);
    assert_eq!(advance("A B"), Step::Wait);
    assert_eq!(planned(&advance("A C B")), (list("A C"), true));
}

#[test]
fn a_leader_goes_to_a_follower_only_where_that_is_allowed_and_in_sync() {
    let allowed = Servers {
        leader_may_go_to_follower: true,
        ..servers()
    };
    let job = job("A", "B", true);
    let step = job.begin(&catalog("A B", "A B", None), &allowed);
    assert_eq!(planned(&step), (list("_A B"), false));
    for (current, servers) in [("A", allowed), ("A B", servers())] {
        let step = job.begin(&catalog("A B", current, None), &servers);
        assert!(matches!(step, Step::Fail(_)), "{current}: {step:?}");
    }
}

#[test]
fn a_job_that_takes_too_long_fails_and_is_undone() {
    let job = job("A", "C", true);
    let stuck = catalog("A B C", "A B", None);
    assert!(matches!(job.advance(&stuck, 1001, 1000), Step::Fail(_)));
    assert_eq!(job.undo(&stuck)[0].after, list("A B C"));
    let resigned = catalog("_A B C", "A B C", None);
    assert_eq!(job.undo(&resigned)[0].after, list("A B C"), "A leads again");
}
