//! The part of SQL that operators and the load speak. Pure.
//!
//! [`lex`] cuts a text into tokens, [`mod@parse`] makes statements of them, [`select`] picks rows.
//! What is not known is an error 1064, never something else than was meant.

pub mod lex;
pub mod parse;
mod rows;
pub mod select;
pub mod statement;

pub use parse::parse;
pub use select::{Filter, Item, Select};
pub use statement::{Insert, Statement, TableName};
