//! Vaults: what `ansible-vault` wrote is read, what is written is private, and what was inside is never seen.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::user::{User, top};

/// A value that ansible-core 2.19.14 encrypted: `hunter22`, label `prod`, password `pw1`.
const INLINE: &str = "\
!vault |
          $ANSIBLE_VAULT;1.2;AES256;prod
          34333065653662396166346363633232356635376262336365626166376439346261363463386333
          6533323262663663323763363138643266346262356665630a646438323963346661333761633465
          38353366373132323864343835343033383537626538396432353763363437336432383631616136
          3361633665633732300a356531623133656432323061346334326334333039636164383333356538
          3262
";

const SITE: &str = "\
- name: work
  hosts: all
  gather_facts: false
  vars:
    inline: INLINE
  tasks:
    - name: more
      include_vars: more.yml
    - name: to a file
      copy: { content: \"{{ b }} {{ inline }} {{ c }} {{ d }}\\n\", dest: \"{{ playbook_dir }}/out\" }
    - name: whole
      copy: { src: labelled.txt, dest: \"{{ playbook_dir }}/whole\" }
    - name: say
      debug: { msg: \"it is {{ inline }} and {{ b }}\" }
    - name: keep
      command: echo {{ b }} {{ c }}
      register: kept
    - name: slow
      command: sleep {{ pause | default(0) }}
    - name: again
      shell: echo '{{ kept.stdout }}' '{{ c }}' > {{ playbook_dir }}/again
";

fn user() -> User {
    let fixture = |name: &str| {
        let path = top().join("tests/fixtures/vault").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let user = User::new()
        .with("hosts", "a ansible_connection=local\n")
        .with("group_vars/all.yml", &fixture("vars.yml"))
        .with("labelled.txt", &fixture("labelled.txt"))
        .with("pw", "pw1\n")
        .with(
            "site.yml",
            &SITE.replace("INLINE", &INLINE.trim_end().replace('\n', "\n    ")),
        )
        .with("plain.yml", "c: third-secret\nd: 12\n")
        .with("more.yml", "c: third-secret\nd: 12\n");
    user.types("vault encrypt more.yml --vault-id more@pw")
        .done();
    assert!(
        user.read("more.yml")
            .starts_with("$ANSIBLE_VAULT;1.2;AES256;more\n")
    );
    user
}

/// Looks for a text in every file below a directory.
fn holds(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holds(&path, text));
        } else {
            let content = std::fs::read(&path).unwrap();
            if content
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

const SECRETS: [&str; 4] = ["hunter22", "hunter33", "third-secret", "plain ä text"];

#[test]
fn a_run_uses_what_is_in_vaults_and_nobody_sees_it() {
    let user = user();
    let line =
        "apply site.yml -i hosts --state state -D -vvv --events events --vault-password-file pw";
    let ran = user.types(line);
    ran.ended(0, &["it is *** and ***"]);
    assert_eq!(user.read("out"), "hunter33 hunter22 third-secret 12\n");
    assert_eq!(user.read("whole"), "plain ä text\n");
    assert_eq!(user.read("again"), "hunter33 third-secret third-secret\n");
    let report = user.types("report --state state --html -");
    let records = user.types("report --state state --format records");
    for secret in SECRETS {
        assert!(
            !ran.err.contains(secret) && !ran.out.contains(secret),
            "{secret}: {ran:#?}"
        );
        assert!(
            !report.done().contains(secret) && !records.done().contains(secret),
            "{secret}"
        );
        assert_eq!(holds(&user.path("state"), secret), [""; 0], "{secret}");
        assert!(!user.read("events").contains(secret), "{secret}");
    }
    let plan = user.types("plan site.yml -i hosts --vault-password-file pw");
    assert!(!plan.done().contains("hunter"), "{plan:#?}");
}

#[test]
fn a_run_that_goes_on_knows_its_secrets_again() {
    let user = user();
    let ran = user.is_cut_off(
        "-e pause=1 --vault-password-file pw",
        "a: slow",
        Signal::INT,
    );
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    user.writes("more.yml", "c: another\n");
    let ran = user.types("resume --state state");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(user.read("again"), "hunter33 third-secret third-secret\n");
    assert!(!ran.err.contains("third-secret"), "{ran:#?}");
}

#[test]
fn a_wrong_password_is_one_clear_error_before_any_host_is_touched() {
    let user = user().with("wrong", "pw2\n").with("empty", "\n");
    let line = "apply site.yml -i hosts --state state";
    let no_password = user.types(line);
    no_password.ended(
        1,
        &[
            "cannot read ",
            "group_vars/all.yml: it is in a vault, and no password is given",
        ],
    );
    let ran = user.types(&format!("{line} --vault-password-file wrong"));
    ran.ended(
        1,
        &["group_vars/all.yml: it is in a vault, and the password given does not open it"],
    );
    user.types(&format!("{line} --vault-password-file empty"))
        .ended(1, &["the vault password from empty is empty"]);
    user.types(&format!("{line} --vault-password-file nosuch"))
        .ended(
            1,
            &["cannot read the vault password from nosuch: no such file"],
        );
    user.types(&format!("{line} --ask-vault-pass"))
        .ended(1, &["there is no terminal"]);
    user.writes("group_vars/all.yml", "b: open\n");
    let ran = user.types(&format!("{line} --vault-password-file wrong"));
    ran.ended(
        1,
        &[
            "site.yml:6:15",
            "this value cannot be read: it is in a vault labelled `prod`",
        ],
    );
    assert!(!user.has("out") && !user.has("state/runs"));
}

#[test]
fn passwords_come_from_programs_and_the_environment_too() {
    let user = user().with("give", "#!/bin/sh\necho pw1\n").with(
        "give-client",
        "#!/bin/sh\n[ \"$*\" = \"--vault-id prod\" ] && echo pw1\n",
    );
    for name in ["give", "give-client"] {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(user.path(name), mode).unwrap();
    }
    for given in [
        "--vault-password-file give",
        "--vault-id prod@give-client",
        "--vault-id pw",
    ] {
        let view = user.types(&format!("vault view labelled.txt {given}"));
        assert_eq!(view.done(), "plain ä text\n", "{given}");
    }
    let output = user
        .command("vault view labelled.txt")
        .env("ANSIBLE_VAULT_PASSWORD_FILE", "pw")
        .output()
        .unwrap();
    assert_eq!(user.ran(&output).done(), "plain ä text\n");
}

#[test]
fn files_are_encrypted_viewed_edited_rekeyed_and_decrypted() {
    let user = user().with("new", "pw2\n").with("x.yml", "a: 1\n");
    let key = "--vault-password-file pw";
    user.types(&format!("vault encrypt x.yml {key}")).done();
    assert!(
        user.read("x.yml")
            .starts_with("$ANSIBLE_VAULT;1.1;AES256\n")
    );
    user.types(&format!("vault encrypt x.yml {key}"))
        .ended(1, &["x.yml is encrypted already"]);
    assert_eq!(
        user.types(&format!("vault view x.yml {key}")).done(),
        "a: 1\n"
    );
    let before = user.read("x.yml");
    let edit = |file: &str, editor: &str| {
        let mut command = user.command(&format!("vault edit {file} {key}"));
        let output = command.env("EDITOR", editor).output().unwrap();
        user.ran(&output)
    };
    edit("x.yml", "true").ended(0, &["nothing was changed"]);
    edit("x.yml", "false").ended(1, &["the editor false ended with exit code 1"]);
    assert_eq!(user.read("x.yml"), before);
    edit("x.yml", "sed -i s/1/2/").done();
    assert_eq!(
        user.types(&format!("vault view x.yml {key}")).done(),
        "a: 2\n"
    );
    edit("labelled.txt", "sed -i s/plain/edited/").done();
    assert!(
        user.read("labelled.txt")
            .starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    );
    let rekey = "vault rekey x.yml labelled.txt --new-vault-id next@new";
    user.types(&format!("{rekey} {key}")).done();
    user.types(&format!("vault decrypt x.yml {key}")).ended(
        1,
        &["cannot read x.yml: it is in a vault labelled `next`, and the password given"],
    );
    user.types("vault decrypt x.yml labelled.txt --vault-id next@new")
        .done();
    assert_eq!(
        (user.read("x.yml"), user.read("labelled.txt")),
        ("a: 2\n".into(), "edited ä text\n".into())
    );
    user.types(&format!("vault decrypt x.yml {key}"))
        .ended(1, &["x.yml is not encrypted"]);
}

#[test]
fn what_is_encrypted_lies_where_only_its_owner_reads_it_and_is_used_as_it_was() {
    let user = user().with("x.yml", "a: 1\n");
    let key = "--vault-password-file pw";
    user.types(&format!("vault encrypt x.yml {key} --output y.yml"))
        .done();
    let mode = std::fs::metadata(user.path("y.yml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let string = user.types(&format!("vault encrypt-string hunter44 --name word {key}"));
    assert!(
        string
            .done()
            .starts_with("word: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n")
    );
    user.writes("group_vars/all.yml", string.done());
    user.writes("say.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: { content: \"{{ word }}\", dest: \"{{ playbook_dir }}/word\" }\n");
    user.types(&format!("apply say.yml -i hosts --state state {key}"))
        .done();
    assert_eq!(user.read("word"), "hunter44");
}

#[test]
fn an_inventory_shows_what_is_encrypted_as_it_stands() {
    let user = User::new().with(
        "inv.yml",
        &format!(
            "all:\n  hosts:\n    h1:\n      word: {}",
            INLINE.replace('\n', "\n      ")
        ),
    );
    for line in [
        "inventory -i inv.yml --list",
        "inventory -i inv.yml --host h1",
    ] {
        let list = user.types(line);
        let value: Value = serde_json::from_str(list.done()).unwrap();
        let host = if line.ends_with("h1") {
            &value
        } else {
            &value["_meta"]["hostvars"]["h1"]
        };
        let text = host["word"]["__ansible_vault"].as_str().unwrap();
        assert!(
            text.starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n343330"),
            "{list:#?}"
        );
    }
}
