//! The whole order of precedence, magic variables and `hostvars`, on a small world.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Layer, Layers, Precedence, RunMagic, Scope, World};
use crate::clock::SimulatedClock;
use crate::inventory::Inventory;
use crate::inventory::testing::MemoryFiles;
use crate::template::{Outside, Templater, Variables};
use crate::yaml::{Source, parse};

const FILES: [(&str, &str); 9] = [
    (
        "inv/hosts",
        "[all:vars]\nx=group all\ng_all=1\n[web:vars]\nx=group web\n[web]\nh1.eu x='host' h=1\nh2 own='{{ x }}'\n\
         [eu:children]\nweb\n[eu:vars]\nx=group eu\n",
    ),
    (
        "inv/group_vars/all.yml",
        "x: inventory group_vars all\ng_all: 2\n",
    ),
    (
        "inv/group_vars/web.yml",
        "x: inventory group_vars web\nanswer: yes\n",
    ),
    ("inv/host_vars/h1.eu.yml", "x: inventory host_vars\nh: 2\n"),
    (
        "play/group_vars/all.yml",
        "x: playbook group_vars all\ng_all: 3\n",
    ),
    ("play/group_vars/web/a.yml", "x: playbook group_vars web\n"),
    ("play/group_vars/eu.yml", "x: playbook group_vars eu\n"),
    ("play/host_vars/h1.eu.yml", "x: playbook host_vars\n"),
    ("play/vars.yml", "x: not read\n"),
];

fn world(extra: Vec<Layer>) -> Arc<World> {
    let files = MemoryFiles::new(FILES);
    let inventory = Inventory::load(&["inv/hosts".to_owned()], &files).unwrap();
    let run = RunMagic {
        check: true,
        limit: Some("web".to_owned()),
        working_directory: "/srv".to_owned(),
        ..RunMagic::default()
    };
    let world = World::new(inventory, extra, run);
    world.add_playbook_directory("play", &files).unwrap();
    world
}

fn written(precedence: Precedence, text: &str) -> Layer {
    let node = parse(&Source::new("play.yml", text)).unwrap();
    Layer::from_node(precedence, "here", &node).unwrap()
}

fn scope_of(world: &Arc<World>, host: &str, layers: Vec<Layer>) -> Scope {
    let layers = Arc::new(Layers::new(layers));
    world.scope(host, "play", &layers, &Arc::default())
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn value(scope: &Scope, name: &str) -> Value {
    scope.lookup(name).map_or(Value::Null, |raw| raw.value)
}

/// The places above the inventory, from the lowest to the highest, as Ansible documents them.
const OUTER: [Precedence; 9] = [
    Precedence::Play,
    Precedence::Prompt,
    Precedence::VarsFiles,
    Precedence::RoleVars,
    Precedence::Block,
    Precedence::Task,
    Precedence::RoleParams,
    Precedence::IncludeParams,
    Precedence::Loop,
];

#[test]
fn every_value_wins_over_all_that_come_before_it() {
    let x = |precedence: Precedence| written(precedence, &format!("x: {precedence}\n"));
    let mut outer: Vec<Layer> = OUTER.map(x).to_vec();
    outer.insert(0, x(Precedence::RoleDefaults));
    outer.reverse();
    let world = world(vec![written(Precedence::Extra, "x: extra\n")]);
    world.set_facts("h1.eu", map(&json!({"x": "facts"})));
    world.include_vars("h1.eu", "v.yml", map(&json!({"x": "include_vars"})));
    world.set_variables("h1.eu", map(&json!({"x": "set_fact"})));
    let all = scope_of(&world, "h1.eu", outer).explain("x");
    let found: Vec<&str> = all.iter().filter_map(|one| one.value.as_str()).collect();
    let expected = [
        "loop",
        "extra",
        "include parameters",
        "role parameters",
        "set_fact",
        "include_vars",
        "task vars",
        "block vars",
        "role vars",
        "vars_files",
        "vars_prompt",
        "play vars",
        "facts",
        "playbook host_vars",
        "inventory host_vars",
        "host",
        "playbook group_vars web",
        "playbook group_vars eu",
        "inventory group_vars web",
        "playbook group_vars all",
        "inventory group_vars all",
        "group web",
        "group eu",
        "group all",
        "role defaults",
    ];
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_highest_place_that_has_a_value_gives_it(mask in 0_usize..1024, order in any::<u64>()) {
        let mut places: Vec<Precedence> = OUTER.to_vec();
        places.insert(0, Precedence::RoleDefaults);
        let mut given: Vec<Precedence> =
            places.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, p)| *p).collect();
        let expected = given.iter().max().map(|precedence| json!(precedence.to_string()));
        // Whatever the order in which layers are handed in.
        given.sort_by_key(|precedence| (*precedence as u64).wrapping_mul(order | 1) % 97);
        let layers = given.iter().map(|p| written(*p, &format!("only: {p}\n"))).collect();
        let scope = scope_of(&world(Vec::new()), "h2", layers);
        prop_assert_eq!(scope.lookup("only").map(|raw| raw.value), expected);
    }
}

