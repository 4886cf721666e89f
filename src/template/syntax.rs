//! The outer form of a template: its delimiters, the `#jinja2:` line, the newlines at its end.
//!
//! `trim_blocks` is on and `lstrip_blocks` off, as Ansible has it. The newline at the very end is taken off before a
//! template is read and put back after, so that what a block tag swallows is not lost from the end of a file.

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;

use super::tree::Span;

/// What a text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A text of a YAML file that may hold templates.
    Value,
    /// A template file.
    File,
    /// A bare expression.
    Expression,
    /// A bare expression in which a backslash begins an escape.
    Condition,
}

/// A mistake that is seen without rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) message: String,
    pub(crate) span: Span,
    pub(crate) hint: Option<String>,
    /// Whether the text is no template at all, or uses something that does not exist.
    pub(crate) is_syntax: bool,
}

/// The first line of a template that changes how it is read.
const HEADER: &str = "#jinja2:";

/// Tells whether a text may hold a template.
pub(crate) fn is_template(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(['{', '%', '#']) {
            return true;
        }
    }
    text.starts_with(HEADER)
}

/// Tells whether a text begins and ends as a template does, so that it is one as a whole.
pub(crate) fn is_all_template(text: &str) -> bool {
    text.starts_with(HEADER)
        || (["{{", "{%", "{#"].iter().any(|open| text.starts_with(open))
            && ["}}", "%}", "#}"].iter().any(|close| text.ends_with(close)))
}

/// Puts back the newlines at the end of a template that its result lacks.
pub(crate) fn with_trailing_newlines(template: &str, result: Arc<str>, newline: &str) -> Arc<str> {
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let lacking = count(template).saturating_sub(count(&result));
    if lacking == 0 {
        return result;
    }
    let mut whole = result.to_string();
    for _ in 0..lacking {
        whole.push_str(newline);
    }
    whole.into()
}

/// How a template is to be read.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) config: SyntaxConfig,
    /// The end of a line in the output.
    pub(crate) newline: &'static str,
    /// Whether the last newline belongs to the template.
    pub(crate) keep_trailing_newline: bool,
    /// Where the template begins, after its `#jinja2:` line.
    pub(crate) start: usize,
}

/// The settings that a `#jinja2:` line may change.
#[derive(Debug, Clone)]
struct Settings {
    delimiters: [String; 6],
    prefixes: [String; 2],
    trim_blocks: bool,
    lstrip_blocks: bool,
    keep_trailing_newline: bool,
    newline: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delimiters: ["{%", "%}", "{{", "}}", "{#", "#}"].map(str::to_owned),
            prefixes: [String::new(), String::new()],
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: false,
            newline: "\n",
        }
    }
}

const DELIMITERS: [&str; 6] = [
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
];
const PREFIXES: [&str; 2] = ["line_statement_prefix", "line_comment_prefix"];
const FLAGS: [&str; 3] = ["trim_blocks", "lstrip_blocks", "keep_trailing_newline"];

/// Reads the `#jinja2:` line of a template, if it has one.
pub(crate) fn form(text: &str) -> Result<Form, Issue> {
    let mut settings = Settings::default();
    let mut start = 0;
    if let Some(rest) = text.strip_prefix(HEADER) {
        let Some((line, _)) = rest.split_once('\n') else {
            return Err(issue(text, "the `#jinja2:` line must end with a newline"));
        };
        start = HEADER.len() + line.len() + 1;
        for pair in line.split(',') {
            settings
                .change(pair)
                .map_err(|problem| issue(line, &problem))?;
        }
    }
    let config = settings.config().map_err(|problem| issue(text, &problem))?;
    Ok(Form {
        config,
        newline: settings.newline,
        keep_trailing_newline: settings.keep_trailing_newline,
        start,
    })
}

fn issue(line: &str, message: &str) -> Issue {
    let end = line.lines().next().unwrap_or_default().len();
    Issue {
        message: message.to_owned(),
        span: Span {
            start: 0,
            end: u32::try_from(end).unwrap_or(u32::MAX),
        },
        hint: None,
        is_syntax: true,
    }
}

