//! The engine as a whole.

mod plain;
