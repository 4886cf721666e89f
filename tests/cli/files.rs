//! The files inside the binary: they are those of the repository, they can be written out, and they pass the check.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::user::{User, top};

/// The top-level directories that are put into the binary.
const EMBEDDED: [&str; 3] = ["inventory", "roles", "templates"];

/// Returns the files that git knows below the embedded directories; nothing where there is no git, as in an archive.
#[expect(clippy::disallowed_methods, reason = "asks git for its list of files")]
fn known_to_git() -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
        ])
        .args(EMBEDDED)
        .current_dir(top())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    output
        .status
        .success()
        .then(|| text.lines().map(str::to_owned).collect())
}

fn below(root: &Path, directory: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            below(root, &path, found);
        } else {
            found.push(path);
        }
    }
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for directory in EMBEDDED {
        below(root, directory, &mut found);
    }
    found.sort();
    found
}

#[test]
fn init_writes_the_files_of_the_repository() {
    let user = User::new();
    let ran = user.types("init");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:#?}");
    let written = files(&user.path(""));
    let mut expected = known_to_git().unwrap_or_else(|| files(top()));
    expected.retain(|path| top().join(path).exists());
    expected.sort();
    assert_eq!(written, expected);
    for path in &written {
        assert_eq!(
            user.read(path),
            fs::read_to_string(top().join(path)).unwrap(),
            "{path}"
        );
        assert!(ran.err.contains(&format!("wrote ./{path}\n")), "{path}");
    }
}

#[test]
fn init_overwrites_only_when_told() {
    let user = User::new().with("new/inventory/arangodb.yml", "mine: {}\n");
    user.types("init arangodb --into new").ended(
        1,
        &[
            "1 of the ",
            " files is there already, 1 of them not as shipped: new/inventory/arangodb.yml; nothing was written",
            "`--force` overwrites",
        ],
    );
    assert_eq!(user.read("new/inventory/arangodb.yml"), "mine: {}\n");
    assert!(!user.has("new/roles/arangodb/upgrade.yml"));
    user.types("init arangodb --into new --force").done();
    // Of many files only the first are named.
    let again = user.types("init arangodb --into new");
    again.ended(
        1,
        &[" are there already, 0 of them not as shipped: ", " more; "],
    );
    let told = again.err.lines().next().unwrap();
    assert_eq!(told.matches("new/").count(), 3, "{told}");
    assert!(
        user.read("new/inventory/arangodb.yml")
            .contains("arangodb_version")
    );
    assert!(user.has("new/roles/arangodb/upgrade.yml"));
}

/// What `init` tells to type next works as it stands, but for the editing.
#[test]
fn init_says_what_comes_next() {
    for (which, into) in [("arangodb", ""), ("memsql", " --into 'a place'")] {
        let user = User::new();
        let ran = user.types(&format!("init {which}{into}"));
        let (_, next) = ran.err.split_once("what to do next:\n").unwrap();
        assert_eq!(
            next.contains("  cd 'a place'\n"),
            !into.is_empty(),
            "{next}"
        );
        let mut steps = Vec::new();
        for line in next
            .lines()
            .filter(|line| line.starts_with("  ") && line.contains(". "))
        {
            let (_, step) = line.split_once(". ").unwrap();
            steps.push(step.split("  #").next().unwrap().trim());
        }
        let words: Vec<&str> = steps
            .iter()
            .filter_map(|step| step.strip_prefix("stagger "))
            .map(|step| step.split(' ').next().unwrap())
            .collect();
        assert_eq!(words, ["check", "plan", "preflight", "apply"], "{next}");
        assert_eq!(steps[0], format!("edit inventory/{which}.yml"));
        for step in steps {
            let Some(line) = step.strip_prefix("stagger ") else {
                continue;
            };
            let line = line.replace('"', "'");
            let is_read = line.starts_with("check") || line.starts_with("plan");
            let typed = if is_read {
                line
            } else {
                format!("{line} --no-such-flag")
            };
            let output = user
                .command(&typed)
                .current_dir(user.path(if into.is_empty() { "" } else { "a place" }))
                .output()
                .unwrap();
            let ran = user.ran(&output);
            if is_read {
                ran.done();
            } else {
                ran.ended(1, &["unexpected argument '--no-such-flag'"]);
            }
        }
    }
}

#[test]
fn the_shipped_files_pass_the_check_where_nothing_else_is() {
    let user = User::new();
    let ran = user.types("check");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let playbooks: Vec<String> = files(top())
        .into_iter()
        .filter(|path| {
            path.split('/').count() == 3
                && path.starts_with("roles/")
                && Path::new(path).extension().is_some_and(|end| end == "yml")
        })
        .collect();
    assert!(playbooks.contains(&"roles/arangodb/upgrade.yml".to_owned()));
    for playbook in playbooks {
        assert!(
            ran.err.contains(&format!("{playbook}: ")),
            "{playbook}: {ran:#?}"
        );
    }
    let example = "-i inventory/arangodb.yml roles/arangodb/upgrade.yml";
    user.types(&format!("check {example}")).done();
    let plan = user.types(&format!("plan {example}"));
    for part in ["node1, node2, node3", "upgrade-data", "coordinators"] {
        assert!(plan.done().contains(part), "{part}");
    }
}

