//! `blockinfile`: a block of lines between two markers.

use super::files::{
    BACKUP, Edit, Edited, FILE_ARGUMENTS, Flags, GROUP, MODE, OWNER, PATH, Pattern, Text, VALIDATE,
    missing,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "blockinfile",
    summary: "Makes sure that a block of lines between two marker lines is in a file, or is not",
    notes: &["Patterns have Python's syntax."],
    arguments: &[
        PATH,
        Argument::new("block", Kind::Str, "The lines; empty removes the block.")
            .aliases(&["content"])
            .default(""),
        Argument::new("state", Kind::Str, "Whether the block shall be there.")
            .choices(&["present", "absent"])
            .default("present"),
        Argument::new(
            "marker",
            Kind::Str,
            "The marker lines; `{mark}` is replaced in each.",
        )
        .default("# {mark} ANSIBLE MANAGED BLOCK"),
        Argument::new(
            "marker_begin",
            Kind::Str,
            "What `{mark}` is in the line above.",
        )
        .default("BEGIN"),
        Argument::new(
            "marker_end",
            Kind::Str,
            "What `{mark}` is in the line below.",
        )
        .default("END"),
        Argument::new(
            "insertafter",
            Kind::Str,
            "Where a new block goes: after the last line that matches this pattern, or `EOF`.",
        ),
        Argument::new(
            "insertbefore",
            Kind::Str,
            "Where a new block goes: before the last line that matches this pattern, or `BOF`.",
        ),
        Argument::new(
            "append_newline",
            Kind::Flag,
            "Keep an empty line after the block.",
        )
        .default("false"),
        Argument::new(
            "prepend_newline",
            Kind::Flag,
            "Keep an empty line before the block.",
        )
        .default("false"),
        Argument::new(
            "create",
            Kind::Flag,
            "Make the file, and the directories above it, if it is missing.",
        )
        .default("false"),
        BACKUP,
        VALIDATE,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &FILE_ARGUMENTS,
    exclusive: &[&["insertbefore", "insertafter"]],
    example: "- name: the cluster's names\n  blockinfile:\n    path: /etc/hosts\n    block: |\n      10.0.0.1 db1\n      10.0.0.2 db2\n",
    returns: &[
        (
            "msg",
            "what was done: Block inserted, Block removed, File created",
        ),
        ("backup_file", "the path of the backup"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct BlockInFile;

impl Module for BlockInFile {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Block::of(arguments)
            .map(|block| Box::new(block) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Block {
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
    block: String,
    present: bool,
    marker: [String; 2],
    after: Option<String>,
    before: Option<String>,
    blank_after: bool,
    blank_before: bool,
    create: bool,
}

impl Block {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let text = |name: &str, default: &str| arguments.str(name).unwrap_or(default).to_owned();
        let marker = text("marker", "# {mark} ANSIBLE MANAGED BLOCK");
        let mark = |name, default| marker.replace("{mark}", &text(name, default)) + "\n";
        Ok(Self {
            how: How {
                path: text("path", ""),
                block: text("block", ""),
                present: arguments.str("state") != Some("absent"),
                marker: [mark("marker_begin", "BEGIN"), mark("marker_end", "END")],
                after: arguments.str("insertafter").map(str::to_owned),
                before: arguments.str("insertbefore").map(str::to_owned),
                blank_after: arguments.flag("append_newline"),
                blank_before: arguments.flag("prepend_newline"),
                create: arguments.flag("create"),
            },
            edit: Edit::of(arguments)?,
        })
    }
}

impl Action for Block {
    fn describe(&self) -> String {
        let marker = self.how.marker.first().map_or("", |line| line.trim());
        if self.how.present && !self.how.block.is_empty() {
            format!("block `{marker}` in {}", self.how.path)
        } else {
            format!("no block `{marker}` in {}", self.how.path)
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
        if content.is_none() && !self.create {
            return Err(missing(257, format!("Path {} does not exist !", self.path)));
        }
        if content.is_none() && !self.present {
            return Ok(Edited {
                message: format!("File {} not present", self.path),
                absent: true,
                ..Edited::default()
            });
        }
        let bytes = content.unwrap_or_default();
        let text = Text::of(bytes);
        let whole = text.decode(bytes);
        let block = self.lines_of_block(text);
        let result = text.encode(&self.placed(lines_of(&whole), &block, text)?.concat());
        let message = match content {
            Some(content) if content == result => "",
            None => "File created",
            Some(_) if block.is_empty() => "Block removed",
            Some(_) => "Block inserted",
        };
        Ok(Edited {
            content: result,
            message: message.to_owned(),
            ..Edited::default()
        })
    }

    fn lines_of_block(&self, text: Text) -> Vec<String> {
        if !self.present || self.block.is_empty() {
            return Vec::new();
        }
        let [begin, end] = &self.marker;
        let mut block = text.decode(self.block.as_bytes());
        if !block.ends_with('\n') {
            block.push('\n');
        }
        let mut lines = vec![text.decode(begin.as_bytes())];
        lines.extend(lines_of(&block));
        lines.push(text.decode(end.as_bytes()));
        lines
    }

    fn placed(
        &self,
        mut lines: Vec<String>,
        block: &[String],
        text: Text,
    ) -> Result<Vec<String>, ModuleError> {
        let [begin, end] = &self.marker;
        let find = |marker: &String| {
            let marker = text.decode(marker.as_bytes());
            lines.iter().rposition(|line| *line == marker)
        };
        let mut at = match (find(begin), find(end)) {
            (Some(begin), Some(end)) => {
                let (first, last) = (begin.min(end), begin.max(end));
                lines.drain(first..=last);
                first
            }
            _ => self.place(&lines, text)?,
        };
        if let Some(line) = at.checked_sub(1).and_then(|above| lines.get_mut(above))
            && !line.ends_with('\n')
        {
            line.push('\n');
        }
        if self.blank_before && self.present {
            let above = at.checked_sub(1).and_then(|above| lines.get(above));
            if above.is_some_and(|line| line != "\n") {
                lines.insert(at, "\n".to_owned());
                at += 1;
            }
        }
        lines.splice(at..at, block.iter().cloned());
        let below = at + block.len();
        if self.blank_after && self.present && lines.get(below).is_some_and(|line| line != "\n") {
            lines.insert(below, "\n".to_owned());
        }
        Ok(lines)
    }

    /// Finds where a new block goes.
    fn place(&self, lines: &[String], text: Text) -> Result<usize, ModuleError> {
        let after = self.after.as_deref().filter(|place| *place != "EOF");
        let before = self.before.as_deref().filter(|place| *place != "BOF");
        let Some(source) = after.or(before) else {
            return Ok(if self.before.is_some() {
                0
            } else {
                lines.len()
            });
        };
        let pattern = Pattern::new(source, text, Flags::default())?;
        let shift = usize::from(self.after.is_some());
        // A pattern with the flag for lines is searched in the whole text: it may span lines.
        if source.starts_with("(?")
            && source
                .split(')')
                .next()
                .is_some_and(|head| head.contains('m'))
        {
            let whole = lines.concat();
            let found = pattern.captures(&whole, 0)?;
            let place = found.and_then(|groups| groups.get(0)).map(|hit| {
                let end = if self.after.is_some() {
                    hit.end()
                } else {
                    hit.start()
                };
                whole.get(..end).unwrap_or_default().matches('\n').count()
            });
            return Ok(place.map_or(lines.len(), |place| (place + shift).min(lines.len())));
        }
        let mut place = lines.len();
        for (index, line) in lines.iter().enumerate() {
            if pattern.is_match(line)? {
                place = index + shift;
            }
        }
        Ok(place)
    }
}

/// Splits at `\n`, `\r\n` and `\r`, keeping them, as Python does with bytes.
fn lines_of(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line.push(c);
        if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
            lines.push(std::mem::take(&mut line));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(block: &str) -> How {
        How {
            block: block.into(),
            present: true,
            marker: ["# BEGIN\n".into(), "# END\n".into()],
            ..How::default()
        }
    }

    fn edit(how: &How, content: &str) -> (String, String) {
        let edited = how.edit(Some(content.as_bytes())).unwrap();
        (String::from_utf8(edited.content).unwrap(), edited.message)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn a_block_is_inserted_replaced_and_removed() {
        let before = |place: &str| How {
            before: Some(place.into()),
            ..how("x")
        };
        let after = |place: &str| How {
            after: Some(place.into()),
            ..how("x")
        };
        for (how, content, result, message) in [
            (
                how("x\ny"),
                "a",
                "a\n# BEGIN\nx\ny\n# END\n",
                "Block inserted",
            ),
            (
                how("x"),
                "# BEGIN\nold\n# END\nz\n",
                "# BEGIN\nx\n# END\nz\n",
                "Block inserted",
            ),
            (how("x"), "# BEGIN\nx\n# END\n", "# BEGIN\nx\n# END\n", ""),
            (
                how(""),
                "a\n# BEGIN\nx\n# END\nb\n",
                "a\nb\n",
                "Block removed",
            ),
            (
                before("BOF"),
                "a\n",
                "# BEGIN\nx\n# END\na\n",
                "Block inserted",
            ),
            (
                before("^b"),
                "a\nb\n",
                "a\n# BEGIN\nx\n# END\nb\n",
                "Block inserted",
            ),
            (
                after("^a"),
                "a\nb\n",
                "a\n# BEGIN\nx\n# END\nb\n",
                "Block inserted",
            ),
            (
                after("^z"),
                "a\n",
                "a\n# BEGIN\nx\n# END\n",
                "Block inserted",
            ),
            (
                after(r"(?m)^a\nb$"),
                "a\nb\nc\n",
                "a\nb\n# BEGIN\nx\n# END\nc\n",
                "Block inserted",
            ),
        ] {
            let (got, said) = edit(&how, content);
            assert_eq!(
                (got.as_str(), said.as_str()),
                (result, message),
                "{how:?} on {content:?}"
            );
        }
    }

    #[test]
    fn empty_lines_are_kept_around_it() {
        let mut how = How {
            blank_after: true,
            blank_before: true,
            after: Some("^a".into()),
            ..how("x")
        };
        let (once, _) = edit(&how, "a\nb\n");
        assert_eq!(once, "a\n\n# BEGIN\nx\n# END\n\nb\n");
        assert_eq!(edit(&how, &once).0, once, "a second time nothing changes");
        how.after = None;
        assert_eq!(edit(&how, "").0, "# BEGIN\nx\n# END\n");
    }
}
