//! What was typed. No meaning is given to it here; `settings` does that.

mod from_hosts;
mod lock;
mod records;
mod unattended;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use from_hosts::{AskedHosts, Opening};
pub(super) use lock::{Lock, LockAcquire, LockCommand, LockRelease, LockStatus, Locked};
pub(super) use records::{Report, ReportForm, Runs, Status};
pub(super) use unattended::{Attach, Pausing, StopRun};
pub(super) use vault::{Vault, VaultCommand, VaultEdit, VaultFiles, VaultRekey, VaultString};

/// Upgrades fleets of stateful servers one safe batch at a time, over SSH.
#[derive(Debug, Parser)]
#[command(
    name = "stagger",
    version,
    about,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Apply a playbook to an inventory
    Apply(Apply),
    /// Go on with a run that stopped, at the exact step
    Resume(Resume),
    /// Put back what a run that stopped left switched off, and nothing else
    Recover(Recover),
    /// List the runs
    Runs(Runs),
    /// Say what a run is doing now, from its records
    Status(Status),
    /// Show a run that goes on, live; Ctrl-C leaves it alone
    Attach(Attach),
    /// Ask a run that goes on to stop at its next rest point
    Stop(StopRun),
    /// Say what a run did, from its records
    Report(Report),
    /// Show what a run would do, without touching a host
    Plan(Plan),
    /// Ask every host whether the run could go through, changing nothing
    Preflight(Preflight),
    /// Check playbooks, roles, templates and the inventory for mistakes
    Check(Check),
    /// Show the inventory
    Inventory(Inventory),
    /// Encrypt and decrypt files and values, as ansible-vault does
    Vault(Vault),
    /// Say who has a cluster's lock, take it by hand, or give it back
    Lock(Lock),
    /// Run one command on the hosts of a pattern
    Exec(Exec),
    /// Write a shipped upgrade out, ready to be edited
    Init(Init),
    /// List the modules, or describe one
    Modules(Modules),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or that of a command
    Man(Man),
}

/// Where hosts and variables come from.
#[derive(Debug, Clone, Args)]
pub(super) struct Sources {
    /// Inventory file, directory, script, or a list of hosts that ends in a comma; may be repeated
    #[arg(short, long = "inventory", value_name = "SOURCE", env = "STAGGER_INVENTORY", value_delimiter = None)]
    pub(super) inventory: Vec<String>,
    /// Restrict to the hosts of a pattern; `@FILE` reads patterns from a file
    #[arg(short, long, value_name = "PATTERN")]
    pub(super) limit: Vec<String>,
    /// Set variables: `key=value`, JSON, or `@FILE`; may be repeated
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(super) extra_vars: Vec<String>,
    #[command(flatten)]
    pub(super) unlocking: Unlocking,
}

/// Where the passwords of vaults come from.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Unlocking {
    /// Read a vault's password from this file, or from what it prints if it is a program; may be repeated
    #[arg(
        long,
        alias = "vault-pass-file",
        value_name = "FILE",
        env = "ANSIBLE_VAULT_PASSWORD_FILE"
    )]
    pub(super) vault_password_file: Vec<PathBuf>,
    /// Read the password of a label from a file or a program, or ask for it: LABEL@FILE, LABEL@prompt; may be repeated
    #[arg(long, value_name = "LABEL@SOURCE")]
    pub(super) vault_id: Vec<String>,
    /// Ask for a vault's password
    #[arg(long, alias = "ask-vault-password")]
    pub(super) ask_vault_pass: bool,
}

