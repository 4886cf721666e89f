//! Text -> values that know where they stand.
//!
//! The only room that knows the YAML libraries: one of them gives a file its meaning, the other gives every value and
//! every key its position. A parser here takes text; the reading of files is done by those who know where files are.
//! Mistakes are collected as [`Problem`]s, so that one run shows all mistakes of a file. Called by every room that
//! reads what a person wrote.

mod duration;
mod fields;
mod flag;
mod loc;
mod marks;
mod mode;
mod node;
mod parse;
mod problem;
#[cfg(test)]
mod properties;
mod syntax;
mod tree;
mod variable;
mod vaulted;

pub use duration::{duration, duration_of};
pub use fields::Fields;
pub use flag::{flag, flag_of};
pub use loc::{Loc, Source};
pub use mode::{Clause, Mode, mode, mode_of};
pub use node::{Data, Key, Node, Style};
pub use parse::{parse, parse_documents};
pub use problem::{Problem, nearest};
pub use variable::{
    check_variable, inert_text, is_variable_name, variable_template, variable_value,
};
pub use vaulted::{hear_all, is_vaulted, make_inert, open_vaulted};
