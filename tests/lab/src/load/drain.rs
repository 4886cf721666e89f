//! Which coordinators are to get no new requests: a file that whoever upgrades them writes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::sim::http::Target;
use crate::sim::time;

/// The file, looked at a few times a second.
#[derive(Debug)]
pub struct Drain {
    path: Option<PathBuf>,
    known: Mutex<(u64, Vec<String>)>,
}

const LOOK_EVERY_MS: u64 = 50;

impl Drain {
    /// Returns what a file says; without one nobody is drained.
    pub fn new(path: Option<&Path>) -> Self {
        Self {
            path: path.map(Path::to_owned),
            known: Mutex::new((0, Vec::new())),
        }
    }

    /// Returns the coordinators that may get requests; all of them if all are drained.
    pub fn open<'a>(&self, all: &'a [Target]) -> Vec<&'a Target> {
        let Some(path) = &self.path else {
            return all.iter().collect();
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = time::mono_ms();
        if now >= known.0 + LOOK_EVERY_MS {
            *known = (
                now,
                lines(&std::fs::read_to_string(path).unwrap_or_default()),
            );
        }
        let open: Vec<&Target> = all.iter().filter(|one| !is_listed(one, &known.1)).collect();
        if open.is_empty() {
            all.iter().collect()
        } else {
            open
        }
    }

    /// Tells whether a server is listed now.
    pub fn lists(&self, target: &Target) -> bool {
        let _looked = self.open(std::slice::from_ref(target));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        is_listed(target, &known.1)
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or("").trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// A line names a host, a host and port, or a URL.
fn is_listed(target: &Target, lines: &[String]) -> bool {
    lines.iter().any(|line| {
        *line == target.host
            || *line == target.authority()
            || Target::parse(line).as_ref() == Some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_coordinator_gets_nothing_in_whatever_form_it_is_listed() {
        let all: Vec<Target> = ["http://h1:8529", "http://h2:8529"]
            .iter()
            .filter_map(|text| Target::parse(text))
            .collect();
        for line in [
            "h1",
            "h1:8529",
            "http://h1:8529",
            "tcp://h1:8529 # being upgraded",
        ] {
            let listed = lines(line);
            assert!(is_listed(&all[0], &listed), "{line}");
            assert!(!is_listed(&all[1], &listed), "{line}");
        }
        assert!(!is_listed(&all[0], &lines("h1:9999\n\n# h1\n")));
    }

    #[test]
    fn the_file_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drain");
        let all = vec![
            Target::parse("http://h1:1").unwrap(),
            Target::parse("http://h2:1").unwrap(),
        ];
        let drain = Drain::new(Some(&path));
        assert_eq!(drain.open(&all).len(), 2, "no file");
        crate::sim::files::replace(&path, b"h1\n", 0o644).unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(80));
        assert_eq!(drain.open(&all), [&all[1]]);
    }
}
