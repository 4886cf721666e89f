//! What can go wrong in the middle of an upgrade, as data: what is done, when it is lifted, where it can be done, and the
//! end that the upgrade must come to. Pure.

use std::time::Duration;

/// Which upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// That of an ArangoDB cluster, on hosts.
    Arangodb,
    /// That of a MemSQL cluster, on loopback.
    Memsql,
}

/// How a run comes through a fault; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It goes on by itself.
    RidesOut,
    /// It stops or is ended, and `resume` brings it to its end.
    ResumesToEnd,
    /// A person has to look, or to type more than that.
    NeedsOperator,
}

impl End {
    /// Returns its name in the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::RidesOut => "rides_out",
            Self::ResumesToEnd => "resumes_to_end",
            Self::NeedsOperator => "needs_operator",
        }
    }
}

/// What happens outside of the program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The host is cut off from the bastion.
    BastionLinkCut,
    /// The host is cut off from everybody.
    LinkCut,
    /// The host's sshd is started anew, and the sessions that it had are ended.
    SshdRestarted,
    /// The host loses its power, and is booted again.
    PowerCut,
    /// Every process of the host stands still.
    Hangs,
    /// The disk is full that the host keeps its part of the run's records on.
    DiskFull,
    /// A leaf whose pair is not touched now is killed.
    OtherLeafKilled,
    /// The master aggregator is killed.
    MasterKilled,
    /// The leader of the agency is killed.
    AgencyLeaderKilled,
    /// A DB-Server of another host is killed.
    OtherDbserverKilled,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The program is killed, and nothing else.
    Kill,
    /// The program is killed, and the tasks that it was at are changed on the disk.
    KillAndEdit,
    /// Ctrl-C is pressed so often.
    Interrupt(u8),
    /// The terminal is lost.
    HangUp,
    /// A second operator starts the same upgrade with records of his own.
    SecondOperator,
    /// Something happens to hosts or servers.
    Mishap(Mishap),
}

impl Act {
    /// Tells whether the program is meant to stop by it.
    pub fn stops(self) -> bool {
        match self {
            Self::Kill | Self::KillAndEdit | Self::Interrupt(_) => true,
            Self::HangUp | Self::SecondOperator | Self::Mishap(_) => false,
        }
    }
}

/// One thing that can go wrong.
#[derive(Debug)]
pub struct Class {
    /// Its name on the command line and in the report.
    pub name: &'static str,
    /// What is done.
    pub act: Act,
    /// How long after it began it is lifted, before the factor.
    pub lifted_after: Duration,
    /// How long after the end of the program `resume` is typed, before the factor.
    pub resumed_after: Duration,
    /// Which upgrades it can befall.
    pub of: &'static [System],
    /// The worst end that is none too bad.
    pub expected: End,
    /// Why the operator is needed where he is.
    pub why: &'static str,
    /// Whether it only makes sense while the run has the cluster's lock.
    pub under_lock: bool,
    /// Whether it harms clients, whatever a tool does.
    pub harms_clients: bool,
    /// What it makes others than the program do once more.
    pub explains: &'static [&'static str],
}

const BOTH: &[System] = &[System::Arangodb, System::Memsql];
const HOSTS: &[System] = &[System::Arangodb];
const SOON: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::ZERO;

/// Longer than a lock that nobody renews and a maintenance mode that nobody prolongs are believed in the lab.
const LATE: Duration = Duration::from_secs(12);

const fn class(name: &'static str, act: Act, expected: End) -> Class {
    Class {
        name,
        act,
        lifted_after: AT_ONCE,
        resumed_after: SOON,
        of: BOTH,
        expected,
        why: "",
        under_lock: false,
        harms_clients: false,
        explains: &[],
    }
}

const fn mishap(
    name: &'static str,
    mishap: Mishap,
    lifted_after_s: u64,
    of: &'static [System],
    expected: End,
) -> Class {
    Class {
        lifted_after: Duration::from_secs(lifted_after_s),
        of,
        ..class(name, Act::Mishap(mishap), expected)
    }
}

