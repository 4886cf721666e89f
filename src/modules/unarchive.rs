//! `unarchive`: an archive, unpacked on the host.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::files::{
    Append as _, Attributes, FILE_ARGUMENTS, GROUP, MODE, NO, OWNER, PRELUDE, PathState, Reply,
    STATE, path_word, read_state,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::{End, Job, JobCommand, Upload};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "unarchive",
    summary: "Unpacks an archive on the host",
    notes: &[
        "tar (also gzip, bzip2, xz, zstd as far as the host's tar knows them) and zip by `unzip`.",
        "Whether an archive is unpacked already is told by `tar --diff` of GNU tar; where there is none, and in check mode for an archive of the controller, by `creates` alone.",
    ],
    arguments: &[
        Argument::new("src", Kind::Str, "The archive.").required(),
        Argument::new(
            "dest",
            Kind::Path,
            "The directory that it is unpacked in; it must be there.",
        )
        .required(),
        Argument::new(
            "remote_src",
            Kind::Flag,
            "Whether the archive is on the host.",
        )
        .default("false"),
        Argument::new(
            "creates",
            Kind::Path,
            "A path: if something is there, nothing is unpacked.",
        ),
        Argument::new(
            "exclude",
            Kind::List,
            "Paths in the archive that are left out.",
        ),
        Argument::new(
            "include",
            Kind::List,
            "Paths in the archive that alone are unpacked.",
        ),
        Argument::new("extra_opts", Kind::List, "Further options of tar or unzip."),
        Argument::new(
            "keep_newer",
            Kind::Flag,
            "Whether files that are newer stay.",
        )
        .default("false"),
        Argument::new(
            "list_files",
            Kind::Flag,
            "Whether the result lists what is in the archive.",
        )
        .default("false"),
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &{
        let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
        [
            ("copy", "write `remote_src`"),
            (
                "decrypt",
                "files of the controller are decrypted if they are vaulted",
            ),
            ("io_buffer_size", "not needed"),
            ("validate_certs", "fetch the archive with `get_url` first"),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ]
    },
    exclusive: &[&["include", "exclude"]],
    example: "- unarchive:\n    src: demo-1.1.tar.gz\n    dest: /opt\n    creates: /opt/demo-1.1/bin/demo\n",
    returns: &[
        ("dest", "the directory"),
        ("src", "the archive"),
        ("handler", "what unpacked it"),
        ("files", "what is in the archive, with `list_files`"),
        ("extract_results", "the program's exit code and outputs"),
        ("mode", "the directory's permissions"),
        ("owner", "the name of the directory's owner"),
        ("group", "the name of the directory's group"),
        ("uid", "the number of the directory's owner"),
        ("gid", "the number of the directory's group"),
        ("size", "the directory's size in bytes"),
        ("state", "directory"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Unarchive;

impl Module for Unarchive {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let src = arguments.str("src").unwrap_or_default();
        if src.contains("://") {
            return Err(
                ModuleError::failed("fetch the archive with `get_url` first").in_task(arguments),
            );
        }
        let attributes = Attributes::of(arguments).map_err(|error| error.in_task(arguments))?;
        Ok(Box::new(Unpacking {
            src: src.to_owned(),
            dest: arguments.str("dest").unwrap_or_default().to_owned(),
            on_host: arguments.flag("remote_src"),
            attributes,
            arguments: arguments.clone(),
            content: OnceLock::new(),
        }))
    }
}

#[derive(Debug)]
struct Unpacking {
    src: String,
    dest: String,
    on_host: bool,
    attributes: Attributes,
    arguments: Arguments,
    content: OnceLock<Vec<u8>>,
}

impl Unpacking {
    fn is_zip(&self) -> bool {
        self.src.to_lowercase().ends_with(".zip")
    }

    /// Returns the options that both looking and unpacking have.
    fn options(&self) -> String {
        let mut words = String::new();
        for option in self.arguments.list("extra_opts") {
            words.append(format!(" {}", shell_quote(&option)));
        }
        if self.is_zip() {
            return words;
        }
        for path in self.arguments.list("exclude") {
            words.append(format!(" --exclude={}", shell_quote(&path)));
        }
        words
    }

    /// Returns the option for how a tar is packed; not every tar finds that out by itself.
    fn packed(&self) -> &'static str {
        let name = self.src.to_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        if ends(&[".gz", ".tgz"]) {
            " -z"
        } else if ends(&[".bz2", ".tbz", ".tbz2"]) {
            " -j"
        } else if ends(&[".xz", ".txz"]) {
            " -J"
        } else if ends(&[".zst"]) {
            " --zstd"
        } else {
            ""
        }
    }

    fn included(&self) -> String {
        let included = self.arguments.list("include");
        let words: Vec<String> = included.iter().map(|path| shell_quote(path)).collect();
        words.join(" ")
    }

    /// Returns the lines that tell whether the archive `$a` is unpacked in `$d`: yes, no, or nothing if it cannot be told.
    fn difference_lines(&self) -> String {
        if self.is_zip() {
            return String::new();
        }
        let (options, included) = (self.options(), self.included());
        // Owners differ for who is not root, as tar cannot set them; times are not of importance.
        format!(
            "if tar --version 2>/dev/null | grep -q GNU; then\n\
             o=$(tar --diff -f \"$a\" -C \"$d\"{options} -- {included} 2>&1); r=$?\n\
             o=$(printf '%s\\n' \"$o\" | grep -v -e ': Mod time differs$' -e ': Uid differs$' -e ': Gid differs$' -e 'time stamp .* in the future$' -e '^$')\n\
             if [ -z \"$o\" ] && [ $r -le 1 ]; then printf 'unpacked=yes\\0'; else printf 'unpacked=no\\0why=%s\\0' \"$o\"; fi\nfi\n"
        )
    }

    fn head(&self) -> String {
        format!(
            "{PRELUDE}{STATE}{NO}d={}\n[ -d \"$d\" ] || no 'the directory does not exist'\nprintf 'dest=%s\\0' \"$d\"\n",
            path_word(&self.dest)
        )
    }

    fn question(&self) -> String {
        let mut text = self.head();
        if let Some(creates) = self.arguments.str("creates") {
            text.append(format!(
                "if [ -e {} ]; then printf 'creates=yes\\0'; exit 0; fi\n",
                path_word(creates)
            ));
        }
        text.push_str("st state \"$d\" -L\n");
        if self.on_host {
            text.append(format!(
                "a={}\n[ -r \"$a\" ] || no 'the archive does not exist'\n",
                path_word(&self.src)
            ));
            text.push_str(&self.difference_lines());
        }
        text + ":\n"
    }

    fn list_words(&self) -> String {
        if self.is_zip() {
            "unzip -Z1 \"$a\"".to_owned()
        } else {
            format!("tar -t{} -f \"$a\"", self.packed())
        }
    }

    /// Returns the job that unpacks the archive `path`, a shell word.
    fn work(&self, path: &str, temporary: bool) -> String {
        let (options, included) = (self.options(), self.included());
        let newer = self.arguments.flag("keep_newer");
        let mut text = format!("{PRELUDE}d={}\na={path}\n", path_word(&self.dest));
        if temporary {
            text.push_str("trap 'rm -rf -- \"${a%/archive}\"' 0\n");
        }
        if self.is_zip() {
            let mode = if newer { "-u -o" } else { "-o" };
            let excluded: Vec<String> = self
                .arguments
                .list("exclude")
                .iter()
                .map(|path| shell_quote(path))
                .collect();
            let excluded = if excluded.is_empty() {
                String::new()
            } else {
                format!(" -x {}", excluded.join(" "))
            };
            text.append(format!(
                "unzip -q {mode}{options} \"$a\" {included}{excluded} -d \"$d\" || exit $?\n"
            ));
        } else {
            let keep = if newer { " --keep-newer-files" } else { "" };
            text.append(format!(
                "tar -x{} -f \"$a\" -C \"$d\"{keep}{options} {included} || exit $?\n",
                self.packed()
            ));
        }
        if !self.attributes.is_empty() {
            let lines = self.attributes.lines("\"$f\"", "-h", "");
            let list = self.list_words();
            text.append(format!(
                "no() {{ echo \"$1: $f\" >&2; exit 9; }}\n{list} | while IFS= read -r f; do f=$d/$f; [ -e \"$f\" ] && [ ! -L \"$f\" ] || continue\n{lines}done || exit $?\n"
            ));
        }
        text
    }

    fn result(&self, dest: &str, state: Option<&PathState>) -> Map<String, Value> {
        let mut result = state.map(PathState::fields).unwrap_or_default();
        result.extend(fields([
            ("dest", json!(dest)),
            ("src", json!(self.src)),
            (
                "handler",
                json!(if self.is_zip() {
                    "ZipArchive"
                } else {
                    "TgzArchive"
                }),
            ),
        ]));
        result
    }

    /// Puts the archive of the controller on the host, and returns where.
    fn send(&self, cx: &mut HostCx<'_>) -> Result<String, ModuleError> {
        let content = if let Some(content) = self.content.get() {
            content
        } else {
            let read = cx.controller.read("files", &self.src);
            let read = read.map_err(ModuleError::Argument)?;
            self.content.get_or_init(|| read)
        };
        let script = format!(
            "{PRELUDE}{NO}t=$(mktemp -d) || no 'cannot make a directory'\nprintf 'path=%s\\0' \"$t\"\n"
        );
        let reply = Reply::of(&cx.script(script)?, "cannot receive the archive")?;
        let path = format!("{}/archive", reply.get("path").unwrap_or("/tmp"));
        cx.put(&Upload {
            path: &path,
            content,
            mode: Some(0o600),
            owner: None,
            group: None,
        })?;
        Ok(path)
    }
}

impl Unpacking {
    /// Unpacks the archive `path`, a shell word, as the step's job.
    fn unpack(
        &self,
        cx: &mut HostCx<'_>,
        path: &str,
        result: &mut Map<String, Value>,
    ) -> Result<(), ModuleError> {
        let job = Job {
            id: cx.job.clone(),
            command: JobCommand::Shell {
                text: self.work(path, !self.on_host),
                shell: None,
            },
            input: None,
            directory: None,
            environment: cx.environment.to_vec(),
            on_deadline: cx.on_deadline,
            outlives_session: cx.indivisible,
        };
        let end = cx.run(&job)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let code = match end.end {
            End::Code(code) => code,
            End::Signal(signal) => -signal,
        };
        let results = json!({"rc": code, "out": text(&end.out), "err": text(&end.err)});
        result.insert("extract_results".into(), results);
        if code != 0 {
            return Err(ModuleError::Failed {
                message: format!(
                    "failed to unpack {} to {}: {}",
                    self.src,
                    self.dest,
                    text(&end.err)
                ),
                result: std::mem::take(result),
            });
        }
        Ok(())
    }
}

impl Action for Unpacking {
    fn describe(&self) -> String {
        format!("unpack {} in {}", self.src, self.dest)
    }

    fn by_hand(&self) -> Option<String> {
        let program = if self.is_zip() { "unzip -o" } else { "tar -xf" };
        let place = if self.is_zip() { "-d" } else { "-C" };
        Some(format!(
            "{program} {} {place} {}",
            shell_quote(&self.src),
            shell_quote(&self.dest)
        ))
    }

    fn safety(&self) -> Option<Safety> {
        Some(Safety::State)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let what = format!("cannot unpack {}", self.src);
        let reply = Reply::of(&cx.script(self.question())?, &what)?;
        let dest = reply.get("dest").unwrap_or(&self.dest).to_owned();
        if reply.yes("creates") {
            let creates = self.arguments.str("creates").unwrap_or_default();
            return Ok(Observed::Same(Outcome {
                result: fields([
                    ("dest", json!(dest)),
                    ("msg", json!(format!("skipped, since {creates} exists"))),
                ]),
                ..Outcome::default()
            }));
        }
        let state = read_state(&reply, "state")?;
        let result = self.result(&dest, state.as_ref());
        if reply.yes("unpacked") {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let mut change = Change::new(format!("{dest}: the content of {}", self.src));
        change.result = result;
        // An archive of the controller can only be compared once it is on the host.
        Ok(if self.on_host || self.arguments.get("creates").is_some() {
            Observed::Differs(change)
        } else {
            Observed::Unknown(change)
        })
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let path = if self.on_host {
            path_word(&self.src)
        } else {
            shell_quote(&self.send(cx)?)
        };
        let mut text = self.head();
        text.append(format!("a={path}\n"));
        text.push_str(&self.difference_lines());
        if self.arguments.flag("list_files") {
            text.append(format!(
                "printf 'files=%s\\0' \"$({})\"\n",
                self.list_words()
            ));
        }
        let reply = Reply::of(
            &cx.script(text + ":\n")?,
            &format!("cannot read {}", self.src),
        )?;
        let mut result = change.result.clone();
        if let Some(files) = reply.line("files") {
            result.insert("files".into(), json!(files.lines().collect::<Vec<_>>()));
        }
        if reply.yes("unpacked") {
            if !self.on_host {
                cx.script(format!("a={path}\nrm -rf -- \"${{a%/archive}}\"\n"))?;
            }
            return Ok(Outcome {
                result,
                ..Outcome::default()
            });
        }
        self.unpack(cx, &path, &mut result)?;
        Ok(Outcome {
            changed: true,
            result,
            ..Outcome::default()
        })
    }
}
