//! `!vault`: values that are encrypted one by one, opened as soon as a text was read.
//!
//! What was inside is text, and never a template, as with Ansible. Called by whoever reads variables or playbooks.

use super::{Data, Node, Problem, Style, inert_text};
use crate::secrets::Vault;

/// Opens every value that is tagged `!vault`; each that cannot be opened is a problem.
pub fn open_vaulted(node: &mut Node, vault: Option<&Vault>, problems: &mut Vec<Problem>) {
    if vault.is_some_and(Vault::stays_closed) {
        return;
    }
    if is_vaulted(node) {
        let name = format!("vaulted value at {}", node.loc);
        let opened = match (&node.data, vault) {
            (Data::Str(text), Some(vault)) => vault
                .open_value(&name, text)
                .map_err(|error| error.to_string()),
            (Data::Str(_), None) => Err("it is in a vault, and no password is given".to_owned()),
            (
                Data::Null
                | Data::Bool(_)
                | Data::Int(_)
                | Data::Float(_)
                | Data::Seq(_)
                | Data::Map(_),
                _,
            ) => Err("what is in a vault is one text".to_owned()),
        };
        match opened {
            Ok(text) => {
                node.data = Data::Str(text);
                node.style = Style::Quoted;
            }
            Err(reason) => {
                let problem =
                    Problem::at(&node.loc, format!("this value cannot be read: {reason}"));
                problems
                    .push(problem.hint("--vault-password-file FILE or --vault-id LABEL@SOURCE"));
            }
        }
        return;
    }
    match &mut node.data {
        Data::Seq(items) => {
            for item in items {
                open_vaulted(item, vault, problems);
            }
        }
        Data::Map(entries) => {
            for (_, value) in entries {
                open_vaulted(value, vault, problems);
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {}
    }
}

/// Makes texts that are no templates so that rendering gives them back, in a tree that loses its tags.
pub fn make_inert(node: &mut Node) {
    let no_template = is_vaulted(node) || node.tag.as_deref() == Some("unsafe");
    match &mut node.data {
        Data::Str(text) if no_template => *text = inert_text(text),
        Data::Seq(items) => items.iter_mut().for_each(make_inert),
        Data::Map(entries) => entries.iter_mut().for_each(|(_, value)| make_inert(value)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {}
    }
}

/// Says that every text of an encrypted file is a secret, under the name of its place; of numbers those that are long.
pub fn hear_all(node: &Node, vault: &Vault) {
    let hear = |text: &str| {
        let name = format!("vaulted value at {}", node.loc);
        vault.hear(&name, &crate::secrets::Secret::new(text));
    };
    match &node.data {
        Data::Str(text) => hear(text),
        Data::Int(_) | Data::Float(_) => {
            let text = node.to_value().to_string();
            if text.len() >= LONG_NUMBER {
                hear(&text);
            }
        }
        Data::Seq(items) => items.iter().for_each(|item| hear_all(item, vault)),
        Data::Map(entries) => entries.iter().for_each(|(_, value)| hear_all(value, vault)),
        Data::Null | Data::Bool(_) => {}
    }
}

/// Shorter numbers are ports and counts: to hide them would hide every other text.
const LONG_NUMBER: usize = 6;

/// Tells whether a node is or was in a vault.
pub fn is_vaulted(node: &Node) -> bool {
    matches!(node.tag.as_deref(), Some("vault" | "vault-encrypted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{Masker, Secret, encrypt};
    use crate::yaml::{Source, parse, variable_template, variable_value};
    use serde_json::json;

    fn vaulted(plain: &str) -> String {
        let written = encrypt(plain.as_bytes(), "", &Secret::new("p"), &[1; 32]).unwrap();
        written.replace('\n', "\n    ")
    }

    #[test]
    fn values_are_opened_where_they_stand_and_are_no_templates() {
        let text = format!(
            "a: !vault |\n    {}\nb:\n  - !vault |\n    {}\nc: \"{{{{ x }}}}\"\n",
            vaulted("{{ x }} yes"),
            vaulted("yes")
        );
        let mut node = parse(&Source::new("t", text)).unwrap();
        let vault = Vault::default();
        vault.add("", Secret::new("p"));
        let masker = Masker::new();
        let ears = masker.clone();
        vault.listen(move |name, secret| {
            assert!(name.starts_with("vaulted value at t:"), "{name}");
            ears.add(secret);
        });
        let mut problems = Vec::new();
        let mut closed = node.clone();
        open_vaulted(&mut node, Some(&vault), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let expected = json!({"a": "{{ x }} yes", "b": ["yes"], "c": "{{ x }}"});
        assert_eq!(variable_value(&node), expected);
        assert_eq!(variable_template(&node)["a"], "{{ '{{ x }} yes' }}");
        assert_eq!(masker.mask("got {{ x }} yes"), "got ***");
        make_inert(&mut node);
        assert_eq!(node.to_value()["a"], "{{ '{{ x }} yes' }}");

        open_vaulted(&mut closed, None, &mut problems);
        let shown: Vec<&str> = problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        let reason = "this value cannot be read: it is in a vault, and no password is given";
        assert_eq!(shown, [reason, reason]);
        let lines = problems
            .iter()
            .map(|problem| problem.loc.as_ref().unwrap().line);
        assert!(lines.is_sorted_by(|a, b| a < b));
    }
}
