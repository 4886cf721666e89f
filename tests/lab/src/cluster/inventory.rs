//! The inventory for an upgrade, as an operator would write it.

use super::Cluster;
use super::arangodb::{AUTHORITY_FILE, SYNC_KEY_FILE};
use crate::fleet::{Host, Login};

/// Returns the inventory: the cluster that is to be upgraded and, if there is one, the cluster
/// that takes its changes.
pub(super) fn text(main: &Cluster<'_>, far: Option<&Cluster<'_>>, login: Login) -> String {
    let mut variables = vec![
        format!("ansible_user: {}", login.user()),
        format!("arangodb_version: {}", main.options().to),
        format!("arangodb_packages: [{}]", main.new_package().display()),
        format!("arangodb_leaders: {}", main.options().leaders),
        "arangodb_backup: none, these are simulators".to_owned(),
    ];
    match login {
        Login::Root => {}
        Login::Sudo => variables.push("ansible_become: true".to_owned()),
        Login::SudoPassword => variables.extend([
            "ansible_become: true".to_owned(),
            format!("ansible_become_password: {}", Login::PASSWORD),
        ]),
    }
    variables.extend(far.into_iter().flat_map(|far| sync(main, far)));
    let variables = variables.iter().map(|line| format!("        {line}\n"));
    format!(
        "all:\n  children:\n{}      vars:\n{}",
        group("arangodb", main.hosts()),
        variables.collect::<Vec<_>>().concat(),
    )
}

/// What there is to be said of replication.
fn sync(main: &Cluster<'_>, far: &Cluster<'_>) -> Vec<String> {
    let masters = [main.sync_masters(), far.sync_masters()].concat();
    vec![
        format!("arangodb_sync_masters: [{}]", masters.join(", ")),
        // The other way makes the source read-only for a while.
        "arangodb_sync_stop: immediate".to_owned(),
        format!("arangodb_sync_token: {}", main.monitoring_token()),
        format!("arangodb_sync_far_token: {}", far.monitoring_token()),
        format!("arangodb_sync_auth_keyfile: {SYNC_KEY_FILE}"),
        format!("arangodb_sync_master_keyfile: {SYNC_KEY_FILE}"),
        format!("arangodb_sync_source_cacert: {AUTHORITY_FILE}"),
    ]
}

fn group(name: &str, hosts: &[&Host]) -> String {
    let hosts = hosts.iter();
    let hosts = hosts.map(|host| {
        let (name, address) = (host.name(), host.address());
        format!("        {name}: {{ ansible_host: {address} }}\n")
    });
    format!(
        "    {name}:\n      hosts:\n{}",
        hosts.collect::<Vec<_>>().concat()
    )
}
