//! Where a playbook means something else than under Ansible, on purpose.

use super::Findings;
use super::survey::Survey;
use crate::playbook::OnFailure;
use crate::yaml::{Loc, Problem};

pub(super) fn note(survey: &Survey<'_>, findings: &mut Findings) {
    let serial = survey
        .plays
        .iter()
        .filter(|play| play.on_failure == OnFailure::Stop && !play.is_protected());
    note_first(
        serial
            .filter_map(|play| play.serial.first())
            .map(|node| &node.loc),
        "a failed host stops the batches that follow; Ansible goes on unless the whole batch failed",
        Some("`on_failure: continue` is Ansible's rule"),
        findings,
    );
    let budgets = survey
        .plays
        .iter()
        .filter_map(|play| play.max_fail_percentage.as_ref());
    note_first(
        budgets.map(|node| &node.loc),
        "`max_fail_percentage` is of the hosts of the run, and unreachable hosts count; with Ansible it is of the batch, and they do not",
        None,
        findings,
    );
    let always = survey
        .blocks
        .iter()
        .filter(|(block, _)| !block.always.is_empty());
    note_first(
        always.map(|(block, _)| &block.loc),
        "`always` is tried on unreachable hosts and after Ctrl-C too; with Ansible it is not",
        None,
        findings,
    );
}

/// Notes a difference at the first place where it matters, and how many more there are.
fn note_first<'a>(
    places: impl Iterator<Item = &'a Loc>,
    message: &str,
    hint: Option<&str>,
    findings: &mut Findings,
) {
    let mut places = places;
    let Some(first) = places.next() else { return };
    let mut note = Problem::at(first, message);
    note.hint = hint.map(str::to_owned);
    let more = places.count();
    if more > 0 {
        note = note.note(format!("in {more} more places"));
    }
    findings.notes.push(note);
}
