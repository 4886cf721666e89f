//! A MemSQL cluster of simulators on loopback: what the simulators do, and what stagger's upgrade makes of them.
//!
//! - [`servers`]: servers in threads of this process; [`load`], [`traps`]: what they do;
//! - [`stack`]: servers and Ops as processes of this machine, which the real program upgrades;
//!   [`readback`]: what they are then;
//! - [`preflight`], [`ends`], [`beyond`], [`variants`]: each fault, the gate that must catch it, and the end that it must come to;
//! - [`lock`]: one run at a time;
//! - [`detectors`]: each gate taken away, and who then tells; [`bugs`]: those of an older tool.
//!
//! Each row of a table is a case of its own, with its own cluster; how many run at once is said in [`harness`], and
//! `--test-threads` changes it.

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
mod doubt;
mod ends;
mod harness;
mod large;
mod load;
mod lock;
mod preflight;
mod readback;
mod servers;
mod stack;
mod traps;
mod variants;

use libtest_mimic::Arguments;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(harness::AT_ONCE);
    // Those that take longest come first, so that none of them is left running alone.
    let cases = [
        large::cases(),
        load::cases(),
        traps::cases(),
        detectors::cases(),
        lock::cases(),
        doubt::cases(),
        beyond::cases(),
        preflight::cases(),
        bugs::cases(),
        ends::cases(),
        variants::cases(),
    ];
    let trials = cases.into_iter().flatten().map(harness::Case::trial);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
