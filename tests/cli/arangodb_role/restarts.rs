//! What a restart is refused for, and when a server is done.

use serde_json::{Value, json};

use super::{ask, named, read};

#[test]
fn a_server_is_done_by_what_is_seen_of_it() {
    let server = |port: u16, identity: Value| json!({"endpoint": format!("tcp://h1:{port}"), "identity": identity});
    let member = |endpoint: &str, version: Value| json!({"endpoint": endpoint, "version": version});
    let so = |restart: bool, wanted: Value| {
        json!({"arangodb_restarts": restart, "arangodb_version": "3.4.0", "wanted": wanted,
            "arangodb_began": ["b1/5/70", "b1/6/80", "b1/7/90"],
            "arangodb_host": {"servers": [server(8531, json!("b1/5/70")), server(8530, json!("b2/6/80")), server(8529, Value::Null)]},
            "arangodb_cluster": {"agents": [member("tcp://h1:8531", json!("3.3.20")), member("tcp://h2:8531", json!("3.3.20"))],
                "dbservers": [member("tcp://h1:8530", json!("3.4.0"))],
                "coordinators": [member("tcp://h1:8529", Value::Null)]}})
    };
    ask(
        &json!("arangodb_pending == wanted"),
        &json!({}),
        &[
            (
                "an upgrade: what is not on the new version, or does not say",
                so(false, json!(["tcp://h1:8531", "tcp://h1:8529"])),
                true,
            ),
            (
                "a restart: what still runs, or is down; after a reboot a pid says nothing",
                so(true, json!(["tcp://h1:8531", "tcp://h1:8529"])),
                true,
            ),
            (
                "a restart is not done by its version",
                so(true, json!([])),
                false,
            ),
        ],
    );
}

#[test]
fn a_restart_starts_nothing_but_what_runs() {
    let file = read("tasks/preflight.yml");
    let task = named(&file, "what runs is what a restart would start").unwrap();
    assert_eq!(task["when"], json!("arangodb_restart"));
    let so = |wanted: &str, versions: Value, disk: &str| json!({"arangodb_version": wanted, "arangodb_cluster": {"versions": versions}, "arangodb_host": {"binary_version": disk}});
    ask(
        &task["assert"]["that"],
        &json!({}),
        &[
            ("one version", so("3.4.0", json!(["3.4.0"]), "3.4.0"), true),
            (
                "a new package",
                so("3.4.0", json!(["3.3.20"]), "3.4.0"),
                false,
            ),
            (
                "on one host",
                so("3.3.20", json!(["3.3.20"]), "3.4.0"),
                false,
            ),
            (
                "two versions run",
                so("3.4.0", json!(["3.3.20", "3.4.0"]), "3.4.0"),
                false,
            ),
        ],
    );
    // What is said of an upgrade alone is not asked of it, and what holds for each stop is.
    let when = |name: &str| named(&file, name).unwrap()["when"].to_string();
    for name in [
        "there is a backup",
        "the packages that bring the new version are named",
    ] {
        assert!(when(name).contains("arangodb_upgrade_needed"), "{name}");
    }
    for name in [
        "the supervision has nothing to do",
        "every collection has a second copy",
        "the starter can be started again",
        "leadership can be moved",
        "how leadership leaves a DB-Server is decided",
        "what clients notice of a change of leadership",
    ] {
        assert!(when(name).contains("arangodb_work"), "{name}");
    }
}
