//! The command line of a run that upgrades stranded servers, made of that of the run that stopped for them.
//!
//! Pure. It is `apply` of the playbook for it, with all else that was typed: so its records look as if it had been
//! typed, and it can be resumed like every other run. Called where `recover` is asked for it.

use serde_json::json;

/// The playbook that upgrades the stranded servers of one host.
const PLAYBOOK: &str = "roles/arangodb/stranded.yml";

/// Returns the words of `apply` for the stranded servers of `host`, with further variables; nothing where `playbook` was
/// not typed as it is, as in a run of a plan that was kept.
pub(super) fn words(
    typed: &[String],
    playbook: &str,
    host: &str,
    extra_vars: &[String],
) -> Option<Vec<String>> {
    let place = typed.iter().skip(1).position(|word| word == playbook)? + 1;
    let mut words = typed.to_vec();
    if let Some(word) = words.get_mut(place) {
        PLAYBOOK.clone_into(word);
    }
    // The host is a value, never a part of the syntax of variables.
    let own = json!({ "arangodb_stranded": host }).to_string();
    for vars in extra_vars.iter().chain([&own]) {
        words.extend(["-e".to_owned(), vars.clone()]);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_typed_stays_but_the_playbook() {
        let typed = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let upgrade = "roles/arangodb/upgrade.yml";
        let own = r#"{"arangodb_stranded":"node2"}"#;
        let is = |line: &str, more: &[String]| words(&typed(line), upgrade, "node2", more);
        assert_eq!(
            is("apply roles/arangodb/upgrade.yml -i inv --reason x", &[]),
            Some(typed(&format!(
                "apply roles/arangodb/stranded.yml -i inv --reason x -e {own}"
            )))
        );
        assert_eq!(
            is(
                "apply -i inv roles/arangodb/upgrade.yml",
                &["a=b".to_owned()]
            ),
            Some(typed(&format!(
                "apply -i inv roles/arangodb/stranded.yml -e a=b -e {own}"
            )))
        );
        assert_eq!(is("apply kept.plan --reason x", &[]), None);
        let odd = words(
            &typed("apply roles/arangodb/upgrade.yml"),
            upgrade,
            "a b=c",
            &[],
        );
        assert!(
            odd.unwrap()
                .contains(&r#"{"arangodb_stranded":"a b=c"}"#.to_owned())
        );
    }
}
