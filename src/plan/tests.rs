//! Plans of whole playbooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Inputs, Known, Plan, TagSelection};
use crate::inventory::Inventory;
use crate::inventory::testing::MemoryFiles as InventoryFiles;
use crate::playbook::testing::{FixtureFiles, MemoryFiles, load, shown, specs};
use crate::playbook::{Files, Loader, Play, Playbook};
use crate::yaml::{Node, Problem};

/// Knows what whole templates mean.
#[derive(Debug, Default)]
struct Values(BTreeMap<&'static str, Value>);

impl Known for Values {
    fn value(&self, _: &Play, node: &Node) -> Result<Value, Problem> {
        match node.as_str() {
            Some(text) if text.contains("{{") => self
                .0
                .get(text)
                .cloned()
                .ok_or_else(|| Problem::at(&node.loc, "not known")),
            Some(_) | None => Ok(node.to_value()),
        }
    }
}

const INVENTORY: &str = "
all:
  children:
    stores: { hosts: { 's[1:4]': {} } }
    spare: { hosts: { s4: {} } }
    empty: {}
";

fn inventory(text: &str) -> Inventory {
    let files = InventoryFiles::new([("hosts.yml", text)]);
    Inventory::load(&["hosts.yml".to_owned()], &files).unwrap()
}

/// What a test plans with.
#[derive(Debug)]
struct Case {
    inventory: Inventory,
    limit: Option<&'static str>,
    known: Values,
    files: Box<dyn Files>,
    tags: TagSelection,
    seed: u64,
    further: Vec<(String, Vec<u8>)>,
}

impl Case {
    fn new() -> Self {
        Self {
            inventory: inventory(INVENTORY),
            limit: None,
            known: Values::default(),
            files: Box::new(MemoryFiles::default()),
            tags: TagSelection::default(),
            seed: 0,
            further: Vec::new(),
        }
    }

    fn plan(&self, playbook: &Playbook) -> Result<Plan, Vec<Problem>> {
        let files = InventoryFiles::new([]);
        let limit = self
            .limit
            .map(|text| self.inventory.limit(text, &files).unwrap());
        Plan::build(
            playbook,
            &Inputs {
                inventory: &self.inventory,
                limit: limit.as_ref(),
                known: &self.known,
                files: self.files.as_ref(),
                tags: &self.tags,
                seed: self.seed,
                request: json!({"playbook": "site.yml"}),
                further: &self.further,
            },
        )
    }

    fn of(&self, text: &str) -> Result<Plan, Vec<Problem>> {
        self.plan(&load(&[("site.yml", text)]).unwrap())
    }
}

fn batches(plan: &Plan) -> Vec<Vec<String>> {
    let plays = plan.plays();
    let batches = plays.iter().flat_map(|play| play.batches());
    batches
        .map(|batch| batch.iter().map(ToString::to_string).collect())
        .collect()
}

#[test]
fn the_plan_of_a_playbook_is_readable() {
    let loader = Loader::new(Arc::new(FixtureFiles), specs(), Vec::new());
    let playbook = loader.load("playbooks/full.yml").unwrap();
    let mut case = Case::new();
    case.files = Box::new(FixtureFiles);
    case.known
        .0
        .insert("{{ rest | default('100%') }}", json!("100%"));
    let mut plan = case.plan(&playbook).unwrap();
    plan.digest = "0123456789abcdef".to_owned();
    insta::assert_snapshot!("full", plan.text());
    let kept = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&kept).unwrap(), plan);
    assert_eq!(plan.points_of_no_return(), ["the new format is written"]);
}

