//! `assemble`: one file of many pieces.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::copy::SHARED_ABSENT;
use super::files::{
    Append as _, Attributes, BACKUP, Flags, GROUP, MODE, NO, OWNER, PRELUDE, Pattern, Place, Reply,
    Text, VALIDATE, path_word,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::template::PLACE_RETURNS;
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "assemble",
    summary: "Puts the files of a directory together into one, in the order of their names",
    arguments: &[
        Argument::new("src", Kind::Str, "The directory of the pieces.").required(),
        Argument::new("dest", Kind::Path, "The file that is made of them.").required(),
        Argument::new(
            "remote_src",
            Kind::Flag,
            "Whether the pieces are on the host.",
        )
        .default("true"),
        Argument::new(
            "delimiter",
            Kind::Str,
            "What goes between two pieces; `\\n` is a line end.",
        ),
        Argument::new(
            "regexp",
            Kind::Str,
            "A pattern that the names of pieces must match.",
        ),
        Argument::new(
            "ignore_hidden",
            Kind::Flag,
            "Whether names that start with a dot are left out.",
        )
        .default("false"),
        BACKUP,
        VALIDATE,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: SHARED_ABSENT,
    example: "- assemble:\n    src: /etc/demo.d\n    dest: /etc/demo.conf\n",
    returns: PLACE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Assemble;

impl Module for Assemble {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let made = || -> Result<Assembling, ModuleError> {
            let pattern = arguments.str("regexp");
            Ok(Assembling {
                src: arguments.str("src").unwrap_or_default().to_owned(),
                on_host: arguments.get("remote_src") != Some(&json!(false)),
                delimiter: arguments.str("delimiter").map(unescaped),
                pattern: pattern
                    .map(|pattern| Pattern::new(pattern, Text::Utf8, Flags::default()))
                    .transpose()?,
                visible: arguments.flag("ignore_hidden"),
                place: Place {
                    dest: arguments.str("dest").unwrap_or_default().to_owned(),
                    backup: arguments.flag("backup"),
                    validate: arguments.str("validate").map(str::to_owned),
                    attributes: Attributes::of(arguments)?,
                    ..Place::default()
                },
                whole: OnceLock::new(),
            })
        };
        made()
            .map(|assembling| Box::new(assembling) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

/// Reads `\n`, `\t` and the like, as Ansible does with the delimiter.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\\r", "\r")
}

#[derive(Debug)]
struct Assembling {
    src: String,
    on_host: bool,
    delimiter: Option<String>,
    pattern: Option<Pattern>,
    visible: bool,
    place: Place,
    whole: OnceLock<Vec<u8>>,
}

impl Assembling {
    fn whole(&self, cx: &mut HostCx<'_>) -> Result<&[u8], ModuleError> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let mut pieces = if self.on_host {
            self.of_host(cx)?
        } else {
            self.of_controller(cx)?
        };
        pieces.sort();
        let whole = self.joined(&pieces);
        Ok(self.whole.get_or_init(|| whole))
    }

    fn fits(&self, name: &str) -> Result<bool, ModuleError> {
        let matches = match &self.pattern {
            Some(pattern) => pattern.is_match(name)?,
            None => true,
        };
        Ok(matches && !(self.visible && name.starts_with('.')))
    }

    fn of_controller(&self, cx: &HostCx<'_>) -> Result<Vec<(String, Vec<u8>)>, ModuleError> {
        let mut pieces = Vec::new();
        for name in cx
            .controller
            .list("files", &self.src)
            .map_err(ModuleError::Argument)?
        {
            if name.contains('/') || !self.fits(&name)? {
                continue;
            }
            let path = format!("{}/{name}", self.src.trim_end_matches('/'));
            let content = cx
                .controller
                .read("files", &path)
                .map_err(ModuleError::Argument)?;
            pieces.push((name, content));
        }
        Ok(pieces)
    }

    /// Reads all pieces of the host in one round trip: names and sizes first, then the contents one after the other.
    fn of_host(&self, cx: &mut HostCx<'_>) -> Result<Vec<(String, Vec<u8>)>, ModuleError> {
        let mut text = format!(
            "{PRELUDE}{NO}s={}\n[ -d \"$s\" ] || no 'it is no directory'\ncd -- \"$s\" || exit 1\n",
            path_word(&self.src)
        );
        let mut list = "i=0; set --; for f in * .*; do [ -f \"$f\" ] || continue; printf 'n%s=%s\\0z%s=%s\\0' $i \"$f\" $i \"$(wc -c <\"$f\")\"; i=$((i + 1)); set -- \"$@\" \"$f\"; done\n".to_owned();
        list.append("printf 'raw\\0'; [ $# = 0 ] || cat -- \"$@\"\n".to_owned());
        text.push_str(&list);
        let reply = Reply::of(&cx.script(text)?, &format!("cannot read {}", self.src))?;
        let (mut pieces, mut rest) = (Vec::new(), reply.raw.as_slice());
        for index in 0.. {
            let (Some(name), Some(size)) = (
                reply.get(&format!("n{index}")),
                reply.line(&format!("z{index}")),
            ) else {
                break;
            };
            let size = size.trim().parse().unwrap_or(usize::MAX);
            let Some((content, after)) = rest.split_at_checked(size) else {
                return Err(ModuleError::failed(format!(
                    "{} changed while it was being read",
                    self.src
                )));
            };
            rest = after;
            if self.fits(name)? {
                pieces.push((name.to_owned(), content.to_vec()));
            }
        }
        Ok(pieces)
    }

    /// Joins the pieces as Ansible does: each ends its line before the delimiter, which ends its own.
    fn joined(&self, pieces: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut whole: Vec<u8> = Vec::new();
        let mut needs_end = false;
        for (index, (_, piece)) in pieces.iter().enumerate() {
            if needs_end {
                whole.push(b'\n');
            }
            if let Some(delimiter) = self.delimiter.as_ref().filter(|_| index > 0) {
                whole.extend_from_slice(delimiter.as_bytes());
                if !delimiter.ends_with('\n') {
                    whole.push(b'\n');
                }
            }
            whole.extend_from_slice(piece);
            needs_end = !piece.ends_with(b"\n");
        }
        whole
    }
}

impl Action for Assembling {
    fn describe(&self) -> String {
        format!("put {} together from {}", self.place.dest, self.src)
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!(
            "cat {}/* > {}",
            shell_quote(&self.src),
            shell_quote(&self.place.dest)
        ))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let whole = self.whole(cx)?;
        let mut observed = self.place.observe(cx, whole)?;
        if let Observed::Same(outcome) = &mut observed {
            use md5::Digest as _;
            let digest = super::files::hex(&md5::Md5::digest(whole));
            outcome.result.insert("md5sum".into(), Value::from(digest));
        }
        Ok(observed)
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let whole = self.whole(cx)?;
        let mut outcome = self.place.apply(cx, whole, change)?;
        outcome
            .result
            .insert("src".into(), Value::from(self.src.clone()));
        Ok(outcome)
    }
}
