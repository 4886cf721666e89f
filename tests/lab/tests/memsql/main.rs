//! A MemSQL cluster of simulators on loopback: what the simulators do, and what stagger's upgrade makes of them.
//!
//! - [`servers`]: servers in threads of this process; [`load`], [`traps`]: what they do;
//! - [`stack`]: servers and Ops as processes of this machine, which the real program upgrades;
//!   [`readback`]: what they are then;
//! - [`preflight`], [`ends`], [`beyond`], [`variants`]: each fault, the gate that must catch it, and the end that it must come to;
//! - [`sets`], [`apart`]: one leaf of several fails; [`back`]: the way back; [`latency`]: what the report measures;
//! - [`queued`]: DETACH LEAF that waits for an open write, or for longer than anybody waits for it;
//! - [`lock`]: one run at a time; [`lost`]: the bastion is gone; [`killed`]: the run is cut off and goes on;
//!   [`faults`]: an upgrade that several faults befall;
//! - [`forbidden`]: what is never done, done once, so that it is known to be counted;
//! - [`orphans`]: what a fault run that is killed leaves behind: nothing;
//! - [`gates`]: what stands between two steps; [`guards`]: what is watched all the time;
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

mod apart;
mod back;
mod beyond;
mod bugs;
mod clients;
mod detectors;
mod doubt;
mod ends;
mod faults;
mod forbidden;
mod gates;
mod guards;
mod harness;
mod killed;
mod large;
mod latency;
mod load;
mod lock;
mod lost;
mod orphans;
mod preflight;
mod queued;
mod readback;
mod servers;
mod sets;
mod stack;
mod stale;
mod traps;
mod variants;
mod whole;

use libtest_mimic::Arguments;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(harness::AT_ONCE);
    // Those that take longest come first, so that none of them is left running alone.
    let cases = [
        large::cases(),
        faults::cases(),
        gates::cases(),
        guards::cases(),
        load::cases(),
        traps::cases(),
        detectors::cases(),
        lock::cases(),
        killed::cases(),
        apart::cases(),
        queued::cases(),
        lost::cases(),
        orphans::cases(),
        doubt::cases(),
        sets::cases(),
        back::cases(),
        latency::cases(),
        clients::cases(),
        forbidden::cases(),
        stale::cases(),
        beyond::cases(),
        preflight::cases(),
        bugs::cases(),
        ends::cases(),
        variants::cases(),
    ];
    let trials = cases.into_iter().flatten().map(harness::Case::trial);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
