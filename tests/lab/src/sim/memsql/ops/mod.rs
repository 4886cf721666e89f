//! `memsql-ops`: an agent on each host, one of them the primary, and the command.
//!
//! - [`cli`]: what is typed, and the agent that it is handed to;
//! - [`agent`]: the daemon: hands commands to the primary, and does on its host what that says;
//! - [`local`]: directories, configuration files and processes of one host's servers;
//! - [`primary`]: the commands; [`members`]: which servers there are; [`upgrade`]: the one that an upgrade is about;
//! - [`monitor`]: the look at all servers, and starting what is stopped unless told not to;
//! - [`state`]: what the primary knows.

pub mod agent;
pub mod cli;
pub mod local;
pub mod members;
pub mod monitor;
pub mod primary;
pub mod state;
pub mod upgrade;

/// Runs `memsql-ops` with the arguments after its name; returns its exit code.
pub fn main(_program: &str, args: &[String]) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return 1;
    };
    runtime.block_on(async {
        if args.first().is_some_and(|first| first == "agent-run") {
            return agent::run().await;
        }
        cli::run(args).await
    })
}
