//! `stat`: what is at a path.

use serde_json::{Map, Value, json};

use super::files::{
    Append as _, FileKind, PRELUDE, PathState, Reply, STATE, path_word, read_state,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

/// The digests that can be asked for.
pub(super) const ALGORITHMS: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

static SPEC: ModuleSpec = ModuleSpec {
    name: "stat",
    summary: "Tells what is at a path",
    arguments: &[
        Argument::new("path", Kind::Path, "The path.")
            .aliases(&["dest", "name"])
            .required(),
        Argument::new("follow", Kind::Flag, "Whether a link is followed.").default("false"),
        Argument::new(
            "get_checksum",
            Kind::Flag,
            "Whether the digest of a regular file is computed.",
        )
        .default("true"),
        Argument::new("checksum_algorithm", Kind::Str, "Which digest.")
            .choices(ALGORITHMS)
            .aliases(&["checksum", "checksum_algo"])
            .default("sha1"),
        Argument::new(
            "get_mime",
            Kind::Flag,
            "Whether the program `file` is asked, if it is there.",
        )
        .aliases(&["mime", "mime_type", "mime-type"])
        .default("true"),
        Argument::new(
            "get_attributes",
            Kind::Flag,
            "Whether `lsattr` is asked, if it is there.",
        )
        .aliases(&["attr", "attributes"])
        .default("true"),
    ],
    absent: &[("get_selinux_context", "run `ls -Z` with `command`")],
    safety: Safety::ReadOnly,
    example: "- stat:\n    path: /etc/systemd/system/demo.service\n  register: unit\n- assert:\n    that: unit.stat.exists\n",
    returns: &[(
        "stat",
        "exists, path, mode, isreg, isdir, islnk and so on, uid, gid, pw_name, gr_name, size, inode, dev, nlink, atime, mtime, ctime, checksum, lnk_source, lnk_target, readable, writeable, executable, mimetype, charset, attributes",
    )],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Stat;

impl Module for Stat {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let wanted = |name: &str| arguments.get(name) != Some(&json!(false));
        let algorithm = arguments.str("checksum_algorithm").unwrap_or("sha1");
        Ok(Box::new(Look {
            path: arguments.str("path").unwrap_or_default().to_owned(),
            follow: arguments.flag("follow"),
            algorithm: wanted("get_checksum").then(|| algorithm.to_owned()),
            mime: wanted("get_mime"),
            attributes: wanted("get_attributes"),
        }))
    }
}

#[derive(Debug)]
struct Look {
    path: String,
    follow: bool,
    algorithm: Option<String>,
    mime: bool,
    attributes: bool,
}

impl Look {
    fn script(&self) -> String {
        let follow = if self.follow { "-L" } else { "" };
        let mut text = format!(
            "{PRELUDE}{STATE}p={}\nprintf 'path=%s\\0' \"$p\"\nst state \"$p\" {follow}\n\
             [ -e \"$p\" ] || [ -L \"$p\" ] || exit 0\n\
             for x in r w x; do [ ! -$x \"$p\" ] || printf '%s=yes\\0' $x; done\n\
             if [ -L \"$p\" ]; then printf 'source=%s\\0' \"$(readlink -f -- \"$p\")\"; printf 'target=%s\\0' \"$(readlink -- \"$p\")\"; fi\n",
            path_word(&self.path)
        );
        let regular = if self.follow {
            "[ -f \"$p\" ]"
        } else {
            "[ -f \"$p\" ] && [ ! -L \"$p\" ]"
        };
        if let Some(algorithm) = &self.algorithm {
            text.append(format!(
                "if {regular} && [ -r \"$p\" ]; then h=$({algorithm}sum <\"$p\") || exit 1; printf 'checksum=%s\\0' \"${{h%% *}}\"; fi\n"
            ));
        }
        if self.mime {
            text.push_str(
                "if command -v file >/dev/null; then printf 'mime=%s\\0' \"$(file --brief --mime-type --mime-encoding -- \"$p\" 2>/dev/null)\"; fi\n",
            );
        }
        if self.attributes {
            text.push_str(
                "if command -v lsattr >/dev/null; then printf 'lsattr=%s\\0' \"$(lsattr -vd -- \"$p\" 2>/dev/null)\"; fi\n",
            );
        }
        text + ":\n"
    }

    fn told(&self, reply: &Reply, state: &PathState) -> Map<String, Value> {
        let mut stat = fields([
            ("exists", json!(true)),
            ("path", json!(reply.get("path").unwrap_or(&self.path))),
        ]);
        stat.extend(state.stat_fields());
        stat.extend(fields([
            ("blocks", json!(state.blocks)),
            ("block_size", json!(state.block_size)),
            ("device_type", json!(state.device_type)),
            ("readable", json!(reply.yes("r"))),
            ("writeable", json!(reply.yes("w"))),
            ("executable", json!(reply.yes("x"))),
        ]));
        if state.kind == FileKind::Link {
            stat.insert("lnk_source".into(), json!(reply.line("source")));
            stat.insert("lnk_target".into(), json!(reply.line("target")));
        }
        if let Some(checksum) = reply.line("checksum") {
            stat.insert("checksum".into(), json!(checksum));
        }
        if self.mime {
            let mime = reply.line("mime").unwrap_or_default();
            let (kind, charset) = mime
                .split_once("; charset=")
                .unwrap_or(("unknown", "unknown"));
            stat.insert("mimetype".into(), json!(kind));
            stat.insert("charset".into(), json!(charset));
        }
        if self.attributes {
            let words: Vec<&str> = reply
                .line("lsattr")
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            let (version, flags) = match words.as_slice() {
                [version, flags, ..] => (json!(version), flags.replace('-', "")),
                _ => (Value::Null, String::new()),
            };
            let names: Vec<&str> = flags.chars().filter_map(attribute).collect();
            stat.insert("version".into(), version);
            stat.insert("attributes".into(), json!(names));
            stat.insert("attr_flags".into(), json!(flags));
        }
        stat
    }
}

/// Returns the name of an attribute of `lsattr`.
fn attribute(flag: char) -> Option<&'static str> {
    Some(match flag {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compressederror",
        _ => return None,
    })
}

impl Action for Look {
    fn describe(&self) -> String {
        format!("look at {}", self.path)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let reply = Reply::of(
            &cx.script(self.script())?,
            &format!("cannot read {}", self.path),
        )?;
        let stat = match read_state(&reply, "state")? {
            Some(state) => self.told(&reply, &state),
            None => fields([("exists", json!(false))]),
        };
        Ok(Observed::Same(Outcome {
            result: fields([("stat", json!(stat))]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
