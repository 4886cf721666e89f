//! The words for `apt-get` and `dpkg`, and what they answer.

use std::time::Duration;

use super::{Operator, Simulated, Standing, State, Wanted};
use crate::modules::ModuleError;
use crate::modules::files::{Append as _, Reply, path_word};
use crate::template::shell_quote;

/// What programs of the packages find in their environment.
const ENVIRONMENT: &str = "DEBIAN_FRONTEND=noninteractive; DEBIAN_PRIORITY=critical; export DEBIAN_FRONTEND DEBIAN_PRIORITY\n";

impl Wanted {
    /// Returns the shell text that prints what is installed of each package.
    pub(super) fn apt_questions(&self) -> String {
        let mut text = "q() { printf 'is%s=%s\\0' \"$1\" \"$(dpkg-query -W -f '${db:Status-Abbrev}\t${Version}\t${Package}\\n' -- \"$2\" 2>/dev/null)\"; }\n\
            ge() { v=$(dpkg-query -W -f '${Version}' -- \"$2\" 2>/dev/null); [ -n \"$v\" ] && dpkg --compare-versions \"$v\" ge \"$3\" && printf 'ge%s=yes\\0' \"$1\"; }\n\
            f() { [ -f \"$2\" ] || no \"there is no file $2\"; o=$(dpkg-deb -f \"$2\" Package Version) || no \"$2 is no package\"; printf 'file%s=%s\\0' \"$1\" \"$o\"\n\
            n=${o#*Package: }; q \"$1\" \"${n%%\n*}\"; }\n"
            .to_owned();
        for (index, name) in self.names.iter().enumerate() {
            if name.is_file {
                text.append(format!("f {index} {}\n", path_word(&name.name)));
                continue;
            }
            let word = shell_quote(&name.name);
            text.append(format!("q {index} {word}\n"));
            if let Some((Operator::AtLeast, version)) = &name.version {
                text.append(format!("ge {index} {word} {}\n", shell_quote(version)));
            }
        }
        if self.update_cache {
            text.push_str(
                "printf 'now=%s\\0' \"$(date +%s)\"\n\
                 for l in /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists; do [ ! -e $l ] || { printf 'lists=%s\\0' \"$(stat -c %Y $l)\"; break; }; done\n",
            );
        }
        text
    }

    /// Judges what is installed of each package.
    pub(super) fn apt_standing(&self, reply: &Reply) -> Vec<Standing> {
        let mut all = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            let lines = reply.line(&format!("is{index}")).unwrap_or_default();
            let installed = lines.lines().find_map(|line| {
                let mut words = line.split('\t');
                let (status, version) = (words.next()?, words.next()?);
                status
                    .trim_start()
                    .get(1..2)
                    .filter(|status| *status == "i")?;
                Some(version.to_owned())
            });
            let configured = lines
                .lines()
                .any(|line| line.trim_start().get(1..2) == Some("c"));
            let file_version = reply.line(&format!("file{index}")).map(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("Version: "));
                line.unwrap_or_default().to_owned()
            });
            let fits = match (&name.version, &file_version, &installed) {
                (_, _, None) => false,
                (_, Some(file), Some(version)) => file == version,
                (Some((Operator::Equal, wanted)), None, Some(version)) => glob(wanted, version),
                (Some((Operator::AtLeast, _)), None, Some(_)) => reply.yes(&format!("ge{index}")),
                (None, None, Some(_)) => true,
            };
            let good = match self.state {
                State::Present => {
                    fits || (self.arguments.flag("only_upgrade") && installed.is_none())
                }
                State::Absent => {
                    installed.is_none() && !(configured && self.arguments.flag("purge"))
                }
                // A version that is asked for and there cannot get newer.
                State::Latest => fits && (name.version.is_some() || name.is_file),
                State::BuildDep | State::Fixed => false,
            };
            all.push(Standing {
                version: installed,
                good,
            });
        }
        all
    }

    fn apt_options(&self) -> String {
        let on = |name: &str| self.arguments.flag(name);
        let mut text = String::new();
        let dpkg = self
            .arguments
            .str("dpkg_options")
            .unwrap_or("force-confdef,force-confold");
        for option in dpkg
            .split(',')
            .map(str::trim)
            .filter(|option| !option.is_empty())
        {
            text.append(format!(
                " -o {}",
                shell_quote(&format!("Dpkg::Options::=--{option}"))
            ));
        }
        match self
            .arguments
            .get("install_recommends")
            .and_then(serde_json::Value::as_bool)
        {
            Some(true) => text.push_str(" -o APT::Install-Recommends=yes"),
            Some(false) => text.push_str(" -o APT::Install-Recommends=no"),
            None => {}
        }
        if let Some(release) = self.arguments.str("default_release") {
            text.append(format!(" -t {}", shell_quote(release)));
        }
        for (wanted, option) in [
            (on("allow_unauthenticated"), " --allow-unauthenticated"),
            (on("allow_downgrade"), " --allow-downgrades"),
            (
                on("allow_change_held_packages"),
                " --allow-change-held-packages",
            ),
            (on("only_upgrade"), " --only-upgrade"),
            (on("fail_on_autoremove"), " --no-remove"),
            (
                on("force"),
                " --allow-downgrades --allow-remove-essential --allow-change-held-packages --allow-unauthenticated",
            ),
            (on("purge"), " --purge"),
            (
                self.autoremove && self.state != State::BuildDep,
                " --auto-remove",
            ),
        ] {
            if wanted {
                text.push_str(option);
            }
        }
        text.append(format!(
            " -o DPkg::Lock::Timeout={}",
            self.lock_timeout.as_secs()
        ));
        text
    }

    /// Returns the command that changes the packages, or only says what it would do.
    pub(super) fn apt_command(&self, simulate: bool) -> String {
        let mode = if simulate { "-s" } else { "-y" };
        let verb = match (self.state, self.upgrade.as_deref()) {
            (_, Some("dist" | "full")) => "dist-upgrade",
            (_, Some(_)) => "upgrade --with-new-pkgs",
            (State::Absent, None) => "remove",
            (State::BuildDep, None) => "build-dep",
            (State::Fixed, None) => "-f install",
            (State::Present | State::Latest, None) if self.names.is_empty() => "autoremove",
            (State::Present | State::Latest, None) => "install",
        };
        let mut text = format!("apt-get {mode}{} {verb} --", self.apt_options());
        for name in &self.names {
            let word = match &name.version {
                _ if name.is_file => {
                    let path = path_word(&name.name);
                    if path.starts_with(['/', '\'', '~', '.']) {
                        path
                    } else {
                        format!("./{path}")
                    }
                }
                Some((Operator::Equal, version)) if self.state != State::Absent => {
                    shell_quote(&format!("{}={version}", name.name))
                }
                _ => shell_quote(&name.name),
            };
            text.push(' ');
            text.push_str(&word);
        }
        text
    }

    /// Returns the job's text.
    pub(super) fn apt_job(&self, update: bool, packages: bool) -> String {
        let mut text = ENVIRONMENT.to_owned();
        if update {
            let retries = self
                .arguments
                .int("update_cache_retries")
                .unwrap_or(5)
                .max(1);
            let most = self
                .arguments
                .duration("update_cache_retry_max_delay")
                .unwrap_or(Duration::from_secs(12));
            text.append(format!(
                "n=0; d=1; until apt-get -q -o DPkg::Lock::Timeout={} update; do n=$((n + 1)); [ $n -lt {retries} ] || exit 100; sleep $d; d=$((d * 2)); [ $d -le {} ] || d={}; done\n",
                self.lock_timeout.as_secs(),
                most.as_secs(),
                most.as_secs()
            ));
        }
        if let Some(code) = self.arguments.int("policy_rc_d") {
            text.append(policy(code));
        }
        for (wanted, verb) in [("clean", "clean"), ("autoclean", "autoclean")] {
            if self.arguments.flag(wanted) {
                text.append(format!("apt-get {verb} || exit 100\n"));
            }
        }
        let about = !self.names.is_empty()
            || self.upgrade.is_some()
            || self.autoremove
            || self.state == State::Fixed;
        if packages && about {
            text.push_str(&self.apt_command(false));
            text.push_str(" || exit $?\n");
        }
        text
    }
}

