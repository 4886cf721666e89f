//! The tables written out, for the run of all their cases: `lab traps`.

use std::path::Path;

use serde_json::{Value, json};

use super::on_hosts::CASES;
use super::{HOSTS, Row, memsql, rows};

/// The rows with all their cases, each named once.
fn told<'a>(rows: impl Iterator<Item = &'a Row>, on_hosts: &[(&str, &str, &str)]) -> Value {
    let rows = rows.map(|row| {
        let own = row.cases.iter();
        let own = own.map(|(file, name)| ((*file).to_owned(), (*name).to_owned()));
        let mut cases: Vec<(String, String)> = own.collect();
        for (_, file, name) in on_hosts.iter().filter(|(fault, _, _)| *fault == row.fault) {
            let case = (format!("{HOSTS}/{file}"), (*name).to_owned());
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
        json!({"arms": row.arms, "fault": row.fault, "end": row.end, "cases": cases})
    });
    Value::Array(rows.collect())
}

#[test]
fn every_table_is_there_to_be_run() {
    let tables = [
        ("arangodb", told(rows(), CASES)),
        ("memsql", told(memsql::rows(), &[])),
    ];
    for (system, told) in tables {
        assert!(told[0]["cases"][0][1].is_string(), "{told}");
        // Whoever runs the table says where it is wanted.
        let place = std::env::var_os("STAGGER_TABLES");
        let place = place.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let file = Path::new(&place).join(format!("traps-{system}.json"));
        lab::files::write(&file, format!("{told:#}\n"), 0o644).unwrap();
    }
}
