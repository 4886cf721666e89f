//! Making a path what it shall be, in one round trip.

use super::super::files::{Append as _, NO, PRELUDE, PathState, Reply, STATE, read_state};
use super::look::Seen;
use super::{HostCx, ModuleError, State, Time, Wanted};
use crate::template::shell_quote;

impl Wanted {
    /// Makes it and returns what is there then.
    pub(super) fn make(
        &self,
        cx: &mut HostCx<'_>,
        seen: &Seen,
    ) -> Result<Option<PathState>, ModuleError> {
        let mut text = format!("{PRELUDE}{STATE}{NO}p={}\n", shell_quote(&seen.path));
        text.push_str(&match self.state(seen) {
            State::Absent => "rm -rf -- \"$p\" || no 'cannot remove it'\n".to_owned(),
            State::File => self.attribute_lines() + &self.time_lines(&Time::Preserve),
            State::Touch => self.touch_lines(),
            State::Directory => self.directory_lines(seen),
            State::Link => self.link_lines(seen),
            State::Hard => self.hard_lines(seen),
        });
        let follow = match self.state(seen) {
            State::Link | State::Hard | State::Absent => "",
            State::Directory | State::File | State::Touch => "-L",
        };
        text.append(format!("st after \"$p\" {follow}\n"));
        let what = format!("cannot change {}", seen.path);
        let reply = Reply::of(&cx.script(text)?, &what)?;
        read_state(&reply, "after")
    }

    fn attribute_lines(&self) -> String {
        let options = if self.follow { "" } else { "-h" };
        self.attributes.lines("\"$p\"", options, "")
    }

    /// Returns the lines that make an empty file, and take it away again if its owner or mode cannot be set.
    fn touch_lines(&self) -> String {
        let mut lines = "n=; [ -e \"$p\" ] || { n=1; ( umask 022; : >>\"$p\" ) || no 'could not touch target'; }\n\
             gone() { [ -z \"$n\" ] || rm -f -- \"$p\"; }\ntrap gone 0\n"
            .to_owned();
        lines.push_str(&self.attribute_lines());
        lines.push_str(&self.time_lines(&Time::Now));
        lines + "trap - 0\n"
    }

    fn directory_lines(&self, seen: &Seen) -> String {
        let mut lines = String::new();
        if seen.standing().is_none() {
            let own = self.attributes.lines("\"$1\"", "", "");
            lines.append(format!(
                "mk() {{\n[ -n \"$1\" ] || return 0\n[ ! -d \"$1\" ] || return 0\n\
                 case $1 in */*) mk \"${{1%/*}}\" ;; esac\n\
                 mkdir -- \"$1\" || [ -d \"$1\" ] || no 'cannot make the directory'\n{own}}}\nmk \"$p\"\n"
            ));
            return lines + &self.time_lines(&Time::Preserve);
        }
        if self.recurse {
            lines.push_str(&self.attributes.lines("\"$p\"", "-h -R", "-R"));
        } else {
            lines.push_str(&self.attribute_lines());
        }
        lines + &self.time_lines(&Time::Preserve)
    }

    fn link_lines(&self, seen: &Seen) -> String {
        let mut lines = String::new();
        if let Some(src) = &self.src
            && seen.leads_to.as_ref() != Some(src)
        {
            lines.append(format!("s={}\n", shell_quote(src)));
            lines.push_str(&replace_lines("ln -s -- \"$s\""));
        }
        // Owner and mode are those of what the link leads to, or the link's own owner.
        if self.attributes.is_empty() {
            return lines;
        }
        if self.follow {
            let own = self.attributes.lines("\"$p\"", "", "");
            lines.append(format!("if [ -e \"$p\" ]; then\n{own}fi\n"));
        } else {
            let mut own = self.attributes.clone();
            own.mode = None;
            lines.push_str(&own.lines("\"$p\"", "-h", ""));
        }
        lines + &self.time_lines(&Time::Preserve)
    }

    fn hard_lines(&self, seen: &Seen) -> String {
        let mut lines = String::new();
        let same = match (&seen.itself, &seen.source) {
            (Some(state), Some(source)) => {
                (state.inode, state.device) == (source.inode, source.device)
            }
            _ => false,
        };
        if let (Some(src), false) = (&self.src, same) {
            let src = super::super::files::path_word(src);
            lines.append(format!(
                "s={src}\n[ ! -L \"$s\" ] || s=$(readlink -f -- \"$s\")\n"
            ));
            lines.push_str(&replace_lines("ln -- \"$s\""));
        }
        lines.push_str(&self.attribute_lines());
        lines + &self.time_lines(&Time::Preserve)
    }

    fn time_lines(&self, default: &Time) -> String {
        let mut lines = String::new();
        for (time, option) in self.times.iter().zip(["-a", "-m"]) {
            match time.as_ref().unwrap_or(default) {
                Time::Preserve => {}
                Time::Now => lines.append(format!(
                    "touch -c {option} -- \"$p\" || no 'cannot set its times'\n"
                )),
                Time::At { touch, .. } => lines.append(format!(
                    "touch -c {option} -t {touch} -- \"$p\" || no 'cannot set its times'\n"
                )),
            }
        }
        lines
    }
}

/// Returns the lines that put what `command NAME` makes in the place of `$p`, by a rename where something is there.
fn replace_lines(command: &str) -> String {
    format!(
        "if [ -e \"$p\" ] || [ -L \"$p\" ]; then\n\
         case $p in */*) d=${{p%/*}}/ ;; *) d= ;; esac\n\
         t=${{d}}.stagger.$$\n\
         {command} \"$t\" || no 'cannot make the link'\n\
         if [ -d \"$p\" ] && [ ! -L \"$p\" ]; then rmdir -- \"$p\" || {{ rm -f -- \"$t\"; no 'cannot remove the directory'; }}; fi\n\
         mv -fT -- \"$t\" \"$p\" 2>/dev/null || {{ rm -f -- \"$p\" && mv -f -- \"$t\" \"$p\"; }} || {{ rm -f -- \"$t\"; no 'cannot rename the link'; }}\n\
         else {command} \"$p\" || no 'cannot make the link'; fi\n"
    )
}
