//! The engine as a whole.

mod blocks;
mod faults;
mod owed;
mod plain;
mod properties;
mod protect;
mod resume;
