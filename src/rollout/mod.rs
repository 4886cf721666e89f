//! The engine: batches, steps, gates, guards, brackets, handlers, interrupts.
//!
//! [`Rollout::run`] walks a playbook over its hosts. For each task everything is rendered and every session is open
//! before the first intent; all intents are on disk before the first byte goes out; all outcomes before the next task.
//! Before each step it asks what is known of it from before ([`Previously`]), so that a resumed run is the same walk, fed
//! from a journal. It knows no file system, no terminal and no SSH: all that is handed in ([`Outside`]). Called by `cli`.

mod ahead;
mod alike;
mod batch;
mod block;
mod brackets;
mod budget;
mod by_hand;
mod controller;
mod decide;
mod down;
mod effects;
mod ended;
mod endings;
mod engine;
mod execute;
mod exit;
mod fate;
mod find_task;
mod finish;
mod gates;
mod goes_on;
mod guards;
mod handlers;
mod hearing;
mod host_work;
mod include;
mod judge;
mod layers;
mod leaving;
mod ledger;
mod lock;
mod login;
mod loops;
mod meta;
mod one_of;
mod open;
mod outside;
mod owed;
mod pauses;
mod place;
mod play;
mod play_run;
mod previously;
mod probe;
mod read_again;
mod recall;
mod recollection;
mod recover;
mod rest;
mod role_arguments;
mod run;
mod saw;
mod scope;
mod sessions;
mod step;
mod still_runs;
mod survey;
mod tap;
mod task;
mod tries;
mod trusted;
mod vars_files;
mod watch;

pub use decide::{Before, Decision, InDoubt, Now, Refusal, decide};
pub use engine::{Debt, Outside};
pub use exit::Verdict;
pub use layers::layers_around;
pub use login::{BecomeDefaults, become_for};
pub use outside::{
    Asker, Connector, Desk, GuardMode, NoSession, Settings, StepAnswer, Templaters, Wish,
};
pub use owed::{BadNote, FoundNote, FromHosts, Gathered, Note, NotedDebt, OnHosts, Unreliable};
pub use pauses::{PauseAfter, Pauses};
pub use previously::{EnteredAt, Known, KnownBracket, NothingBefore, Previously, Taken, Volatile};
pub use recollection::{Recollection, Unreadable};
pub use run::{Ended, Rollout};
pub use survey::{HandLine, Survey, Surveyed};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
