//! The SSH transport against Debian's own sshd on loopback, with keys and settings that live as long as the test.
//!
//! Where sshd cannot be started the tests are listed as ignored with the reason. Nothing of the machine is touched: as
//! root, sshd runs in a mount namespace with accounts of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::format_push_string,
    reason = "a test ends where it cannot go on, and prints what it saw"
)]
#[path = "wire/ahead.rs"]
mod ahead;
#[path = "wire/commands.rs"]
mod commands;
#[path = "wire/config.rs"]
mod config;
#[path = "wire/host.rs"]
mod host;
#[path = "wire/links.rs"]
mod links;
#[path = "wire/logins.rs"]
mod logins;
#[path = "wire/openssh.rs"]
mod openssh;
#[path = "wire/server.rs"]
mod server;
#[path = "wire/wrong.rs"]
mod wrong;

use libtest_mimic::{Arguments, Failed, Trial};

use server::Server;

/// What is tried, by name.
type Tried = (&'static str, fn(&Server));

const TRIALS: [Tried; 22] = [
    (
        "one_exchange_goes_through_the_session_itself",
        links::one_exchange_goes_through_the_session_itself,
    ),
    (
        "the_program_ssh_does_the_same",
        openssh::the_program_ssh_does_the_same,
    ),
    (
        "the_program_ssh_is_lost_honestly",
        openssh::the_program_ssh_is_lost_honestly,
    ),
    (
        "the_program_ssh_is_refused_as_ssh_says",
        openssh::the_program_ssh_is_refused_as_ssh_says,
    ),
    (
        "exec_asks_for_passwords_and_shows_answers_in_every_form",
        commands::exec_asks_for_passwords_and_shows_answers_in_every_form,
    ),
    (
        "a_plan_looks_at_the_host_and_changes_nothing",
        commands::a_plan_looks_at_the_host_and_changes_nothing,
    ),
    (
        "sessions_are_opened_ahead",
        ahead::sessions_are_opened_ahead,
    ),
    (
        "what_is_wrong_with_a_host_is_told_exactly",
        wrong::what_is_wrong_with_a_host_is_told_exactly,
    ),
    (
        "a_full_disk_for_the_records_is_told_before_anything",
        wrong::a_full_disk_for_the_records_is_told_before_anything,
    ),
    (
        "an_idle_tunnel_takes_no_processor",
        links::an_idle_tunnel_takes_no_processor,
    ),
    ("logs_in_and_runs", links::logs_in_and_runs),
    (
        "files_of_any_size_go_both_ways",
        links::files_of_any_size_go_both_ways,
    ),
    (
        "host_keys_are_checked_before_anything_is_said",
        logins::host_keys_are_checked_before_anything_is_said,
    ),
    ("keys_and_agents_let_in", logins::keys_and_agents_let_in),
    ("passwords_let_in", logins::passwords_let_in),
    (
        "another_user_is_become_by_su",
        logins::another_user_is_become_by_su,
    ),
    (
        "jobs_stand_where_a_login_puts_their_user",
        logins::jobs_stand_where_a_login_puts_their_user,
    ),
    (
        "a_dropped_link_is_met_honestly",
        links::a_dropped_link_is_met_honestly,
    ),
    ("a_silent_host_is_noticed", links::a_silent_host_is_noticed),
    ("jumps_are_gone_through", logins::jumps_are_gone_through),
    ("many_at_once_all_get_in", logins::many_at_once_all_get_in),
    (
        "http_goes_through_a_tunnel",
        links::http_goes_through_a_tunnel,
    ),
];

/// What a trial needs beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// sshd runs as root, with accounts of its own.
    Root,
    /// OpenSSH's client is there.
    Client,
}

const NEEDS: [(&str, Need); 5] = [
    ("what_is_wrong_with_a_host_is_told_exactly", Need::Root),
    (
        "a_full_disk_for_the_records_is_told_before_anything",
        Need::Root,
    ),
    ("another_user_is_become_by_su", Need::Root),
    ("jobs_stand_where_a_login_puts_their_user", Need::Client),
    ("passwords_let_in", Need::Root),
];

impl Need {
    /// Says why it is not met, if so.
    fn unmet(self, root: bool) -> Option<&'static str> {
        match self {
            Self::Root if !root => Some("it needs root: other accounts, namespaces"),
            Self::Client if !std::path::Path::new(logins::CLIENT).exists() => {
                Some("it needs OpenSSH's client")
            }
            Self::Root | Self::Client => None,
        }
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let started = Server::start();
    let root = started.as_ref().is_ok_and(|server| server.root);
    let reason = started.err();
    if let Some(reason) = &reason {
        println!("the tests over SSH are ignored: {reason}");
    }
    let ignored = reason.is_some();
    let trials = TRIALS.into_iter().map(|(name, trial)| {
        let unmet = NEEDS.iter().find_map(|(of, need)| {
            let unmet = need.unmet(root);
            unmet.filter(|_| *of == name)
        });
        if let (Some(unmet), false) = (unmet, ignored) {
            println!("{name} is ignored: {unmet}");
        }
        Trial::test(name, move || {
            let server = Server::start().map_err(Failed::from)?;
            trial(&server);
            Ok(())
        })
        .with_ignored_flag(ignored || unmet.is_some())
    });
    let mut trials: Vec<Trial> = trials.collect();
    let missing = config::missing();
    if let Some(reason) = &missing {
        println!("the comparison with `ssh -G` is ignored: {reason}");
    }
    trials.push(
        Trial::test("the_files_mean_what_they_mean_to_ssh", || {
            config::the_files_mean_what_they_mean_to_ssh();
            Ok(())
        })
        .with_ignored_flag(missing.is_some()),
    );
    libtest_mimic::run(&arguments, trials).exit();
}
