//! The lab tried on this machine, and stagger tried on the lab's hosts.
//!
//! Each file beside this one has some cases, and each case boots what it needs and takes it
//! down. Where hosts cannot be booted the cases are listed as ignored, with the reason; with
//! `STAGGER_LAB=required` that is a failure. To add a case, write a function that takes the
//! [`Lab`] and add it to its file's list; to add a file, add its list below. A case that is too long for each landing is
//! marked as on demand: it is listed as ignored, with the reason, unless `--include-ignored` asks for it; the table's run
//! (`lab traps arangodb`) does.

mod armed;
mod back;
mod bench;
mod boot;
mod broken;
mod cluster;
mod counted;
mod crash;
mod cut;
mod detectors;
mod faults;
mod fingerprint;
mod gates;
mod harness;
mod later;
mod lost;
mod machine;
mod mariadb;
mod memsql;
mod oracle;
mod packages;
mod readme;
mod restart;
mod somebody_else;
mod starter;
mod stranded;
mod units;
mod upgrade;

use libtest_mimic::Arguments;

use harness::Lab;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(harness::SHARES);
    let cases = [
        armed::cases(),
        back::cases(),
        bench::cases(),
        boot::cases(),
        broken::cases(),
        cluster::cases(),
        crash::cases(),
        cut::cases(),
        detectors::cases(),
        faults::cases(),
        gates::cases(),
        later::cases(),
        lost::cases(),
        machine::cases(),
        mariadb::cases(),
        memsql::cases(),
        oracle::cases(),
        packages::cases(),
        readme::cases(),
        restart::cases(),
        somebody_else::cases(),
        starter::cases(),
        stranded::cases(),
        units::cases(),
        upgrade::cases(),
    ];
    let lab: &'static Lab = Box::leak(Box::new(Lab::new()));
    let mut cases: Vec<_> = cases.into_iter().flatten().collect();
    // The light ones first, so that none of them waits for a heavy one; what needs the machine for itself is the last.
    cases.sort_by_key(harness::Case::shares);
    let filter = arguments.filter.as_deref().unwrap_or_default();
    if upgrade::UNSCALED.contains(filter) && !arguments.list {
        lab.build_beside();
    }
    let asked_for = arguments.ignored || arguments.include_ignored;
    let trials = cases.into_iter().map(|case| case.trial(lab, asked_for));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
