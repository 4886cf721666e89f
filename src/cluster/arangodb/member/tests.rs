//! What a member's state is judged to be, from what its host shows.

use super::*;

fn process(pid: u32, data: &str) -> Process {
    let argv =
        ["/usr/sbin/arangod", "--database.directory", data].map(|word| word.as_bytes().to_vec());
    Process {
        pid,
        start: 7,
        argv: argv.into(),
        exe: "/usr/sbin/arangod".into(),
        ..Process::default()
    }
}

fn view(lock: Option<u32>, listed: Option<u32>, processes: Vec<Process>) -> HostView {
    let peer = Peer {
        id: "a".into(),
        address: "10.0.0.1".into(),
        port: 8528,
        offset: 0,
        data_dir: "/d".into(),
        roles: vec![Role::Agent],
        secure: false,
    };
    let directory = ServerDirectory {
        path: "/d/agent8531".into(),
        place: Some((Role::Agent, 8531)),
        lock_pid: lock,
        ..ServerDirectory::default()
    };
    HostView {
        setup: Some(Setup {
            id: "a".into(),
            peers: vec![peer],
            ..Setup::default()
        }),
        depth: Depth {
            servers: vec![directory],
            processes,
            ..Depth::default()
        },
        listed: Some(Ok(listed
            .map(|pid| Listed {
                role: Role::Agent,
                port: 8531,
                pid,
            })
            .into_iter()
            .collect())),
        data_dir: "/d".into(),
        ..HostView::default()
    }
}

#[test]
fn a_server_is_proved_from_three_sides() {
    let good = view(Some(42), Some(42), vec![process(42, "/d/agent8531/data")]).value();
    assert_eq!(good["problems"], json!([]));
    assert_eq!(good["servers"][0]["pid"], 42);
    assert_eq!(good["agents"], json!(["tcp://10.0.0.1:8531"]));
    let cases = [
        (
            view(Some(41), Some(42), vec![process(42, "/d/agent8531/data")]),
            "lock names process 41",
        ),
        (
            view(Some(42), Some(42), vec![process(42, "/elsewhere")]),
            "does not run with /d/agent8531/data",
        ),
        (
            view(Some(42), None, vec![process(42, "/d/agent8531/data")]),
            "does not list it",
        ),
        (
            view(None, Some(42), vec![process(42, "/d/agent8531/data")]),
            "LOCK is missing",
        ),
    ];
    for (view, expected) in cases {
        let value = view.value();
        let problems = value["problems"].to_string();
        assert!(problems.contains(expected), "{expected}: {problems}");
        assert_eq!(value["ok"], false);
    }
}

#[test]
fn a_recycled_pid_in_a_lock_is_nobody() {
    let value = view(Some(42), None, vec![process(42, "/other/data")]).value();
    assert_eq!(
        (&value["servers"][0]["running"], &value["servers"][0]["pid"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn the_starters_list_is_read() {
    let body = json!({"servers-started": true, "servers": [{"type": "agent", "ip": "10.77.0.11", "port": 8531, "pid": 2188},
        {"type": "syncmaster", "port": 8532, "pid": 9}, {"type": "novel", "port": 1, "pid": 2}]});
    assert_eq!(listed(&body).len(), 2);
}

#[test]
fn a_server_is_stranded_when_only_a_program_that_refuses_its_data_is_left() {
    let stranded = |processes: Vec<Process>, data: &str, program: &str| {
        let pid = processes.first().map(|process| process.pid);
        let mut view = view(Some(77), pid, processes);
        view.binary = "/usr/sbin/arangod".to_owned();
        view.depth.binary = format!("server-version: {program}\n");
        let versions = [("VERSION-1".to_owned(), data.to_owned())];
        view.depth.servers[0].versions = versions.into_iter().collect();
        view.value()["stranded"].clone()
    };
    let with = |exe: &str, more: &[&str]| {
        let mut process = process(77, "/d/agent8531/data");
        exe.clone_into(&mut process.exe);
        let more = more.iter().map(|word| word.as_bytes().to_vec());
        process.argv.extend(more);
        vec![process]
    };
    let (old, new) = (r#"{"version":30320}"#, r#"{"version":30400}"#);
    let it = json!(["agent on port 8531"]);
    let none = json!([]);
    let binary = "/usr/sbin/arangod";
    let replaced = "/usr/sbin/arangod (deleted)";
    let upgrade = ["--database.auto-upgrade=true"];
    let two = ["--database.auto-upgrade", "true"];
    let cases = [
        ("down with old data", stranded(vec![], old, "3.4.0"), &it),
        ("down, upgraded", stranded(vec![], new, "3.4.0"), &none),
        (
            "down, its own program is back",
            stranded(vec![], old, "3.3.20"),
            &none,
        ),
        (
            "it serves on",
            stranded(with(replaced, &[]), old, "3.4.0"),
            &none,
        ),
        (
            "started, and about to refuse",
            stranded(with(binary, &[]), old, "3.4.0"),
            &it,
        ),
        (
            "being upgraded",
            stranded(with(binary, &upgrade), old, "3.4.0"),
            &none,
        ),
        (
            "in two words",
            stranded(with(binary, &two), old, "3.4.0"),
            &none,
        ),
        ("nobody knows the program", stranded(vec![], old, ""), &none),
    ];
    for (name, is, wanted) in cases {
        assert_eq!(&is, wanted, "{name}");
    }
}

#[test]
fn a_process_is_told_from_one_of_another_boot() {
    let identity = |boot: &str, pid: u32| {
        let mut view = view(
            Some(pid),
            Some(pid),
            vec![process(pid, "/d/agent8531/data")],
        );
        boot.clone_into(&mut view.surface.boot_id);
        view.value()["servers"][0]["identity"].clone()
    };
    assert_eq!(identity("b1", 77), json!("b1/77/7"));
    assert_ne!(identity("b1", 77), identity("b2", 77));
    assert_ne!(identity("b1", 77), identity("b1", 78));
}

#[test]
fn a_machine_without_an_agent_runs_what_it_is_set_up_for() {
    let mut view = view(None, None, vec![]);
    view.listed = Some(Ok(vec![]));
    let place = |role: Role, port: u16| ServerDirectory {
        path: format!("/d/{}{port}", role.name()),
        place: Some((role, port)),
        ..ServerDirectory::default()
    };
    // What an agent has left that was taken away is nobody's.
    view.depth.servers = vec![place(Role::Agent, 8531), place(Role::Dbserver, 8530)];
    let servers = |view: &HostView| {
        let servers = view.value()["servers"].clone();
        let servers: Vec<Value> = servers.as_array().unwrap().clone();
        let endpoints = servers.iter().map(|server| server["endpoint"].clone());
        endpoints.collect::<Vec<_>>()
    };
    view.setup.as_mut().unwrap().peers[0].roles = vec![Role::Dbserver, Role::Coordinator];
    assert_eq!(servers(&view), [json!("tcp://10.0.0.1:8530")]);
    assert_eq!(view.value()["agents"], json!([]));
    view.setup.as_mut().unwrap().peers[0].offset = 10;
    view.depth.servers = vec![place(Role::Dbserver, 8540)];
    assert_eq!(servers(&view), [json!("tcp://10.0.0.1:8540")]);
    assert_eq!(view.value()["starter_port"], json!(8538));
}
