//! Whether the task's host can go through an upgrade: room, clock, package system, and who would interfere.

use std::collections::BTreeMap;

use serde_json::json;

use super::cluster_view::fields;
use crate::cluster::readiness::{Finding, Need, Wanted, judge, parse, script};
use crate::modules::spec::Arguments;
use crate::modules::{HostCx, ModuleError, Outcome};

/// How many times a package's size its files take once they are unpacked, beside the old ones.
const UNPACKED: u64 = 4;

/// What the host is asked for.
#[derive(Debug)]
pub(super) struct Demands {
    packages: Vec<String>,
    stage_dir: String,
    room: BTreeMap<String, u64>,
    rewritten: Vec<String>,
    package: String,
    skew_s: u64,
    allowed: Vec<String>,
}

impl Demands {
    /// Takes the arguments of the module.
    pub(super) fn of(arguments: &Arguments) -> Self {
        let text = |name: &str| arguments.str(name).unwrap_or_default().to_owned();
        let room = arguments.get("room").and_then(serde_json::Value::as_object);
        Self {
            packages: arguments.list("packages"),
            stage_dir: text("stage_dir"),
            room: room
                .into_iter()
                .flatten()
                .filter_map(|(path, mib)| Some((path.clone(), mebibytes(mib)?)))
                .collect(),
            rewritten: arguments.list("rewritten"),
            package: text("package"),
            skew_s: arguments
                .duration("skew")
                .map(|span| span.as_secs())
                .unwrap_or_default(),
            allowed: arguments.list("allowed"),
        }
    }

    fn wanted(&self, packages_bytes: u64) -> Wanted {
        let mut kib: BTreeMap<String, u64> = BTreeMap::new();
        let packages = packages_bytes.div_ceil(1024);
        if packages > 0 {
            kib.insert(self.stage_dir.clone(), packages);
            kib.insert("/usr".to_owned(), packages.saturating_mul(UNPACKED));
        }
        for path in &self.rewritten {
            kib.entry(path.clone()).or_default();
        }
        for (path, mib) in &self.room {
            let entry = kib.entry(path.clone()).or_default();
            *entry = entry.saturating_add(mib.saturating_mul(1024));
        }
        let need = |(path, kib): (String, u64)| Need {
            rewritten: self.rewritten.contains(&path),
            path,
            kib,
        };
        Wanted {
            package: self.package.clone(),
            needs: kib.into_iter().map(need).collect(),
            skew_s: self.skew_s,
            allowed: self.allowed.clone(),
        }
    }
}

fn mebibytes(value: &serde_json::Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// Looks at the host. A package that is not on the controller is an error of its own.
pub(super) fn read(cx: &mut HostCx<'_>, demands: &Demands) -> Result<Outcome, ModuleError> {
    let mut bytes = 0_u64;
    for package in &demands.packages {
        let content = cx
            .controller
            .read("files", package)
            .map_err(ModuleError::Argument)?;
        bytes = bytes.saturating_add(content.len() as u64);
    }
    let wanted = demands.wanted(bytes);
    let before = cx.clock.now().as_second();
    let marker = cx.marker()?;
    let printed = cx.script(script(&marker, &wanted))?.out;
    let after = cx.clock.now().as_second();
    let findings = judge(&parse(&marker.parts(&printed)), &wanted, (before, after));
    let told = |stops: bool| -> Vec<String> {
        let some = findings.iter().filter(|finding| finding.stops == stops);
        some.map(sentence).collect()
    };
    let problems = told(true);
    let value = json!({"readiness": {
        "ok": problems.is_empty(),
        "problems": problems,
        "notices": told(false),
        "findings": findings,
        "packages_bytes": bytes,
    }});
    Ok(Outcome {
        result: fields(value),
        ..Outcome::default()
    })
}

fn sentence(finding: &Finding) -> String {
    format!("{}: {}. {}", finding.about, finding.found, finding.advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands() -> Demands {
        Demands {
            packages: Vec::new(),
            stage_dir: "/stage".into(),
            room: BTreeMap::from([("/data".to_owned(), 512), ("/usr".to_owned(), 1)]),
            rewritten: vec!["/data".into()],
            package: "arangodb3".into(),
            skew_s: 10,
            allowed: Vec::new(),
        }
    }

    #[test]
    fn packages_need_room_where_they_lie_and_where_they_are_unpacked() {
        let needs = |bytes| -> Vec<(String, u64, bool)> {
            let wanted = demands().wanted(bytes);
            let needs = wanted.needs.into_iter();
            needs
                .map(|need| (need.path, need.kib, need.rewritten))
                .collect()
        };
        let data = ("/data".to_owned(), 512 * 1024, true);
        assert_eq!(needs(0), [data.clone(), ("/usr".to_owned(), 1024, false)]);
        assert_eq!(
            needs(2049),
            [
                data,
                ("/stage".to_owned(), 3, false),
                ("/usr".to_owned(), 1024 + 12, false)
            ]
        );
    }

    #[test]
    fn room_is_a_number_or_its_text() {
        assert_eq!(mebibytes(&json!(5)), Some(5));
        assert_eq!(mebibytes(&json!("5")), Some(5));
        assert_eq!(mebibytes(&json!("much")), None);
    }
}
