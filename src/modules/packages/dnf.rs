//! The words for `dnf`, `yum` and `rpm`, and what they answer.

use super::{Manager, Operator, Simulated, Standing, State, Wanted};
use crate::modules::ModuleError;
use crate::modules::files::{Append as _, Reply, path_word};
use crate::template::shell_quote;

/// How `rpm` prints a package: name, and version as `dnf` writes it.
const FORMAT: &str = "'%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n'";

impl Wanted {
    /// Returns the shell text that prints what is installed of each package.
    pub(super) fn rpm_questions(&self) -> String {
        let mut text = format!(
            "q() {{ o=$(rpm -q --qf {FORMAT} -- \"$2\" 2>/dev/null) || o=$(rpm -q --whatprovides --qf {FORMAT} -- \"$2\" 2>/dev/null) || o=; printf 'is%s=%s\\0' \"$1\" \"$o\"; }}\n\
             f() {{ [ -f \"$2\" ] || no \"there is no file $2\"; o=$(rpm -qp --qf {FORMAT} -- \"$2\" 2>/dev/null) || no \"$2 is no package\"; printf 'file%s=%s\\0' \"$1\" \"$o\"; q \"$1\" \"${{o%%\t*}}\"; }}\n"
        );
        for (index, name) in self.names.iter().enumerate() {
            if name.is_file {
                text.append(format!("f {index} {}\n", path_word(&name.name)));
            } else if !name.name.starts_with('@') {
                let asked = match &name.version {
                    Some((Operator::Equal, version)) => format!("{}-{version}", name.name),
                    _ => name.name.clone(),
                };
                text.append(format!("q {index} {}\n", shell_quote(&asked)));
            }
        }
        text
    }

    /// Judges what is installed of each package.
    pub(super) fn rpm_standing(&self, reply: &Reply) -> Result<Vec<Standing>, ModuleError> {
        let mut all = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            if matches!(name.version, Some((Operator::AtLeast, _))) {
                return Err(ModuleError::failed(format!(
                    "`{}`: only `=` is possible with rpm packages",
                    name.raw
                )));
            }
            let lines = reply.line(&format!("is{index}")).unwrap_or_default();
            let versions: Vec<&str> = lines
                .lines()
                .filter_map(|line| line.split('\t').nth(1))
                .collect();
            let file = reply
                .line(&format!("file{index}"))
                .and_then(|line| line.split('\t').nth(1));
            let fits = match file {
                Some(file) => versions.contains(&file),
                None => !versions.is_empty(),
            };
            let good = match self.state {
                State::Present => fits,
                State::Absent => versions.is_empty() && !name.name.starts_with('@'),
                State::Latest => fits && name.is_file,
                State::BuildDep | State::Fixed => false,
            };
            all.push(Standing {
                version: versions.last().map(|version| (*version).to_owned()),
                good,
            });
        }
        Ok(all)
    }

    fn rpm_options(&self) -> String {
        let on = |name: &str| self.arguments.flag(name);
        let mut text = String::new();
        for (wanted, option) in [
            (on("disable_gpg_check"), " --nogpgcheck"),
            (on("allowerasing"), " --allowerasing"),
            (on("skip_broken"), " --skip-broken"),
            (on("bugfix"), " --bugfix"),
            (on("security"), " --security"),
            (on("cacheonly"), " -C"),
            (self.arguments.get("best") == Some(&true.into()), " --best"),
            (
                self.arguments.get("best") == Some(&false.into()),
                " --nobest",
            ),
            (
                self.arguments.get("install_weak_deps") == Some(&false.into()),
                " --setopt=install_weak_deps=False",
            ),
            (
                self.arguments.get("validate_certs") == Some(&false.into()),
                " --setopt=sslverify=False",
            ),
            (on("download_only"), " --downloadonly"),
        ] {
            if wanted {
                text.push_str(option);
            }
        }
        for (name, option) in [
            ("enablerepo", "--enablerepo"),
            ("disablerepo", "--disablerepo"),
            ("exclude", "--exclude"),
            ("disable_plugin", "--disableplugin"),
            ("enable_plugin", "--enableplugin"),
        ] {
            for value in self.arguments.list(name) {
                text.append(format!(" {option}={}", shell_quote(&value)));
            }
        }
        for (name, option) in [
            ("conf_file", "-c "),
            ("installroot", "--installroot="),
            ("releasever", "--releasever="),
            ("download_dir", "--downloaddir="),
        ] {
            if let Some(value) = self.arguments.str(name).filter(|value| *value != "/") {
                text.append(format!(" {option}{}", shell_quote(value)));
            }
        }
        text
    }

    /// Returns the command that changes the packages, or only says what it would do.
    pub(super) fn rpm_command(&self, manager: Manager, simulate: bool) -> String {
        let mode = if simulate { "--assumeno" } else { "-y" };
        let all = self.names.iter().any(|name| name.name == "*");
        let verb = match self.state {
            State::Absent => "remove",
            State::Latest if all => "upgrade",
            State::Present | State::Latest if self.names.is_empty() && self.upgrade.is_some() => {
                "upgrade"
            }
            State::Present | State::Latest if self.names.is_empty() => "autoremove",
            State::Present if self.arguments.flag("allow_downgrade") && manager == Manager::Yum => {
                "downgrade"
            }
            State::Latest if self.arguments.flag("update_only") => "upgrade",
            State::Present | State::Latest | State::BuildDep | State::Fixed => "install",
        };
        let mut text = format!("{} {mode}{} {verb}", manager.program(), self.rpm_options());
        for name in self.names.iter().filter(|name| name.name != "*") {
            let word = match &name.version {
                _ if name.is_file => path_word(&name.name),
                Some((_, version)) => shell_quote(&format!("{}-{version}", name.name)),
                None => shell_quote(&name.name),
            };
            text.push(' ');
            text.push_str(&word);
        }
        text
    }

    /// Returns the job's text.
    pub(super) fn rpm_job(&self, manager: Manager, update: bool, packages: bool) -> String {
        let mut text = String::new();
        let program = manager.program();
        if update {
            text.append(format!(
                "{program} -y{} makecache || exit $?\n",
                self.rpm_options()
            ));
        }
        if packages {
            text.append(format!("{} || exit $?\n", self.rpm_command(manager, false)));
            // `install` does not renew what is there already.
            if self.state == State::Latest
                && !self.arguments.flag("update_only")
                && !self.names.iter().any(|name| name.name == "*")
            {
                let names: Vec<String> = self
                    .names
                    .iter()
                    .filter(|name| !name.is_file && name.version.is_none())
                    .map(|name| shell_quote(&name.name))
                    .collect();
                if !names.is_empty() {
                    text.append(format!(
                        "{program} -y{} upgrade {} || exit $?\n",
                        self.rpm_options(),
                        names.join(" ")
                    ));
                }
            }
        }
        text
    }
}

