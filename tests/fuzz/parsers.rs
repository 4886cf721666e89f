//! The parsers of what comes from outside, each as a function of bytes.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::sync::Arc;

use serde_json::Value;
use stagger::cluster::arangodb::{self, host, parse, setup};
use stagger::cluster::memsql::ops::{self, Said};
use stagger::cluster::memsql::parse as rows;
use stagger::cluster::model::memsql::Address;
use stagger::cluster::sections::Marker;
use stagger::cluster::{process, readiness};
use stagger::connection::{ConfigFiles, SshConfig, Surroundings};
use stagger::events::read_ndjson;
use stagger::inventory::Inventory;
use stagger::journal::{Entry, Record};
use stagger::modules;
use stagger::modules::spec::Specs;
use stagger::playbook::Loader;
use stagger::rollout::Recollection;
use stagger::secrets::{Envelope, Secret};
use stagger::vars::{SshArguments, extra_vars, jump_of};
use stagger::yaml::{self, Source};

use crate::machine::OneFile;
use crate::mutate::{Change, trees};

/// A parser, and how its inputs are made.
#[derive(Debug)]
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    /// Further files that are good inputs: a directory, and how their names end.
    pub(crate) also: &'static [(&'static str, &'static str)],
    pub(crate) change: Change,
    pub(crate) read: fn(&[u8]),
}

const YAML: Change = Change::Bytes(&[
    ": ",
    "- ",
    "\n",
    "\n  ",
    "&a ",
    "*a",
    "<<: ",
    "!vault |",
    "!x ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "|",
    ">-",
    "#",
    "%",
    "\t",
    "? ",
    "---\n",
    "...\n",
    "{{ ",
    " }}",
    "{% ",
    "~",
    "\u{e000}",
    "\u{85}",
    "é",
    "0o7",
    "1e400",
    "hosts:",
    "vars:",
    "children:",
    "when:",
    "block:",
    "bracket:",
    "include_tasks: site.yml",
    "import_tasks: site.yml",
    "roles:",
    "loop:",
    "serial:",
    "enter:",
]);
const INI: Change = Change::Bytes(&[
    "[",
    "]",
    ":vars",
    ":children",
    "=",
    " ",
    "'",
    "\"",
    "\\",
    "\n",
    "#",
    ";",
    "[1:9]",
    "[a:z]",
    "[09:1:0]",
    "[1:99999999999]",
    "[0:9][0:9]",
    "{",
    "(",
    ",",
    "True",
    "0x",
    "1_0",
    "é",
    "b'",
]);
const PATTERN: Change = Change::Bytes(&[
    ":", ",", "!", "&", "*", "?", "~", "[", "]", "[0]", "[-1]", "[1:]", "(", ")", "|", "\\", "{",
    "all", "é", "@x", "..", "{{",
]);
const WORDS: Change = Change::Bytes(&[
    " ",
    "'",
    "\"",
    "\\",
    "-o",
    "-J",
    "-p",
    "=",
    "%",
    "%h",
    "%%",
    "$",
    "${HOME}",
    "\n",
    "\t",
    "@",
    ":",
    "[",
    "]",
    "Host ",
    "Match ",
    "Match exec x",
    "Include ",
    "~",
    "*",
    "!",
    ",",
    "{",
    "é",
]);
const VAULT: Change = Change::Bytes(&[
    "$ANSIBLE_VAULT",
    ";",
    "1.1",
    "1.2",
    "AES256",
    "\n",
    "\r\n",
    "00",
    "ff",
    "0a",
    "z",
    "é",
]);
const LINES: Change = Change::Bytes(&[
    "\u{1e}WORD ",
    "\n",
    "\0",
    "=",
    " ",
    "MainPID=",
    "(",
    ")",
    "18446744073709551616",
    "-1",
    "\"",
    "stat",
    "again",
    "process",
    "é",
    "%",
    "\t",
    "\n\n",
]);
const OPS: Change = Change::Bytes(&["[", "]", "{", "}", "\"", ",", ":", "\n", "null", "[{}", "é"]);

/// All parsers.
pub(crate) static PARSERS: &[Parser] = &[
    parser(
        "yaml",
        &[("inventory", ".yml"), ("tests/fixtures/bad", ".yml")],
        YAML,
        read_yaml,
    ),
    parser("inventory-yaml", &[("inventory", ".yml")], YAML, |input| {
        inventory("hosts.yml", input);
    }),
    parser(
        "inventory-ini",
        &[("tests/fixtures/inventory", ".ini")],
        INI,
        |input| inventory("hosts", input),
    ),
    parser("inventory-program", &[], Change::Json, program),
    parser("pattern", &[], PATTERN, pattern),
    parser(
        "playbook",
        &[("tests/fixtures/playbooks", ".yml"), ("roles", "grade.yml")],
        YAML,
        playbook,
    ),
    parser("vault", &[("tests/fixtures/vault", ".txt")], VAULT, vault),
    parser("ssh-arguments", &[], WORDS, ssh_arguments),
    parser("ssh-config", &[], WORDS, ssh_config),
    parser("extra-vars", &[], YAML, extra),
    parser("events", &[], Change::Json, |input| {
        drop(read_ndjson(BufReader::new(input)));
    }),
    parser("records", &[], Change::Json, records),
    parser("agency", &[], Change::Json, agency),
    parser("starter-setup", &[], Change::Json, |input| {
        drop(setup::parse_setup(&text(input)));
    }),
    parser("host-parts", &[], LINES, host_parts),
    parser("sql-rows", &[], Change::Json, sql_rows),
    parser("ops", &[], OPS, said),
];

