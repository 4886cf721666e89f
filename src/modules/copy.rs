//! `copy`: a file, a directory or a text of the controller, or of the host itself, to a path of the host.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::files::{
    Append as _, Attributes, BACKUP, FILE_ARGUMENTS, GROUP, Mode, OWNER, Place, RemoteCopy, Tree,
    TreeFile, VALIDATE,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::template::PLACE_RETURNS;
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "copy",
    summary: "Puts a file, a directory or a text at a path of the host",
    notes: &[
        "A file is written beside its place, synced, and renamed, so that nobody ever sees half of it.",
        "Files of up to 64 kB travel with the request itself.",
    ],
    arguments: &[
        Argument::new("src", Kind::Str, "The path on the controller, looked for in `files`; a directory that ends with a slash stands for its content. With `remote_src` a path on the host."),
        Argument::new("content", Kind::Any, "The text itself; maps and lists are written as JSON."),
        Argument::new("dest", Kind::Path, "The path on the host; a directory, or a path that ends with a slash, gets a file with the source's name.")
            .required(),
        Argument::new("remote_src", Kind::Flag, "Whether `src` is on the host.").default("false"),
        Argument::new("force", Kind::Flag, "Whether a file that is there already is replaced.").default("true"),
        Argument::new("follow", Kind::Flag, "Whether a link at `dest` is followed; else it is replaced by the file.").default("false"),
        Argument::new("local_follow", Kind::Flag, "Whether links inside a directory that is copied on the host are followed."),
        Argument::new("directory_mode", Kind::Mode, "Permissions of directories that are made."),
        Argument::new("checksum", Kind::Str, "The SHA-1 that the source must have."),
        BACKUP,
        VALIDATE,
        Argument::new("mode", Kind::Mode, "Permissions: \"0644\", \"u=rw,g=r\", or `preserve` for those of the source. Without it an existing path keeps its own, a new file gets 0644.")
        .choices(&["preserve"]),
        OWNER,
        GROUP,
    ],
    absent: SHARED_ABSENT,
    exclusive: &[&["src", "content"]],
    one_of: &[&["src", "content"]],
    example: "- copy:\n    content: \"{{ pids }}\\n\"\n    dest: /var/lib/demo/pids\n    mode: \"0600\"\n",
    returns: PLACE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// What `copy` and its kin deliberately leave out.
pub(super) const SHARED_ABSENT: &[(&str, &str)] = &{
    let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
    [
        (
            "decrypt",
            "files of the controller are decrypted if they are vaulted",
        ),
        a,
        b,
        c,
        d,
        e,
        f,
        g,
    ]
};

/// The module.
#[derive(Debug)]
pub(super) struct Copy;

impl Module for Copy {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        action(arguments).map_err(|error| error.in_task(arguments))
    }
}

fn action(arguments: &Arguments) -> Result<Box<dyn Action>, ModuleError> {
    let text = |name: &str| arguments.str(name).map(str::to_owned);
    let place = Place {
        dest: text("dest").unwrap_or_default(),
        name: None,
        follow: arguments.flag("follow"),
        keep: arguments.get("force") == Some(&json!(false)),
        backup: arguments.flag("backup"),
        validate: text("validate"),
        attributes: Attributes::of(arguments)?,
    };
    let directory_mode = arguments
        .get("directory_mode")
        .map(Mode::parse)
        .transpose()?;
    let preserve = arguments.str("mode") == Some("preserve");
    if arguments.flag("remote_src") {
        let src = text("src").ok_or_else(|| ModuleError::failed("remote_src needs src"))?;
        return Ok(Box::new(RemoteCopy {
            src,
            place,
            checksum: text("checksum"),
            preserve,
            follow_inside: arguments.flag("local_follow"),
        }));
    }
    let source = match (text("src"), arguments.get("content")) {
        (Some(src), _) => Source::Path(src),
        (None, Some(_)) if place.dest.ends_with('/') => {
            return Err(ModuleError::failed(
                "can not use content with a dir as dest",
            ));
        }
        (None, Some(Value::String(content))) => Source::Text(content.clone()),
        (None, Some(other)) => Source::Text(python_json(other)),
        (None, None) => return Err(ModuleError::failed("src (or content) is required")),
    };
    Ok(Box::new(Copying {
        source,
        place,
        directory_mode,
        preserve,
        checksum: text("checksum"),
        read: OnceLock::new(),
    }))
}

/// Writes a value as JSON with the blanks that Python puts into it, so that the file is the same under both.
fn python_json(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_json).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, value)| {
                    format!("{}: {}", ascii_json(&json!(name)), python_json(value))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            ascii_json(other)
        }
    }
}

