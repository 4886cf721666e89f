//! The keywords: which there are, where each belongs, and what stands nearest to those that are outside.

use crate::yaml::nearest;

/// Keywords of plays, blocks, roles' entries and tasks alike.
pub(super) const SHARED: &[&str] = &[
    "name",
    "tags",
    "vars",
    "environment",
    "module_defaults",
    "become",
    "become_user",
    "become_method",
    "become_flags",
    "become_exe",
    "remote_user",
    "port",
    "connection",
    "check_mode",
    "diff",
    "no_log",
    "run_once",
    "throttle",
    "timeout",
    "any_errors_fatal",
    "ignore_errors",
    "ignore_unreachable",
    "collections",
];

/// Keywords of blocks, roles' entries and tasks.
pub(super) const NARROWER: &[&str] = &["when", "delegate_to", "delegate_facts", "notify"];

pub(super) const PLAY: &[&str] = &[
    "hosts",
    "serial",
    "order",
    "order_by",
    "strategy",
    "gather_facts",
    "vars_files",
    "vars_prompt",
    "roles",
    "pre_tasks",
    "tasks",
    "post_tasks",
    "handlers",
    "max_fail_percentage",
    "force_handlers",
    "gate",
    "guards",
    "bracket",
    "brackets",
    "on_failure",
    "point_of_no_return",
];

pub(super) const BLOCK: &[&str] = &[
    "block",
    "rescue",
    "always",
    "indivisible",
    "takes_down",
    "guards",
    "bracket",
    "brackets",
    "point_of_no_return",
];

pub(super) const TASK: &[&str] = &[
    "loop",
    "loop_control",
    "register",
    "until",
    "retries",
    "delay",
    "changed_when",
    "failed_when",
    "args",
    "async",
    "poll",
    "action",
    "local_action",
    "first_available",
    "first_available_file",
    "done_when",
    "takes_down",
    "point_of_no_return",
    "on_deadline",
    "failure_is",
];

pub(super) const HANDLER: &[&str] = &["listen"];

pub(super) const BRACKET: &[&str] = &[
    "per",
    "expect",
    "read",
    "found",
    "enter",
    "renew",
    "settle",
    "leave",
    "after",
    "hold_while",
    "hold_in_doubt",
    "hold_wait",
];

pub(super) const GUARD: &[&str] = &["every", "until", "grace", "unknown_grace"];

/// What an object of a playbook is called, and its own keywords.
const OBJECTS: &[(&str, &[&[&str]])] = &[
    ("a play", &[SHARED, PLAY]),
    ("a block", &[SHARED, NARROWER, BLOCK]),
    ("a task", &[SHARED, NARROWER, TASK]),
    ("a handler", &[HANDLER]),
    ("a bracket", &[BRACKET]),
    ("a guard", &[GUARD]),
];

/// Keywords of Ansible that stagger does not have, and what to use instead.
const OUTSIDE: &[(&str, &str)] = &[
    ("debugger", "use `--step`, or `-v` to see more"),
    (
        "fact_path",
        "local facts are not read; use `slurp` or `include_vars`",
    ),
    ("gather_subset", "use a `setup` task with `gather_subset`"),
    ("gather_timeout", "use a `setup` task with `gather_timeout`"),
    ("include", "use `include_tasks` or `import_tasks`"),
    ("include_playbook", "use `import_playbook`"),
    ("sudo", "use `become`"),
    ("sudo_user", "use `become_user`"),
    ("sudo_pass", "use the variable `ansible_become_password`"),
    ("su", "use `become` with `become_method: su`"),
    ("su_user", "use `become_user` with `become_method: su`"),
    ("always_run", "use `check_mode: false`"),
    ("accelerate", "sessions are always kept open"),
    ("only_if", "use `when`"),
    ("when_integer", "use `when`"),
    ("static", "use `import_tasks`"),
    ("serial_percent", "use `serial`"),
];

/// Returns the keywords of what is read as a task.
pub(super) fn of(object: &str) -> Vec<&'static [&'static str]> {
    let own: &[&str] = match object {
        "a handler" => HANDLER,
        "a guard" => GUARD,
        "a task" => &[],
        _ => &["that"],
    };
    vec![SHARED, NARROWER, TASK, own]
}

/// Says what to use instead of a keyword of Ansible that stagger does not have.
pub(super) fn instead(word: &str) -> Option<&'static str> {
    OUTSIDE
        .iter()
        .find(|(outside, _)| *outside == word)
        .map(|(_, hint)| *hint)
}

/// Says where a keyword that is not known here belongs, or which known one it looks like.
pub(super) fn hint(word: &str, known: &[&str]) -> Option<String> {
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let homes: Vec<&str> = OBJECTS
        .iter()
        .filter(|(_, lists)| lists.iter().any(|list| list.contains(&word)))
        .map(|(object, _)| *object)
        .collect();
    (!homes.is_empty()).then(|| format!("`{word}` belongs to {}", homes.join(" or ")))
}

/// Says whether a key of a task is a keyword, wherever it belongs, and so no module.
pub(super) fn is_keyword(word: &str) -> bool {
    OBJECTS
        .iter()
        .any(|(_, lists)| lists.iter().any(|list| list.contains(&word)))
        || instead(word).is_some()
}

/// The modules that many playbooks use and stagger does not have, and what to use instead.
const OTHER_MODULES: &[(&str, &str)] = &[
    ("include", "use `include_tasks` or `import_tasks`"),
    ("expect", "use `command` with `stdin`"),
    ("pip", "use `command`"),
    ("git", "use `command`"),
    ("subversion", "use `command`"),
    ("mount", "use `command` and `lineinfile`"),
    ("synchronize", "use `copy` or `command` with `rsync`"),
    ("iptables", "use `command` with `creates` or `done_when`"),
    ("apt_repository", "use `copy` to `/etc/apt/sources.list.d`"),
    (
        "deb822_repository",
        "use `copy` to `/etc/apt/sources.list.d`",
    ),
    ("apt_key", "use `copy` to `/etc/apt/keyrings`"),
    ("yum_repository", "use `copy` to `/etc/yum.repos.d`"),
    ("rpm_key", "use `command` with `rpm --import`"),
    ("dnf5", "use `dnf`"),
    ("sysvinit", "use `service`"),
    ("docker_container", "use `command`"),
    ("gather_facts", "use `setup`"),
    ("async_wrapper", "use `async` on a task"),
    ("dpkg_selections", "use `command`"),
    ("debconf", "use `shell` with `debconf-set-selections`"),
    (
        "validate_argument_spec",
        "write `meta/argument_specs.yml` in a role, or use `assert`",
    ),
    ("package_facts", "use `command`"),
    ("subelements", "use `loop` with the `subelements` filter"),
];

/// Says what to use instead of a module that stagger does not have.
pub(super) fn module_instead(name: &str) -> Option<&'static str> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    OTHER_MODULES
        .iter()
        .find(|(module, _)| *module == bare)
        .map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_the_wrong_place_is_told_its_home() {
        assert_eq!(
            hint("serail", &["serial"]).as_deref(),
            Some("did you mean `serial`?")
        );
        assert_eq!(
            hint("serial", &["loop"]).as_deref(),
            Some("`serial` belongs to a play")
        );
        assert_eq!(
            hint("when", &["hosts"]).as_deref(),
            Some("`when` belongs to a block or a task")
        );
        assert_eq!(hint("frobnicate", &["hosts"]), None);
        assert_eq!(
            module_instead("community.docker.docker_container"),
            Some("use `command`")
        );
    }
}
