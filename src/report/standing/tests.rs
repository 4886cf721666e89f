use super::*;
use crate::report::pages::tests::records;

fn held(lives: bool, rebooted: bool) -> Holder {
    Holder {
        owner: "ann".into(),
        process: Some(7),
        lives,
        rebooted,
    }
}

#[test]
fn a_run_that_goes_on_is_told_with_how_long_everything_lasts() {
    let mut cut_off = records();
    cut_off.truncate(9);
    let now = Timestamp::from_second(30).unwrap();
    let text = Standing::of(&cut_off, Some(&held(true, false)), now).text();
    for part in [
        "run r1 of site.yml: goes on (process 7 of ann)\n",
        "  reason: 3.4\n",
        "servers, batch 1 of 1: node1\n",
        "\nOut of service\n  DBServer0001 on node1: since 1970-01-01 00:00:07 UTC, for 23.0 s\n",
        "\nBrackets\n  maintenance: entered since 1970-01-01 00:00:06 UTC",
        "  node1: ended stop it\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Whoever was killed while it was switched has switched it, or not: nothing else tells of it.
#[test]
fn a_bracket_is_due_from_its_first_step_on() {
    let bracket = BracketRef {
        name: "manual control".into(),
        object: String::new(),
    };
    let entry = |seq, change| Entry {
        seq,
        at: Timestamp::from_second(8).unwrap(),
        record: Record::Bracket {
            bracket: bracket.clone(),
            change,
        },
    };
    let entering = || BracketChange::Entering {
        by_hand: Vec::new(),
        play: "1".into(),
        batch: 1,
        hosts: Vec::new(),
        top: serde_json::Map::new(),
    };
    let text = |changes: Vec<BracketChange>| {
        let mut all = records();
        all.truncate(9);
        all.extend(changes.into_iter().map(|change| entry(10, change)));
        let now = Timestamp::from_second(30).unwrap();
        Standing::of(&all, Some(&held(false, false)), now).text()
    };
    let told = text(vec![entering()]);
    let due = "manual control: begun to be entered at 1970-01-01 00:00:08 UTC, its leave is due";
    assert!(told.contains(due), "{told}");
    for over in [BracketChange::Entered, BracketChange::Left] {
        let told = text(vec![entering(), over]);
        assert!(!told.contains("begun to be entered"), "{told}");
    }
}

#[test]
fn whether_the_process_lives_is_told() {
    let mut cut_off = records();
    cut_off.truncate(9);
    let now = Timestamp::from_second(3000).unwrap();
    for (records, holder, state, told) in [
        (
            &cut_off,
            held(false, false),
            "cut_off",
            "its process is gone (process 7 of ann)",
        ),
        (
            &cut_off,
            held(false, true),
            "cut_off",
            "the machine was booted since",
        ),
        (&records(), held(false, false), "stopped", "a host is lost"),
    ] {
        let standing = Standing::of(records, Some(&holder), now);
        assert_eq!(standing.state, state);
        assert!(standing.text().contains(told), "{}", standing.text());
        let longest = standing.down.iter().map(|down| down.for_ms).max();
        assert!(
            longest.is_none_or(|ms| ms < 10_000),
            "time stands still with the process"
        );
    }
    assert_eq!(Standing::of(&[], None, now), Standing::default());
}
