//! The binary as a person uses it: what is typed, what is printed on both streams, and how it ends.
//!
//! Runs only against this machine (`ansible_connection=local`) and ports on loopback that nobody listens on.

#![cfg(test)]

#[path = "cli/apply.rs"]
mod apply;
#[path = "cli/arangodb_role.rs"]
mod arangodb_role;
#[path = "cli/background.rs"]
mod background;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/lock.rs"]
mod lock;
#[path = "cli/login.rs"]
mod login;
#[path = "cli/notified.rs"]
mod notified;
#[path = "cli/owed.rs"]
mod owed;
#[path = "cli/planning.rs"]
mod planning;
#[path = "cli/reading.rs"]
mod reading;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/stranded.rs"]
mod stranded;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/unattended.rs"]
mod unattended;
#[path = "cli/upgrade_script.rs"]
mod upgrade_script;
#[path = "cli/upgrade_whole.rs"]
mod upgrade_whole;
#[path = "cli/user.rs"]
mod user;
#[path = "cli/vault.rs"]
mod vault;
#[path = "cli/wrong.rs"]
mod wrong;
