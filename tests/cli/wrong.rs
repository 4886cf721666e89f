//! Bad input: each mistake gives one clear text with its place and what to do, the right exit code, and touches nothing.
//!
//! A case is a file of `tests/fixtures/wrong`: what is typed, then the files; beside it stands the exact text that comes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::user::{User, top};

/// A command line and the files that it finds.
fn case(text: &str) -> (String, Vec<(String, String)>) {
    let (line, rest) = text.split_once('\n').unwrap();
    let line = line.strip_prefix("$ stagger ").unwrap().to_owned();
    let mut files: Vec<(String, String)> = Vec::new();
    for line in rest.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            files.push((name.to_owned(), String::new()));
        } else if let Some((_, content)) = files.last_mut() {
            content.push_str(line);
            content.push('\n');
        }
    }
    (line, files)
}

#[test]
fn bad_input_gives_exactly_what_stands_beside_it_and_touches_nothing() {
    let directory = top().join("tests/fixtures/wrong");
    let took = regex::Regex::new("took .*").unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".case").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() > 20, "only {} cases were found", names.len());
    for name in names {
        let text = fs::read_to_string(directory.join(format!("{name}.case"))).unwrap();
        let (line, files) = case(&text);
        let user = User::new();
        for (path, content) in &files {
            user.writes(path, content);
            if Path::new(&path).extension().is_some_and(|end| end == "sh") {
                let runs = fs::Permissions::from_mode(0o755);
                fs::set_permissions(user.path(path), runs).unwrap();
            }
        }
        let ran = user.types(&format!("{line} --state state --timeout 2"));
        assert_eq!(ran.out, "", "{name}");
        assert!(!user.has("touched"), "{name} touched the host");
        let is_bad_input = ran.code == Some(1);
        assert!(is_bad_input || ran.code == Some(4), "{name}: {ran:#?}");
        assert!(
            !(is_bad_input && user.has("state")),
            "{name}: nothing is recorded of what cannot begin"
        );
        let told = format!("exit code {}\n{}", ran.code.unwrap(), ran.err);
        let told = took.replace_all(&told, "took TIME");
        settings.bind(|| insta::assert_snapshot!(name.as_str(), told));
    }
}
