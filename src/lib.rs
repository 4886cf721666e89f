//! stagger upgrades fleets of stateful servers one safe batch at a time, over SSH, from one static binary.
//!
//! This page is the map of the house. A room imports only rooms that stand above it here; `tests/layers.rs` checks it, and
//! holds the few places where the order is finer than this.
//!
//! | room | what is in it |
//! |---|---|
//! | [`clock`] | time, deadlines, the stop flag: the only room that asks the machine's clock |
//! | [`secrets`] | the secret type and masking by value |
//! | [`yaml`] | text -> values with file, line and column; the only room that knows the YAML library |
//! | [`inventory`] | files, scripts, ranges and patterns -> hosts and groups |
//! | [`template`] | Jinja as Ansible means it: environment, filters, tests, lookups, undefined |
//! | [`vars`] | precedence, magic variables, where a value came from |
//! | [`modules::spec`] | the shape of a module's argument table, and the check of arguments against it |
//! | [`playbook`] | plays, roles, tasks, blocks, brackets with their positions; checks of the whole tree |
//! | [`cluster`] | what a stateful cluster looks like: models and invariants (pure), and the readers that fill them |
//! | [`plan`] | playbook x inventory -> plan, its digest, its text |
//! | [`events`] | what happened, as one enum; folding events to a state |
//! | [`connection`] | a session to a host: SSH or local; shell protocol, jobs, files, tunnels, become |
//! | [`journal`] | the durable record of a run: intents, outcomes, what it keeps of its files; the list of runs |
//! | [`modules`] | one file per module, all of one shape |
//! | [`rollout`] | the engine: batches, steps, gates, guards, brackets, handlers, interrupts; the cluster's lock; going on with a run |
//! | [`report`] | what a run did, made from the journal |
//! | [`cli`] | arguments, settings, commands, errors as text, progress on the terminal |
//!
//! Data flows one way: `cli` loads files through `yaml` into `inventory` and `playbook`, which check the whole tree;
//! `plan` orders hosts and cuts batches; `rollout` walks the plan, writes each step to the `journal` before and after
//! it runs a module of `modules` over a `connection`, and sends `events` to the terminal and to files; `report` reads
//! the journal.

pub mod cli;
pub mod clock;
pub mod cluster;
pub mod connection;
pub mod events;
pub mod inventory;
pub mod journal;
pub mod modules;
pub mod plan;
pub mod playbook;
pub mod report;
pub mod rollout;
pub mod secrets;
pub mod template;
pub mod vars;
pub mod yaml;
