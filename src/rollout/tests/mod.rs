//! The engine as a whole.

mod alike;
mod blocks;
mod faults;
mod half_done;
mod lock;
mod matrix;
mod owed;
mod owed_lock;
mod plain;
mod properties;
mod protect;
mod resume;