const fn parser(
    name: &'static str,
    also: &'static [(&'static str, &'static str)],
    change: Change,
    read: fn(&[u8]),
) -> Parser {
    Parser {
        name,
        also,
        change,
        read,
    }
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn read_yaml(input: &[u8]) {
    let source = Source::new("t.yml", text(input));
    if let Ok(node) = yaml::parse(&source) {
        let value = node.to_value();
        drop((yaml::duration(&node), yaml::mode(&node), yaml::flag(&node)));
        drop((
            yaml::duration_of(&value),
            yaml::mode_of(&value),
            yaml::flag_of(&value),
        ));
    }
    drop(yaml::parse_documents(&source));
}

fn inventory(path: &'static str, input: &[u8]) {
    let files = OneFile::new(path, input);
    if let Ok(inventory) = Inventory::load(&[path.to_owned()], &files) {
        used(&inventory);
    }
}

fn used(inventory: &Inventory) {
    for host in inventory.hosts() {
        drop(inventory.groups_of(host.as_str()));
    }
    drop(inventory.select("all:!ungrouped", None));
}

fn program(input: &[u8]) {
    let files = OneFile::printing("hosts.sh", input);
    if let Ok(inventory) = Inventory::load(&["hosts.sh".to_owned()], &files) {
        used(&inventory);
    }
}

fn pattern(input: &[u8]) {
    let hosts = b"[web]\nweb[01:12].example.com\n[db]\ndb1\ndb2\n[all:vars]\nx=1\n";
    let files = OneFile::new("hosts", hosts);
    if let Ok(inventory) = Inventory::load(&["hosts".to_owned()], &files) {
        let pattern = text(input);
        drop(inventory.select(&pattern, None));
        drop(inventory.limit(&pattern, &files));
    }
    let list = [format!("{},", text(input))];
    drop(Inventory::load(&list, &files));
}

fn playbook(input: &[u8]) {
    let files = Arc::new(OneFile::new("site.yml", input));
    let specs: Specs = modules::ALL.iter().map(|module| module.spec()).collect();
    let loader = Loader::new(files, Arc::new(specs), Vec::new());
    drop(loader.load("site.yml"));
}

fn vault(input: &[u8]) {
    if let Ok(envelope) = Envelope::parse(&text(input)) {
        drop(envelope.open(&Secret::new("not the password")));
    }
}

fn ssh_arguments(input: &[u8]) {
    let text = text(input);
    drop(SshArguments::default().add(&text));
    drop(jump_of(&text));
}

fn ssh_config(input: &[u8]) {
    let Ok(directory) = tempfile::tempdir() else {
        return;
    };
    let path = directory.path().join("config");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not survive a crash"
    )]
    if std::fs::write(&path, input).is_err() {
        return;
    }
    let surroundings = Surroundings {
        home: Some(directory.path().to_owned()),
        user: "ann".to_owned(),
        ..Surroundings::default()
    };
    if let Ok(config) = SshConfig::load(&ConfigFiles::Only(path), &surroundings) {
        for host in ["n1", "web01.example.com", ""] {
            drop(config.reach(host, &[], &surroundings));
        }
    }
}

fn extra(input: &[u8]) {
    let files = OneFile::new("vars.yml", input);
    for argument in [text(input), "@vars.yml".to_owned()] {
        drop(extra_vars(&[argument], &files, &mut Vec::new()));
    }
}

fn records(input: &[u8]) {
    let read = |(number, tree): (u64, Value)| {
        let record: Record = serde_json::from_value(tree).ok()?;
        Some(Entry {
            seq: number,
            at: jiff::Timestamp::UNIX_EPOCH,
            record,
        })
    };
    let entries: Vec<Entry> = (1..).zip(trees(input)).filter_map(read).collect();
    drop(Recollection::of(&entries));
}

fn agency(input: &[u8]) {
    for body in trees(input) {
        drop((
            parse::agent(&body),
            parse::store(&body),
            parse::health(&body),
        ));
        drop(arangodb::listed(&body));
        drop(parse::endpoint(&body.to_string()));
    }
}

fn host_parts(input: &[u8]) {
    let marker = Marker::new("WORD");
    let parts = marker.parts(input);
    drop((host::parse_surface(&parts), host::parse_depth(&parts)));
    drop((readiness::parse(&parts), process::parse(&parts)));
    let text = text(input);
    drop((host::data_version(&text), host::binary_version(&text)));
}

fn sql_rows(input: &[u8]) {
    for tree in trees(input) {
        let list: Vec<rows::Row> = serde_json::from_value(tree).unwrap_or_default();
        let (own, _) = rows::databases(&list);
        let names = [own, vec!["db".to_owned(), String::new()]].concat();
        drop(rows::aggregators(&list, &Address::new("h", 1)));
        drop((rows::leaves(&list), rows::instances(&list, &names)));
        drop((rows::placements(&list, "db"), rows::variables(&list)));
        drop((rows::plan(&list), rows::running(&list)));
        drop((rows::statements(&list), rows::recovering(&list)));
        let texts: BTreeMap<String, String> = rows::variables(&list);
        for name in texts.keys() {
            drop(rows::partition_of(name, &names));
        }
    }
}

fn said(input: &[u8]) {
    let said = Said {
        code: 0,
        text: text(input),
    };
    drop((ops::list(&said), ops::agents(&said), ops::nodes(&said)));
    drop((ops::files(&said), ops::version(&said)));
}
