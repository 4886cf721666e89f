//! Others who are told of a run: by a program and by a URL, without a secret, and never to the run's harm.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::user::User;

const HOSTS: &str =
    "a ansible_connection=local\nb ansible_connection=local\nc ansible_connection=local\n";

/// Reads the body of one request and answers it.
fn posted(socket: &mut TcpStream) -> Value {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = socket.read(&mut part).unwrap();
        text.extend_from_slice(&part[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
        if body.len() >= length {
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).unwrap();
            return serde_json::from_str(body).unwrap();
        }
    }
}

/// Listens for what is posted until a run has ended; returns the address and all that was posted.
fn listener() -> (String, JoinHandle<Vec<Value>>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let posts = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        loop {
            let body = posted(&mut server.accept().unwrap().0);
            let is_last = body["what"] == "ended";
            bodies.push(body);
            if is_last {
                return bodies;
            }
        }
    });
    (address, posts)
}

/// Requires that no record of any run holds one of these texts.
fn no_record_holds(user: &User, secrets: &[&str]) {
    for run in std::fs::read_dir(user.path("state/runs")).unwrap() {
        for file in std::fs::read_dir(run.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            for secret in secrets {
                let mut parts = content.windows(secret.len());
                let found = parts.any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} is in {}", path.display());
            }
        }
    }
}

#[test]
fn others_are_told_and_what_cannot_be_told_stops_nothing() {
    let (address, posts) = listener();
    let url = format!("http://{address}/hook/KEY-9f3a77");
    let fails = "\
- name: work
  hosts: all
  gather_facts: false
  tasks:
    - name: tell
      shell: echo {{ db_password }}; exit 3
";
    let user = User::new().with("hosts", HOSTS).with("site.yml", fails);
    let told = user.path("told").to_string_lossy().into_owned();
    let ran = user.types(&format!(
        "apply --state state site.yml -i hosts --reason 'with hunter2222' -e db_password=hunter2222 --notify {url} --notify 'cat >> {told}; echo $STAGGER_WHAT >> {told}' --notify 'exit 7'"
    ));
    ran.ended(
        2,
        &["`exit` could not be told that the run started: exit code 7"],
    );
    assert_eq!(ran.err.matches("could not be told").count(), 1, "{ran:#?}");
    let bodies = posts.join().unwrap();
    let whats: Vec<&str> = bodies
        .iter()
        .map(|body| body["what"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["started", "stopped", "ended"]);
    assert_eq!(bodies[2]["exit_code"], 2);
    assert_eq!(bodies[1]["playbook"], "site.yml");
    assert_eq!(bodies[0]["reason"], "with ***");
    let told = user.read("told");
    assert!(
        told.contains("\nstopped\n") && told.contains("\"what\":\"ended\""),
        "{told}"
    );
    for body in bodies {
        assert!(!body.to_string().contains("hunter2222"), "{body}");
    }
    no_record_holds(&user, &["KEY-9f3a77", "hunter2222"]);
}
