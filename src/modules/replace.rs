//! `replace`: every match of a pattern in a file.

use super::files::{
    BACKUP, Edit, Edited, FILE_ARGUMENTS, Flags, GROUP, MODE, OWNER, PATH, Pattern, Text, VALIDATE,
    missing,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "replace",
    summary: "Replaces all matches of a pattern in a file",
    notes: &[
        "Patterns have Python's syntax; `^` and `$` match at each line.",
        "The file must be UTF-8, or is edited byte by byte.",
    ],
    arguments: &[
        PATH,
        Argument::new("regexp", Kind::Str, "The pattern.").required(),
        Argument::new(
            "replace",
            Kind::Str,
            "What goes in its place; `\\1` and `\\g<name>` are its groups.",
        )
        .default(""),
        Argument::new(
            "after",
            Kind::Str,
            "Only replace after the first match of this pattern.",
        ),
        Argument::new(
            "before",
            Kind::Str,
            "Only replace before the first match of this pattern.",
        ),
        BACKUP,
        VALIDATE,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &{
        let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
        let encoding = ("encoding", "files are UTF-8, or edited byte by byte");
        [encoding, a, b, c, d, e, f, g]
    },
    example: "- name: the new port\n  replace:\n    path: /etc/demo.conf\n    regexp: '^port = \\d+$'\n    replace: port = 8530\n",
    returns: &[
        ("msg", "how many replacements were made"),
        ("rc", "0; 256 for a directory, 257 for a missing file"),
        ("backup_file", "the path of the backup"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Replace;

impl Module for Replace {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let replacing = |edit| Replacing {
            edit,
            how: How {
                path: text("path").unwrap_or_default(),
                regexp: text("regexp").unwrap_or_default(),
                replace: text("replace").unwrap_or_default(),
                after: text("after").filter(|pattern| !pattern.is_empty()),
                before: text("before").filter(|pattern| !pattern.is_empty()),
            },
        };
        Edit::of(arguments)
            .map(|edit| Box::new(replacing(edit)) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Replacing {
    edit: Edit,
    how: How,
}

#[derive(Debug, Default)]
struct How {
    path: String,
    regexp: String,
    replace: String,
    after: Option<String>,
    before: Option<String>,
}

impl Action for Replacing {
    fn describe(&self) -> String {
        format!("replace `{}` in {}", self.how.regexp, self.how.path)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        self.edit.observe(cx, &|content| self.how.edit(content))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        self.edit
            .apply(cx, change, &|content| self.how.edit(content))
    }
}

impl How {
    fn edit(&self, content: Option<&[u8]>) -> Result<Edited, ModuleError> {
        let Some(bytes) = content else {
            return Err(missing(257, format!("Path {} does not exist !", self.path)));
        };
        let text = Text::of(bytes);
        let whole = text.decode(bytes);
        let mut edited = Edited {
            content: bytes.to_vec(),
            ..Edited::default()
        };
        edited.result.insert("rc".into(), 0.into());
        let Some((start, end)) = self.section(&whole, text)? else {
            edited.message = format!(
                "Pattern for before/after params did not match the given file: {}",
                self.section_pattern().unwrap_or_default()
            );
            return Ok(edited);
        };
        let flags = Flags {
            multi_line: true,
            ..Flags::default()
        };
        let pattern = Pattern::new(&self.regexp, text, flags)?;
        let section = whole.get(start..end).unwrap_or_default();
        let template = text.decode(self.replace.as_bytes());
        let (replaced, count) = pattern.replace_all(section, &template)?;
        if count > 0 && replaced != section {
            let head = whole.get(..start).unwrap_or_default();
            let tail = whole.get(end..).unwrap_or_default();
            edited.content = text.encode(&format!("{head}{replaced}{tail}"));
            edited.message = format!("{count} replacements made");
        }
        Ok(edited)
    }

    fn section_pattern(&self) -> Option<String> {
        match (&self.after, &self.before) {
            (Some(after), Some(before)) => Some(format!("{after}(?P<subsection>.*?){before}")),
            (Some(after), None) => Some(format!("{after}(?P<subsection>.*)")),
            (None, Some(before)) => Some(format!("(?P<subsection>.*){before}")),
            (None, None) => None,
        }
    }

    /// Finds the part of the text in which replacing is wanted; `None` if its borders are not there.
    fn section(&self, whole: &str, text: Text) -> Result<Option<(usize, usize)>, ModuleError> {
        let Some(source) = self.section_pattern() else {
            return Ok(Some((0, whole.len())));
        };
        let flags = Flags {
            dot_all: true,
            ..Flags::default()
        };
        let found = Pattern::new(&source, text, flags)?.captures(whole, 0)?;
        Ok(found
            .and_then(|groups| groups.name("subsection"))
            .map(|part| (part.start(), part.end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_replaced_within_their_section() {
        let how = |after: &str, before: &str| How {
            regexp: r"^(\w)=\d+$".into(),
            replace: r"\1=9".into(),
            after: (!after.is_empty()).then(|| after.into()),
            before: (!before.is_empty()).then(|| before.into()),
            ..How::default()
        };
        let content = "a=1\n[x]\nb=2\n[y]\nc=3\n";
        for (after, before, result, message) in [
            ("", "", "a=9\n[x]\nb=9\n[y]\nc=9\n", "3 replacements made"),
            (
                r"\[x\]\n",
                r"\[y\]",
                "a=1\n[x]\nb=9\n[y]\nc=3\n",
                "1 replacements made",
            ),
            (
                r"\[y\]\n",
                "",
                "a=1\n[x]\nb=2\n[y]\nc=9\n",
                "1 replacements made",
            ),
            (
                "",
                r"\[y\]",
                "a=9\n[x]\nb=9\n[y]\nc=3\n",
                "2 replacements made",
            ),
        ] {
            let edited = how(after, before).edit(Some(content.as_bytes())).unwrap();
            assert_eq!(
                String::from_utf8(edited.content).unwrap(),
                result,
                "{after} {before}"
            );
            assert_eq!(edited.message, message);
        }
        let edited = how("nowhere", "").edit(Some(content.as_bytes())).unwrap();
        assert_eq!(edited.content, content.as_bytes());
        assert!(edited.message.starts_with("Pattern for before/after"));
    }
}