/// Killed before it was launched such a step is taken as done, and what it was to read is missing in a resumed run.
#[test]
fn nothing_that_a_shipped_task_reads_is_taken_as_read() {
    let mut seen = 0;
    for path in files(top()) {
        if !path.starts_with("roles/") || !path.contains("/tasks/") {
            continue;
        }
        let text = fs::read_to_string(top().join(&path)).unwrap();
        for task in text
            .split("- name: ")
            .filter(|task| task.contains("register: "))
        {
            seen += usize::from(task.contains("done_when: "));
            assert!(!task.contains("done_when: \"true\""), "{path}: {task}");
        }
    }
    assert!(
        seen > 5,
        "only {seen} tasks say when they are done and register"
    );
}

#[test]
fn written_out_files_are_used_instead_of_those_inside() {
    let user = User::new();
    user.types("init arangodb").done();
    let text = user.read("roles/arangodb/upgrade.yml");
    user.writes(
        "roles/arangodb/upgrade.yml",
        &format!("{text}\n- name: one more\n  hosts: all\n  taks: []\n"),
    );
    user.types("check roles/arangodb/upgrade.yml")
        .ended(1, &["unknown keyword `taks` of a play"]);
}

/// Returns the names at an indentation of a YAML file, in order.
fn names(path: &str, blanks: usize) -> Vec<String> {
    let text = fs::read_to_string(top().join(path)).unwrap();
    let indent = " ".repeat(blanks);
    let name = |line: &str| {
        let rest = line.strip_prefix(&indent)?;
        let name = rest.split_once(':')?.0;
        (name.starts_with("arangodb_") && !name.contains(' ')).then(|| name.to_owned())
    };
    let mut names: Vec<String> = text.lines().filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn every_variable_of_the_role_is_described() {
    let mut settable = names("roles/arangodb/defaults/main.yml", 0);
    assert!(settable.len() > 10, "{settable:?}");
    settable.push("arangodb_version".to_owned());
    settable.sort();
    assert_eq!(names("roles/arangodb/meta/argument_specs.yml", 6), settable);
    let readme = fs::read_to_string(top().join("roles/arangodb/README.md")).unwrap();
    for name in settable {
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} is not in the role's README"
        );
    }
}

#[test]
fn the_role_judges_what_it_is_told() {
    let user = User::new().with("hosts", "[arangodb]\nn1 ansible_connection=local\n");
    let line = "apply roles/arangodb/upgrade.yml -i hosts --check -t preflight --state state";
    let ran = user.types(&format!(
        "{line} -e arangodb_version=3.4.0 -e arangodb_leaders=stay"
    ));
    ran.ended(2, &["`arangodb_leaders`: `stay` is none of"]);
    let ran = user.types(line);
    ran.ended(1, &["the role `arangodb` needs `arangodb_version`"]);
    assert!(!ran.err.contains("starts:"), "no host is touched: {ran:#?}");
}

#[test]
fn templates_that_roles_share_are_found_at_run_time() {
    let tasks = "\
- name: a role's own
  template: { src: own.j2, dest: \"{{ playbook_dir }}/own\" }
- name: a shared one
  template: { src: \"{{ 'shared' }}.j2\", dest: \"{{ playbook_dir }}/shared\" }
- name: a lookup
  copy: { content: \"{{ lookup('template', 'db/shared.j2') }}\", dest: \"{{ playbook_dir }}/looked\" }
";
    let user = User::new()
        .with(
            "site.yml",
            "- hosts: all\n  gather_facts: false\n  roles: [db]\n",
        )
        .with("roles/db/tasks/main.yml", tasks)
        .with(
            "roles/db/templates/own.j2",
            "own {% include 'db/part.j2' %}",
        )
        .with("templates/db/part.j2", "part\n")
        .with("templates/db/shared.j2", "below the role's name\n")
        .with("templates/shared.j2", "shared {{ inventory_hostname }}\n");
    user.applies("site.yml").done();
    assert_eq!(user.read("own"), "own part");
    assert_eq!(user.read("shared"), "shared localhost\n");
    assert_eq!(user.read("looked"), "below the role's name\n");
    // What lies beside the role wins over what is shared.
    user.writes("roles/db/templates/shared.j2", "the role's own\n");
    user.applies("site.yml").done();
    assert_eq!(user.read("shared"), "the role's own\n");
}
