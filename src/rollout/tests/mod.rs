//! The engine as a whole.

mod blocks;
mod plain;
mod properties;
mod protect;
mod resume;