/// Writes a scalar as JSON in ASCII alone.
fn ascii_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0_u16; 2];
            for unit in c.encode_utf16(&mut units) {
                out.append(format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[derive(Debug)]
enum Source {
    Text(String),
    Path(String),
}

#[derive(Debug)]
struct Copying {
    source: Source,
    place: Place,
    directory_mode: Option<Mode>,
    preserve: bool,
    checksum: Option<String>,
    read: OnceLock<Read>,
}

/// What was read on the controller, with where it goes.
#[derive(Debug)]
enum Read {
    File(Vec<u8>, Place),
    Directory(Tree),
}

impl Copying {
    fn read(&self, cx: &HostCx<'_>) -> Result<&Read, ModuleError> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let read = match &self.source {
            Source::Text(text) => Read::File(text.clone().into_bytes(), self.place.clone()),
            Source::Path(src) => match cx.controller.list("files", src) {
                Ok(files) => Read::Directory(self.tree(cx, src, files)?),
                Err(_) => self.file(cx, src)?,
            },
        };
        Ok(self.read.get_or_init(|| read))
    }

    fn file(&self, cx: &HostCx<'_>, src: &str) -> Result<Read, ModuleError> {
        let content = cx
            .controller
            .read("files", src)
            .map_err(ModuleError::Argument)?;
        let mut place = self.place.clone();
        place.name = src.rsplit('/').next().map(str::to_owned);
        if self.preserve {
            place.attributes.mode = cx.controller.mode("files", src).map(Mode::Bits);
        }
        if let Some(wanted) = &self.checksum {
            use sha1::{Digest as _, Sha1};
            let found = super::files::hex(&Sha1::digest(&content));
            if found != *wanted {
                return Err(ModuleError::failed(format!(
                    "{src} has the checksum {found}, not {wanted}"
                )));
            }
        }
        Ok(Read::File(content, place))
    }

    /// Returns what the result says of where a directory went.
    fn tree_dest(&self) -> String {
        format!("{}/", self.place.dest.trim_end_matches('/'))
    }

    fn tree(&self, cx: &HostCx<'_>, src: &str, paths: Vec<String>) -> Result<Tree, ModuleError> {
        let base = src.trim_end_matches('/');
        let mut dest = self.place.dest.trim_end_matches('/').to_owned();
        if !src.ends_with('/') {
            dest = format!("{dest}/{}", base.rsplit('/').next().unwrap_or(base));
        }
        let mut files = Vec::new();
        for path in paths {
            let whole = format!("{base}/{path}");
            let content = cx
                .controller
                .read("files", &whole)
                .map_err(ModuleError::Argument)?;
            let mode = if self.preserve {
                cx.controller.mode("files", &whole)
            } else {
                None
            };
            files.push(TreeFile {
                path,
                content,
                mode,
            });
        }
        Ok(Tree {
            dest,
            files,
            attributes: self.place.attributes.clone(),
            directory_mode: self.directory_mode.clone(),
            keep: self.place.keep,
            backup: self.place.backup,
            validate: self.place.validate.clone(),
        })
    }
}

impl Action for Copying {
    fn describe(&self) -> String {
        let attributes = self.place.attributes.describe();
        match &self.source {
            Source::Text(_) => format!("write {}{attributes}", self.place.dest),
            Source::Path(src) => format!("copy {src} to {}{attributes}", self.place.dest),
        }
    }

    fn by_hand(&self) -> Option<String> {
        match &self.source {
            Source::Text(_) => None,
            Source::Path(src) => Some(format!(
                "scp -r {} HOST:{}",
                shell_quote(src),
                shell_quote(&self.place.dest)
            )),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        match self.read(cx)? {
            Read::File(content, place) => place.observe(cx, content),
            Read::Directory(tree) => {
                let mut observed = tree.observe(cx)?;
                let result = match &mut observed {
                    Observed::Same(outcome) => &mut outcome.result,
                    Observed::Differs(change) | Observed::Unknown(change) => &mut change.result,
                    Observed::Skip(_) => return Ok(observed),
                };
                result.insert("dest".into(), json!(self.tree_dest()));
                Ok(observed)
            }
        }
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let mut outcome = match self.read(cx)? {
            Read::File(content, place) => place.apply(cx, content, change)?,
            Read::Directory(tree) => {
                let mut outcome = tree.apply(cx)?;
                outcome
                    .result
                    .insert("dest".into(), json!(self.tree_dest()));
                outcome
            }
        };
        if let Source::Path(src) = &self.source {
            outcome.result.insert("src".into(), json!(src));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_does() {
        let value = json!({"a": [1, true, null, "ä\n"], "b": {}, "c": "\u{1f600}"});
        assert_eq!(
            python_json(&value),
            r#"{"a": [1, true, null, "\u00e4\n"], "b": {}, "c": "\ud83d\ude00"}"#
        );
    }
}