/// Which tasks of a playbook take part.
#[derive(Debug, Clone, Args)]
pub(super) struct Selection {
    /// Take only tasks with one of these tags
    #[arg(short, long, value_name = "TAGS", value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// Leave out tasks with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(super) skip_tags: Vec<String>,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
pub(super) struct Reaching {
    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER")]
    pub(super) user: Option<String>,
    /// Log in with this key file
    #[arg(long, alias = "key-file", value_name = "FILE")]
    pub(super) private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub(super) ask_pass: bool,
    /// Go through this host first; several are separated by commas
    #[arg(short = 'J', long, value_name = "HOST")]
    pub(super) proxy_jump: Option<String>,
    /// Further options for SSH, of which the usual ones are understood
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub(super) ssh_common_args: Option<String>,
    /// Read this file instead of ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    pub(super) ssh_config: Option<PathBuf>,
    /// What to do with host keys
    #[arg(long, value_enum, value_name = "HOW")]
    pub(super) host_keys: Option<HostKeys>,
    /// Become another user on the hosts
    #[arg(short, long = "become")]
    pub(super) become_user_wanted: bool,
    /// Become this user
    #[arg(long, value_name = "USER")]
    pub(super) become_user: Option<String>,
    /// Become with this program
    #[arg(long, value_name = "METHOD")]
    pub(super) become_method: Option<String>,
    /// Ask for the password to become another user
    #[arg(short = 'K', long)]
    pub(super) ask_become_pass: bool,
    /// Reach at most this many hosts at once
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    pub(super) forks: usize,
    /// Give up connecting to a host after this many seconds
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
}

/// What to do with host keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HostKeys {
    /// Refuse a key that is not known.
    Check,
    /// Take the key of a host that is not known yet, refuse a changed one.
    AcceptNew,
    /// Take any key: whoever answers is trusted.
    Off,
}

/// What is shown.
#[derive(Debug, Clone, Args)]
pub(super) struct Showing {
    /// Show more; may be repeated
    #[arg(short, long = "verbose", action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Write the run's events to a file, one JSON value a line
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// Print plain lines even on a terminal
    #[arg(long)]
    pub(super) plain: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Apply {
    /// The playbook, such as roles/arangodb/upgrade.yml; shipped ones need not be on disk. Or a plan that was kept
    pub(super) playbook: String,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) reaching: Reaching,
    #[command(flatten)]
    pub(super) showing: Showing,
    /// Change nothing; show what would be changed
    #[arg(short = 'C', long)]
    pub(super) check: bool,
    /// Show the differences in files
    #[arg(short = 'D', long)]
    pub(super) diff: bool,
    /// Ask before each task
    #[arg(long, conflicts_with = "detach")]
    pub(super) step: bool,
    /// Approve a point of no return beforehand; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) approve: Vec<String>,
    /// Why this is done; required by the shipped upgrades
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) pausing: Pausing,
    /// Start at the task with this name; refused where a play has gates, guards or brackets
    #[arg(long, value_name = "NAME")]
    pub(super) start_at_task: Option<String>,
    /// Keep the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(super) state: Option<PathBuf>,
    /// List the hosts of each play and end
    #[arg(long)]
    pub(super) list_hosts: bool,
    /// List the tasks of each play and end
    #[arg(long)]
    pub(super) list_tasks: bool,
    /// List the tags and end
    #[arg(long)]
    pub(super) list_tags: bool,
    /// Check the files and end
    #[arg(long)]
    pub(super) syntax_check: bool,
}

