//! The room as its users see it: errors and their places, what is evaluated, checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::differential::{Files, Given};
use super::{ErrorKind, Kind, Origin, Raw, TemplateError, Templater, Variables};
use crate::clock::SimulatedClock;
use crate::yaml::{self, Problem, Source};

pub(super) fn templater(files: &[(&str, &str)]) -> Templater {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let outside = Arc::new(Files(files.collect()));
    Templater::new(outside, Arc::new(SimulatedClock::new()))
}

/// Reads variables from a file, with the place of each value.
pub(super) fn variables(name: &str, text: &str) -> Arc<dyn Variables> {
    let source = Source::new(name, text);
    let mut given = BTreeMap::new();
    for (key, node) in yaml::parse(&source).unwrap().as_map().unwrap() {
        let raw = Raw {
            value: node.to_value(),
            templated: true,
            origin: Some(node.loc.clone()),
        };
        given.insert(key.name.clone(), raw);
    }
    Arc::new(Given(given))
}

/// Draws a problem as a person sees it.
fn drawn(problem: &Problem) -> String {
    let mut out = format!("error: {}\n", problem.message);
    if let Some(loc) = &problem.loc {
        let _ = writeln!(out, " --> {loc}");
        let line = loc.source.line(loc.line).unwrap();
        let column = usize::try_from(loc.column - 1).unwrap();
        let width = usize::try_from(problem.width).unwrap();
        let _ = writeln!(out, "  | {line}");
        let _ = write!(out, "  | {}{}", " ".repeat(column), "^".repeat(width));
        let _ = writeln!(out, " {}", problem.hint.as_deref().unwrap_or_default());
    } else if let Some(hint) = &problem.hint {
        let _ = writeln!(out, "  hint: {hint}");
    }
    for note in &problem.notes {
        let _ = writeln!(out, "  = {note}");
    }
    out
}

fn error<T: std::fmt::Debug>(result: Result<T, TemplateError>) -> String {
    drawn(&result.unwrap_err().to_problem())
}

#[test]
fn an_undefined_name_in_a_file_is_shown_with_the_nearest_one() {
    let vars = variables(
        "roles/arangodb/defaults/main.yml",
        "---\nport: 8529\n\nrestart_policy: on-failure\n",
    );
    let source = Source::new(
        "templates/arangodb.service.j2",
        "[Service]\nType=simple\nRestart={{ restrat_policy }}\n",
    );
    assert_eq!(
        error(templater(&[]).render(&source, &vars)),
        "error: `restrat_policy` is undefined\n \
         --> templates/arangodb.service.j2:3:12\n  \
         | Restart={{ restrat_policy }}\n  \
         |            ^^^^^^^^^^^^^^ did you mean `restart_policy` (roles/arangodb/defaults/main.yml:4)?\n"
    );
}

#[test]
fn an_error_in_a_variable_points_into_the_file_in_which_it_is_written() {
    let vars = variables(
        "group_vars/all.yml",
        "base: \"{{ rooot }}/data\"\nroot: /srv\npaths:\n  - name: log\n    path: |\n      first\n      {{ base }}/log\nused: \"{{ paths[0].path }}\"\n",
    );
    let source = Source::new("x.j2", "a\n{{ used | upper }}\n");
    assert_eq!(
        error(templater(&[]).render(&source, &vars)),
        "error: `rooot` is undefined\n \
         --> group_vars/all.yml:1:11\n  \
         | base: \"{{ rooot }}/data\"\n  \
         |           ^^^^^ did you mean `root` (group_vars/all.yml:2)?\n  \
         = while rendering `base` (group_vars/all.yml:1:7)\n  \
         = used by `paths[0].path` (group_vars/all.yml:6:7)\n  \
         = used by `used` (group_vars/all.yml:8:7)\n"
    );
}

#[test]
fn an_error_in_a_scalar_of_a_playbook_points_into_it() {
    let text = "- copy:\n    content: |\n      a\n        b {{ d.nmae }}\n    dest: '/x/{{ 1 < \"a\" }}'\n    mode: {{ }}\n";
    let source = Source::new(
        "tasks/main.yml",
        text.lines().take(5).collect::<Vec<_>>().join("\n"),
    );
    let node = yaml::parse(&source).unwrap();
    let arguments = node.as_seq().unwrap()[0].entry("copy").unwrap().clone();
    let vars = variables("v.yml", "d: {name: x}\n");
    let templater = templater(&[]);
    assert_eq!(
        error(templater.node(&arguments, &vars)),
        "error: `d.nmae` is undefined\n \
         --> tasks/main.yml:4:14\n  \
         |         b {{ d.nmae }}\n  \
         |              ^^^^^^ did you mean `name`?\n"
    );
    let dest = arguments.entry("dest").unwrap();
    assert_eq!(
        error(templater.node(dest, &vars)),
        "error: `<` cannot order a number and text\n \
         --> tasks/main.yml:5:18\n  \
         |     dest: '/x/{{ 1 < \"a\" }}'\n  \
         |                  ^^^^^^^ \n"
    );
}

