//! Which server is whose, who is asked, and in which order servers end.

use std::path::Path;

use serde_json::{Value, json};

use super::{ask, named, read};

/// Reads all files of the role that hold tasks or plays.
fn all_files() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let list = |directory: &str| {
        let entries = std::fs::read_dir(root.join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "yml"))
            .map(|name| format!("{directory}{name}"))
            .collect::<Vec<_>>()
    };
    let names = [list(""), list("tasks/")].concat();
    names
        .into_iter()
        .map(|name| (name.clone(), read(&name)))
        .collect()
}

/// Calls with each map that holds a key.
fn each(value: &Value, key: &str, call: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if let Some(inner) = fields.get(key) {
                call(inner);
            }
            fields.values().for_each(|inner| each(inner, key, call));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, key, call)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn whoever_is_down_is_never_the_only_one_that_is_asked() {
    let mut asked = 0;
    for (name, file) in all_files() {
        each(&file, "uri", &mut |uri| {
            let url = uri["url"].as_str().unwrap();
            if url.contains("arangodb_coordinators") {
                // The whole list: the next one is asked where one does not answer.
                let whole = url
                    .trim_matches(['{', '}', ' '])
                    .ends_with("arangodb_coordinators");
                assert!(whole, "{name}: {url}");
                assert!(uri["path"].is_string(), "{name}");
                asked += 1;
            }
        });
        each(&file, "arangodb_info", &mut |look| {
            if look["view"] == json!("cluster") || look["view"] == json!("agency") {
                let agents = look["agents"].as_str().unwrap();
                let all = ["{{ arangodb_agents }}", "{{ arangodb_look.host.agents }}"];
                assert!(all.contains(&agents), "{name}: {agents}");
                asked += 1;
            }
        });
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn servers_end_one_host_at_a_time_and_the_agencys_leader_last() {
    let file = read("servers.yml");
    for name in ["agents, followers first", "DB-Servers"] {
        assert_eq!(named(&file, name).unwrap()["serial"], json!(1), "{name}");
    }
    assert_eq!(read("coordinators.yml")[0]["serial"], json!(1));
    let order = &named(&file, "agents, followers first").unwrap()["order_by"];
    let order = order.as_str().unwrap().trim_matches(['{', '}', ' ']);
    let so = |leader: Value| {
        json!({"arangodb_look": {"host": {"servers": [{"endpoint": "tcp://h1:8531"}, {"endpoint": "tcp://h1:8530"}]}},
            "arangodb_cluster": {"agency": {"leader_endpoint": leader}}})
    };
    ask(
        &json!(format!("({order}) == 1")),
        &json!({}),
        &[
            ("its agent leads", so(json!("tcp://h1:8531")), true),
            ("another one does", so(json!("tcp://h2:8531")), false),
            ("nobody does", so(Value::Null), false),
        ],
    );
}

#[test]
fn a_machine_under_two_names_is_refused() {
    let file = read("tasks/preflight.yml");
    let task = named(
        &file,
        "every machine of the cluster is in the inventory, and only once",
    )
    .unwrap();
    let look = |id: &str, machine: &str, boot: &str| json!({"setup": {"id": id}, "machine_id": machine, "boot_id": boot});
    let so = |looks: Value| json!({"looks": looks, "arangodb_host": {"setup": {"peers": [{"id": "a", "address": "h1"}, {"id": "b", "address": "h2"}]}}});
    let mut vars = task["vars"].clone();
    vars.as_object_mut().unwrap().remove("looks");
    ask(
        &task["assert"]["that"],
        &vars,
        &[
            (
                "two machines",
                so(json!([look("a", "m1", "b1"), look("b", "m2", "b2")])),
                true,
            ),
            (
                "a copied machine-id",
                so(json!([look("a", "m1", "b1"), look("b", "m1", "b2")])),
                true,
            ),
            (
                "two starters on one machine, each with a name of its own",
                so(json!([look("a", "m1", "b1"), look("b", "m1", "b1")])),
                false,
            ),
            (
                "one starter",
                so(json!([look("a", "m1", "b1"), look("a", "m2", "b2")])),
                false,
            ),
            (
                "one starter twice, beside all others",
                so(json!([
                    look("a", "m1", "b1"),
                    look("b", "m2", "b2"),
                    look("b", "m3", "b3")
                ])),
                false,
            ),
            (
                "one is missing, as the second starter of a machine that is named once",
                so(json!([look("a", "m1", "b1")])),
                false,
            ),
        ],
    );
}

#[test]
fn members_are_mapped_to_hosts_or_refused() {
    let file = read("tasks/preflight.yml");
    let name = "every server of the cluster belongs to one host of the inventory, and every agent of the set-up is in the agency";
    let task = named(&file, name).unwrap();
    let mut vars = task["vars"].clone();
    for own in ["looks", "members"] {
        vars.as_object_mut().unwrap().remove(own);
    }
    let host = |name: &str, ports: &[u16]| {
        let servers: Vec<Value> = ports
            .iter()
            .map(|port| json!({"endpoint": format!("tcp://{name}:{port}")}))
            .collect();
        json!({"servers": servers, "setup": {"engine": "rocksdb"}})
    };
    let member = |endpoint: &str| json!({"endpoint": endpoint});
    let so = |looks: Vec<Value>, agents: &[&str], others: &[&str], set_up: &[&str]| {
        let members: Vec<Value> = agents
            .iter()
            .chain(others)
            .map(|endpoint| member(endpoint))
            .collect();
        let agents: Vec<Value> = agents.iter().map(|endpoint| member(endpoint)).collect();
        json!({"looks": looks, "members": members, "arangodb_host": {"agents": set_up}, "arangodb_cluster": {"agents": agents}})
    };
    let (full, no_agent) = ([8531, 8530, 8529], [8530, 8529]);
    let three = ["tcp://h1:8531", "tcp://h2:8531", "tcp://h3:8531"];
    let five = |last: &str| {
        let mut hosts: Vec<Value> = ["h1", "h2", "h3"]
            .iter()
            .map(|name| host(name, &full))
            .collect();
        hosts.push(host("h4", &no_agent));
        hosts.push(host(last, &no_agent));
        hosts
    };
    let others = ["tcp://h4:8530", "tcp://h5:8530", "tcp://h5:8529"];
    ask(
        &task["assert"]["that"],
        &vars,
        &[
            (
                "five machines with three agents",
                so(five("h5"), &three, &others, &three),
                true,
            ),
            (
                "a machine of which the inventory does not know",
                so(five("h6"), &three, &others, &three),
                false,
            ),
            (
                "a replaced machine: the set-up names its agent, the agency the old one",
                so(
                    five("h5"),
                    &["tcp://h1:8531", "tcp://h2:8531", "tcp://h9:8531"],
                    &[],
                    &three,
                ),
                false,
            ),
            (
                "an agent that the agency has lost",
                so(five("h5"), &three[..2], &others, &three),
                false,
            ),
            (
                "one machine under two names",
                so(
                    vec![host("h1", &full), host("h1", &full)],
                    &three[..1],
                    &[],
                    &three[..1],
                ),
                false,
            ),
            (
                "two starters on one machine, ten ports apart: a look at a host shows the servers of one",
                so(
                    vec![host("h1", &full)],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                    &[],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                ),
                false,
            ),
        ],
    );
    let agents = named(&file, "the agency works with all its agents").unwrap();
    let so = |count: usize, size: usize| json!({"arangodb_cluster": {"agency": {"ok": true}, "agents": vec![1; count]}, "arangodb_host": {"setup": {"agency_size": size}}});
    ask(
        &agents["assert"]["that"],
        &json!({}),
        &[
            ("three of three", so(3, 3), true),
            ("five of five", so(5, 5), true),
            ("two", so(2, 2), false),
            ("a fourth that the set-up does not name", so(4, 3), false),
            ("a fifth that the set-up does not name", so(5, 3), false),
        ],
    );
}