/// What is said anew when a run goes on.
#[derive(Debug, Clone, Args)]
pub(super) struct Again {
    /// The run; the newest that stopped if none is named
    pub(super) run: Option<String>,
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(super) state: Option<PathBuf>,
    /// Give the value of a secret variable again; others only with --accept-changes
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(super) extra_vars: Vec<String>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub(super) ask_pass: bool,
    /// Ask for the password to become another user
    #[arg(short = 'K', long)]
    pub(super) ask_become_pass: bool,
    #[command(flatten)]
    pub(super) unlocking: Unlocking,
    #[command(flatten)]
    pub(super) showing: Showing,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    pub(super) again: Again,
    /// Approve a point of no return beforehand; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) approve: Vec<String>,
    /// What to do with a step of which nothing tells whether it was done
    #[arg(long, value_enum, value_name = "HOW")]
    pub(super) in_doubt: Option<InDoubt>,
    /// Plan what is left from the files as they are now, and show what changed
    #[arg(long)]
    pub(super) accept_changes: bool,
    #[command(flatten)]
    pub(super) pausing: Pausing,
    /// Why hosts are skipped
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// What to do with a step in doubt that nothing tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InDoubt {
    /// Run it again.
    Rerun,
    /// Take it as done.
    Skip,
    /// Stop there.
    Abort,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    pub(super) again: Again,
    /// Give up what is owed on this host, which is gone for good; may be repeated
    #[arg(long, value_name = "HOST", requires = "reason")]
    pub(super) forgive: Vec<String>,
    /// Why it is given up, or put back from another machine
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Upgrade the servers of this host that are down with data too old for the installed program
    #[arg(long, value_name = "HOST", conflicts_with_all = ["forgive", "from_hosts"])]
    pub(super) upgrade_stranded: Option<String>,
    #[command(flatten)]
    pub(super) hosts: AskedHosts,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Plan {
    /// The playbook
    pub(super) playbook: String,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) reaching: Reaching,
    /// Ask the hosts, changing nothing, and show the order, the roles and the skipped steps of now
    #[arg(long)]
    pub(super) live: bool,
    /// Print the commands that a person would type instead of the run, secrets masked
    #[arg(long, conflicts_with = "json")]
    pub(super) commands: bool,
    /// Keep the plan in a file, which `stagger apply FILE` does or refuses
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Preflight {
    /// The playbook
    pub(super) playbook: String,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) reaching: Reaching,
    #[command(flatten)]
    pub(super) showing: Showing,
    /// Keep the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(super) state: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Check {
    /// The playbooks; all shipped ones if none is named
    pub(super) playbooks: Vec<String>,
    #[command(flatten)]
    pub(super) sources: Sources,
}

#[derive(Debug, Clone, Args)]
#[group(id = "form", required = true, multiple = false, args = ["list", "graph", "host"])]
pub(super) struct Inventory {
    #[command(flatten)]
    pub(super) sources: Sources,
    /// Print all hosts and groups as JSON, in the form that dynamic inventory scripts use
    #[arg(long)]
    pub(super) list: bool,
    /// Draw the groups as a tree, from the group named, or from `all`
    #[arg(long, value_name = "GROUP", num_args = 0..=1, default_missing_value = "all")]
    pub(super) graph: Option<String>,
    /// Print one host's variables as JSON
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Exec {
    /// The pattern of the hosts
    pub(super) pattern: String,
    /// The command, behind `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
    /// Show hosts that answer the same together, when all have answered
    #[arg(long)]
    pub(super) group: bool,
    /// Show each answer in one line
    #[arg(short, long)]
    pub(super) one_line: bool,
    /// Write each host's answer into a file in this directory
    #[arg(short, long, value_name = "DIR")]
    pub(super) tree: Option<PathBuf>,
    #[command(flatten)]
    pub(super) sources: Sources,
    #[command(flatten)]
    pub(super) reaching: Reaching,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Init {
    /// Which one; all of them if none is named
    #[arg(value_parser = ["arangodb", "memsql"])]
    pub(super) which: Option<String>,
    /// Where to write it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) into: PathBuf,
    /// Overwrite files that are there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Modules {
    /// The module to describe
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Man {
    /// The command whose page is wanted, such as `apply`
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_table_of_arguments_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_usual_flags_are_understood() {
        let line = "stagger apply site.yml -i a,b, -l db -e x=1 -e @f -t one,two -f 5 -u root -b -K -C -D -vv --step --approve gap";
        let Command::Apply(apply) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("not apply")
        };
        assert_eq!(apply.sources.inventory, ["a,b,"]);
        assert_eq!(apply.selection.tags, ["one", "two"]);
        assert_eq!(
            (apply.reaching.forks, apply.showing.verbose, apply.check),
            (5, 2, true)
        );
        let Command::Exec(exec) = Cli::try_parse_from(["stagger", "exec", "db", "--", "ls", "-l"])
            .unwrap()
            .command
        else {
            panic!("not exec")
        };
        assert_eq!(exec.command, ["ls", "-l"]);
        assert!(
            Cli::try_parse_from(["stagger", "inventory"]).is_err(),
            "one of the forms must be chosen"
        );
    }
}