#[test]
fn hosts_are_ordered_limited_and_cut() {
    let mut case = Case::new();
    let play = "- hosts: stores:!spare\n  order: reverse_sorted\n  serial: [1, 50%]\n";
    assert_eq!(
        batches(&case.of(play).unwrap()),
        [vec!["s3"], vec!["s2"], vec!["s1"]]
    );
    case.limit = Some("s1,s2");
    assert_eq!(batches(&case.of(play).unwrap()), [["s2"], ["s1"]]);
    let plays = "- hosts: spare\n- hosts: [stores, '!spare']\n";
    let plan = case.of(plays).unwrap();
    assert_eq!(batches(&plan), [["s1", "s2"]]);
    assert!(
        plan.text().contains("no hosts within the limit"),
        "{}",
        plan.text()
    );
    // An empty list is meant; an empty text, and a pattern without hosts, are mistakes.
    case.known.0.insert("{{ nobody }}", json!([]));
    let plan = case.of("- hosts: '{{ nobody }}'\n- hosts: s1\n").unwrap();
    assert_eq!(plan.entries.len(), 1);
    assert_eq!(batches(&plan), [["s1"]]);
    for nothing in [json!(""), json!(" "), json!([""]), json!("[]")] {
        case.known.0.insert("{{ unset }}", nothing);
        let problems = case
            .of("- hosts: '{{ unset }}'\n- hosts: s1\n")
            .unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].hint.is_some() || case.known.0["{{ unset }}"] == json!("[]"));
    }
    let problems = case.of("- hosts: '{{ nobody }}'\n").unwrap_err();
    assert_eq!(shown(&problems), ["nothing to do: no play has any hosts"]);
    let problems = case.of("- hosts: spare\n").unwrap_err();
    assert_eq!(shown(&problems), ["nothing to do: no play has any hosts"]);
}

