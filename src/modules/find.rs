//! `find`: paths below directories, by name, kind, age, size, mode and content.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::files::{
    Append as _, FileKind, Flags, Mode, PRELUDE, PathState, Pattern, Reply, Text, path_word,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::stat::ALGORITHMS;
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "find",
    summary: "Finds paths below directories by name, kind, age, size, mode and content",
    notes: &[
        "Patterns of `contains` and `use_regex` have Python's syntax.",
        "With `contains` the files that fit otherwise are fetched, each up to 16 MiB.",
    ],
    arguments: &[
        Argument::new("paths", Kind::List, "The directories.").aliases(&["name", "path"]).required(),
        Argument::new("patterns", Kind::List, "Shell patterns, or regular expressions with `use_regex`, one of which the name must match.").aliases(&["pattern"]),
        Argument::new("excludes", Kind::List, "Patterns none of which the name may match.").aliases(&["exclude"]),
        Argument::new("use_regex", Kind::Flag, "Whether the patterns are regular expressions.").default("false"),
        Argument::new("file_type", Kind::Str, "What is looked for.").choices(&["any", "directory", "file", "link"]).default("file"),
        Argument::new("recurse", Kind::Flag, "Whether directories below are searched.").default("false"),
        Argument::new("depth", Kind::Int, "How many levels down, with `recurse`."),
        Argument::new("hidden", Kind::Flag, "Whether names that start with a dot count.").default("false"),
        Argument::new("follow", Kind::Flag, "Whether links to directories are followed.").default("false"),
        Argument::new("age", Kind::Str, "At least this old, or with a minus sign at most: seconds, or with s, m, h, d, w."),
        Argument::new("age_stamp", Kind::Str, "Which time that is.").choices(&["atime", "ctime", "mtime"]).default("mtime"),
        Argument::new("size", Kind::Str, "At least this large, or with a minus sign at most: bytes, or with k, m, g, t."),
        Argument::new("mode", Kind::Mode, "The permissions that it must have."),
        Argument::new("exact_mode", Kind::Flag, "Whether it must have just these; else any of them.").default("true"),
        Argument::new("contains", Kind::Str, "A pattern that a line must match from its start."),
        Argument::new("read_whole_file", Kind::Flag, "Whether `contains` is searched in the whole text instead.").default("false"),
        Argument::new("get_checksum", Kind::Flag, "Whether the digests of regular files are computed.").default("false"),
        Argument::new("checksum_algorithm", Kind::Str, "Which digest.")
            .choices(ALGORITHMS)
            .aliases(&["checksum", "checksum_algo"])
            .default("sha1"),
        Argument::new("limit", Kind::Int, "How many are found at most."),
    ],
    absent: &[("encoding", "files are read as UTF-8, or byte by byte")],
    safety: Safety::ReadOnly,
    example: "- find:\n    paths: /var/log/demo\n    patterns: '*.log'\n    age: 7d\n  register: old\n",
    returns: &[
        ("files", "what was found: path, mode, isreg and so on, uid, gid, pw_name, gr_name, size, inode, dev, nlink, atime, mtime, ctime, checksum"),
        ("matched", "how many were found"),
        ("examined", "how many were looked at"),
        ("skipped_paths", "what could not be looked at, and why"),
    ],
    ..ModuleSpec::EMPTY
};

/// The most that is fetched of a file to look for `contains`.
const MOST: u64 = 16 * 1024 * 1024;

/// The module.
#[derive(Debug)]
pub(super) struct Find;

impl Module for Find {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Search::of(arguments)
            .map(|search| Box::new(search) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an argument of its own"
)]
struct Search {
    paths: Vec<String>,
    names: Names,
    kind: Option<FileKind>,
    depth: Option<i64>,
    hidden: bool,
    follow: bool,
    age: Option<f64>,
    stamp: usize,
    size: Option<i64>,
    mode: Option<Mode>,
    exact_mode: bool,
    contains: Option<String>,
    whole: bool,
    algorithm: Option<String>,
    limit: Option<usize>,
}

