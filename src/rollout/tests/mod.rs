//! The engine as a whole.

mod blocks;
mod plain;
mod protect;
mod resume;