#[test]
fn mistakes_in_other_templates_stand_in_their_own_files() {
    let files = [
        ("conf/inner.j2", "ok\n  {{ nope.x }}\n"),
        (
            "macros.j2",
            "{% macro m(a) %}{{ a | nosuch }}{% endmacro %}",
        ),
        ("broken.j2", "\n{% if %}\n"),
    ];
    let vars = variables("v.yml", "a: 1\n");
    let render = |text: &str| {
        let source = Source::new("main.j2", text);
        error(templater(&files).render(&source, &vars))
    };
    assert_eq!(
        render("x\n{% include 'conf/inner.j2' %}"),
        "error: `nope` is undefined\n --> conf/inner.j2:2:6\n  |   {{ nope.x }}\n  |      ^^^^ \n"
    );
    assert_eq!(
        render("{% import 'macros.j2' as m %}"),
        "error: there is no filter `nosuch`\n --> macros.j2:1:24\n  | {% macro m(a) %}{{ a | nosuch }}{% endmacro %}\n  |                        ^^^^^^ \n"
    );
    assert_eq!(
        render("{% include 'broken.j2' %}"),
        "error: template syntax: unexpected end of block\n --> broken.j2:2:7\n  | {% if %}\n  |       ^^ \n"
    );
    assert_eq!(
        render("{% include 'nofile.j2' %}"),
        "error: the template cannot be read: nofile.j2 does not exist\n --> main.j2:1:12\n  | {% include 'nofile.j2' %}\n  |            ^^^^^^^^^^^ \n"
    );
}

fn message_and_hint(result: Result<Value, TemplateError>) -> String {
    let error = result.unwrap_err();
    format!("{}; {}", error.message, error.hint.unwrap_or_default())
}

#[test]
fn what_does_not_exist_is_named_with_the_nearest_that_does() {
    let vars = variables("v.yml", "x: 1\nl: [1]\n");
    let templater = templater(&[]);
    let cases = [
        (
            "{{ x | to_jsn }}",
            "there is no filter `to_jsn`; did you mean `to_json`?",
        ),
        (
            "{{ x is defind }}",
            "there is no test `defind`; did you mean `defined`?",
        ),
        (
            "{{ lookup('flie', 'x') }}",
            "there is no lookup `flie`; did you mean `file`?",
        ),
        (
            "{% fro i in l %}",
            "template syntax: unknown statement fro; did you mean `for`?",
        ),
        (
            "{{ l | map('uppr') | list }}",
            "filter `map`: there is no filter `uppr`; did you mean `upper`?",
        ),
        (
            "{{ l | select('od') | list }}",
            "filter `select`: there is no test `od`; did you mean `odd`?",
        ),
        (
            "{{ l | sort(revers=true) }}",
            "filter `sort`: takes no argument `revers`; did you mean `reverse`?",
        ),
        (
            "{{ l | combine({}, recursve=true) }}",
            "filter `combine`: takes no argument `recursve`; it takes `recursive` and `list_merge`",
        ),
        (
            "{{ x.nope }}",
            "`x.nope` is undefined; it is looked for in a number",
        ),
        (
            "{% set mine = 1 %}{{ mien }}",
            "`mien` is undefined; did you mean `mine`?",
        ),
        (
            "{{ x | length }}",
            "filter `length`: a number has no length; ",
        ),
        (
            "{{ l.append(1, 2) }}",
            "`append`: takes at most 2 arguments, 3 were given; ",
        ),
    ];
    for (text, expected) in cases {
        let error = templater.value(&json!(text), Origin::Nowhere, &vars);
        assert_eq!(message_and_hint(error), expected, "{text}");
    }
}