/// Which names fit.
#[derive(Debug)]
struct Names {
    patterns: Vec<Pattern>,
    excludes: Vec<Pattern>,
}

/// Compiles the patterns of an argument, regular expressions or those of a shell.
fn compiled(arguments: &Arguments, name: &str) -> Result<Vec<Pattern>, ModuleError> {
    let regex = arguments.flag("use_regex");
    let patterns = arguments.list(name);
    let compile = |pattern: &String| {
        let source = if regex {
            pattern.clone()
        } else {
            from_glob(pattern)
        };
        Pattern::new(&source, Text::Utf8, Flags::default())
    };
    patterns.iter().map(compile).collect()
}

impl Search {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let limit = arguments.int("limit");
        if limit.is_some_and(|limit| limit <= 0) {
            return Err(ModuleError::failed("limit must be more than 0"));
        }
        Ok(Self {
            paths: arguments.list("paths"),
            names: Names {
                patterns: compiled(arguments, "patterns")?,
                excludes: compiled(arguments, "excludes")?,
            },
            kind: match arguments.str("file_type") {
                Some("any") => None,
                Some("directory") => Some(FileKind::Directory),
                Some("link") => Some(FileKind::Link),
                _ => Some(FileKind::File),
            },
            depth: if arguments.flag("recurse") {
                arguments.int("depth").filter(|depth| *depth > 0)
            } else {
                Some(1)
            },
            hidden: arguments.flag("hidden"),
            follow: arguments.flag("follow"),
            age: arguments
                .str("age")
                .map(|text| scaled(text, "age", AGES))
                .transpose()?
                .map(whole_seconds),
            stamp: match arguments.str("age_stamp") {
                Some("atime") => 0,
                Some("ctime") => 2,
                _ => 1,
            },
            size: arguments
                .str("size")
                .map(|text| scaled(text, "size", SIZES))
                .transpose()?,
            mode: arguments.get("mode").map(Mode::parse).transpose()?,
            exact_mode: arguments.get("exact_mode") != Some(&json!(false)),
            contains: arguments.str("contains").map(str::to_owned),
            whole: arguments.flag("read_whole_file"),
            algorithm: arguments.flag("get_checksum").then(|| {
                arguments
                    .str("checksum_algorithm")
                    .unwrap_or("sha1")
                    .to_owned()
            }),
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        })
    }

    fn script(&self) -> String {
        let follow = if self.follow { "-L" } else { "" };
        let depth = self
            .depth
            .map_or_else(String::new, |depth| format!("-maxdepth {depth}"));
        let mut text = format!(
            "{PRELUDE}printf 'now=%s\\0' \"$(date +%s)\"\n\
             f() {{ i=$1; p=$2; while case $p in ?*/) ;; *) false ;; esac; do p=${{p%/}}; done\n\
             printf 'path%s=%s\\0' $i \"$p\"\n[ -d \"$p\" ] || {{ printf 'none%s=yes\\0' $i; return 0; }}\n\
             printf 'states%s=' $i; find {follow} \"$p\"/ -mindepth 1 {depth} -exec stat -c '%f %s %u %g %i %d %h %.9X %.9Y %.9Z %b %o %t %T %U %G' -- {{}} + 2>/dev/null; printf '\\0'\n\
             printf 'names%s=' $i; find {follow} \"$p\"/ -mindepth 1 {depth} -print0 2>/dev/null | tr '\\000' '\\001'; printf '\\0'\n}}\n"
        );
        for (index, path) in self.paths.iter().enumerate() {
            text.append(format!("f {index} {}\n", path_word(path)));
        }
        text + ":\n"
    }

    /// Tells whether all fits but the content.
    fn fits(&self, name: &str, state: &PathState, now: f64) -> Result<bool, ModuleError> {
        if !self.hidden && name.starts_with('.') {
            return Ok(false);
        }
        if self.kind.is_some_and(|kind| kind != state.kind) || !self.names.fit(name)? {
            return Ok(false);
        }
        if let Some(age) = self.age {
            let old = now - state.times.get(self.stamp).copied().unwrap_or_default();
            if (age >= 0.0 && old < age) || (age < 0.0 && old > -age) {
                return Ok(false);
            }
        }
        if let (Some(size), FileKind::File) = (self.size, state.kind) {
            let large = i64::try_from(state.size).unwrap_or(i64::MAX);
            if (size >= 0 && large < size) || (size < 0 && large > -size) {
                return Ok(false);
            }
        }
        Ok(self.mode.as_ref().is_none_or(|mode| {
            let wanted = mode.bits(0, false);
            if self.exact_mode {
                state.bits == wanted
            } else {
                state.bits & wanted != 0
            }
        }))
    }

    /// Tells whether a file's content fits; a file that cannot be read does not.
    fn contains(&self, cx: &mut HostCx<'_>, path: &str) -> Result<bool, ModuleError> {
        let Some(source) = &self.contains else {
            return Ok(true);
        };
        let content = cx.get(path, MOST)?;
        let text = Text::of(&content);
        let pattern = Pattern::new(source, text, Flags::default())?;
        let decoded = text.decode(&content);
        if self.whole {
            return pattern.is_match(&decoded);
        }
        for line in decoded.split_inclusive('\n') {
            if pattern.matches_start(line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn checksums(
        &self,
        cx: &mut HostCx<'_>,
        files: &mut [Map<String, Value>],
    ) -> Result<(), ModuleError> {
        let Some(algorithm) = &self.algorithm else {
            return Ok(());
        };
        let mut text = PRELUDE.to_owned();
        for (index, file) in files.iter().enumerate() {
            if file.get("isreg") == Some(&json!(true)) {
                let path = file.get("path").and_then(Value::as_str).unwrap_or_default();
                text.append(format!(
                    "h=$({algorithm}sum <{}) && printf '{index}=%s\\0' \"${{h%% *}}\"\n",
                    shell_quote(path)
                ));
            }
        }
        let reply = Reply::of(&cx.script(text + ":\n")?, "cannot compute the digests")?;
        for (index, file) in files.iter_mut().enumerate() {
            if let Some(checksum) = reply.line(&index.to_string()) {
                file.insert("checksum".into(), json!(checksum));
            }
        }
        Ok(())
    }
}

impl Names {
    fn fit(&self, name: &str) -> Result<bool, ModuleError> {
        let any = |patterns: &[Pattern]| -> Result<bool, ModuleError> {
            for pattern in patterns {
                if pattern.matches_start(name)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok((self.patterns.is_empty() || any(&self.patterns)?) && !any(&self.excludes)?)
    }
}

const AGES: &[(char, i64)] = &[
    ('s', 1),
    ('m', 60),
    ('h', 3600),
    ('d', 86400),
    ('w', 604_800),
];
const SIZES: &[(char, i64)] = &[
    ('b', 1),
    ('k', 1 << 10),
    ('m', 1 << 20),
    ('g', 1 << 30),
    ('t', 1 << 40),
];

/// Reads a number with a unit.
fn scaled(text: &str, what: &str, units: &[(char, i64)]) -> Result<i64, ModuleError> {
    let lower = text.to_lowercase();
    let unit = units.iter().find(|(unit, _)| lower.ends_with(*unit));
    let digits = unit.map_or(lower.as_str(), |(unit, _)| lower.trim_end_matches(*unit));
    let factor = unit.map_or(1, |(_, factor)| *factor);
    digits
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| ModuleError::failed(format!("failed to process {what} `{text}`")))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ages are far below what a float holds exactly"
)]
fn whole_seconds(seconds: i64) -> f64 {
    seconds as f64
}

/// Makes a regular expression of a shell pattern, as Python's `fnmatch` does.
pub(super) fn from_glob(pattern: &str) -> String {
    let mut out = "(?s)^".to_owned();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' if chars.clone().skip(1).any(|c| c == ']') => {
                out.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    out.push('^');
                }
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str("\\]");
                }
                for c in chars.by_ref().take_while(|c| *c != ']') {
                    if c == '\\' || c == '^' {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push(']');
            }
            c if c.is_alphanumeric() || c == '_' => out.push(c),
            c => out.extend(['\\', c]),
        }
    }
    out + r"\Z"
}

