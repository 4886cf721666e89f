//! Which kind of container or virtual machine the host is, if it is one.

use serde_json::{Map, Value, json};

use super::identity::set;
use crate::modules::files::Reply;

/// Puts the facts about containers and virtual machines into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    let text = |name: &str| reply.line(name).unwrap_or_default().to_lowercase();
    let container = text("container");
    let cgroup = text("cgroup");
    let hints = format!(
        "{} {} {}",
        text("virt_product"),
        text("virt_vendor"),
        text("virt_bios")
    );
    let machine = MACHINES
        .iter()
        .find(|(hint, _)| hints.contains(hint))
        .map(|(_, name)| *name);
    let (kind, role) = if reply.yes("docker") || cgroup.contains("/docker") || container == "docker"
    {
        ("docker", "guest")
    } else if reply.yes("podman") || container == "podman" {
        ("podman", "guest")
    } else if cgroup.contains("/lxc") || container == "lxc" {
        ("lxc", "guest")
    } else if !container.is_empty() {
        ("container", "guest")
    } else if let Some(machine) = machine {
        (machine, "guest")
    } else if text("hypervisor") == "xen" {
        ("xen", "guest")
    } else if !text("cpu_flags").is_empty() {
        ("kvm", "guest")
    } else if reply.yes("dev_kvm") || text("modules").contains("kvm") {
        ("kvm", "host")
    } else if text("modules").contains("vboxdrv") {
        ("virtualbox", "host")
    } else {
        ("NA", "NA")
    };
    set(facts, "virtualization_type", json!(kind));
    set(facts, "virtualization_role", json!(role));
    let (guest, host): (Vec<&str>, Vec<&str>) = match role {
        "guest" => (vec![kind], Vec::new()),
        "host" => (Vec::new(), vec![kind]),
        _ => (Vec::new(), Vec::new()),
    };
    set(facts, "virtualization_tech_guest", json!(guest));
    set(facts, "virtualization_tech_host", json!(host));
}

/// What names of products and vendors tell of the kind of machine.
const MACHINES: &[(&str, &str)] = &[
    ("vmware", "VMware"),
    ("virtualbox", "virtualbox"),
    ("openstack", "openstack"),
    ("kvm", "kvm"),
    ("qemu", "kvm"),
    ("bochs", "kvm"),
    ("ovirt", "oVirt"),
    ("rhev", "RHEV"),
    ("xen", "xen"),
    ("amazon ec2", "kvm"),
    ("google", "kvm"),
    ("digitalocean", "kvm"),
    ("hetzner", "kvm"),
    ("nutanix", "kvm"),
    ("virtual machine microsoft corporation", "VirtualPC"),
    ("parallels", "parallels"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::setup::testing::reply;

    #[test]
    fn the_kind_of_machine_is_told() {
        for (records, kind, role) in [
            (
                vec![("container", "systemd-nspawn\n")],
                "container",
                "guest",
            ),
            (vec![("docker", "yes")], "docker", "guest"),
            (
                vec![("virt_vendor", "QEMU"), ("cpu_flags", "hypervisor")],
                "kvm",
                "guest",
            ),
            (
                vec![("virt_product", "VMware Virtual Platform")],
                "VMware",
                "guest",
            ),
            (vec![("dev_kvm", "yes")], "kvm", "host"),
            (vec![], "NA", "NA"),
        ] {
            let mut found = Map::new();
            facts(&reply(&records), &mut found);
            assert_eq!(
                (
                    &found["ansible_virtualization_type"],
                    &found["ansible_virtualization_role"]
                ),
                (&json!(kind), &json!(role))
            );
        }
    }
}
