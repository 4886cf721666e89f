//! Makes a package of any name, version, files and maintainer scripts.

use std::path::{Path, PathBuf};

use super::{EFFECTS, Error};
use crate::command::Command;
use crate::files;

/// A package to be made.
#[derive(Debug, Clone)]
#[must_use]
pub struct Deb {
    name: String,
    version: String,
    depends: String,
    entries: Vec<Entry>,
    configuration: Vec<String>,
    scripts: Vec<(Script, String)>,
}

/// A file in a package.
#[derive(Debug, Clone)]
pub struct Entry {
    path: String,
    mode: u32,
    content: Content,
}

/// What is in a file of a package.
#[derive(Debug, Clone)]
pub enum Content {
    /// This text.
    Text(String),
    /// What is in that file of this machine.
    CopyOf(PathBuf),
    /// The same file as another one of the package, under a second name.
    LinkTo(String),
}

/// When a maintainer script is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Before the files are unpacked.
    Preinst,
    /// After the files are in place.
    Postinst,
    /// Before the files are removed or replaced.
    Prerm,
    /// After the files are removed.
    Postrm,
}

impl Script {
    const ALL: [Self; 4] = [Self::Preinst, Self::Postinst, Self::Prerm, Self::Postrm];

    fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
        }
    }
}

impl Deb {
    /// Begins a package.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            depends: String::new(),
            entries: Vec::new(),
            configuration: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Adds a file.
    pub fn file(mut self, path: &str, mode: u32, content: Content) -> Self {
        let path = path.to_owned();
        self.entries.push(Entry {
            path,
            mode,
            content,
        });
        self
    }

    /// Adds a file that belongs to the administrator, who may have changed it.
    pub fn configuration(mut self, path: &str, text: &str) -> Self {
        self.configuration.push(path.to_owned());
        self.file(path, 0o644, Content::Text(text.to_owned()))
    }

    /// Names the packages that it depends on, as dpkg writes them.
    pub fn depends(mut self, packages: &str) -> Self {
        packages.clone_into(&mut self.depends);
        self
    }

    /// Sets what a maintainer script does, in the language of `sh`, after it was counted.
    pub fn script(mut self, script: Script, body: &str) -> Self {
        self.scripts.push((script, body.to_owned()));
        self
    }

    /// Returns the name of the package's file.
    pub fn file_name(&self) -> String {
        format!("{}_{}_amd64.deb", self.name, self.version)
    }

    /// Makes the package in a directory and returns its path.
    pub fn build(&self, directory: &Path) -> Result<PathBuf, Error> {
        files::make_directory(directory)?;
        let path = directory.join(self.file_name());
        let stage = directory.join(format!("{}.stage", self.file_name()));
        Command::line("rm -rf --").arg(&stage).run()?;
        for entry in &self.entries {
            put(&stage, entry)?;
        }
        self.put_control(&stage)?;
        // Speed counts, not size: the package is unpacked on hosts of the same machine.
        Command::line("dpkg-deb --root-owner-group -Zgzip -z1 --build")
            .args([&stage, &path])
            .run()?;
        Command::line("rm -rf --").arg(&stage).run()?;
        Ok(path)
    }

    fn put_control(&self, stage: &Path) -> Result<(), Error> {
        let control = stage.join("DEBIAN");
        let mut fields = format!(
            "Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: lab <lab@localhost>\n\
             Section: database\nPriority: optional\nDescription: {} as the lab has it\n",
            self.name, self.version, self.name
        );
        if !self.depends.is_empty() {
            fields = format!("{fields}Depends: {}\n", self.depends);
        }
        files::write(&control.join("control"), fields, 0o644)?;
        if !self.configuration.is_empty() {
            let list = self.configuration.join("\n") + "\n";
            files::write(&control.join("conffiles"), list, 0o644)?;
        }
        for script in Script::ALL {
            let text = self.text_of(script);
            files::write(&control.join(script.name()), text, 0o755)?;
        }
        Ok(())
    }

    /// Every script is there, so that every action on the package is counted.
    fn text_of(&self, script: Script) -> String {
        let own = self.scripts.iter().filter(|(when, _)| *when == script);
        let bodies: Vec<_> = own.map(|(_, body)| body.as_str()).collect();
        format!(
            "#!/bin/sh\nset -e\n{}{}\nexit 0\n",
            count(&self.name, &self.version, script.name()),
            bodies.join("\n")
        )
    }
}

/// Lines of a script that append one line to the host's count of effects.
fn count(package: &str, version: &str, what: &str) -> String {
    // Everybody counts in the same file, whoever comes first. The directory must not have
    // the sticky bit: the kernel then lets nobody but a file's owner append to it.
    format!(
        "d={directory}\n\
         [ -d \"$d\" ] || {{ mkdir -p \"$d\"; chmod 777 \"$d\"; }}\n\
         printf '{{\"time\":\"%s\",\"unix_ms\":%s,\"role\":\"package\",\"pid\":%s,\
         \"version\":\"{version}\",\"place\":\"{package}\",\"what\":\"{what}\",\
         \"detail\":\"%s\"}}\\n' \
         \"$(date -u +%FT%T.%3NZ)\" \"$(date +%s%3N)\" \"$$\" \"$*\" >>{EFFECTS}\n\
         chmod 666 {EFFECTS} 2>/dev/null || true\n",
        directory = Path::new(EFFECTS)
            .parent()
            .unwrap_or(Path::new("/"))
            .display(),
    )
}

fn put(stage: &Path, entry: &Entry) -> Result<(), Error> {
    let target = place(stage, &entry.path)?;
    match &entry.content {
        Content::Text(text) => files::write(&target, text, entry.mode)?,
        Content::CopyOf(path) => {
            files::write(&target, files::read_bytes(path)?, entry.mode)?;
        }
        Content::LinkTo(other) => {
            if let Some(parent) = target.parent() {
                files::make_directory(parent)?;
            }
            Command::line("ln --")
                .args([place(stage, other)?, target])
                .run()?;
        }
    }
    Ok(())
}

fn place(stage: &Path, path: &str) -> Result<PathBuf, Error> {
    let inner = path.strip_prefix('/').filter(|inner| {
        let mut parts = inner.split('/');
        !inner.is_empty() && parts.all(|part| !matches!(part, "" | "." | ".."))
    });
    let inner = inner.ok_or_else(|| Error::Path(path.to_owned()))?;
    Ok(stage.join(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_path_is_one() {
        let stage = Path::new("/stage");
        assert_eq!(place(stage, "/a/b").unwrap(), Path::new("/stage/a/b"));
        for path in ["", "/", "a", "/a/../b", "/a//b", "/a/"] {
            assert!(place(stage, path).is_err(), "{path}");
        }
    }

    #[test]
    fn every_script_counts_itself_and_then_does_its_work() {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("lab/effects.log");
        let deb = Deb::new("demo", "1.0").script(Script::Postinst, "echo did \"$1\"");
        for script in Script::ALL {
            let here = log.parent().unwrap().display().to_string();
            let text = deb.text_of(script).replace("/var/lib/lab", &here);
            let run = Command::line("sh -c").args([text.as_str(), script.name(), "now", "0.9"]);
            let said = run.run().unwrap();
            let works = script == Script::Postinst;
            assert_eq!(said, if works { "did now\n" } else { "" });
        }
        let lines = files::read(&log).unwrap();
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1]["what"], "postinst");
        assert_eq!(lines[1]["detail"], "now 0.9");
        assert_eq!(lines[1]["place"], "demo");
        assert!(lines[1]["unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
    }
}
