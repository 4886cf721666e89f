//! `lineinfile`: one line of a file, present or absent.

use super::files::{
    Attributes, BACKUP, Edit, Edited, FILE_ARGUMENTS, Flags, GROUP, MODE, OWNER, PATH, Pattern,
    Text, VALIDATE, expand, missing,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "lineinfile",
    summary: "Makes sure that a line is in a file, or that lines are not",
    notes: &["Patterns have Python's syntax."],
    arguments: &[
        PATH,
        Argument::new("line", Kind::Str, "The line that shall be there; with `backrefs` it may hold `\\1` and `\\g<name>`.")
            .aliases(&["value"]),
        Argument::new("regexp", Kind::Str, "The pattern of the line to replace (the last that matches) or to remove (all that match).")
            .aliases(&["regex"]),
        Argument::new("search_string", Kind::Str, "A text, no pattern, that the line to replace or to remove holds."),
        Argument::new("state", Kind::Str, "Whether the line shall be there.")
            .choices(&["present", "absent"])
            .default("present"),
        Argument::new("backrefs", Kind::Flag, "Fill groups of `regexp` into `line`; without a match the file stays as it is.")
            .default("false"),
        Argument::new("insertafter", Kind::Str, "Where a new line goes: after the last line that matches this pattern, or `EOF`."),
        Argument::new("insertbefore", Kind::Str, "Where a new line goes: before the last line that matches this pattern, or `BOF`."),
        Argument::new("firstmatch", Kind::Flag, "Take the first line that matches instead of the last.")
            .default("false"),
        Argument::new("create", Kind::Flag, "Make the file, and the directories above it, if it is missing.")
            .default("false"),
        BACKUP,
        VALIDATE,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &FILE_ARGUMENTS,
    exclusive: &[
        &["insertbefore", "insertafter"],
        &["regexp", "search_string"],
        &["backrefs", "search_string"],
    ],
    example: "- name: no restart while we upgrade\n  lineinfile:\n    path: /etc/systemd/system/demo.service\n    regexp: '^Restart='\n    line: Restart=no\n",
    returns: &[
        ("msg", "what was done: line added, line replaced, 2 line(s) removed"),
        ("found", "how many lines were removed"),
        ("backup", "the path of the backup"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct LineInFile;

impl Module for LineInFile {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Line::of(arguments)
            .map(|line| Box::new(line) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Line {
    edit: Edit,
    how: How,
}

/// What is asked for, apart from the file.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an argument of its own"
)]
struct How {
    path: String,
    present: bool,
    line: Option<String>,
    regexp: Option<String>,
    search: Option<String>,
    after: Option<String>,
    before: Option<String>,
    backrefs: bool,
    first: bool,
    create: bool,
}

impl Line {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let text = |name| arguments.str(name).map(str::to_owned);
        let how = How {
            path: text("path").unwrap_or_default(),
            present: arguments.str("state") != Some("absent"),
            line: text("line"),
            regexp: text("regexp").filter(|pattern| !pattern.is_empty()),
            search: text("search_string").filter(|text| !text.is_empty()),
            after: text("insertafter"),
            before: text("insertbefore"),
            backrefs: arguments.flag("backrefs"),
            first: arguments.flag("firstmatch"),
            create: arguments.flag("create"),
        };
        let lacks = |message: &str| Err(ModuleError::failed(message));
        if how.present && how.line.is_none() {
            return lacks("line is required with state=present");
        }
        if how.present && how.backrefs && how.regexp.is_none() {
            return lacks("regexp is required with backrefs=true");
        }
        if !how.present && how.line.is_none() && how.regexp.is_none() && how.search.is_none() {
            return lacks("one of line, search_string, or regexp is required with state=absent");
        }
        Attributes::of(arguments)?;
        Ok(Self {
            edit: Edit::of(arguments)?,
            how,
        })
    }
}

impl Action for Line {
    fn describe(&self) -> String {
        match (&self.how.line, self.how.present) {
            (Some(line), true) => format!("line `{line}` in {}", self.how.path),
            (Some(line), false) => format!("no line `{line}` in {}", self.how.path),
            (None, _) => format!(
                "no line like `{}` in {}",
                self.how
                    .regexp
                    .as_ref()
                    .or(self.how.search.as_ref())
                    .map_or("", String::as_str),
                self.how.path
            ),
        }
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
        if content.is_none() && !self.present {
            return Ok(Edited {
                message: "file not present".to_owned(),
                absent: true,
                ..Edited::default()
            });
        }
        if content.is_none() && !self.create {
            return Err(missing(
                257,
                format!("Destination {} does not exist !", self.path),
            ));
        }
        let bytes = content.unwrap_or_default();
        let text = Text::of(bytes);
        let whole = text.decode(bytes);
        let lines: Vec<String> = whole.split_inclusive('\n').map(str::to_owned).collect();
        let mut edited = Edited::default();
        let lines = if self.present {
            let (lines, message) = self.insert(lines, text)?;
            message.clone_into(&mut edited.message);
            lines
        } else {
            let before = lines.len();
            let lines = self.remove(lines, text)?;
            let found = before - lines.len();
            if found > 0 {
                edited.message = format!("{found} line(s) removed");
            }
            edited.result.insert("found".into(), found.into());
            lines
        };
        edited.result.insert("backup".into(), "".into());
        edited.content = text.encode(&lines.concat());
        Ok(edited)
    }

    fn remove(&self, lines: Vec<String>, text: Text) -> Result<Vec<String>, ModuleError> {
        let pattern = compiled(self.regexp.as_deref(), text)?;
        let search = self
            .search
            .as_ref()
            .map(|word| text.decode(word.as_bytes()));
        let exact = self.line.as_ref().map(|line| text.decode(line.as_bytes()));
        let mut kept = Vec::new();
        for line in lines {
            let matches = match (&pattern, &search) {
                (Some(pattern), _) => pattern.is_match(&line)?,
                (None, Some(search)) => line.contains(search),
                (None, None) => exact.as_deref() == Some(bare(&line)),
            };
            if !matches {
                kept.push(line);
            }
        }
        Ok(kept)
    }

    /// Finds the line to replace: its index and the new text with its groups filled in.
    fn matching(
        &self,
        lines: &[String],
        text: Text,
    ) -> Result<Option<(usize, String)>, ModuleError> {
        let wanted = text.decode(self.line.as_deref().unwrap_or_default().as_bytes());
        let mut found = None;
        if let Some(pattern) = compiled(self.regexp.as_deref(), text)? {
            for (index, line) in lines.iter().enumerate() {
                let Some(groups) = pattern.captures(line, 0)? else {
                    continue;
                };
                let new = if self.backrefs {
                    expand(&wanted, &groups)?
                } else {
                    wanted.clone()
                };
                found = Some((index, new));
                if self.first {
                    break;
                }
            }
        } else if let Some(search) = &self.search {
            let search = text.decode(search.as_bytes());
            let mut hits = lines
                .iter()
                .enumerate()
                .filter(|(_, line)| line.contains(&search));
            let hit = if self.first {
                hits.next()
            } else {
                hits.next_back()
            };
            found = hit.map(|(index, _)| (index, wanted));
        }
        Ok(found)
    }

    /// Finds where a new line goes, and whether the very line is there already.
    fn places(
        &self,
        lines: &[String],
        text: Text,
    ) -> Result<(Option<usize>, Option<usize>), ModuleError> {
        let wanted = text.decode(self.line.as_deref().unwrap_or_default().as_bytes());
        let after = self
            .after
            .as_deref()
            .filter(|place| !matches!(*place, "BOF" | "EOF"));
        let before = self.before.as_deref().filter(|place| *place != "BOF");
        let pattern = compiled(after.or(before), text)?;
        let (mut exact, mut place) = (None, None);
        for (index, line) in lines.iter().enumerate() {
            if bare(line) == wanted {
                exact = Some(index);
            } else if let Some(pattern) = &pattern
                && pattern.is_match(line)?
            {
                place = Some(if self.after.is_some() {
                    index + 1
                } else {
                    index
                });
                if self.first {
                    break;
                }
            }
        }
        Ok((exact, place))
    }

    fn insert(
        &self,
        mut lines: Vec<String>,
        text: Text,
    ) -> Result<(Vec<String>, &'static str), ModuleError> {
        let wanted = text.decode(self.line.as_deref().unwrap_or_default().as_bytes());
        if let Some((index, new)) = self.matching(&lines, text)? {
            return Ok(replaced(lines, index, &new));
        }
        let (exact, place) = self.places(&lines, text)?;
        if let Some(index) = exact {
            return Ok(replaced(lines, index, &wanted));
        }
        if self.backrefs {
            return Ok((lines, ""));
        }
        let new = format!("{wanted}\n");
        let at_start =
            self.before.as_deref() == Some("BOF") || self.after.as_deref() == Some("BOF");
        let there = |index: usize| lines.get(index).is_some_and(|line| bare(line) == wanted);
        // With `firstmatch` the search ends before it sees that the line stands there already.
        if self.after.is_some() && place.is_some_and(there) {
            return Ok((lines, ""));
        }
        match place {
            _ if at_start => lines.insert(0, new),
            Some(index) if self.after.as_deref() != Some("EOF") => {
                if index >= lines.len() {
                    ensure_end(&mut lines);
                    lines.push(new);
                } else {
                    lines.insert(index, new);
                }
            }
            _ => {
                ensure_end(&mut lines);
                lines.push(new);
            }
        }
        Ok((lines, "line added"))
    }
}

/// Puts `new` in the place of a line, if it is another one.
fn replaced(mut lines: Vec<String>, index: usize, new: &str) -> (Vec<String>, &'static str) {
    let new = if new.ends_with('\n') {
        new.to_owned()
    } else {
        format!("{new}\n")
    };
    match lines.get_mut(index) {
        Some(line) if *line != new => {
            *line = new;
            (lines, "line replaced")
        }
        _ => (lines, ""),
    }
}

/// Ends the last line, if it is not.
fn ensure_end(lines: &mut [String]) {
    if let Some(last) = lines.last_mut()
        && !last.ends_with(['\n', '\r'])
    {
        last.push('\n');
    }
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn compiled(pattern: Option<&str>, text: Text) -> Result<Option<Pattern>, ModuleError> {
    pattern
        .map(|pattern| Pattern::new(pattern, text, Flags::default()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(how: How, content: &str) -> (String, String) {
        let edited = how.edit(Some(content.as_bytes())).unwrap();
        (String::from_utf8(edited.content).unwrap(), edited.message)
    }

    fn present(line: &str, regexp: Option<&str>) -> How {
        How {
            present: true,
            line: Some(line.into()),
            regexp: regexp.map(str::to_owned),
            ..How::default()
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn a_line_is_added_replaced_or_left() {
        let after = |mut how: How, place: &str| {
            how.after = Some(place.into());
            how
        };
        let before = |mut how: How, place: &str| {
            how.before = Some(place.into());
            how
        };
        for (how, content, result, message) in [
            (present("c", None), "a\nb", "a\nb\nc\n", "line added"),
            (present("c", None), "", "c\n", "line added"),
            (present("a", None), "a\nb\n", "a\nb\n", ""),
            (present("a", None), "b\na", "b\na\n", "line replaced"),
            (
                present("k=2", Some("^k=")),
                "k=0\nk=1\n",
                "k=0\nk=2\n",
                "line replaced",
            ),
            (
                present("k=2", Some("^k=.$")),
                "k=2\r\n",
                "k=2\n",
                "line replaced",
            ),
            (
                after(present("x", None), "^a"),
                "a\nb\na\nc\n",
                "a\nb\na\nx\nc\n",
                "line added",
            ),
            (
                after(present("x", None), "^z"),
                "a\n",
                "a\nx\n",
                "line added",
            ),
            (
                after(present("x", None), "^b"),
                "a\nb",
                "a\nb\nx\n",
                "line added",
            ),
            (
                after(present("x", None), "BOF"),
                "a\n",
                "x\na\n",
                "line added",
            ),
            (
                before(present("x", None), "^a"),
                "b\na\n",
                "b\nx\na\n",
                "line added",
            ),
            (
                before(present("x", None), "BOF"),
                "a\n",
                "x\na\n",
                "line added",
            ),
            (
                before(present("x", None), "^z"),
                "a\n",
                "a\nx\n",
                "line added",
            ),
        ] {
            let shown = format!("{how:?} on {content:?}");
            assert_eq!(
                edit(how, content),
                (result.into(), message.into()),
                "{shown}"
            );
        }
    }

    #[test]
    fn groups_are_filled_in_and_without_a_match_nothing_happens() {
        let how = || How {
            backrefs: true,
            ..present(r"\1 = \g<v>0", Some(r"^(\w+)=(?P<v>\d+)$"))
        };
        assert_eq!(
            edit(how(), "a=1\n"),
            ("a = 10\n".into(), "line replaced".into())
        );
        assert_eq!(
            edit(how(), "nothing\n"),
            ("nothing\n".into(), String::new())
        );
    }

    #[test]
    fn lines_are_removed_by_pattern_text_or_as_they_are() {
        let absent = |line: Option<&str>, regexp: Option<&str>, search: Option<&str>| How {
            line: line.map(str::to_owned),
            regexp: regexp.map(str::to_owned),
            search: search.map(str::to_owned),
            ..How::default()
        };
        for (how, result) in [
            (absent(Some("a.b"), None, None), "axb\n"),
            (absent(None, Some("a.b"), None), ""),
            (absent(None, None, Some(".")), "axb\n"),
        ] {
            assert_eq!(edit(how, "a.b\naxb\n").0, result);
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let edited = present("k=2", Some("^k="))
            .edit(Some(b"\xff\xfe\nk=1\n"))
            .unwrap();
        assert_eq!(edited.content, b"\xff\xfe\nk=2\n");
    }
}