/// Returns the lines that have services left alone while packages are installed, and that put back what was there.
fn policy(code: i64) -> String {
    format!(
        "P=/usr/sbin/policy-rc.d; K=$P.stagger.$$\n\
         [ ! -e $P ] && [ ! -L $P ] || mv -f $P $K || exit 100\n\
         back() {{ rm -f $P; [ ! -e $K ] && [ ! -L $K ] || mv -f $K $P; }}\n\
         trap back 0; trap 'exit 100' HUP INT TERM\n\
         printf '#!/bin/sh\\nexit {code}\\n' >$P && chmod 0755 $P || exit 100\n"
    )
}

/// Tells whether a version matches a shell pattern of one.
fn glob(pattern: &str, version: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == version;
    };
    version.strip_prefix(start).is_some_and(|left| {
        left.char_indices()
            .map(|(at, _)| at)
            .chain([left.len()])
            .any(|at| left.get(at..).is_some_and(|left| glob(rest, left)))
    })
}

/// Reads what a simulation said.
pub(super) fn simulated(said: &str, code: &str) -> Result<Simulated, ModuleError> {
    if code != "0" {
        let errors: Vec<&str> = said
            .lines()
            .filter_map(|line| line.strip_prefix("E: "))
            .collect();
        let shown = if errors.is_empty() {
            said.trim().to_owned()
        } else {
            errors.join("; ")
        };
        return Err(ModuleError::failed(format!(
            "apt-get cannot do that: {shown}"
        )));
    }
    let mut steps = Vec::new();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        let rest: Vec<&str> = words.collect();
        let bracketed = |open: char| {
            let word = rest.iter().find_map(|word| word.strip_prefix(open));
            word.map(|word| word.trim_end_matches([']', ')']))
        };
        match verb {
            "Inst" => steps.push(match (bracketed('['), bracketed('(')) {
                // `[` may also be the architecture behind the new version.
                (Some(old), Some(new))
                    if rest.first().is_some_and(|word| word.starts_with('[')) =>
                {
                    format!("{name} {old} -> {new}")
                }
                (_, Some(new)) => format!("install {name} {new}"),
                _ => format!("install {name}"),
            }),
            "Remv" | "Purg" => steps.push(format!(
                "remove {name} {}",
                bracketed('[').unwrap_or_default()
            )),
            _ => {}
        }
    }
    Ok(Simulated { steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_is_read() {
        let said = "Reading package lists...\nInst demo [1.0] (1.1 local [amd64])\nInst libx (2 Debian:12/stable [amd64])\nRemv old [3]\nConf demo (1.1 local [amd64])\n";
        assert_eq!(
            simulated(said, "0").unwrap().steps,
            ["demo 1.0 -> 1.1", "install libx 2", "remove old 3"]
        );
        let error = simulated("Reading\nE: Unable to locate package nope\n", "100").unwrap_err();
        assert!(error.to_string().contains("Unable to locate package nope"));
    }

    #[test]
    fn versions_match_patterns() {
        for (pattern, version, fits) in [
            ("1.0", "1.0", true),
            ("1.0*", "1.0-2", true),
            ("1.*-1", "1.2.3-1", true),
            ("1.0*", "1.1", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, version), fits, "{pattern} {version}");
        }
    }
}
