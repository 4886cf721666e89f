//! `vars_prompt`: what a playbook asks the operator for before it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, IsTerminal as _};

use serde_json::{Map, Value};

use super::asking::password;
use super::failure::Failure;
use super::{output, secret_vars};
use crate::journal::{Seal as _, Sealer};
use crate::playbook::{Playbook, Prompt};
use crate::secrets::Secret;

/// Returns the names of the variables that need not be asked for, because the command line sets them.
pub(super) fn given(extra_vars: &[String]) -> BTreeSet<String> {
    secret_vars::names(extra_vars).into_iter().collect()
}

/// Returns the answers to the questions of all plays: those of an earlier part of the run, the others are asked now.
pub(super) fn answers(
    playbook: &Playbook,
    given: &BTreeSet<String>,
    earlier: &BTreeMap<String, Value>,
    seal: &Sealer,
) -> Result<Map<String, Value>, Failure> {
    let mut answers = Map::new();
    for prompt in playbook.plays().flat_map(|play| &play.vars_prompt) {
        if given.contains(&prompt.name) || answers.contains_key(&prompt.name) {
            continue;
        }
        let known = earlier.get(&prompt.name);
        let known = known.and_then(|value| seal.unseal(value).ok());
        let answer = match known {
            Some(answer) => answer,
            None => Value::String(ask(prompt)?),
        };
        if let (true, Some(text)) = (prompt.private, answer.as_str())
            && !text.is_empty()
        {
            seal.name(&prompt.name, &Secret::new(text));
        }
        answers.insert(prompt.name.clone(), answer);
    }
    Ok(answers)
}

fn ask(prompt: &Prompt) -> Result<String, Failure> {
    let default = prompt.default.as_ref().map(|node| match node.as_str() {
        Some(text) => text.to_owned(),
        None => node.to_value().to_string(),
    });
    let shown = prompt.prompt.as_deref().unwrap_or(&prompt.name);
    let shown = match &default {
        Some(default) if !prompt.private => format!("{shown} [{default}]:"),
        _ => format!("{shown}:"),
    };
    loop {
        let Some(answer) = one(&shown, prompt.private) else {
            return default.ok_or_else(|| {
                Failure::usage(format!(
                    "`{}` is to be typed ({}), and there is no terminal",
                    prompt.name, prompt.loc
                ))
                .hint(format!("-e {}=...", prompt.name))
            });
        };
        if answer.is_empty()
            && let Some(default) = default
        {
            return Ok(default);
        }
        if !prompt.confirm {
            return Ok(answer);
        }
        if one("once more:", prompt.private).as_ref() == Some(&answer) {
            return Ok(answer);
        }
        output::message("the two are not the same\n");
    }
}

/// Asks for one line; `None` without a terminal.
fn one(shown: &str, private: bool) -> Option<String> {
    if private {
        return password(shown).map(|secret| secret.reveal().to_owned());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    output::message(&format!("{shown} "));
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    matches!(read, Ok(count) if count > 0).then(|| line.trim_end_matches('\n').to_owned())
}