#[test]
fn no_error_shows_a_value() {
    let secret = "hunter2hunter2";
    let vars = variables(
        "v.yml",
        &format!("password: {secret}\nlist: [{secret}]\nmap: {{key: {secret}}}\n"),
    );
    let templater = templater(&[]);
    let texts = [
        "{{ password.nope }}",
        "{{ password > 1 }}",
        "{{ password + 1 }}",
        "{{ password | from_json }}",
        "{{ list | dict2items }}",
        "{{ map.nope }}",
        "{{ list | sum }}",
        "{{ map | items2dict }}",
        "{{ password | b64decode }}",
        "{{ password | human_to_bytes }}",
        "{{ list[password] }}",
        "{{ map[password] }}",
        "{{ password | to_datetime }}",
        "{{ [1] | map(password) | list }}",
        "{{ password is version('1', version_type='semver') }}",
        "{{ '%d' % password }}",
        "{{ password() }}",
        "{{ list | join(nope) }}",
        "{{ password | from_yaml | dictsort }}",
        "{{ -password }}",
        "{{ map | combine(password) }}",
        "{{ password in 5 }}",
        "{{ list | regex_replace('(', password) }}",
        "{{ password | urlsplit('x') }}",
    ];
    for text in texts {
        let error = templater
            .value(&json!(text), Origin::Nowhere, &vars)
            .unwrap_err();
        let all = format!("{error:?}");
        let shown = all.contains(secret);
        // A text that stands where a name is wanted is shown: it is what is wrong.
        let names = text.contains("map(password)") || text.contains("is version");
        assert!(!shown || names, "{text}: {all}");
    }
}

#[test]
fn a_condition_that_is_no_truth_value_says_what_to_write() {
    let vars = variables("v.yml", "s: 'yes'\nl: [1]\nn: 5\nz:\n");
    let source = Source::new(
        "tasks/main.yml",
        "- when: s\n- when: \"{{ l }}\"\n- when: n and nope\n",
    );
    let node = yaml::parse(&source).unwrap();
    let templater = templater(&[]);
    let condition = |index: usize| {
        let when = node.as_seq().unwrap()[index].entry("when").unwrap();
        error(templater.condition(when.as_str().unwrap(), when, &vars))
    };
    assert_eq!(
        condition(0),
        "error: a condition must be true or false, not text\n --> tasks/main.yml:1:9\n  | - when: s\n  |         ^ compare it, or use `| bool` for a text such as \"true\" or \"yes\"\n"
    );
    assert_eq!(
        condition(1),
        "error: a condition must be true or false, not a list\n --> tasks/main.yml:2:10\n  | - when: \"{{ l }}\"\n  |          ^^^^^^^ use `| length > 0` to ask whether there is anything in it\n"
    );
    assert_eq!(
        condition(2),
        "error: `nope` is undefined\n --> tasks/main.yml:3:15\n  | - when: n and nope\n  |               ^^^^ \n"
    );
}

#[test]
fn a_text_from_a_host_is_never_evaluated() {
    let mut given = BTreeMap::new();
    for (name, value, templated) in [
        ("fact", json!("{{ secret }}"), false),
        (
            "result",
            json!({"stdout": "{{ lookup('pipe', 'x') }}", "list": ["{{ secret }}"]}),
            false,
        ),
        ("condition", json!("secret == 's'"), false),
        ("indirect", json!("{{ condition }}"), true),
        ("built", json!("{{ 'secret' ~ ' == 1' }}"), true),
        ("written", json!("secret == 's'"), true),
        ("through", json!("{{ written }}"), true),
        ("secret", json!("s"), true),
    ] {
        given.insert(
            name.to_owned(),
            Raw {
                value,
                templated,
                origin: None,
            },
        );
    }
    let vars: Arc<dyn Variables> = Arc::new(Given(given));
    let templater = templater(&[]);
    let value = |text: &str| {
        templater
            .value(&json!(text), Origin::Nowhere, &vars)
            .unwrap()
    };
    assert_eq!(value("{{ fact }}"), "{{ secret }}");
    assert_eq!(
        value("x {{ result.stdout }}"),
        "x {{ lookup('pipe', 'x') }}"
    );
    assert_eq!(value("{{ result.list | first | upper }}"), "{{ SECRET }}");
    assert_eq!(value("{{ result }}")["list"], json!(["{{ secret }}"]));
    let condition = |text: &str| templater.condition(text, Origin::Nowhere, &vars);
    for text in [
        "{{ condition }}",
        "{{ indirect }}",
        "{{ built }}",
        "{{ fact }}",
        "{{ result.stdout }}",
    ] {
        assert_eq!(
            condition(text).unwrap_err().kind,
            ErrorKind::Failed,
            "{text}"
        );
    }
    assert!(condition("{{ written }}").unwrap());
    assert!(condition("{{ through }}").unwrap());
}

#[test]
fn omit_takes_arguments_away() {
    let vars = variables(
        "v.yml",
        "a: \"{{ nope | default(omit) }}\"\nb: __omit_place_holder__\n",
    );
    let templater = templater(&[]);
    let value = |value: Value| templater.value(&value, Origin::Nowhere, &vars).unwrap();
    assert_eq!(
        value(
            json!({"x": "{{ a }}", "y": ["{{ b }}", 1], "z": "{{ omit }}", "k": {"q": "{{ a }}"}})
        ),
        json!({"y": [1], "k": {}})
    );
    assert_eq!(value(json!("{{ a }}")), json!(super::OMIT));
}