#[test]
fn of_one_place_the_later_layer_wins() {
    let layers = vec![
        written(Precedence::Task, "a: 1\nb: 1\n"),
        written(Precedence::Task, "a: 2\n"),
    ];
    let scope = scope_of(&world(Vec::new()), "h2", layers);
    assert_eq!(
        (value(&scope, "a"), value(&scope, "b")),
        (json!(2), json!(1))
    );
}

#[test]
fn an_explanation_names_places_and_positions() {
    let world = world(Vec::new());
    let all = scope_of(&world, "h1.eu", Vec::new()).explain("h");
    let shown: Vec<String> = all
        .iter()
        .map(|one| {
            let loc = one.loc.as_ref().map_or("-".to_owned(), ToString::to_string);
            format!("{} {} {loc} {}", one.precedence, one.of, one.value)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "inventory host_vars h1.eu inv/host_vars/h1.eu.yml:2:1 2",
            "inventory, host h1.eu inv/hosts:7:16 1",
        ]
    );
    let magic = scope_of(&world, "h1.eu", Vec::new()).explain("inventory_hostname");
    assert_eq!((magic.len(), magic[0].precedence), (1, Precedence::Magic));
    assert!(
        scope_of(&world, "h1.eu", Vec::new())
            .explain("nowhere")
            .is_empty()
    );
}

#[test]
fn texts_of_files_are_templates_and_data_is_not() {
    let world = world(Vec::new());
    world.set_variables("h2", map(&json!({"r": "{{ x }}"})));
    world.set_facts("h2", map(&json!({"ansible_motd": "{{ x }}"})));
    world.include_vars("h2", "f", map(&json!({"i": "{{ x }}"})));
    let layers = vec![written(
        Precedence::Play,
        "p: '{{ x }}'\nu: !unsafe '{{ x }}'\n",
    )];
    let scope = scope_of(&world, "h2", layers);
    for (name, templated) in [
        ("own", true),
        ("p", true),
        ("i", true),
        ("u", false),
        ("r", false),
        ("ansible_motd", false),
    ] {
        let raw = scope.lookup(name).unwrap();
        assert_eq!(raw.value, json!("{{ x }}"), "{name}");
        assert_eq!(raw.templated, templated, "{name}");
    }
    let origin = scope.lookup("p").unwrap().origin.unwrap();
    assert_eq!(origin.to_string(), "play.yml:1:5");
    assert_eq!(value(&scope, "answer"), json!(true));
}

#[test]
fn magic_variables_are_there_and_cannot_be_set() {
    let world = world(vec![written(
        Precedence::Extra,
        "inventory_hostname: evil\ngroups: evil\n",
    )]);
    let magic = Arc::new(map(&json!({"role_path": "/r", "playbook_dir": "play"})));
    let scope = world.scope("h1.eu", "play", &Arc::default(), &magic);
    let cases = [
        ("inventory_hostname", json!("h1.eu")),
        ("inventory_hostname_short", json!("h1")),
        ("group_names", json!(["eu", "web"])),
        (
            "groups",
            json!({"all": ["h1.eu", "h2"], "ungrouped": [], "web": ["h1.eu", "h2"], "eu": ["h1.eu", "h2"]}),
        ),
        ("inventory_dir", json!("/srv/inv")),
        ("inventory_file", json!("/srv/inv/hosts")),
        ("playbook_dir", json!("/srv/play")),
        ("role_path", json!("/r")),
        ("ansible_check_mode", json!(true)),
        ("ansible_diff_mode", json!(false)),
        ("ansible_limit", json!("web")),
        ("ansible_run_tags", json!(["all"])),
        ("omit", json!(crate::template::OMIT)),
        ("ansible_facts", json!({})),
        ("ansible_host", json!("h1.eu")),
    ];
    for (name, expected) in cases {
        assert_eq!(value(&scope, name), expected, "{name}");
        assert!(scope.names().contains(&name.to_owned()), "{name}");
    }
    assert_eq!(value(&scope, "ansible_version")["major"], json!(2));
    assert!(scope.lookup("hostvars").is_none());
    // A loop may call its variable as it likes.
    let scope = scope_of(
        &world,
        "h2",
        vec![written(Precedence::Loop, "groups: [a]\n")],
    );
    assert_eq!(value(&scope, "groups"), json!(["a"]));
    assert!(scope.scopes("groups").is_none());
}

