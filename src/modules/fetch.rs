//! `fetch`: a file of the host onto the controller.

use md5::Md5;
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::files::{PRELUDE, Reply, hex, path_word};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "fetch",
    summary: "Fetches a file of the host onto the controller",
    notes: &["Without `flat` the file lies at DEST/HOST/PATH."],
    arguments: &[
        Argument::new("src", Kind::Path, "The file on the host; links are followed.").required(),
        Argument::new("dest", Kind::Str, "The directory on the controller; with `flat` the file, or with a slash at its end the directory.").required(),
        Argument::new("flat", Kind::Flag, "Whether host and path are left out of the place.").default("false"),
        Argument::new("fail_on_missing", Kind::Flag, "Whether a file that is not there is a failure.").default("true"),
        Argument::new("validate_checksum", Kind::Flag, "Whether the digests of both sides are compared after fetching.").default("true"),
    ],
    example: "- fetch:\n    src: /var/log/demo.log\n    dest: logs/\n",
    returns: &[
        ("dest", "where the file lies on the controller"),
        ("file", "the path on the host, if nothing was fetched"),
        ("checksum", "the SHA-1"),
        ("md5sum", "the MD5"),
        ("remote_checksum", "the SHA-1 on the host"),
        ("remote_md5sum", "nothing"),
        ("msg", "why nothing was fetched"),
    ],
    ..ModuleSpec::EMPTY
};

/// The largest file that is fetched.
const MOST: u64 = 1 << 30;

/// The module.
#[derive(Debug)]
pub(super) struct Fetch;

impl Module for Fetch {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let on = |name: &str| arguments.get(name) != Some(&json!(false));
        Ok(Box::new(Fetching {
            src: arguments.str("src").unwrap_or_default().to_owned(),
            dest: arguments.str("dest").unwrap_or_default().to_owned(),
            flat: arguments.flag("flat"),
            must_exist: on("fail_on_missing"),
            validates: on("validate_checksum"),
        }))
    }
}

#[derive(Debug)]
struct Fetching {
    src: String,
    dest: String,
    flat: bool,
    must_exist: bool,
    validates: bool,
}

impl Fetching {
    /// Works out the place on the controller.
    fn place(&self, host: &str, path: &str) -> Result<String, ModuleError> {
        let place = if self.flat {
            if self.dest.ends_with('/') {
                let name = path.rsplit('/').next().unwrap_or(path);
                format!("{}{name}", self.dest)
            } else {
                self.dest.clone()
            }
        } else {
            format!(
                "{}/{host}/{}",
                self.dest.trim_end_matches('/'),
                path.trim_start_matches('/')
            )
        };
        if path.split('/').any(|part| part == "..") || host.contains('/') {
            return Err(ModuleError::failed(format!(
                "{path} would leave the directory {}: write it without `..`",
                self.dest
            )));
        }
        Ok(place)
    }

    fn nothing(&self, message: &str) -> Result<Observed, ModuleError> {
        if self.must_exist {
            return Err(ModuleError::failed(message));
        }
        Ok(Observed::Same(Outcome {
            result: fields([
                (
                    "msg",
                    json!(format!("{message}, not transferring, ignored")),
                ),
                ("file", json!(self.src)),
            ]),
            ..Outcome::default()
        }))
    }
}

fn digests(content: &[u8]) -> [(&'static str, Value); 2] {
    [
        ("checksum", json!(hex(&Sha1::digest(content)))),
        ("md5sum", json!(hex(&Md5::digest(content)))),
    ]
}

impl Action for Fetching {
    fn describe(&self) -> String {
        format!("fetch {} to {}", self.src, self.dest)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let script = format!(
            "{PRELUDE}p={}\nprintf 'path=%s\\0' \"$p\"\n\
             if [ -d \"$p\" ]; then printf 'directory=yes\\0'\n\
             elif [ -f \"$p\" ]; then h=$(sha1sum <\"$p\") || exit 1; printf 'checksum=%s\\0' \"${{h%% *}}\"; fi\n:\n",
            path_word(&self.src)
        );
        let reply = Reply::of(&cx.script(script)?, &format!("cannot read {}", self.src))?;
        if reply.yes("directory") {
            return self.nothing("remote file is a directory, fetch cannot work on directories");
        }
        let Some(checksum) = reply.line("checksum") else {
            return self.nothing("the remote file does not exist");
        };
        let path = reply.get("path").unwrap_or(&self.src).to_owned();
        let place = self.place(cx.host, &path)?;
        if let Some(content) = cx.controller.written(&place) {
            let mut result = fields(digests(&content));
            if result.get("checksum") == Some(&json!(checksum)) {
                result.insert("dest".into(), json!(place));
                result.insert("file".into(), json!(path));
                return Ok(Observed::Same(Outcome {
                    result,
                    ..Outcome::default()
                }));
            }
        }
        Ok(Observed::Differs(Change {
            summary: format!("{place} on the controller"),
            data: json!({"path": path, "place": place, "checksum": checksum}),
            result: fields([("dest", json!(place)), ("remote_checksum", json!(checksum))]),
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let text = |name: &str| {
            change
                .data
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (path, place) = (text("path"), text("place"));
        let content = cx.get(path, MOST)?;
        let mut result: Map<String, Value> = fields(digests(&content));
        let whole = result.get("checksum") == Some(&json!(text("checksum")));
        result.extend(fields([
            ("dest", json!(place)),
            ("remote_checksum", json!(text("checksum"))),
            ("remote_md5sum", Value::Null),
        ]));
        if self.validates && !whole {
            result.insert("file".into(), json!(path));
            return Err(ModuleError::Failed {
                message: format!("checksum mismatch: {path} changed while it was being fetched"),
                result,
            });
        }
        cx.controller
            .write(place, &content)
            .map_err(ModuleError::Argument)?;
        Ok(Outcome {
            changed: true,
            result,
            ..Outcome::default()
        })
    }
}
