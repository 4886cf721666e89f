//! The order in which a play's hosts are taken.

use crate::inventory::HostName;
use crate::playbook::Order;

/// Puts hosts, which come in the inventory's order, into the play's order; `seed` decides a shuffle.
pub fn ordered(mut hosts: Vec<HostName>, order: Order, seed: u64) -> Vec<HostName> {
    match order {
        Order::Inventory => {}
        Order::ReverseInventory => hosts.reverse(),
        Order::Sorted => hosts.sort(),
        Order::ReverseSorted => {
            hosts.sort();
            hosts.reverse();
        }
        Order::Shuffle => shuffle(&mut hosts, seed),
    }
    hosts
}

/// Shuffles by Fisher and Yates, with the numbers of `splitmix64`.
fn shuffle(hosts: &mut [HostName], seed: u64) {
    let mut state = seed;
    for last in (1..hosts.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        hosts.swap(last, usize::try_from(number % bound).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_what_it_says() {
        let hosts = || ["b", "c", "a"].map(HostName::new).to_vec();
        assert_eq!(ordered(hosts(), Order::Inventory, 0), ["b", "c", "a"]);
        assert_eq!(
            ordered(hosts(), Order::ReverseInventory, 0),
            ["a", "c", "b"]
        );
        assert_eq!(ordered(hosts(), Order::Sorted, 0), ["a", "b", "c"]);
        assert_eq!(ordered(hosts(), Order::ReverseSorted, 0), ["c", "b", "a"]);
    }

    #[test]
    fn a_shuffle_keeps_all_hosts_and_depends_on_its_seed_alone() {
        let hosts: Vec<HostName> = (0..50).map(|n| HostName::new(&n.to_string())).collect();
        let one = ordered(hosts.clone(), Order::Shuffle, 1);
        assert_eq!(one, ordered(hosts.clone(), Order::Shuffle, 1));
        assert_ne!(one, ordered(hosts.clone(), Order::Shuffle, 2));
        assert_ne!(one, hosts);
        let mut sorted = one;
        sorted.sort();
        let mut all = hosts;
        all.sort();
        assert_eq!(sorted, all);
    }
}
