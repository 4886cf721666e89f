//! Which test of which of cargo's targets a case of the table is.

use std::path::Path;

/// What cargo makes one program of tests of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    package: &'static str,
    /// The test's name; the library's own tests without one.
    test: Option<String>,
}

impl Target {
    /// Returns the target that a file belongs to.
    pub(super) fn of(file: &str) -> Option<Self> {
        let of_test = |package, rest: &str| {
            let name = rest.split('/').next()?.trim_end_matches(".rs");
            let test = Some(name.to_owned());
            Some(Self { package, test })
        };
        let of_library = |package| {
            Some(Self {
                package,
                test: None,
            })
        };
        if let Some(rest) = file.strip_prefix("tests/lab/tests/") {
            of_test("lab", rest)
        } else if file.starts_with("tests/lab/src/") {
            of_library("lab")
        } else if let Some(rest) = file.strip_prefix("tests/") {
            of_test("stagger", rest)
        } else if file.starts_with("src/") {
            of_library("stagger")
        } else {
            None
        }
    }

    /// Returns what cargo is to be told.
    pub(super) fn words(&self) -> String {
        let which = match &self.test {
            Some(test) => format!("--test {test}"),
            None => "--lib".to_owned(),
        };
        format!("test --locked -p {} {which}", self.package)
    }
}

/// Reads what a program of tests lists.
pub(super) fn listed(out: &str) -> Vec<String> {
    let lines = out.lines();
    let names = lines.filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// How many tests passed, as the last line of a program of tests says.
pub(super) fn passed(out: &str) -> usize {
    let result = out.lines().rfind(|line| line.starts_with("test result: "));
    let passed = result.and_then(|line| {
        line.split(['.', ';'])
            .find_map(|part| part.trim().strip_suffix(" passed"))
    });
    passed.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// The modules that a file is, below the root of its target.
fn module(file: &str) -> Vec<&str> {
    let inner = ["tests/lab/src/", "tests/lab/tests/", "tests/", "src/"];
    let rest = inner.iter().find_map(|top| file.strip_prefix(top));
    let path = Path::new(rest.unwrap_or(file)).with_extension("");
    let parts = path.iter().filter_map(|part| {
        // The same part of the path as it stands in the name.
        let part = part.to_str()?;
        file.split(['/', '.']).find(|own| *own == part)
    });
    let parts: Vec<&str> = parts
        .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
        .collect();
    let is_test = file.starts_with("tests/") && !file.starts_with("tests/lab/src/");
    // The first one is the target itself.
    parts.into_iter().skip(usize::from(is_test)).collect()
}

/// Returns the tests that a case is: the one of its name, in the file's module if there are several; for a case that is an
/// entry of a list, all tests of the nearest module that has any.
pub(super) fn tests_of(file: &str, name: &str, listed: &[String]) -> Vec<String> {
    let of_name = |test: &&String| *test == name || test.ends_with(&format!("::{name}"));
    let named: Vec<&String> = listed.iter().filter(of_name).collect();
    let within = |test: &str, module: &[&str]| {
        let path = format!("::{test}");
        path.contains(&format!("::{}::", module.join("::")))
    };
    let mut module = module(file);
    if !named.is_empty() {
        let own: Vec<&&String> = named.iter().filter(|test| within(test, &module)).collect();
        return match own.as_slice() {
            [] => named.into_iter().cloned().collect(),
            own => own.iter().map(|test| (**test).clone()).collect(),
        };
    }
    // Only entries of lists have names of several words.
    while name.contains(' ') && !module.is_empty() {
        let own = listed.iter().filter(|test| within(test, &module));
        let own: Vec<String> = own.cloned().collect();
        if !own.is_empty() {
            return own;
        }
        module.pop();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_a_target() {
        for (file, words) in [
            (
                "tests/cli/arangodb_role/later.rs",
                "test --locked -p stagger --test cli",
            ),
            (
                "tests/cli/upgrade_whole.rs",
                "test --locked -p stagger --test cli",
            ),
            (
                "src/modules/command_file.rs",
                "test --locked -p stagger --lib",
            ),
            (
                "tests/lab/src/sim/starter/supervise.rs",
                "test --locked -p lab --lib",
            ),
            (
                "tests/lab/tests/hosts/back.rs",
                "test --locked -p lab --test hosts",
            ),
        ] {
            let target = Target::of(file).map(|target| target.words());
            assert_eq!(target.as_deref(), Some(words), "{file}");
        }
        assert_eq!(Target::of("roles/arangodb/README.md"), None);
    }

    #[test]
    fn a_case_is_the_test_of_its_name_in_its_file() {
        let listed: Vec<String> = [
            "arangodb_role::later::plan",
            "arangodb_role::plan",
            "upgrade_whole::each_fault",
            "upgrade_whole::slow",
            "starter::goes_through",
        ]
        .map(str::to_owned)
        .into();
        for (file, name, expected) in [
            (
                "tests/cli/arangodb_role/later.rs",
                "plan",
                vec!["arangodb_role::later::plan"],
            ),
            (
                "tests/cli/upgrade_whole/faults.rs",
                "KillMode is missing",
                vec!["upgrade_whole::each_fault", "upgrade_whole::slow"],
            ),
            (
                "tests/lab/tests/hosts/starter.rs",
                "starter::goes_through",
                vec!["starter::goes_through"],
            ),
            ("tests/cli/arangodb_role/later.rs", "gone", vec![]),
            ("tests/cli/elsewhere.rs", "no such entry", vec![]),
        ] {
            assert_eq!(tests_of(file, name, &listed), expected, "{name}");
        }
    }

    #[test]
    fn what_passed_is_counted_and_what_was_ignored_is_not() {
        for (out, count) in [
            (
                "test a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out\n",
                1,
            ),
            (
                "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
                0,
            ),
            ("test result: FAILED. 2 passed; 1 failed; 0 ignored", 2),
            ("", 0),
        ] {
            assert_eq!(passed(out), count, "{out}");
        }
        assert_eq!(
            listed("a::b: test\nc: benchmark\n\n1 test, 0 benchmarks\n"),
            ["a::b"]
        );
    }
}
