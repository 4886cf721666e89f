//! `stagger modules`: the modules and their tables.

use super::super::failure::Failure;
use super::super::{args, output};
use crate::modules;
use crate::yaml::nearest;

/// Prints the list of modules, or one module's documentation.
pub(in crate::cli) fn run(arguments: &args::Modules) -> Result<(), Failure> {
    let text = match &arguments.name {
        Some(name) => modules::documentation(find(name)?.spec()),
        None => list(),
    };
    output::data(&text).map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

fn find(name: &str) -> Result<&'static dyn modules::Module, Failure> {
    modules::find(name).ok_or_else(|| {
        let failure = Failure::usage(format!("there is no module `{name}`"));
        match nearest(name, modules::ALL.iter().map(|module| module.spec().name)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`stagger modules` lists them"),
        }
    })
}

fn list() -> String {
    let width = modules::ALL
        .iter()
        .map(|module| module.spec().name.len())
        .max()
        .unwrap_or(0);
    let line = |module: &&dyn modules::Module| {
        let spec = module.spec();
        let also = match spec.aliases {
            [] => String::new(),
            aliases => format!(" (also {})", aliases.join(", ")),
        };
        format!("{:width$}  {}{also}\n", spec.name, spec.summary)
    };
    modules::ALL.iter().map(line).collect()
}
