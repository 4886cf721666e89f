//! The commands of the READMEs: those that only read are run as they stand, in their order; of the others the words are
//! tried.

use std::fs;

use crate::user::{User, top};

const READMES: [&str; 3] = [
    "README.md",
    "roles/arangodb/README.md",
    "roles/memsql/README.md",
];

/// Returns the lines of a README's blocks of shell commands that call stagger.
fn commands(readme: &str) -> Vec<String> {
    let text = fs::read_to_string(top().join(readme)).unwrap();
    let text = text.replace("\\\n", " ");
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside && line == "```sh";
        } else if let (true, Some(rest)) = (inside, line.strip_prefix("stagger ")) {
            found.push(
                rest.replace('"', "'")
                    .split(" #")
                    .next()
                    .unwrap()
                    .trim()
                    .to_owned(),
            );
        }
    }
    found
}

#[test]
fn the_commands_of_the_readmes_work() {
    for readme in READMES {
        let user = User::new();
        let commands = commands(readme);
        assert!(!commands.is_empty(), "{readme}");
        for line in commands {
            let first = line.split(' ').next().unwrap();
            if [
                "check",
                "completions",
                "init",
                "inventory",
                "man",
                "modules",
                "plan",
            ]
            .contains(&first)
            {
                let ran = user.types(&line);
                assert_eq!(ran.code, Some(0), "{readme}: stagger {line}: {ran:#?}");
            } else {
                let behind = line.replacen(" -- ", " --no-such-flag -- ", 1);
                let behind = if behind == line {
                    format!("{line} --no-such-flag")
                } else {
                    behind
                };
                user.types(&behind)
                    .ended(1, &["unexpected argument '--no-such-flag'"]);
            }
        }
    }
}
