//! What is owed, written on the hosts themselves: so that who has no journal can put it back, and who comes next knows it.
//!
//! A bracket writes down what it found, before its first change, as a note on the hosts that it works through, and removes
//! it when it was left. A new run that finds a note goes on with what that says was found; `recover --from-hosts` puts
//! back what notes say. What a note means is pure (`note`, `gathered`); `hosts` speaks to hosts, `noting` is called by
//! brackets, `from_hosts` by who has nothing else. In check mode nothing is written.

mod from_hosts;
mod gathered;
mod hosts;
mod note;
mod noting;

#[cfg(test)]
pub(super) use note::file_name;

pub use from_hosts::{FromHosts, OnHosts};
pub use gathered::{FoundNote, Gathered, NotedDebt, Unreliable};
pub use note::{BadNote, Note};
