//! The benchmark measures the work that it says, and sees when it was not done.

use lab::bench::{Bench, Mode, Way};
use lab::product::Product;

use crate::harness::{Case, Lab, Outcome, case, check};

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "bench::the_floor_does_the_work_and_is_checked",
        the_floor_is_checked,
    )]
}

fn the_floor_is_checked(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("bench", 2)?;
    // A program that does nothing and says that all went well.
    let nothing = Product {
        program: "/bin/true".into(),
        version: String::new(),
        sha256: String::new(),
        bytes: 0,
    };
    let bench = Bench::new(&fleet, &nothing)?;
    for mode in [Mode::Serial, Mode::Parallel] {
        bench.one(Way::Floor, mode)?;
        let lie = bench.one(Way::Stagger, mode);
        check(lie.is_err(), "work that was not done passed for done")?;
    }
    Ok(())
}