impl Settings {
    fn change(&mut self, pair: &str) -> Result<(), String> {
        let Some((key, value)) = pair.split_once(':') else {
            return Err(format!(
                "`{}` in the `#jinja2:` line lacks a value",
                pair.trim()
            ));
        };
        let (key, value) = (key.trim(), value.trim());
        let text = quoted(value);
        if let Some(index) = FLAGS.iter().position(|name| *name == key) {
            let flag = match value {
                "True" => true,
                "False" => false,
                _ => return Err(format!("`{key}` must be True or False")),
            };
            match index {
                0 => self.trim_blocks = flag,
                1 => self.lstrip_blocks = flag,
                _ => self.keep_trailing_newline = flag,
            }
            return Ok(());
        }
        let text = text.ok_or_else(|| format!("`{key}` must be a text in quotes"))?;
        let place = |names: &[&str]| names.iter().position(|name| *name == key);
        if let Some(slot) = place(&DELIMITERS).and_then(|index| self.delimiters.get_mut(index)) {
            text.clone_into(slot);
        } else if let Some(slot) = place(&PREFIXES).and_then(|index| self.prefixes.get_mut(index)) {
            text.clone_into(slot);
        } else if key == "newline_sequence" {
            self.newline = match text {
                "\\n" => "\n",
                "\\r\\n" => "\r\n",
                "\\r" => "\r",
                _ => return Err(r"`newline_sequence` must be '\n', '\r\n' or '\r'".to_owned()),
            };
        } else {
            return Err(unknown(key));
        }
        Ok(())
    }

    fn config(&self) -> Result<SyntaxConfig, String> {
        let [
            block_start,
            block_end,
            variable_start,
            variable_end,
            comment_start,
            comment_end,
        ] = self.delimiters.clone();
        let [statement, comment] = self.prefixes.clone();
        let mut builder = SyntaxConfig::builder();
        builder
            .block_delimiters(block_start, block_end)
            .variable_delimiters(variable_start, variable_end)
            .comment_delimiters(comment_start, comment_end)
            .trim_blocks(self.trim_blocks)
            .lstrip_blocks(self.lstrip_blocks)
            .keep_trailing_newline(true);
        if !statement.is_empty() {
            builder.line_statement_prefix(statement);
        }
        if !comment.is_empty() {
            builder.line_comment_prefix(comment);
        }
        builder
            .build()
            .map_err(|_| "the delimiters of the `#jinja2:` line cannot be told apart".to_owned())
    }
}

fn unknown(key: &str) -> String {
    let known = DELIMITERS.iter().chain(&PREFIXES).chain(&FLAGS).copied();
    let mut message = format!("`{key}` is no setting of a `#jinja2:` line");
    if let Some(near) = crate::yaml::nearest(key, known) {
        let _ = write!(message, ": did you mean `{near}`?");
    }
    message
}

/// Returns the text between quotes.
fn quoted(value: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_from_texts() {
        for text in ["{{ a }}", "x {% if %}", "{# c #}", "#jinja2: x", "{{{"] {
            assert!(is_template(text), "{text}");
        }
        for text in ["", "a { b } c", "{ {", "a #jinja2:", "%}", "}}"] {
            assert!(!is_template(text), "{text}");
        }
        assert!(is_all_template("{{ a }} == {{ b }}"));
        assert!(!is_all_template("{{ a }} == 1"));
    }

    #[test]
    fn newlines_at_the_end_come_back() {
        let with = |template: &str, result: &str| {
            with_trailing_newlines(template, Arc::from(result), "\n").to_string()
        };
        assert_eq!(with("{{ a }}\n\n", "x"), "x\n\n");
        assert_eq!(with("{{ a }}\n", "x\n"), "x\n");
        assert_eq!(with("{{ a }}", "x\n"), "x\n");
    }

    #[test]
    fn the_header_changes_the_form_and_is_checked() {
        let form = form("#jinja2: lstrip_blocks: True, trim_blocks:False\nx").unwrap();
        assert!(form.config.lstrip_blocks() && !form.config.trim_blocks());
        assert_eq!(form.start, 48);
        let wrong = |text| super::form(text).unwrap_err().message;
        assert_eq!(
            wrong("#jinja2: trim_block: True\n"),
            "`trim_block` must be a text in quotes"
        );
        assert_eq!(
            wrong("#jinja2: variable_start_strin: '[['\n"),
            "`variable_start_strin` is no setting of a `#jinja2:` line: did you mean `variable_start_string`?"
        );
        assert_eq!(
            wrong("#jinja2: x"),
            "the `#jinja2:` line must end with a newline"
        );
        assert_eq!(
            wrong("#jinja2: trim_blocks: yes\n"),
            "`trim_blocks` must be True or False"
        );
    }
}
