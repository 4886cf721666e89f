//! The engine as a whole.

mod blocks;
mod faults;
mod plain;
mod properties;
mod protect;
mod resume;
