//! Secrets that stand openly in files: found by the names they have there, taken out of what a run keeps of its files, and
//! put back from the files on disk when the run goes on.
//!
//! A text is looked at line by line, whether it is YAML, INI, JSON or what a program printed: a secret is what stands
//! behind a name that says so (`db_password: ...`, `token=...`). What is in a vault stays as it is, and a template is no
//! secret itself. Pure.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::secret_vars::is_secret;
use crate::secrets::Secret;
use crate::template::REFERENCE;

/// A name, behind which a value may stand.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z_][A-Za-z0-9_.-]*)["']?[ \t]*([:=])"#).ok());

/// Values that are no secrets.
const WORDS: [&str; 10] = [
    "true",
    "false",
    "yes",
    "no",
    "null",
    "none",
    "omit",
    "~",
    "always",
    "on_create",
];

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Where its value stands, without quotes.
    at: Range<usize>,
    /// Its name, and which one of this name it is, from 0.
    name: String,
    number: usize,
}

impl Found {
    fn reference(&self) -> String {
        format!("{}#{}", self.name, self.number)
    }
}

/// A text without its secrets, or with them again, and the secrets, each with the name under which it is known.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) text: String,
    pub(super) secrets: Vec<(String, Secret)>,
    /// The names of those that could not be put back: their references stay, and a template that needs one fails.
    pub(super) missing: Vec<String>,
}

/// Takes the secrets out of a text that was read from `place`.
pub(super) fn seal(place: &str, text: &str) -> Sealed {
    let mut sealed = Sealed::default();
    let mut from = 0;
    for found in find(place, text) {
        let Some(before) = text.get(from..found.at.start) else {
            continue;
        };
        let reference = found.reference();
        sealed.text.push_str(before);
        sealed.text.push_str(&written(&reference));
        sealed.secrets.push((
            known_as(place, &reference),
            Secret::new(plain(text, &found.at)),
        ));
        from = found.at.end;
    }
    sealed.text.push_str(text.get(from..).unwrap_or_default());
    sealed
}

/// Tells whether a text holds references.
pub(super) fn is_sealed(text: &str) -> bool {
    text.contains(REFERENCE.0)
}

/// Puts secrets back into a text, as they stand now in the text that `place` has.
pub(super) fn unseal(place: &str, text: &str, now: &str) -> Sealed {
    let there = find(place, now);
    let mut whole = Sealed::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(REFERENCE.0) {
        let Some((reference, after)) = after.split_once(REFERENCE.1) else {
            break;
        };
        whole.text.push_str(before);
        rest = after;
        let found = there.iter().find(|found| found.reference() == reference);
        if let Some(Found { at, .. }) = found {
            whole.text.push_str(now.get(at.clone()).unwrap_or_default());
            let secret = Secret::new(plain(now, at));
            whole.secrets.push((known_as(place, reference), secret));
        } else {
            whole.text.push_str(&written(reference));
            let name = reference.split('#').next().unwrap_or_default();
            whole.missing.push(name.to_owned());
        }
    }
    whole.text.push_str(rest);
    whole
}

fn written(reference: &str) -> String {
    format!("{}{reference}{}", REFERENCE.0, REFERENCE.1)
}

fn known_as(place: &str, reference: &str) -> String {
    format!("{reference} in {place}")
}

/// Returns a value as programs see it: without a quoted text's escapes, without a block's indentation.
fn plain(text: &str, at: &Range<usize>) -> String {
    let value = text.get(at.clone()).unwrap_or_default();
    let lines: Vec<&str> = value.lines().map(str::trim).collect();
    if lines.len() > 1 {
        return lines.join("\n");
    }
    match text
        .get(..at.start)
        .and_then(|before| before.chars().last())
    {
        Some('"') => {
            serde_json::from_str(&format!("\"{value}\"")).unwrap_or_else(|_| value.to_owned())
        }
        Some('\'') => value.replace("''", "'"),
        _ => value.to_owned(),
    }
}

