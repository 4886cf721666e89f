//! All modules by name.

use super::Module;

/// Every module, in the order of their names.
pub static ALL: &[&dyn Module] = &[
    &super::add_host::AddHost,
    &super::apt::Apt,
    &super::arangodb_info::ArangodbInfo,
    &super::assemble::Assemble,
    &super::assert::Assert,
    &super::async_status::AsyncStatus,
    &super::blockinfile::BlockInFile,
    &super::cluster_lock::ClusterLock,
    &super::command::Command,
    &super::command_file::CommandFile,
    &super::copy::Copy,
    &super::cron::Cron,
    &super::debug::Debug,
    &super::dnf::Dnf,
    &super::fail::Fail,
    &super::fetch::Fetch,
    &super::file::File,
    &super::find::Find,
    &super::get_url::GetUrl,
    &super::getent::Getent,
    &super::group::Group,
    &super::group_by::GroupBy,
    &super::hostname::Hostname,
    &super::include_vars::IncludeVars,
    &super::known_hosts::KnownHosts,
    &super::lineinfile::LineInFile,
    &super::memsql_info::MemsqlInfo,
    &super::meta::Meta,
    &super::mysql_query::MysqlQuery,
    &super::package::Package,
    &super::pause::Pause,
    &super::ping::Ping,
    &super::process::ProcessModule,
    &super::raw::Raw,
    &super::reboot::Reboot,
    &super::replace::Replace,
    &super::script::Script,
    &super::service_facts::ServiceFacts,
    &super::set_fact::SetFact,
    &super::set_stats::SetStats,
    &super::setup::Setup,
    &super::shell::Shell,
    &super::slurp::Slurp,
    &super::stat::Stat,
    &super::sysctl::Sysctl,
    &super::systemd::Systemd,
    &super::tempfile::TempFile,
    &super::template::Template,
    &super::unarchive::Unarchive,
    &super::uri::Uri,
    &super::user::User,
    &super::wait_for::WaitFor,
    &super::wait_for_connection::WaitForConnection,
];

/// The prefixes that Ansible allows before the name of a module that it ships.
const PREFIXES: [&str; 2] = ["ansible.builtin.", "ansible.legacy."];

/// Finds a module by its name or another name of it, with or without `ansible.builtin.`.
pub fn find(name: &str) -> Option<&'static dyn Module> {
    let short = PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    ALL.iter().copied().find(|module| {
        let spec = module.spec();
        spec.name == short || spec.aliases.contains(&short)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;
    use crate::modules::documentation::documentation;
    use crate::modules::spec::{Kind, coerce};

    /// Files of this room that are no modules.
    const OTHERS: [&str; 6] = ["mod", "spec", "registry", "documentation", "host", "notes"];

    #[test]
    fn every_file_is_a_module_that_is_found_by_its_names() {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/modules");
        let files: BTreeSet<String> = std::fs::read_dir(room)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "rs"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| !OTHERS.contains(&name.as_str()))
            .collect();
        for name in &files {
            let found = find(name).unwrap_or_else(|| panic!("{name}.rs is not registered"));
            assert_eq!(found.spec().name, name, "a file is named after its module");
        }
        let mut seen = BTreeSet::new();
        for module in ALL {
            let spec = module.spec();
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(seen.insert(*name), "`{name}` names two modules");
                let whole = format!("ansible.builtin.{name}");
                assert_eq!(find(&whole).unwrap().spec().name, spec.name);
            }
        }
        assert!(find("no_such_module").is_none());
        assert!(find("ansible.posix.stat").is_none());
    }

    #[test]
    fn every_table_is_sound() {
        for module in ALL {
            let spec = module.spec();
            let name = spec.name;
            assert!(
                !spec.summary.is_empty() && !spec.summary.ends_with('.'),
                "{name}: summary"
            );
            assert!(
                spec.example.contains(&format!("- {name}"))
                    || spec.example.contains(&format!("\n  {name}")),
                "{name}: example"
            );
            let mut names = BTreeSet::new();
            for argument in spec.arguments {
                for word in std::iter::once(&argument.name).chain(argument.aliases) {
                    assert!(names.insert(*word), "{name}: `{word}` names two arguments");
                    assert!(
                        !spec.absent.iter().any(|(absent, _)| absent == word),
                        "{name}: `{word}` is there and absent"
                    );
                }
                assert!(
                    argument.summary.ends_with(['.', ':', ')']),
                    "{name}: summary of {}",
                    argument.name
                );
                if let Some(default) = argument.default {
                    assert!(
                        !argument.required,
                        "{name}: {} is required and has a default",
                        argument.name
                    );
                    let value = coerce(argument.kind, &default.into());
                    assert!(
                        value.is_ok(),
                        "{name}: default of {}: {value:?}",
                        argument.name
                    );
                    let free = argument.choices.is_empty() || argument.kind != Kind::Str;
                    assert!(
                        free || argument.choices.contains(&default),
                        "{name}: default of {}",
                        argument.name
                    );
                }
            }
            for set in spec.exclusive.iter().chain(spec.one_of) {
                for word in *set {
                    assert!(
                        spec.argument(word).is_some(),
                        "{name}: there is no `{word}`"
                    );
                }
            }
            assert!(documentation(spec).contains(spec.summary));
        }
    }

    /// What differs from Ansible's default on purpose, and why.
    const OTHER_DEFAULTS: [(&str, &str, &str); 4] = [
        ("get_url", "http_agent", "we are not Ansible"),
        ("uri", "http_agent", "we are not Ansible"),
        ("reboot", "msg", "we are not Ansible"),
        ("reboot", "reboot_command", "theirs is words, not a command"),
    ];

    /// `tests/fixtures/ansible-arguments.json` holds what `ansible-doc --json` of ansible-core 2.19.14 says of each module.
    #[test]
    fn every_argument_of_ansible_is_here_or_named_with_what_to_do() {
        let text = include_str!("../../tests/fixtures/ansible-arguments.json");
        let theirs: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
            serde_json::from_str(text).unwrap();
        let mut wrong = Vec::new();
        for (module, options) in &theirs {
            let spec = find(module).unwrap().spec();
            for (option, is) in options {
                let absent = spec.absent.iter().any(|(name, _)| name == option);
                let Some(argument) = spec.argument(option).filter(|_| !absent) else {
                    if !absent {
                        wrong.push(format!("{module}: `{option}` is nowhere"));
                    }
                    continue;
                };
                for name in is["names"].as_array().unwrap() {
                    if spec.argument(name.as_str().unwrap()).is_none() {
                        wrong.push(format!("{module}: `{option}` is not also called {name}"));
                    }
                }
                let same = is["default"].is_null()
                    || OTHER_DEFAULTS
                        .iter()
                        .any(|other| (other.0, other.1) == (module, option))
                    || coerce(argument.kind, &is["default"]).ok()
                        == argument
                            .default
                            .and_then(|own| coerce(argument.kind, &own.into()).ok());
                // An empty text or list is the same as none.
                if !same && is["default"] != "" {
                    let (own, other) = (argument.default, &is["default"]);
                    wrong.push(format!(
                        "{module}: `{option}` is {own:?} if not given, not {other}"
                    ));
                }
                let written_alone = spec.free_form == Some(argument.name);
                if argument.required && is["required"] != true && !written_alone {
                    wrong.push(format!("{module}: `{option}` need not be given"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
