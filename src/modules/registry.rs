//! All modules by name.

use super::Module;
use super::{
    blockinfile, command, command_file, copy, lineinfile, process, raw, replace, script, shell,
    template,
};

/// Every module, in the order of their names.
pub static ALL: &[&dyn Module] = &[
    &blockinfile::BlockInFile,
    &command::Command,
    &command_file::CommandFile,
    &copy::Copy,
    &lineinfile::LineInFile,
    &process::ProcessModule,
    &raw::Raw,
    &replace::Replace,
    &script::Script,
    &shell::Shell,
    &template::Template,
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
