//! What hosts tell of runs that stopped, for people and programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::journal::mask_references;
use crate::rollout::{NotedDebt, OnHosts};

/// Says it for people: what is owed first, then what runs, then who did not answer.
pub(super) fn text(told: &OnHosts) -> String {
    let mut text = String::new();
    for debt in &told.gathered.debts {
        owed(&mut text, debt);
    }
    for refusal in &told.gathered.refused {
        let _ = writeln!(text, "refused: {refusal}");
    }
    for foreign in &told.gathered.foreign {
        let _ = writeln!(
            text,
            "on {}: the note owed/{} is of other hosts than these; it is left alone",
            foreign.host, foreign.name
        );
    }
    for (host, job) in &told.jobs {
        let _ = writeln!(text, "still runs on {host}: the job {job}");
    }
    for (host, reason) in &told.silent {
        let _ = writeln!(text, "no answer from {host}: {reason}");
    }
    if told.owes_nothing() {
        let _ = writeln!(
            text,
            "no note on {} says that anything is owed",
            hosts(told)
        );
    }
    text
}

fn hosts(told: &OnHosts) -> String {
    let silent = |host: &&String| !told.silent.iter().any(|(other, _)| other == *host);
    let asked: Vec<&str> = told
        .asked
        .iter()
        .filter(silent)
        .map(String::as_str)
        .collect();
    if asked.is_empty() {
        "any host".to_owned()
    } else {
        asked.join(", ")
    }
}

fn owed(text: &mut String, debt: &NotedDebt) {
    let note = &debt.note;
    let object = match note.object.as_str() {
        "" => String::new(),
        object => format!(" ({object})"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "owed: {}{object}", note.bracket);
    let found = mask_references(&note.found.to_string());
    if !note.found.is_null() {
        let _ = writeln!(text, "  found     {found}, which is what is put back");
    }
    let _ = writeln!(text, "  since     {}", debt.since);
    let _ = writeln!(
        text,
        "  by        {} on {}, run {} of {}",
        note.operator, note.bastion, note.run, note.playbook
    );
    if let Some(reason) = &note.reason {
        let _ = writeln!(text, "  reason    {reason}");
    }
    let _ = writeln!(text, "  noted on  {}", debt.on().join(", "));
    for line in &note.by_hand {
        let place = match line.host.as_str() {
            "" => "on the machine that stagger runs on".to_owned(),
            host => format!("on {host}"),
        };
        let _ = writeln!(text, "  by hand   {place}: {}", line.what);
        for command in line.command.lines() {
            let _ = writeln!(text, "              {command}");
        }
    }
}

/// Says it for programs.
pub(super) fn json(told: &OnHosts) -> Value {
    let pairs = |pairs: &[(String, String)], name: &str| {
        let pair = |(host, what): &(String, String)| json!({"host": host, name: what});
        pairs.iter().map(pair).collect::<Vec<_>>()
    };
    let debts = told.gathered.debts.iter().map(|debt| {
        let note = &debt.note;
        json!({
            "bracket": note.bracket,
            "object": note.object,
            "found": note.found,
            "since": debt.since,
            "run": note.run,
            "operator": note.operator,
            "bastion": note.bastion,
            "reason": note.reason,
            "playbook": note.playbook,
            "playbook_digest": note.playbook_digest,
            "hosts": debt.on(),
            "by_hand": note.by_hand,
        })
    });
    let refused = told.gathered.refused.iter().map(ToString::to_string);
    json!({
        "owed": debts.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "jobs": pairs(&told.jobs, "job"),
        "silent": pairs(&told.silent, "reason"),
        "asked": told.asked,
    })
}