#[test]
fn a_check_finds_mistakes_and_what_is_needed() {
    let files = [("inc.j2", "{{ inner }}{{ outer }}{{ x | nosuch }}")];
    let templater = templater(&files);
    let source = Source::new(
        "main.j2",
        "{% set outer = 1 %}\n{% for h in hosts %}{{ h }}{{ loop.index }}{% endfor %}\n{{ maybe | default(other) }}{{ maybe }}\n{% if d.x is defined %}{{ d.x }}{% endif %}\n{% include 'inc.j2' %}{% include 'none.j2' %}{% include 'may.j2' ignore missing %}\n{% macro m(arg) %}{{ arg }}{{ need_in_macro }}{% endmacro %}\n{{ lookup('file', '{{ path }}/x') }}{{ lookup('nosuchlookup') }}\n{{ range(3) | join(',', 1, 2, 3) }}{{ a | replace('x') }}\n",
    );
    let checked = templater.check_file(&source);
    let needs: Vec<String> = checked
        .needs
        .iter()
        .map(|need| format!("{} {}", need.name, need.loc.as_ref().unwrap()))
        .collect();
    assert_eq!(
        needs,
        [
            "hosts main.j2:2:13",
            "other main.j2:3:20",
            "need_in_macro main.j2:6:31",
            "path main.j2:7:19",
            "a main.j2:8:39",
        ]
    );
    let problems: Vec<String> = checked
        .problems
        .iter()
        .map(|problem| format!("{} {}", problem.loc.as_ref().unwrap(), problem.message))
        .collect();
    assert_eq!(
        problems,
        [
            "main.j2:7:47 there is no lookup `nosuchlookup`",
            "main.j2:8:15 filter `join`: takes at most 2 arguments",
            "main.j2:8:43 filter `replace`: needs `new`",
            "inc.j2:1:30 there is no filter `nosuch`",
            "main.j2:5:34 the template cannot be read: none.j2 does not exist",
        ]
    );
}

#[test]
fn a_check_of_values_and_conditions_points_into_the_yaml() {
    let source = Source::new(
        "t.yml",
        "a: 'x {{ one }}'\nb: [ '{{ two.x }}', !unsafe '{{ three }}' ]\nc: '{{ one | nosuch }}'\n",
    );
    let node = yaml::parse(&source).unwrap();
    let templater = templater(&[]);
    let checked = templater.check_node(&node);
    let needs: Vec<String> = checked
        .needs
        .iter()
        .map(|need| format!("{} {}", need.name, need.loc.as_ref().unwrap()))
        .collect();
    assert_eq!(needs, ["one t.yml:1:10", "two t.yml:2:10"]);
    assert_eq!(checked.problems.len(), 1);
    let names = |text: &str, kind| {
        let checked = templater.check(text, kind, Origin::Nowhere);
        checked
            .needs
            .into_iter()
            .map(|need| need.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("a is defined and a > b", Kind::Condition), ["b"]);
    assert_eq!(names("'{{ c }}' == d", Kind::Condition), ["c", "d"]);
    assert_eq!(names("{{ e }}", Kind::Condition), ["e"]);
    assert_eq!(names("f.g(h)", Kind::Expression), ["f", "h"]);
    assert!(names("no template", Kind::Value).is_empty());
    assert_eq!(
        templater
            .check("a ==", Kind::Condition, Origin::Nowhere)
            .problems
            .len(),
        1
    );
}

#[test]
fn a_secret_that_is_gone_fails_where_it_is_used_and_nowhere_else() {
    let (open, close) = super::REFERENCE;
    let look = json!({"token": format!("bearer {open}?{close}"), "port": 8529});
    let raw = Raw {
        value: look,
        templated: false,
        origin: None,
    };
    let vars: Arc<dyn Variables> = Arc::new(Given(BTreeMap::from([("look".to_owned(), raw)])));
    let templater = templater(&[]);
    let port = templater.expression("look.port + 1", Origin::Nowhere, &vars);
    assert_eq!(port.unwrap(), json!(8530));
    for used in [
        "look.token",
        "look.token | default('', true)",
        "'x' ~ look.token",
        "look.token == 'x'",
        "look.token is defined",
        "look",
        "look | to_json",
    ] {
        let said = error(templater.expression(used, Origin::Nowhere, &vars));
        assert!(said.contains("stored nowhere"), "{used}: {said}");
    }
}