#[test]
fn mistakes_of_patterns_and_values_stand_where_they_are_written() {
    let mut case = Case::new();
    let problems = case
        .of("- hosts: stors\n- hosts: '{{ x }}'\n- hosts: all\n  serial: '{{ n }}'\n- hosts: [spare, nothing]\n")
        .unwrap_err();
    let places: Vec<String> = problems
        .iter()
        .map(|problem| problem.loc.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(
        places,
        [
            "site.yml:1:10",
            "site.yml:2:10",
            "site.yml:4:11",
            "site.yml:5:10"
        ]
    );
    case.known.0.insert("{{ n }}", json!(-2));
    let problems = case.of("- hosts: all\n  serial: '{{ n }}'\n").unwrap_err();
    assert_eq!(
        shown(&problems),
        ["site.yml:2:11: -2 is no size of a batch"]
    );
}

#[test]
fn groups_that_a_task_makes_are_known_later() {
    let case = Case::new();
    let text = "- hosts: all\n  tasks:\n    - name: split by role\n      group_by: { key: x }\n- hosts: leaders\n  serial: 1\n";
    let plan = case.of(text).unwrap();
    let plays = plan.plays();
    assert!(plays[1].hosts.is_empty());
    assert_eq!(
        plays[1].hosts_note.as_deref(),
        Some("hosts are known <after: split by role>")
    );
}

#[test]
fn what_is_set_by_a_task_is_said_to_be_known_after_it() {
    let case = Case::new();
    let plan = case
        .of("- hosts: all\n  tasks:\n    - name: look\n      stat: { path: /x }\n      register: seen\n    - name: write {{ seen.stat.size }} to {{ place }}\n      copy: { content: x, dest: '/{{ seen.stat.name }}' }\n      when: seen.stat.exists\n")
        .unwrap();
    let text = plan.text();
    assert!(
        text.contains("- write <after: look> to {{ place }}  [copy: /<after: look>]\n      only when seen.stat.exists"),
        "{text}"
    );
}

#[test]
fn tags_leave_tasks_out_but_never_what_protects() {
    let text = "- hosts: all
  gate: [ { debug: , tags: x } ]
  bracket: { name: b, enter: [ { debug: } ], leave: [ { debug: } ] }
  tasks:
    - { debug: , tags: [agents] }
    - { debug: , tags: [other] }
    - debug:
";
    let mut case = Case::new();
    case.tags = TagSelection::new(["agents".to_owned()], []);
    let plan = case.of(text).unwrap();
    let plays = plan.plays();
    assert_eq!((plays[0].items.len(), plan.left_out), (1, 2));
    assert_eq!(
        (plays[0].gate.len(), plays[0].brackets[0].enter.len()),
        (1, 1)
    );
    case.tags = TagSelection::new(["agent".to_owned()], []);
    let problems = case.of(text).unwrap_err();
    assert_eq!(
        shown(&problems),
        ["no task has the tag `agent` (did you mean `agents`?)"]
    );
    // What a templated include loads may have any tag.
    let open = "- hosts: all\n  tasks:\n    - include_tasks: '{{ f }}'\n      tags: [x]\n";
    assert!(case.of(open).is_ok());
}

#[test]
fn rest_points_are_outside_of_indivisible_blocks() {
    use super::PlannedItem::{Block, Step};
    let plan = Case::new()
        .of("- hosts: all\n  tasks:\n    - debug:\n    - indivisible: true\n      block: [ { debug: }, { block: [ { debug: } ] } ]\n    - debug:\n")
        .unwrap();
    let plays = plan.plays();
    let [Step(first), Block(whole), Step(last)] = plays[0].items.as_slice() else {
        panic!()
    };
    let [Step(inner), Block(nested)] = whole.items.as_slice() else {
        panic!()
    };
    let found = [
        first.rest_point,
        whole.rest_point,
        inner.rest_point,
        nested.rest_point,
        last.rest_point,
    ];
    assert_eq!(found, [true, true, false, false, true]);
}

#[test]
fn the_digest_covers_what_decides_a_run_and_nothing_else() {
    let files = |task: &str| {
        let text = format!("- hosts: stores\n  order: shuffle\n  tasks: [ {{ {task}: }} ]\n");
        load(&[("site.yml", &text)]).unwrap()
    };
    let playbook = files("debug");
    let was = Case::new().plan(&playbook).unwrap();
    let changes = |change: fn(&mut Case), task: &str| {
        let mut case = Case::new();
        change(&mut case);
        let now = case.plan(&files(task)).unwrap();
        assert_eq!(was.digest == now.digest, was.differs(&now).is_empty());
        was.differs(&now)
    };
    assert_eq!(changes(|_| {}, "debug"), [] as [&str; 0]);
    assert_eq!(changes(|case| case.seed = 9, "debug"), [] as [&str; 0]);
    assert_eq!(changes(|_| {}, "setup"), ["file site.yml changed"]);
    assert_eq!(
        changes(
            |case| case.inventory = inventory(&INVENTORY.replace("1:4", "2:5")),
            "debug"
        ),
        ["members of play 1 changed: came s5: went s1"]
    );
    assert_eq!(
        changes(
            |case| case.further.push(("variables".to_owned(), b"x".to_vec())),
            "debug"
        ),
        ["variables is new"]
    );
    assert_eq!(
        changes(
            |case| {
                case.further.push(("-e".to_owned(), b"x=1".to_vec()));
                case.further.push(("-e".to_owned(), b"x=2".to_vec()));
            },
            "debug"
        ),
        ["-e is new", "-e (2) is new"]
    );
    assert_eq!(
        changes(
            |case| case.tags = TagSelection::new([], ["always".to_owned()]),
            "debug"
        ),
        ["choice of tags changed"]
    );
}

#[test]
fn files_that_tasks_name_are_in_the_digest() {
    let text = "- hosts: all\n  vars_files: v.yml\n  tasks:\n    - copy: { src: d, dest: /x }\n    - template: { src: t.j2, dest: /x }\n";
    let files = |template: &str| {
        let pairs = [
            ("site.yml", text),
            ("v.yml", "a: 1\n"),
            ("files/d/one", "1"),
            ("files/d/e/two", "2"),
            ("templates/t.j2", template),
        ];
        pairs.map(|(path, text)| (path.to_owned(), text.to_owned()))
    };
    let plan = |template: &str| {
        let mut case = Case::new();
        case.files = Box::new(MemoryFiles(BTreeMap::from(files(template))));
        case.of(text).unwrap()
    };
    let was = plan("x");
    let names: Vec<&str> = was
        .parts
        .keys()
        .filter_map(|name| name.strip_prefix("file "))
        .collect();
    assert_eq!(
        names,
        [
            "files/d/e/two",
            "files/d/one",
            "site.yml",
            "templates/t.j2",
            "v.yml"
        ]
    );
    assert_eq!(was.differs(&plan("y")), ["file templates/t.j2 changed"]);
}
