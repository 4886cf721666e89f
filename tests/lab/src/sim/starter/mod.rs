//! `arangodb`: the starter, version 0.13.10.
//!
//! It keeps the servers of one machine running and knows the starters of the others.
//!
//! - [`options`], [`peers`], [`kinds`], [`command`]: what was typed, who takes part, which
//!   servers there are, how they are started; pure;
//! - [`service`]: the starter itself; [`bootstrap`]: how a cluster comes to be;
//! - [`supervise`] and [`process`]: starting, adopting, restarting and stopping servers;
//! - [`master`]: which starter speaks for all; [`answers`]: HTTP;
//! - [`upgrade`]: the starter's own upgrade of the databases;
//! - [`tools`]: `arangodb auth`, `upgrade`, `stop` and the like.

pub mod answers;
pub mod bootstrap;
pub mod checks;
pub mod command;
pub mod kinds;
pub mod log;
pub mod master;
pub mod options;
pub mod peers;
pub mod process;
pub mod service;
pub mod supervise;
pub mod tools;
pub mod upgrade;

use options::Options;

use super::effects::eprint_line;

/// Runs the starter with the arguments after its name; returns its exit code.
pub fn main(_program: &str, args: &[String]) -> u8 {
    let (words, options) = match Options::parse(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprint_line(&format!("Error: {error}"));
            return 1;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_line(&format!("cannot start: {error}"));
            return 1;
        }
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if options.is_set("version") {
        return tools::version();
    }
    match words.as_slice() {
        [] | ["start"] => runtime.block_on(service::run(options)),
        ["version"] => tools::version(),
        ["auth", what] => tools::auth(what, &options),
        ["upgrade"] => runtime.block_on(tools::upgrade(&options)),
        ["retry", "upgrade"] => runtime.block_on(tools::ask_upgrade(&options, "PUT")),
        ["abort", "upgrade"] => runtime.block_on(tools::ask_upgrade(&options, "DELETE")),
        ["stop"] => runtime.block_on(tools::stop(&options)),
        other => {
            eprint_line(&format!(
                "Error: unknown command {other:?} for \"arangodb\""
            ));
            1
        }
    }
}
