//! A MemSQL cluster of simulators on loopback: what the simulators do, and what stagger's upgrade makes of them.
//!
//! - [`servers`]: servers in threads of this process; [`load`], [`traps`]: what they do;
//! - [`stack`]: servers and Ops as processes of this machine, which the real program upgrades;
//!   [`readback`]: what they are then;
//! - [`preflight`], [`ends`], [`beyond`], [`variants`]: each fault, the gate that must catch it, and the end that it must come to;
//! - [`detectors`]: each gate taken away, and who then tells; [`bugs`]: those of an older tool.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where something is not as it must be"
)]

mod beyond;
mod bugs;
mod detectors;
mod ends;
mod large;
mod load;
mod preflight;
mod readback;
mod servers;
mod stack;
mod traps;
mod variants;
