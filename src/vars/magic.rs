//! Magic variables that are the same all through a run.

use serde_json::{Map, Value, json};

/// The release of ansible-core whose behaviour playbooks can count on: `ansible_version`.
const ANSIBLE: (u32, u32, u32) = (2, 19, 0);

/// What the command line says that playbooks can ask for.
#[derive(Debug, Clone, Default)]
pub struct RunMagic {
    /// `ansible_check_mode`.
    pub check: bool,
    /// `ansible_diff_mode`.
    pub diff: bool,
    /// `ansible_verbosity`.
    pub verbosity: u8,
    /// `ansible_forks`.
    pub forks: usize,
    /// `ansible_limit`, not defined without one.
    pub limit: Option<String>,
    /// `ansible_run_tags`; none means all.
    pub run_tags: Vec<String>,
    /// `ansible_skip_tags`.
    pub skip_tags: Vec<String>,
    /// `ansible_inventory_sources`.
    pub inventory_sources: Vec<String>,
    /// The directory that relative paths start from, so that `inventory_dir` and `playbook_dir` are absolute.
    pub working_directory: String,
}

impl RunMagic {
    /// Returns the variables.
    pub(super) fn variables(&self) -> Map<String, Value> {
        let (major, minor, revision) = ANSIBLE;
        let version = format!("{major}.{minor}.{revision}");
        let run_tags = if self.run_tags.is_empty() {
            json!(["all"])
        } else {
            json!(self.run_tags)
        };
        let variables = [
            ("ansible_check_mode", json!(self.check)),
            ("ansible_diff_mode", json!(self.diff)),
            ("ansible_verbosity", json!(self.verbosity)),
            ("ansible_forks", json!(self.forks)),
            ("ansible_run_tags", run_tags),
            ("ansible_skip_tags", json!(self.skip_tags)),
            ("ansible_inventory_sources", json!(self.inventory_sources)),
            (
                "ansible_version",
                json!({
                    "string": version, "full": version,
                    "major": major, "minor": minor, "revision": revision,
                }),
            ),
            ("omit", json!(crate::template::OMIT)),
        ];
        let limit = self
            .limit
            .as_ref()
            .map(|limit| ("ansible_limit", json!(limit)));
        let own = |(name, value): (&str, Value)| (name.to_owned(), value);
        variables.into_iter().chain(limit).map(own).collect()
    }

    /// Makes a path absolute.
    pub(super) fn absolute(&self, path: &str) -> String {
        let base = self.working_directory.trim_end_matches('/');
        match path {
            "" | "." => self.working_directory.clone(),
            _ if path.starts_with('/') || self.working_directory.is_empty() => path.to_owned(),
            _ => format!("{base}/{}", path.trim_start_matches("./")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute() {
        let run = RunMagic {
            working_directory: "/srv/ops".to_owned(),
            ..RunMagic::default()
        };
        for (path, expected) in [
            ("hosts", "/srv/ops/hosts"),
            ("./a/hosts", "/srv/ops/a/hosts"),
            (".", "/srv/ops"),
            ("/etc/hosts", "/etc/hosts"),
            ("../x", "/srv/ops/../x"),
        ] {
            assert_eq!(run.absolute(path), expected, "{path}");
        }
        assert_eq!(RunMagic::default().absolute("a/b"), "a/b");
    }
}