fn find(place: &str, text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if text.starts_with("$ANSIBLE_VAULT") || text.is_empty() {
        return found;
    }
    let base = place.rsplit('/').next().unwrap_or_default();
    let stem = base.split('.').next().unwrap_or_default();
    // A file that is called so and names nothing holds one secret.
    if is_secret(stem) && !text.trim().is_empty() && !text.contains([':', '=']) {
        let start = text.len() - text.trim_start().len();
        found.push(Found {
            at: start..text.trim_end().len(),
            name: base.to_owned(),
            number: 0,
        });
        return found;
    }
    let Some(name) = NAME.as_ref() else {
        return found;
    };
    for captures in name.captures_iter(text) {
        let (Some(called), Some(sign)) = (captures.get(1), captures.get(2)) else {
            continue;
        };
        if !is_secret(called.as_str()) {
            continue;
        }
        if found
            .last()
            .is_some_and(|last| last.at.end > called.start())
        {
            continue;
        }
        let Some(at) = value(text, called.start(), sign.end(), sign.as_str() == "=") else {
            continue;
        };
        let number = found
            .iter()
            .filter(|other| other.name == called.as_str())
            .count();
        found.push(Found {
            at,
            name: called.as_str().to_owned(),
            number,
        });
    }
    found
}

/// Finds where the value of a name stands that begins at `name`, behind its sign.
fn value(text: &str, name: usize, behind: usize, is_pair: bool) -> Option<Range<usize>> {
    let rest = text.get(behind..)?;
    if rest.starts_with(['=', '~']) {
        return None;
    }
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    if !is_pair && blank == 0 && !rest.starts_with(['"', '\'', '\n']) {
        return None;
    }
    let start = behind + blank;
    let rest = text.get(start..)?;
    let at = match rest.chars().next()? {
        quote @ ('"' | '\'') => {
            let length = quoted(rest.get(1..)?, quote)?;
            start + 1..start + 1 + length
        }
        '|' | '>' if !is_pair => block(text, name, start)?,
        '!' | '{' | '[' | '\n' | '\r' | '*' | '&' | '#' => return None,
        _ => start..start + bare(text, name, rest, is_pair),
    };
    let value = text.get(at.clone())?;
    let is_word = WORDS.contains(&value.to_lowercase().as_str());
    (value.len() > 1 && !is_word && !value.contains("{{") && !value.contains("$ANSIBLE_VAULT"))
        .then_some(at)
}

/// Returns the length of a quoted text, over lines too, if something that ends a value stands behind it.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            // A single quote is written twice where it is meant.
            '\'' if c == quote && next == Some('\'') => drop(chars.next()),
            c if c == quote => {
                let ends = next.is_none_or(|next| next.is_whitespace() || ",}]".contains(next));
                return ends.then_some(at);
            }
            _ => {}
        }
    }
    None
}

/// Returns the length of a value without quotes: to the end of its word or its line, in braces to the next comma.
fn bare(text: &str, name: usize, rest: &str, is_pair: bool) -> usize {
    let line_start = text
        .get(..name)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let before = text.get(line_start..name).unwrap_or_default();
    let in_braces = before.matches('{').count() > before.matches('}').count();
    let line = rest.lines().next().unwrap_or_default();
    let mut end = if is_pair {
        line.find(char::is_whitespace).unwrap_or(line.len())
    } else {
        line.find(" #").unwrap_or(line.len())
    };
    if in_braces && let Some(comma) = line.find([',', '}']) {
        end = end.min(comma);
    }
    line.get(..end).map_or(0, |value| value.trim_end().len())
}

