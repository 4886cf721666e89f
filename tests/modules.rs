//! Every case below `tests/fixtures/modules/MODULE/` is run for real in a temporary directory, under dash, bash and
//! busybox: what a module observes, what it changes, and that observing changes nothing and a second time is quiet.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "tests fail by panicking, and run programs of the machine"
)]

#[path = "modules/case.rs"]
mod case;
#[path = "modules/compare.rs"]
mod compare;
#[path = "modules/controller.rs"]
mod controller;
#[path = "modules/differential.rs"]
mod differential;
#[path = "modules/host.rs"]
mod host;
#[path = "modules/laid.rs"]
mod laid;
#[path = "modules/listener.rs"]
mod listener;
#[path = "modules/run.rs"]
mod run;

use std::fs;
use std::path::{Path, PathBuf};

use host::Shell;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/modules");
    let mut found = Vec::new();
    for module in fs::read_dir(&root).unwrap() {
        for case in fs::read_dir(module.unwrap().path()).unwrap() {
            let path = case.unwrap().path();
            if path.extension().is_some_and(|end| end == "yml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn run_all(shell: Shell) {
    let only = option_env!("CASE").unwrap_or("");
    let (mut failures, mut count) = (Vec::new(), 0);
    for path in cases() {
        if !path.to_string_lossy().contains(only) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let module = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        for (index, document) in text.split("\n---\n").enumerate() {
            count += 1;
            let start = std::time::Instant::now();
            let ran = run::case(&module, document, shell);
            let took = start.elapsed().as_millis();
            if took > 500 {
                println!(
                    "{module} {} took {took} ms under {}",
                    index + 1,
                    shell.name()
                );
            }
            if let Err(problem) = ran {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                failures.push(format!(
                    "{module}/{name} ({}, {}): {problem}",
                    index + 1,
                    shell.name()
                ));
            }
        }
    }
    assert!(count > 0, "no case was found");
    assert!(
        failures.is_empty(),
        "{} of {count} cases failed\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_case_holds_under_dash() {
    run_all(Shell::Dash);
}

#[test]
fn every_case_holds_under_bash() {
    run_all(Shell::Bash);
}

#[test]
fn every_case_holds_under_busybox() {
    run_all(Shell::Busybox);
}

#[test]
#[ignore = "needs ansible-core: ANSIBLE_PLAYBOOK=/path/to/ansible-playbook cargo test --test modules -- --ignored"]
fn ansible_does_the_same() {
    let playbook =
        std::env::var("ANSIBLE_PLAYBOOK").unwrap_or_else(|_| "ansible-playbook".to_owned());
    let mut all = Vec::new();
    for path in cases() {
        let module = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let named = |index: usize| {
            index
                + 1
                + if stem == module {
                    0
                } else {
                    100 * (1 + stem.len() % 7)
                }
        };
        for (index, document) in text.split("\n---\n").enumerate() {
            all.push((module.clone(), named(index), document.to_owned()));
        }
    }
    let differences = differential::compare(&playbook, &all);
    assert!(
        differences.is_empty(),
        "{} differ\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}
