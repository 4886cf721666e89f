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
      uri: { url: \"http://127.0.0.1:PORT/\", via: host }
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

/// While a host is worked on the next one is logged in to; once a task went through a host, for that too.
pub(crate) fn sessions_are_opened_ahead(server: &Server) {
    let here = server.directory.path().display().to_string();
    let target = server.target();
    let hosts = ["a", "b", "c"].map(|name| {
        format!(
            "{name} ansible_host=127.0.0.1 ansible_port={} ansible_user={} ansible_private_key_file={here}/key\n",
            server.port, target.user
        )
    });
    write(&server.file("hosts"), &hosts.concat());
    let playbook = PLAYBOOK
        .replace("HERE", &here)
        .replace("PORT", &answers().to_string());
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
    let logins =
        |name: &str| std::fs::read_to_string(server.file(&format!("logins-{name}"))).unwrap();
    // a and b; then the way through a, and c with the way through c; then the way through b.
    let all = ["a", "b", "c"].map(logins);
    assert_eq!(all, ["2", "5", "6"], "{told}");
}
