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
    /// Another host loses its power, and is booted again.
    OtherPowerCut,
    /// logind begins to end what a session leaves behind, and the sessions that there are end.
    SessionsEnded,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The program is killed, and nothing else.
    Kill,
    /// The program is killed, and the tasks that it was at are changed on the disk.
    KillAndEdit,
    /// The bastion is gone, with all that it had written down.
    LoseBastion,
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
            Self::Kill | Self::KillAndEdit | Self::LoseBastion | Self::Interrupt(_) => true,
            Self::HangUp | Self::SecondOperator | Self::Mishap(_) => false,
        }
    }
}

/// What an operator types once the program has ended before the end of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `resume`.
    Resume,
    /// From another bastion, which has nothing but the hosts: `recover --from-hosts`, and the upgrade once more.
    FromHosts,
    /// `recover --forgive` for a host that does not come back; and the upgrade once more when one is there in its place.
    Forgive,
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
    /// What is typed then.
    pub way: Way,
    /// Whether the time runs out meanwhile that a maintenance mode lasts which nobody prolongs.
    pub lapses: bool,
    /// The worst end that is none too bad.
    pub expected: End,
    /// Whether it may take away a server that cannot start again before its data is upgraded: then the operator is needed.
    pub strands: bool,
    /// Why the operator is needed where he is.
    pub why: &'static str,
    /// Of how many tasks it befalls one, drawn like the step; each where this is 1.
    pub one_in: usize,
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

/// What is lifted after this long is lifted by what the operator does, not by time.
const FOR_EVER_S: u64 = 24 * 3600;

const fn class(name: &'static str, act: Act, expected: End) -> Class {
    Class {
        name,
        act,
        lifted_after: AT_ONCE,
        resumed_after: SOON,
        of: BOTH,
        way: Way::Resume,
        lapses: false,
        expected,
        strands: false,
        why: "",
        one_in: 1,
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

/// Why nothing but the operator helps a server that is down with data which the only program there refuses.
const STRANDED: &str = "between the installation and its own upgrade a server that ends is stranded: only an upgrade of its data, which \
    cannot be taken back, brings it back, and whether that or the rollback is wanted is for the operator to say \
    (`recover --upgrade-stranded`)";
/// Why a host that is gone for good is for the operator.
const GONE: &str = "nobody but the operator knows that a host will never be back; without it two of three agents are left, of which none \
    may be stopped, whoever does it";

/// A fault of a server or a host whose servers may be stranded by it.
const fn stranding(name: &'static str, act: Mishap, lifted_after_s: u64) -> Class {
    Class {
        harms_clients: true,
        strands: true,
        why: STRANDED,
        ..mishap(name, act, lifted_after_s, HOSTS, End::ResumesToEnd)
    }
}

/// All of them.
pub static CLASSES: &[Class] = &[
    class("kill-9", Act::Kill, End::ResumesToEnd),
    Class {
        resumed_after: LATE,
        of: &[System::Memsql],
        ..class("kill-9-resumed-late", Act::Kill, End::ResumesToEnd)
    },
    // The supervision looks again while a server is away, and does what it is there for.
    Class {
        resumed_after: LATE,
        of: HOSTS,
        lapses: true,
        harms_clients: true,
        ..class(
            "kill-9-resumed-after-maintenance",
            Act::Kill,
            End::ResumesToEnd,
        )
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
        way: Way::FromHosts,
        ..class("bastion-gone", Act::LoseBastion, End::ResumesToEnd)
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
    Class {
        harms_clients: true,
        strands: true,
        way: Way::Forgive,
        why: GONE,
        one_in: 8,
        ..mishap(
            "cut-off-for-ever",
            Mishap::LinkCut,
            FOR_EVER_S,
            HOSTS,
            End::NeedsOperator,
        )
    },
    mishap(
        "sshd-restarted",
        Mishap::SshdRestarted,
        0,
        HOSTS,
        End::RidesOut,
    ),
    mishap(
        "sessions-ended-by-logind",
        Mishap::SessionsEnded,
        2,
        HOSTS,
        End::ResumesToEnd,
    ),
    Class {
        harms_clients: true,
        ..mishap("host-hangs", Mishap::Hangs, 10, HOSTS, End::ResumesToEnd)
    },
    mishap("disk-full", Mishap::DiskFull, 20, HOSTS, End::ResumesToEnd),
    stranding("power-cut", Mishap::PowerCut, 5),
    stranding("power-cut-next-door", Mishap::OtherPowerCut, 5),
    stranding("agency-leader-killed", Mishap::AgencyLeaderKilled, 0),
    stranding("other-dbserver-killed", Mishap::OtherDbserverKilled, 0),
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
            let needs = class.expected == End::NeedsOperator || class.strands;
            assert_eq!(needs, !class.why.is_empty(), "{}", class.name);
            assert!(class.one_in > 0, "{}", class.name);
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