#[test]
fn hostvars_show_any_host_without_the_play() {
    let world = world(Vec::new());
    world.set_variables("h2", map(&json!({"r": 7})));
    let scope = scope_of(
        &world,
        "h1.eu",
        vec![written(Precedence::Play, "x: play\n")],
    );
    let hostvars = scope.scopes("hostvars").unwrap();
    assert_eq!(hostvars.names(), ["h1.eu", "h2"]);
    let other = hostvars.scope("h2").unwrap();
    let of_other = |name: &str| other.lookup(name).map(|raw| raw.value);
    assert_eq!(of_other("x"), Some(json!("playbook group_vars web")));
    assert_eq!(of_other("r"), Some(json!(7)));
    assert_eq!(of_other("inventory_hostname"), Some(json!("h2")));
    assert!(hostvars.scope("h3").is_none());
    // `localhost` is there although nobody names it.
    let local = hostvars.scope("localhost").unwrap();
    let local = |name: &str| local.lookup(name).map(|raw| raw.value);
    assert_eq!(local("ansible_connection"), Some(json!("local")));
    assert_eq!(local("g_all"), Some(json!(3)));
    assert_eq!(value(&scope, "groups")["web"], json!(["h1.eu", "h2"]));
}

#[test]
fn a_scope_keeps_what_it_saw_while_the_run_goes_on() {
    let world = world(Vec::new());
    let before = scope_of(&world, "h2", Vec::new());
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let world = Arc::clone(&world);
            std::thread::spawn(move || {
                for round in 0..50 {
                    let host = format!("new{thread}");
                    world.set_variables("h2", map(&json!({format!("v{thread}"): round})));
                    world
                        .add_host(&host, &["grown".to_owned()], &Map::new())
                        .unwrap();
                    let scope = scope_of(&world, "h2", Vec::new());
                    assert_eq!(value(&scope, &format!("v{thread}")), json!(round));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let after = scope_of(&world, "h2", Vec::new());
    assert_eq!(
        value(&after, "groups")["grown"].as_array().unwrap().len(),
        8
    );
    assert!(value(&before, "groups").get("grown").is_none());
    assert!(before.lookup("v1").is_none());
    let files = MemoryFiles::new(FILES);
    let fresh = Inventory::load(&["inv/hosts".to_owned()], &files).unwrap();
    world.group_by("h2", "os_Debian", &[]).unwrap();
    world.refresh(fresh).unwrap();
    assert_eq!(world.inventory().hosts_of("grown").unwrap().len(), 8);
    assert_eq!(
        world.inventory().groups_of("h2"),
        ["eu", "os_Debian", "web"]
    );
}

#[test]
fn added_hosts_get_their_variables_and_the_files_that_wait_for_them() {
    let files = MemoryFiles::new([
        ("hosts", "h1\n"),
        ("host_vars/late.yml", "a: file\n"),
        ("group_vars/os_Debian.yml", "b: '{{ a }}'\n"),
        ("play/group_vars/broken.yml", "- x\n"),
    ]);
    let inventory = Inventory::load(&["hosts".to_owned()], &files).unwrap();
    let world = World::new(inventory, Vec::new(), RunMagic::default());
    world.add_playbook_directory("play", &files).unwrap();
    let variables = map(&json!({"a": "{{ danger }}", "c": "{{ danger }}"}));
    assert!(
        world
            .add_host("late", &["os_Debian".to_owned()], &variables)
            .unwrap()
    );
    assert!(
        !world
            .add_host("late", &["os_Debian".to_owned()], &variables)
            .unwrap()
    );
    let scope = scope_of(&world, "late", Vec::new());
    assert_eq!(value(&scope, "a"), json!("file"));
    assert!(scope.lookup("b").unwrap().templated);
    assert!(!scope.lookup("c").unwrap().templated);
    assert_eq!(value(&scope, "inventory_file"), Value::Null);
    assert!(world.group_by("h1", "broken", &[]).is_err());
    assert!(!world.inventory().has_group("broken"));
}

#[test]
fn groups_that_disagree_are_named() {
    let text = "[a]\nh1\nh2\n[b]\nh1\nh3\n[c]\nh3\n[a:vars]\nv=1\nsame=1\nfixed=1\n[b:vars]\nv=2\nsame=1\nfixed=2\n\
                [c:vars]\nv=3\nansible_group_priority=5\n";
    let files = MemoryFiles::new([("hosts", text), ("host_vars/h1.yml", "fixed: 3\n")]);
    let inventory = Inventory::load(&["hosts".to_owned()], &files).unwrap();
    let world = World::new(inventory, Vec::new(), RunMagic::default());
    let found = world.disagreements(".");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].message,
        "groups `a` and `b` both set `v`, and only the order of their names decides"
    );
    assert_eq!(found[0].loc.as_ref().unwrap().to_string(), "hosts:14:1");
    assert_eq!(
        found[0].notes,
        ["host h1 gets the value of `b`", "`a` sets it at hosts:10:1"]
    );
}

/// A machine without files and programs.
#[derive(Debug)]
struct Nothing;

impl Outside for Nothing {
    fn read(&self, _kind: &str, path: &str) -> Result<String, String> {
        Err(format!("there is no {path}"))
    }

    fn find(&self, _kind: &str, _path: &str) -> Option<String> {
        None
    }

    fn glob(&self, _kind: &str, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn pipe(&self, command: &str) -> Result<String, String> {
        Err(format!("{command} cannot be run"))
    }
}

/// A template is rendered in the scope of the host whose variable it is, and data is never rendered.
#[test]
fn templates_see_what_a_scope_holds() {
    let world = world(Vec::new());
    let danger = "{{ 1 + 1 }} \"quoted\" it's \\ \\n {% x %}\n\n{# c #} \\";
    world.set_variables("h2", map(&json!({"r": {"stdout": danger}})));
    world.set_facts("h2", map(&json!({"ansible_distribution": "Debian"})));
    let play = "who: '{{ inventory_hostname }}'\nall_who: \"{{ groups['web'] | map('extract', hostvars, 'own') | list }}\"\n\
                raw: [!unsafe '{{ no }}', 'yes', yes]\n";
    let scope = scope_of(&world, "h2", vec![written(Precedence::Play, play)]);
    let variables: Arc<dyn Variables> = Arc::new(scope);
    let templater = Templater::new(Arc::new(Nothing), Arc::new(SimulatedClock::new()));
    let render = |text: &str| {
        let rendered = templater.value(&json!(text), None, &variables);
        rendered.unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let cases = [
        ("{{ who }}", json!("h2")),
        ("{{ hostvars['h2'].own }}", json!("playbook group_vars web")),
        ("{{ hostvars.h2.own }}", json!("playbook group_vars web")),
        ("{{ hostvars['h1.eu'].inventory_hostname }}", json!("h1.eu")),
        (
            "{{ hostvars['h1.eu'].who | default('none') }}",
            json!("none"),
        ),
        (
            "{{ 'h3' in hostvars }} {{ hostvars | length }}",
            json!("False 2"),
        ),
        ("{{ r.stdout }}", json!(danger)),
        ("{{ hostvars.h2.r.stdout }}", json!(danger)),
        ("{{ vars['r']['stdout'] }}", json!(danger)),
        ("{{ vars.who }}", json!("h2")),
        ("{{ vars['wh' ~ 'o'] }}", json!("h2")),
        ("{{ raw }}", json!(["{{ no }}", "yes", true])),
        (
            "{{ ansible_facts.distribution }} {{ ansible_distribution }}",
            json!("Debian Debian"),
        ),
        (
            "{{ groups['web'] | length }} {{ groups.all[0] }}",
            json!("2 h1.eu"),
        ),
        ("{{ group_names }}", json!(["eu", "web"])),
        (
            "{{ undefined_thing | default(omit) }}",
            json!(crate::template::OMIT),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(render(text), expected, "{text}");
    }
    let error = templater.value(&json!("{{ hostvars.h2.nothing }}"), None, &variables);
    assert!(error.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn data_inside_vars_renders_to_itself(text in "[{}%#'\"\\\\a-c \n-]{0,16}") {
        let world = world(Vec::new());
        world.set_variables("h2", map(&json!({"r": [text]})));
        let variables: Arc<dyn Variables> = Arc::new(scope_of(&world, "h2", Vec::new()));
        let templater = Templater::new(Arc::new(Nothing), Arc::new(SimulatedClock::new()));
        let rendered = templater.value(&json!("{{ vars['r'][0] }}"), None, &variables);
        prop_assert_eq!(rendered.unwrap(), json!(text));
    }
}
