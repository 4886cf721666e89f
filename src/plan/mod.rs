//! x
mod batch;
mod order;
mod tags;
pub use batch::{next, sizes};
pub use order::ordered;
pub use tags::*;
