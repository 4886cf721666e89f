//! `lab faults` itself, for a few seconds with each change: one upgrade that several faults befall.

use std::time::Duration;

use lab::faults::memsql::{Memsql, RULES};
use lab::faults::{Options, report, run};
use serde_json::json;

use crate::harness::{Case, case, show};
use crate::stack::programs;

/// What is tried here is drawn anew with each program: its size is as good a number as any.
fn several_faults() {
    let programs = programs();
    let options = Options {
        seed: std::fs::metadata(&programs.stagger).unwrap().len(),
        time: Some(Duration::from_mins(2)),
        only: Some("kill-9".to_owned()),
        at_once: 1,
        most: 5,
        upgrades: 1,
        // The machine is busy with other cases, and clients would wait for it.
        rate: 0,
        ..Options::default()
    };
    let make = |_| Memsql::up(&programs, options.factor, options.rate);
    let totals = run(&RULES, &options, &make, &|line| show(&format!("{line}\n"))).unwrap();
    let told = report::summary(&totals);
    assert_eq!(totals["ok"], json!(true), "seed {}\n{told}", options.seed);
    assert_ne!(totals["cases"], json!(0), "{told}");
    let left = totals["not_run"].as_u64().unwrap();
    assert!(left > 30, "what is left is not counted: {told}");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case("faults: several befall one upgrade", several_faults)]
}
