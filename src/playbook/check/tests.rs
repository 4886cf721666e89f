//! The playbooks of the fixtures: good ones pass, bad ones give exactly what stands beside them.

use std::sync::Arc;

use super::Surroundings;
use crate::cli::failure::draw_as;
use crate::playbook::testing::{FixtureFiles, outline, specs, templater};
use crate::playbook::{Files, Loader};
use crate::yaml::Problem;

/// Loads and checks a playbook of the fixtures: what is wrong or worth knowing, and the tree.
fn checked(path: &str) -> (String, String) {
    let loader = Loader::new(Arc::new(FixtureFiles), specs(), Vec::new());
    let surroundings = Surroundings {
        files: &FixtureFiles,
        templater: &templater(&[]),
        searching: &templater,
        variables: Some(&[]),
        demanding: true,
    };
    let draw = |heading, problems: &[Problem]| {
        let drawn = problems.iter().map(|problem| draw_as(heading, problem));
        drawn.collect::<Vec<_>>().join("\n")
    };
    match loader.load_checked(path, &surroundings) {
        Ok(found) => (draw("note", &found.notes), outline(&found.playbook)),
        Err(problems) => (draw("error", &problems), String::new()),
    }
}

#[test]
fn bad_playbooks_give_exactly_what_stands_beside_them() {
    let names = FixtureFiles.list("bad");
    let playbooks = names
        .iter()
        .filter_map(|name| name.strip_suffix(".yml"))
        .filter(|name| *name != "included");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bad"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut count = 0;
    for name in playbooks {
        let (drawn, _) = checked(&format!("bad/{name}.yml"));
        assert!(!drawn.is_empty(), "{name} is not bad at all");
        settings.bind(|| insta::assert_snapshot!(name, drawn));
        count += 1;
    }
    assert!(count > 10, "only {count} bad playbooks were found");
}

#[test]
fn good_playbooks_pass() {
    let (drawn, outline) = checked("playbooks/full.yml");
    assert!(!drawn.contains("error:"), "{drawn}");
    assert!(outline.contains("include 2.tasks.1.block.3"), "{outline}");
}
