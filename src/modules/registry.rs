//! All modules by name.

use super::Module;

/// Every module, in the order of their names.
pub static ALL: &[&dyn Module] = &[
    &super::add_host::AddHost,
    &super::apt::Apt,
    &super::assert::Assert,
    &super::blockinfile::BlockInFile,
    &super::command::Command,
    &super::command_file::CommandFile,
    &super::copy::Copy,
    &super::debug::Debug,
    &super::dnf::Dnf,
    &super::fail::Fail,
    &super::fetch::Fetch,
    &super::file::File,
    &super::find::Find,
    &super::group_by::GroupBy,
    &super::include_vars::IncludeVars,
    &super::lineinfile::LineInFile,
    &super::meta::Meta,
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
    &super::systemd::Systemd,
    &super::tempfile::TempFile,
    &super::template::Template,
    &super::uri::Uri,
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