/// All of them.
///
/// A place is left for the bastion that is gone for good: a second one has nothing but the hosts.
pub static CLASSES: &[Class] = &[
    class("kill-9", Act::Kill, End::ResumesToEnd),
    Class {
        resumed_after: LATE,
        ..class("kill-9-resumed-late", Act::Kill, End::ResumesToEnd)
    },
    class("edited-playbook", Act::KillAndEdit, End::ResumesToEnd),
    class("ctrl-c", Act::Interrupt(1), End::ResumesToEnd),
    class("ctrl-c-twice", Act::Interrupt(2), End::ResumesToEnd),
    class("ctrl-c-three-times", Act::Interrupt(3), End::ResumesToEnd),
    class("terminal-lost", Act::HangUp, End::RidesOut),
    Class {
        under_lock: true,
        ..class("two-operators", Act::SecondOperator, End::RidesOut)
    },
    Class {
        harms_clients: true,
        explains: &["memsql-start"],
        ..mishap(
            "other-leaf-killed",
            Mishap::OtherLeafKilled,
            3,
            &[System::Memsql],
            End::ResumesToEnd,
        )
    },
    Class {
        harms_clients: true,
        explains: &["memsql-start"],
        ..mishap(
            "master-aggregator-killed",
            Mishap::MasterKilled,
            3,
            &[System::Memsql],
            End::ResumesToEnd,
        )
    },
    mishap(
        "link-cut-5s",
        Mishap::BastionLinkCut,
        5,
        HOSTS,
        End::RidesOut,
    ),
    Class {
        resumed_after: Duration::from_secs(5),
        ..mishap(
            "link-cut-60s",
            Mishap::BastionLinkCut,
            60,
            HOSTS,
            End::ResumesToEnd,
        )
    },
    mishap(
        "sshd-restarted",
        Mishap::SshdRestarted,
        0,
        HOSTS,
        End::RidesOut,
    ),
    Class {
        harms_clients: true,
        ..mishap("power-cut", Mishap::PowerCut, 5, HOSTS, End::ResumesToEnd)
    },
    Class {
        harms_clients: true,
        ..mishap("host-hangs", Mishap::Hangs, 10, HOSTS, End::ResumesToEnd)
    },
    mishap("disk-full", Mishap::DiskFull, 20, HOSTS, End::ResumesToEnd),
    Class {
        harms_clients: true,
        ..mishap(
            "agency-leader-killed",
            Mishap::AgencyLeaderKilled,
            0,
            HOSTS,
            End::ResumesToEnd,
        )
    },
    Class {
        harms_clients: true,
        ..mishap(
            "other-dbserver-killed",
            Mishap::OtherDbserverKilled,
            0,
            HOSTS,
            End::ResumesToEnd,
        )
    },
];

/// Returns those that can befall an upgrade; of one name, if one is given.
pub fn of(system: System, only: Option<&str>) -> Vec<&'static Class> {
    let befalls =
        |class: &&Class| class.of.contains(&system) && only.is_none_or(|only| only == class.name);
    CLASSES.iter().filter(befalls).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own_and_a_reason_where_the_operator_is_needed() {
        let names: BTreeSet<_> = CLASSES.iter().map(|class| class.name).collect();
        assert_eq!(names.len(), CLASSES.len());
        for class in CLASSES {
            let needs = class.expected == End::NeedsOperator;
            assert_eq!(needs, !class.why.is_empty(), "{}", class.name);
            assert!(!class.of.is_empty(), "{}", class.name);
        }
    }

    #[test]
    fn classes_are_chosen_by_system_and_name() {
        let names = |system, only| -> Vec<&str> {
            of(system, only).iter().map(|class| class.name).collect()
        };
        assert!(names(System::Memsql, None).contains(&"kill-9"));
        assert!(!names(System::Memsql, None).contains(&"power-cut"));
        assert_eq!(names(System::Arangodb, Some("ctrl-c")), ["ctrl-c"]);
        assert!(names(System::Arangodb, Some("other-leaf-killed")).is_empty());
        assert!(End::RidesOut < End::ResumesToEnd && End::ResumesToEnd < End::NeedsOperator);
    }
}
