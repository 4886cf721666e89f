//! What is at the path now, and what of it is not as asked.

use serde::{Deserialize, Serialize};

use super::super::files::{
    Append as _, FileKind, PRELUDE, PathState, Reply, STATE, path_word, read_state,
};
use super::{HostCx, ModuleError, State, Time, Wanted};
use crate::template::shell_quote;

/// What was found at a path.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The path, with a home expanded, and with links followed where the state works on what they lead to.
    pub(super) path: String,
    /// What is at the path itself.
    pub(super) itself: Option<PathState>,
    /// What is there after following a link.
    pub(super) followed: Option<PathState>,
    /// What a link leads to.
    pub(super) leads_to: Option<String>,
    /// What `src` is, seen from the path.
    pub(super) source: Option<PathState>,
    /// Whether it is a directory with nothing in it.
    pub(super) empty: bool,
    /// The states of all that is below.
    #[serde(skip)]
    pub(super) below: Vec<PathState>,
    /// The times that are wanted, in seconds since 1970.
    times: [Option<f64>; 2],
}

impl Seen {
    /// Returns the state that owner and mode are compared with.
    pub(super) fn standing(&self) -> Option<&PathState> {
        self.followed.as_ref().or(self.itself.as_ref())
    }

    fn is(&self, kind: FileKind) -> bool {
        self.itself.as_ref().is_some_and(|state| state.kind == kind)
    }
}

impl Wanted {
    /// Reads the host, in one round trip.
    pub(super) fn look(&self, cx: &mut HostCx<'_>) -> Result<Seen, ModuleError> {
        let what = format!("cannot read {}", self.path);
        let reply = Reply::of(&cx.script(self.question())?, &what)?;
        let itself = read_state(&reply, "itself")?;
        let follows =
            self.follow && !matches!(self.state, Some(State::Link | State::Hard | State::Absent));
        let is_link = itself
            .as_ref()
            .is_some_and(|state| state.kind == FileKind::Link);
        let followed = if is_link && (follows || self.state == Some(State::Link) && self.follow) {
            read_state(&reply, "followed")?
        } else {
            itself.clone()
        };
        let given = reply.get("path").unwrap_or(&self.path).to_owned();
        let real = reply
            .line("real")
            .filter(|_| is_link && follows && self.state.is_some());
        let seconds = |name: &str| reply.line(name).and_then(|text| text.parse().ok());
        let below = reply.get("below").unwrap_or_default().lines();
        let below: Option<Vec<PathState>> = below.map(PathState::parse).collect();
        Ok(Seen {
            path: real.map_or(given, str::to_owned),
            itself,
            followed,
            leads_to: reply.get("leads_to").map(str::to_owned),
            source: match reply.get("source") {
                Some(_) => read_state(&reply, "source")?,
                None => None,
            },
            empty: reply.yes("empty"),
            below: below
                .ok_or_else(|| ModuleError::failed("cannot read what is in the directory"))?,
            times: [seconds("access"), seconds("modification")],
        })
    }

    fn question(&self) -> String {
        let mut text = format!(
            "{PRELUDE}{STATE}p={}\ncase $p in ?*/) p=${{p%/}} ;; esac\n",
            path_word(&self.path)
        );
        if let (Some(src), Some(State::Hard)) = (&self.src, self.state) {
            let name = shell_quote(src.rsplit('/').next().unwrap_or(src));
            text.append(format!("if [ -d \"$p\" ]; then p=$p/{name}; fi\n"));
        }
        text.push_str("printf 'path=%s\\0' \"$p\"\nst itself \"$p\"\n");
        text.push_str(
            "if [ -L \"$p\" ]; then st followed \"$p\" -L; printf 'leads_to=%s\\0' \"$(readlink -- \"$p\")\"; printf 'real=%s\\0' \"$(readlink -f -- \"$p\")\"; fi\n",
        );
        if self.state == Some(State::Link) {
            text.push_str("if [ -d \"$p\" ] && [ ! -L \"$p\" ] && [ -z \"$(ls -A -- \"$p\")\" ]; then printf 'empty=yes\\0'; fi\n");
        }
        if let (Some(src), Some(State::Link | State::Hard)) = (&self.src, self.state) {
            let src = path_word(src);
            let from = if self.state == Some(State::Hard) {
                format!("s={src}\n")
            } else {
                format!(
                    "s={src}\ncase $s in /*) ;; *) if [ -d \"$p\" ] && [ ! -L \"$p\" ]; then s=$p/$s; else case $p in */*) s=${{p%/*}}/$s ;; esac; fi ;; esac\n"
                )
            };
            text.append(format!("{from}st source \"$s\" -L\n"));
        }
        if self.recurse && !self.attributes.is_empty() {
            text.push_str(
                "if [ -d \"$p\" ]; then printf 'below='; find \"$p\"/ -mindepth 1 -exec stat -c '%f %s %u %g %i %d %h %X %Y %Z %b %o %t %T %U %G' -- {} + || exit 1; printf '\\0'; fi\n",
            );
        }
        for (name, time) in ["access", "modification"].iter().zip(&self.times) {
            if let Some(Time::At { date, .. }) = time {
                text.append(format!(
                    "printf '{name}=%s\\0' \"$(date -d {} +%s)\"\n",
                    shell_quote(date)
                ));
            }
        }
        text + ":\n"
    }

