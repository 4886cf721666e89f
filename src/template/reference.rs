//! References to secrets inside of data: the text that stands where a secret stood when a run's values were stored.
//!
//! What can be had back is put in its place before a template sees it. A reference that is still there when a template
//! uses the text is a secret that is gone: the use fails with the reason, `default` does not hide it, and what lies
//! beside it can be used. Stores and resolves nothing; that is the journal's.

/// What stands around the secret's name: characters for private use, which no host prints by accident.
pub const REFERENCE: (&str, &str) = ("\u{e000}secret:", "\u{e001}");

/// The name of a secret that was only ever a value.
pub const NAMELESS: &str = "?";

/// Says why a text cannot be used, if a secret in it is gone.
pub(super) fn gone(text: &str) -> Option<String> {
    let (open, close) = REFERENCE;
    let (_, after) = text.split_once(open)?;
    let (name, _) = after.split_once(close)?;
    Some(if name == NAMELESS {
        "a secret stood here in an earlier part of the run; it is stored nowhere, and it was not read again".to_owned()
    } else {
        format!(
            "the secret `{name}` stood here in an earlier part of the run, and it was not given again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_reference_is_one() {
        let (open, close) = REFERENCE;
        for (text, said) in [
            (String::new(), None),
            ("secret:?".to_owned(), None),
            (format!("{open}half"), None),
            (format!("bearer {open}?{close}"), Some("stored nowhere")),
            (format!("{open}db_password{close}"), Some("`db_password`")),
        ] {
            let found = gone(&text);
            assert_eq!(found.is_some(), said.is_some(), "{text}");
            assert!(found.unwrap_or_default().contains(said.unwrap_or_default()));
        }
    }
}
