//! The lab on machines of other kinds: other layouts of control groups.
//!
//! A mount namespace shows this machine as such a one, and the case runs there once more.

use std::time::Duration;

use lab::command::Command;

use crate::harness::{Case, Failure, Lab, Outcome, case, check};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("machine::with_cgroup2_alone", with_cgroup2_alone),
        case("machine::with_version_1_alone", with_version_1_alone),
    ]
}

const INNER: &str = "units::a_killed_main_process_takes_its_children_along";

fn with_cgroup2_alone(lab: &Lab) -> Outcome {
    run_there(
        lab,
        "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    )
}

fn with_version_1_alone(lab: &Lab) -> Outcome {
    run_there(
        lab,
        "[ -d /sys/fs/cgroup/systemd ] || exit 66; umount /sys/fs/cgroup/unified 2>/dev/null; true",
    )
}

fn run_there(lab: &Lab, make: &str) -> Outcome {
    lab.place()?;
    let own = std::env::current_exe()?;
    let script = format!(
        "set -e; {make}; STAGGER_LAB=required exec \"$1\" --exact {INNER} --test-threads 1"
    );
    let inner = Command::line("unshare --mount --propagation private sh -c")
        .arg(script)
        .arg("there")
        .arg(own)
        .within(Duration::from_mins(5))
        .output()?;
    check(
        inner.is_ok() && inner.out.contains("1 passed"),
        format!("{}{}", inner.out, inner.err),
    )
    .map_err(|failure| Failure(format!("in the other machine: {}", failure.0)))
}