/// Finds the text of a block: the lines behind its sign that are indented more than its name, from the first one's first
/// letter to the last one's last, so that what stands in its place is still a block.
fn block(text: &str, name: usize, sign: usize) -> Option<Range<usize>> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let line_start = text.get(..name)?.rfind('\n').map_or(0, |at| at + 1);
    let own = indent(text.get(line_start..)?.lines().next()?);
    let start = sign + text.get(sign..)?.find('\n')? + 1;
    let mut end = start;
    for line in text.get(start..)?.split_inclusive('\n') {
        let is_blank = line.trim().is_empty();
        let spaces = line.len() - line.trim_start_matches(' ').len();
        if !is_blank && spaces <= own {
            break;
        }
        end += line.len();
    }
    let lines = text.get(start..end)?;
    let first = start + (lines.len() - lines.trim_start().len());
    let last = start + lines.trim_end().len();
    (last > first).then_some(first..last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let sealed = seal("vars.yml", text);
        for (_, secret) in &sealed.secrets {
            assert!(!sealed.text.contains(secret.reveal()), "{}", sealed.text);
        }
        let back = unseal("vars.yml", &sealed.text, text);
        assert_eq!(back.text, text, "it comes back as it was");
        assert!(back.missing.is_empty(), "{back:?}");
        let secrets = sealed.secrets.iter();
        secrets
            .map(|(_, secret)| secret.reveal().to_owned())
            .collect()
    }

    #[test]
    fn secrets_are_found_by_their_names_in_every_form() {
        for (text, expected) in [
            ("db_password: s3cr#t one # why\n", &["s3cr#t one"][..]),
            ("  login_token: 'it is'\nother: x\n", &["it is"]),
            (r#"{"api_token": "a\"b", "n": 1}"#, &["a\"b"]),
            (r#"{"api_token":"ab"}"#, &["ab"]),
            ("key_secret: \"two\n  lines\"\nb: 1\n", &["two\nlines"]),
            ("one_token: 'it''s'\n", &["it's"]),
            ("msg: no token: 'tis what 'it' was\n", &[]),
            (
                "n1 ansible_password=hunter22 ansible_user=root\n",
                &["hunter22"],
            ),
            (
                "n1: { ansible_host: h, ansible_password: root, ansible_user: ann }\n",
                &["root"],
            ),
            (
                "private_key: |\n  line one\n\n  line two\nnext: 1\n",
                &["line one\n\nline two"],
            ),
            ("- secret: x1\n- secret: x2\n", &["x1", "x2"]),
            ("curl --token=abc -d x", &["abc"]),
            ("db_password: '{{ vaulted }}'\n", &[]),
            (
                "a:\n  - private_key: |\n      k1\n      k2\n\n  - b: 1\n",
                &["k1\nk2"],
            ),
            (
                "db_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n",
                &[],
            ),
            (
                "update_password: always\npassword_file: /etc/x\ntoken: true\n",
                &[],
            ),
            ("when: token == 'x'\nsecrets:\n  a: 1\npassword:\n", &[]),
            ("$ANSIBLE_VAULT;1.1;AES256\npassword: x\n", &[]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_there_now_is_taken_and_what_is_gone_is_named() {
        let sealed = seal(
            "hosts",
            "a ansible_password=old1 x=old1\nb ansible_password=old2\n",
        );
        assert!(
            sealed.text.contains("x=old1"),
            "only where it is named: {}",
            sealed.text
        );
        let now = "# moved\na ansible_password=new1\nb ansible_password=new2\n";
        let back = unseal("hosts", &sealed.text, now);
        assert_eq!(
            back.text,
            "a ansible_password=new1 x=old1\nb ansible_password=new2\n"
        );
        let gone = unseal("hosts", &sealed.text, "a ansible_password=new1\n");
        assert_eq!(gone.missing, ["ansible_password"]);
        let reference = written("ansible_password#1");
        let kept = format!("a ansible_password=new1 x=old1\nb ansible_password={reference}\n");
        assert_eq!(gone.text, kept, "what is gone stays a reference");
        let whole = seal("keys/db_password.txt", "hunter22\n");
        assert!(!whole.text.contains("hunter22"), "{}", whole.text);
        assert_eq!(whole.secrets.len(), 1);
    }
}