/// Reads what a simulation (`--assumeno`) said: it ends with 1 if something would be done.
pub(super) fn simulated(said: &str, code: &str) -> Result<Simulated, ModuleError> {
    let mut steps = Vec::new();
    let mut verb = "";
    for line in said.lines() {
        let head = line.trim_end_matches(':').trim();
        verb = match head {
            "Installing" | "Installing dependencies" | "Installing weak dependencies" => "install",
            "Upgrading" | "Updating" => "upgrade",
            "Downgrading" => "downgrade",
            "Removing"
            | "Removing unused dependencies"
            | "Removing dependent packages"
            | "Removing for dependencies" => "remove",
            "Reinstalling" => "reinstall",
            "Transaction Summary" => "",
            _ => verb,
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[name, _, version, ..] = words.as_slice() else {
            continue;
        };
        if line.starts_with(' ') && !verb.is_empty() && !name.starts_with("replacing") {
            steps.push(format!("{verb} {name} {version}"));
        }
    }
    let nothing = said.contains("Nothing to do");
    if code != "0" && steps.is_empty() && !nothing {
        let errors: Vec<&str> = said
            .lines()
            .filter(|line| {
                line.starts_with("Error")
                    || line.starts_with("No match")
                    || line.starts_with("No package")
            })
            .collect();
        let shown = if errors.is_empty() {
            said.trim().to_owned()
        } else {
            errors.join("; ")
        };
        return Err(ModuleError::failed(format!("it cannot be done: {shown}")));
    }
    Ok(Simulated { steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_is_read() {
        let said = "Dependencies resolved.\n====\n Package  Architecture Version Repository Size\n====\nInstalling:\n demo  x86_64  1.1-1  local  10 k\nUpgrading:\n libx  x86_64  2-1  base  5 k\n     replacing  liby.x86_64 1-1\n\nTransaction Summary\n====\nInstall  1 Package\n\nOperation aborted.\n";
        assert_eq!(
            simulated(said, "1").unwrap().steps,
            ["install demo 1.1-1", "upgrade libx 2-1"]
        );
        assert_eq!(
            simulated("Nothing to do.\nComplete!\n", "0").unwrap(),
            Simulated::default()
        );
        let error = simulated(
            "No match for argument: nope\nError: Unable to find a match: nope\n",
            "1",
        );
        assert!(error.unwrap_err().to_string().contains("nope"));
    }
}
