//! Clusters for tests: pairs of leaves over two groups, and databases spread over them.

use super::{
    Address, Aggregator, Cluster, Instance, InstanceRole, Leaf, ONLINE, Placement, Position,
};

/// Returns the address of a leaf: its group and number in it.
pub(crate) fn leaf(group: u32, number: usize) -> Address {
    Address::new(format!("10.0.{group}.{number}"), 3306)
}

/// Makes a healthy cluster of so many pairs, and databases of so many partitions.
pub(crate) fn healthy(pairs: usize, databases: &[(&str, u32)]) -> Cluster {
    let mut cluster = Cluster {
        databases: databases
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        ..Cluster::default()
    };
    for group in [1, 2] {
        for number in 0..pairs {
            cluster.leaves.push(Leaf {
                address: leaf(group, number),
                group: Some(group),
                pair: Some(leaf(3 - group, number)),
                state: ONLINE.to_owned(),
                answers: true,
                version: Some("5.5.12".to_owned()),
            });
        }
    }
    for (number, master) in [true, false].into_iter().enumerate() {
        cluster.aggregators.push(Aggregator {
            address: Address::new(format!("10.0.9.{number}"), 3306),
            state: ONLINE.to_owned(),
            master,
            answers: true,
            version: Some("5.5.12".to_owned()),
        });
    }
    for (database, count) in databases {
        for ordinal in 0..*count {
            let number = ordinal as usize / 2 % pairs;
            let group = 1 + ordinal % 2;
            place(
                &mut cluster,
                database,
                ordinal,
                leaf(group, number),
                InstanceRole::Master,
            );
            place(
                &mut cluster,
                database,
                ordinal,
                leaf(3 - group, number),
                InstanceRole::Slave,
            );
        }
    }
    cluster
}

/// Adds a copy.
pub(crate) fn place(
    cluster: &mut Cluster,
    database: &str,
    ordinal: u32,
    address: Address,
    role: InstanceRole,
) {
    let state = if role == InstanceRole::Master {
        ONLINE
    } else {
        "replicating"
    };
    cluster.placements.push(Placement {
        database: database.to_owned(),
        ordinal,
        address: Some(address.clone()),
        role: role.clone(),
        locked: false,
    });
    cluster.instances.push(Instance {
        name: format!("{database}_{ordinal}"),
        database: database.to_owned(),
        ordinal: Some(ordinal),
        address,
        role,
        state: state.to_owned(),
        position: Some(Position {
            file: 0,
            offset: 100,
        }),
    });
}

/// What the statement does to a healthy cluster: masters go to the pair, copies are gone.
pub(crate) fn detach(cluster: &mut Cluster, address: &Address) {
    let pair = cluster.leaf(address).and_then(|leaf| leaf.pair.clone());
    let pair = pair.unwrap_or_default();
    for found in &mut cluster.leaves {
        if found.address == *address {
            found.state = super::DETACHED.to_owned();
        }
    }
    let led: Vec<(String, u32)> = cluster
        .placements
        .iter()
        .filter(|placement| {
            placement.address.as_ref() == Some(address) && placement.role == InstanceRole::Master
        })
        .map(|placement| (placement.database.clone(), placement.ordinal))
        .collect();
    cluster
        .placements
        .retain(|placement| placement.address.as_ref() != Some(address));
    cluster
        .instances
        .retain(|instance| instance.address != *address);
    for (database, ordinal) in led {
        for placement in &mut cluster.placements {
            if placement.database == database
                && placement.ordinal == ordinal
                && placement.address.as_ref() == Some(&pair)
            {
                placement.role = InstanceRole::Master;
            }
        }
        for instance in &mut cluster.instances {
            if instance.database == database
                && instance.ordinal == Some(ordinal)
                && instance.address == pair
            {
                instance.role = InstanceRole::Master;
                ONLINE.clone_into(&mut instance.state);
            }
        }
    }
}