    /// Names what is not as asked; empty if all is.
    pub(super) fn judge(&self, seen: &Seen) -> Result<Vec<String>, ModuleError> {
        match self.state(seen) {
            State::Absent => Ok(match &seen.itself {
                Some(state) if state.is_directory() => {
                    vec!["remove it with all that is in it".to_owned()]
                }
                Some(_) => vec!["remove it".to_owned()],
                None => Vec::new(),
            }),
            State::File => self.judge_file(seen),
            State::Touch => Ok(if seen.itself.is_none() {
                vec!["make it".to_owned()]
            } else {
                self.attributes_and_times(seen, &Time::Now)
            }),
            State::Directory => self.judge_directory(seen),
            State::Link => self.judge_link(seen),
            State::Hard => self.judge_hard(seen),
        }
    }

    fn judge_file(&self, seen: &Seen) -> Result<Vec<String>, ModuleError> {
        match seen.standing() {
            Some(state) if state.kind == FileKind::File => {
                Ok(self.attributes_and_times(seen, &Time::Preserve))
            }
            Some(state) if self.state.is_none() && state.kind != FileKind::Directory => {
                Ok(self.attributes_and_times(seen, &Time::Preserve))
            }
            Some(state) => Err(conflict(seen, state.state())),
            None => Err(conflict(seen, "absent")),
        }
    }

    fn judge_directory(&self, seen: &Seen) -> Result<Vec<String>, ModuleError> {
        match seen.standing() {
            None => Ok(vec!["make the directory".to_owned()]),
            Some(state) if state.is_directory() => {
                let mut found = self.attributes_and_times(seen, &Time::Preserve);
                let below = |state: &&PathState| !self.attributes.differences(state).is_empty();
                let count = seen.below.iter().filter(below).count();
                if count > 0 {
                    found.push(format!("owner or mode of {count} things in it"));
                }
                Ok(found)
            }
            Some(state) => Err(ModuleError::failed(format!(
                "{} already exists as a {}",
                seen.path,
                state.state()
            ))),
        }
    }

    fn judge_link(&self, seen: &Seen) -> Result<Vec<String>, ModuleError> {
        if !self.force && self.src.is_some() && seen.source.is_none() {
            return Err(ModuleError::failed(format!(
                "src file does not exist, use 'force=yes' if you really want to create the link: {}",
                self.src.as_deref().unwrap_or_default()
            )));
        }
        if let Some(state) = seen
            .itself
            .as_ref()
            .filter(|state| state.kind != FileKind::Link)
        {
            if !self.force {
                return Err(ModuleError::failed(format!(
                    "refusing to convert from {} to symlink for {}",
                    state.state(),
                    seen.path
                )));
            }
            if state.is_directory() && !seen.empty {
                return Err(ModuleError::failed(format!(
                    "the directory {} is not empty, refusing to convert it",
                    seen.path
                )));
            }
        }
        let Some(src) = &self.src else {
            if seen.is(FileKind::Link) {
                return Ok(self.attributes_and_times(seen, &Time::Preserve));
            }
            return Err(ModuleError::failed(
                "src is required for creating new symlinks",
            ));
        };
        if seen.is(FileKind::Link) && seen.leads_to.as_ref() == Some(src) {
            return Ok(if seen.followed.is_some() {
                self.attributes_and_times(seen, &Time::Preserve)
            } else {
                Vec::new()
            });
        }
        Ok(vec![match &seen.leads_to {
            Some(old) => format!("link {old} -> {src}"),
            None => format!("link to {src}"),
        }])
    }

    fn judge_hard(&self, seen: &Seen) -> Result<Vec<String>, ModuleError> {
        let Some(source) = &seen.source else {
            return Err(ModuleError::failed(match &self.src {
                Some(src) => format!("src does not exist: {src}"),
                None => "src is required for creating new hardlinks".to_owned(),
            }));
        };
        match &seen.itself {
            Some(state) if (state.inode, state.device) == (source.inode, source.device) => {
                Ok(self.attributes_and_times(seen, &Time::Preserve))
            }
            Some(state) if !self.force && state.kind != FileKind::Link => {
                Err(ModuleError::failed(format!(
                    "Cannot link, {} exists at destination {}",
                    state.state(),
                    seen.path
                )))
            }
            Some(_) | None => Ok(vec!["make the hard link".to_owned()]),
        }
    }

    fn attributes_and_times(&self, seen: &Seen, default: &Time) -> Vec<String> {
        let Some(state) = seen.standing() else {
            return Vec::new();
        };
        let mut found = self.attributes.differences(state);
        let names = ["access time", "modification time"];
        for (index, name) in names.iter().enumerate() {
            let time = self
                .times
                .get(index)
                .and_then(Option::as_ref)
                .unwrap_or(default);
            let now = state.times.get(index).copied().unwrap_or_default();
            let wanted = seen.times.get(index).copied().flatten();
            match time {
                Time::Now => found.push(format!("{name} {now} -> now")),
                Time::At { date, .. } if wanted.is_none_or(|wanted| differ(wanted, now)) => {
                    found.push(format!("{name} {now} -> {date}"));
                }
                Time::Preserve | Time::At { .. } => {}
            }
        }
        found
    }
}

/// Tells whether two times differ; a time that is asked for has whole seconds.
fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > 0.000_001
}

fn conflict(seen: &Seen, state: &str) -> ModuleError {
    let mut result = serde_json::Map::new();
    result.insert("path".into(), seen.path.clone().into());
    result.insert("state".into(), state.into());
    ModuleError::Failed {
        message: format!("file ({}) is {state}, cannot continue", seen.path),
        result,
    }
}
