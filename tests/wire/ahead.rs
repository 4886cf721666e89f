//! The sessions of the next batch's hosts are open before it begins.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::server::{Server, command, write};

const PLAYBOOK: &str = "\
- hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: how many logins there were by now
      shell: sleep 2; grep -c '^Accepted publickey' HERE/log
      register: logins
    - name: go through the host
      THROUGH
      ignore_errors: true
    - name: write it down
      copy: { content: \"{{ logins.stdout }}\", dest: \"HERE/logins-{{ inventory_hostname }}\" }
";

fn answers() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 2048]));
            drop(
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                ),
            );
        }
    });
    port
}

/// While a host is worked on the next one is logged in to; once a task kept a way through a host open, for that too.
pub(crate) fn sessions_are_opened_ahead(server: &Server) {
    let port = answers();
    let uri = format!("uri: {{ url: \"http://127.0.0.1:{port}/\", via: host }}");
    // One exchange goes through the session itself.
    logins_by_host(server, &uri, [2, 3, 3]);
    let query = "mysql_query: { login_host: 127.0.0.1, login_port: 1, query: SELECT 1, via: host }";
    // a and b; then the way through a, and c with the way through c; then the way through b.
    logins_by_host(server, query, [2, 5, 6]);
}

fn logins_by_host(server: &Server, through: &str, wanted: [usize; 3]) {
    let log = || std::fs::read_to_string(server.file("log")).unwrap();
    let before = log().matches("Accepted publickey").count();
    let here = server.directory.path().display().to_string();
    let target = server.target();
    let hosts = ["a", "b", "c"].map(|name| {
        format!(
            "{name} ansible_host=127.0.0.1 ansible_port={} ansible_user={} ansible_private_key_file={here}/key\n",
            server.port, target.user
        )
    });
    write(&server.file("hosts"), &hosts.concat());
    let playbook = PLAYBOOK.replace("HERE", &here).replace("THROUGH", through);
    write(&server.file("site.yml"), &playbook);
    std::fs::create_dir_all(server.file(".ssh")).unwrap();
    write(
        &server.file(".ssh/known_hosts"),
        &server.known_line("host_ed25519"),
    );
    let ran = command(env!("CARGO_BIN_EXE_stagger"))
        .args(["apply", "site.yml", "-i", "hosts", "--state", "records"])
        .current_dir(server.directory.path())
        .env_clear()
        .env("HOME", server.directory.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{told}");
    let logins = |name: &str| {
        let counted = std::fs::read_to_string(server.file(&format!("logins-{name}"))).unwrap();
        counted.parse::<usize>().unwrap() - before
    };
    assert_eq!(["a", "b", "c"].map(logins), wanted, "{through}: {told}");
}