impl Action for Search {
    fn describe(&self) -> String {
        format!("find in {}", self.paths.join(", "))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let reply = Reply::of(&cx.script(self.script())?, "cannot search")?;
        let now: f64 = reply
            .line("now")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        let (mut files, mut skipped, mut examined) = (Vec::new(), Map::new(), 0);
        let mut warnings = Vec::new();
        for (index, path) in self.paths.iter().enumerate() {
            if reply.yes(&format!("none{index}")) {
                skipped.insert(path.clone(), json!(format!("'{path}' is not a directory")));
                warnings.push(format!("Skipped '{path}': it is not a directory"));
                continue;
            }
            for (name, state) in listed(&reply, index)? {
                examined += 1;
                let base = name.rsplit('/').next().unwrap_or_default();
                let full = self.limit.is_some_and(|limit| files.len() >= limit);
                if full || !self.fits(base, &state, now)? || !self.contains(cx, &name)? {
                    continue;
                }
                let mut found = fields([("path", json!(name))]);
                found.extend(state.stat_fields());
                files.push(found);
            }
        }
        self.checksums(cx, &mut files)?;
        let message = if self.limit.is_some_and(|limit| files.len() >= limit) {
            "Limit of matches reached"
        } else if warnings.is_empty() {
            "All paths examined"
        } else {
            "Not all paths examined, check warnings for details"
        };
        Ok(Observed::Same(Outcome {
            result: fields([
                ("matched", json!(files.len())),
                ("files", json!(files)),
                ("examined", json!(examined)),
                ("skipped_paths", json!(skipped)),
                ("msg", json!(message)),
            ]),
            warnings,
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}

/// Puts the names and the states of one directory together, shallow ones first.
fn listed(reply: &Reply, index: usize) -> Result<Vec<(String, PathState)>, ModuleError> {
    let root = reply.get(&format!("path{index}")).unwrap_or_default();
    let names = reply.get(&format!("names{index}")).unwrap_or_default();
    let names: Vec<&str> = names.split_terminator('\u{1}').collect();
    let states = reply.get(&format!("states{index}")).unwrap_or_default();
    let states: Vec<&str> = states.lines().collect();
    if names.len() != states.len() {
        return Err(ModuleError::failed(format!(
            "{root} changed while it was being searched: try again"
        )));
    }
    let mut listed = Vec::new();
    let mut order = HashMap::new();
    for (name, state) in names.iter().zip(states) {
        let state = PathState::parse(state).ok_or_else(|| {
            ModuleError::failed(format!("cannot read what `stat` said of {name}"))
        })?;
        let name = name.replacen("//", "/", 1);
        let depth = name.matches('/').count();
        order.insert(name.clone(), (depth, listed.len()));
        listed.push((name, state));
    }
    listed.sort_by_key(|(name, _)| order.get(name).copied().unwrap_or_default());
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*.log", "a.log", true),
            ("*.log", "a.log.1", false),
            ("a?c", "abc", true),
            ("[!a]b", "ab", false),
            ("[]x]", "]", true),
            ("a.b", "axb", false),
            ("x[", "x[", true),
        ] {
            let pattern_of =
                Pattern::new(&from_glob(pattern), Text::Utf8, Flags::default()).unwrap();
            assert_eq!(
                pattern_of.matches_start(name).unwrap(),
                fits,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(scaled("-2d", "age", AGES).unwrap(), -172_800);
        assert_eq!(scaled("3", "age", AGES).unwrap(), 3);
        assert_eq!(scaled("1G", "size", SIZES).unwrap(), 1 << 30);
        assert!(scaled("x", "size", SIZES).is_err());
    }
}
