//! From what MemSQL's servers and `memsql-ops` say to the model, and from the model to what a playbook asks.
//!
//! [`parse`] and [`ops`] know the formats of every version met during an upgrade: columns are read by name, unknown ones
//! are ignored. `read` asks through [`Ask`], which `modules` implement over SQL and a host's session. Nothing here
//! changes anything.

mod judge;
pub mod ops;
pub mod parse;
mod read;
#[cfg(test)]
mod tests;
mod unread;

pub use judge::{Questions, judge, ops_nodes};
pub use ops::Ops;
pub use read::{Ask, AskError, Busy, Depth, Plan, View, Where, read, read_ops, read_positions};
pub use unread::Unread;
