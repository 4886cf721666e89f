//! Batches: how many hosts each has, and which hosts come next.

use std::collections::HashSet;

use crate::inventory::HostName;
use crate::playbook::Share;

/// Returns the sizes of the batches into which `total` hosts are cut: one share after the other, the last one again and
/// again. A percentage is of all hosts, rounded down as ansible-core's `pct_to_int` does, and at least one host; no
/// share, or a share of no hosts, is all that are left.
pub fn sizes(serial: &[Share], total: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = total;
    let mut shares = serial.iter();
    let mut share = shares.next();
    while left > 0 {
        let size = match share {
            None | Some(Share::Hosts(0)) => left,
            Some(Share::Hosts(hosts)) => *hosts,
            Some(Share::Percent(percent)) => percent_of(*percent, total),
        };
        let size = size.min(left);
        sizes.push(size);
        left -= size;
        share = shares.next().or(share);
    }
    sizes
}

/// Returns `int(percent / 100.0 * total) or 1` as Python computes it: 29 % of 100 hosts are 28.
fn percent_of(percent: u32, total: usize) -> usize {
    let hosts = u32::try_from(total).unwrap_or(u32::MAX);
    let exact = f64::from(percent) / 100.0 * f64::from(hosts);
    let whole = u64::from(percent) * u64::from(hosts) / 100;
    let near = u32::try_from(whole).unwrap_or(u32::MAX);
    // The division of whole numbers is off by at most one from the truncated product of floats.
    let rounded = [near.saturating_add(1), near, near.saturating_sub(1)]
        .into_iter()
        .find(|candidate| f64::from(*candidate) <= exact)
        .unwrap_or(0);
    usize::try_from(rounded).unwrap_or(usize::MAX).max(1)
}

/// Returns the hosts of the next batch: those of the first `size` machines. Hosts that share a machine take one slot
/// together, wherever they stand; a host whose machine is not known is one of its own.
pub fn next(
    left: &[HostName],
    size: usize,
    machine_of: impl Fn(&HostName) -> Option<String>,
) -> Vec<HostName> {
    let machine = |host: &HostName| match machine_of(host) {
        Some(machine) => (true, machine),
        None => (false, host.to_string()),
    };
    let mut taken = HashSet::new();
    for host in left {
        if taken.len() < size {
            taken.insert(machine(host));
        }
    }
    left.iter()
        .filter(|host| taken.contains(&machine(host)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_cut_as_ansible_does() {
        use Share::{Hosts, Percent};
        let cases: [(&[Share], usize, &[usize]); 11] = [
            (&[], 3, &[3]),
            (&[Hosts(1)], 3, &[1, 1, 1]),
            (&[Hosts(2)], 5, &[2, 2, 1]),
            (&[Hosts(1), Hosts(3)], 8, &[1, 3, 3, 1]),
            (&[Hosts(1), Percent(20), Percent(100)], 10, &[1, 2, 7]),
            (&[Percent(30)], 10, &[3, 3, 3, 1]),
            (&[Percent(30)], 2, &[1, 1]),
            (&[Percent(29)], 100, &[28, 28, 28, 16]),
            (&[Percent(0)], 2, &[1, 1]),
            (&[Hosts(1), Hosts(0)], 5, &[1, 4]),
            (&[Percent(200)], 3, &[3]),
        ];
        for (serial, total, expected) in cases {
            assert_eq!(sizes(serial, total), expected, "{serial:?} of {total}");
        }
        assert_eq!(sizes(&[Hosts(2)], 0), [] as [usize; 0]);
    }

    /// Written down from ansible-core 2.19's `pct_to_int`.
    #[test]
    fn percentages_are_rounded_as_ansible_does() {
        for (percent, total, expected) in [
            (1, 10, 1),
            (7, 100, 7),
            (14, 50, 7),
            (28, 25, 7),
            (29, 100, 28),
            (33, 3, 1),
            (34, 3, 1),
            (35, 20, 7),
            (57, 100, 56),
            (58, 100, 57),
            (58, 50, 28),
            (67, 3, 2),
            (99, 10_000, 9900),
            (100, 7, 7),
        ] {
            assert_eq!(
                percent_of(percent, total),
                expected,
                "{percent} % of {total}"
            );
        }
    }

    #[test]
    fn hosts_of_one_machine_take_one_slot() {
        let hosts: Vec<HostName> = ["a1", "b1", "a2", "c1", "b2"].map(HostName::new).to_vec();
        let machine = |host: &HostName| host.as_str().get(..1).map(str::to_owned);
        assert_eq!(next(&hosts, 1, machine), ["a1", "a2"]);
        assert_eq!(next(&hosts, 2, machine), ["a1", "b1", "a2", "b2"]);
        assert_eq!(next(&hosts, 2, |_| None), ["a1", "b1"]);
        assert_eq!(next(&hosts, 9, machine).len(), 5);
    }

    fn share() -> impl Strategy<Value = Share> {
        prop_oneof![
            (0_usize..50).prop_map(Share::Hosts),
            (0_u32..150).prop_map(Share::Percent)
        ]
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_batch_and_no_batch_is_empty(
            serial in prop::collection::vec(share(), 0..5),
            total in 0_usize..2000,
        ) {
            let sizes = sizes(&serial, total);
            prop_assert_eq!(sizes.iter().sum::<usize>(), total);
            prop_assert!(sizes.iter().all(|size| *size > 0));
            // From the last share on, all batches but the last are equal.
            let repeated: Vec<usize> = sizes.iter().skip(serial.len().saturating_sub(1)).copied().collect();
            if let [first, middle @ .., last] = repeated.as_slice() {
                prop_assert!(middle.iter().all(|size| size == first) && last <= first);
            }
        }

        #[test]
        fn batches_by_machine_never_split_a_machine(
            machines in prop::collection::vec(0_u8..6, 1..20),
            size in 1_usize..6,
        ) {
            let hosts: Vec<HostName> = (0..machines.len()).map(|n| HostName::new(&n.to_string())).collect();
            let machine = |host: &HostName| {
                let number: usize = host.as_str().parse().ok()?;
                machines.get(number).map(u8::to_string)
            };
            let batch = next(&hosts, size, machine);
            let inside: HashSet<_> = batch.iter().map(machine).collect();
            let outside: HashSet<_> = hosts.iter().filter(|host| !batch.contains(host)).map(machine).collect();
            prop_assert!(inside.is_disjoint(&outside));
            prop_assert!(inside.len() <= size);
            prop_assert!(outside.is_empty() || inside.len() == size);
        }
    }
}
