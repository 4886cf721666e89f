//! Whatever stands in a file or comes from outside, no parser panics or hangs: seeds that are kept are changed at random,
//! a bounded number of times, always in the same way.
//!
//! `STAGGER_FUZZ=TIMES:NUMBER` does it TIMES as often, beginning with another number. What breaks a parser is printed; it
//! becomes a seed below `tests/fixtures/fuzz/PARSER/`, so that it never does again.
#![cfg(test)]

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/machine.rs"]
mod machine;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/parsers.rs"]
mod parsers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use stagger::clock::{Clock as _, SystemClock};

use corpus::seeds;
use mutate::{Change, Dice};
use parsers::{PARSERS, Parser};

/// How often each parser is tried, all its seeds together.
const TIMES: usize = 1500;

/// No input is so large that reading it may take longer, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(5);

/// How much is done: how many times as often, and the number that all chance comes from.
#[expect(clippy::disallowed_methods, reason = "who fuzzes for longer says so")]
fn wanted() -> (usize, u64) {
    let text = std::env::var("STAGGER_FUZZ").unwrap_or_default();
    let (times, number) = text.split_once(':').unwrap_or((text.as_str(), ""));
    (times.parse().unwrap_or(1), number.parse().unwrap_or(1))
}

/// Reads one input; says what is wrong with how that went.
fn broken(parser: &Parser, input: &[u8]) -> Option<String> {
    let clock = SystemClock::new();
    let read = catch_unwind(AssertUnwindSafe(|| (parser.read)(input)));
    match read {
        Err(_) => Some("it panics".to_owned()),
        Ok(()) if clock.elapsed() > LONGEST => Some(format!("it takes {:?}", clock.elapsed())),
        Ok(()) => None,
    }
}

#[track_caller]
fn holds(parser: &Parser, from: &str, input: &[u8]) {
    if let Some(how) = broken(parser, input) {
        let shown = String::from_utf8_lossy(input);
        panic!(
            "{}: {how}; from {from}; {} bytes: {input:?}\n{shown}",
            parser.name,
            input.len()
        );
    }
}

fn is_tried(parser: &Parser) {
    let seeds = seeds(parser);
    assert!(!seeds.is_empty(), "{} has no seeds", parser.name);
    let (times, number) = wanted();
    let mut dice = Dice::new(number);
    for (name, seed) in &seeds {
        holds(parser, name, seed);
    }
    for turn in 0..TIMES * times {
        let Some((name, seed)) = seeds.get(turn % seeds.len()) else {
            return;
        };
        let Some((_, other)) = seeds.get(dice.below(seeds.len())) else {
            return;
        };
        let input = match parser.change {
            Change::Bytes(words) => mutate::bytes(seed, other, words, &mut dice),
            Change::Json => mutate::json(seed, other, &mut dice),
        };
        holds(parser, name, &input);
    }
}

macro_rules! tried {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let parser = PARSERS.iter().find(|parser| parser.name == $name);
                is_tried(parser.unwrap_or_else(|| panic!("no parser {}", $name)));
            }
        )*

        #[test]
        fn every_parser_is_tried() {
            let tried = [$($name),*];
            let known: Vec<&str> = PARSERS.iter().map(|parser| parser.name).collect();
            assert_eq!(known, tried);
        }
    };
}

tried! {
    yaml: "yaml",
    inventory_in_yaml: "inventory-yaml",
    inventory_in_ini: "inventory-ini",
    inventory_of_a_program: "inventory-program",
    patterns: "pattern",
    playbooks: "playbook",
    vaults: "vault",
    arguments_of_ssh: "ssh-arguments",
    files_of_ssh: "ssh-config",
    variables_of_the_command_line: "extra-vars",
    events: "events",
    records: "records",
    answers_of_an_agency: "agency",
    files_of_a_starter: "starter-setup",
    texts_of_hosts: "host-parts",
    rows_of_sql: "sql-rows",
    texts_of_ops: "ops",
}
