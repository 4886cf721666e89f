//! The script that gathers facts: files as they are, a few programs, nothing that can hang.

use super::Parts;
use crate::modules::files::{NO, PRELUDE, path_word};

/// What is always asked.
const LEAST: &str = r#"PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
c() { printf '%s=' "$1"; [ ! -r "$2" ] || cat -- "$2" 2>/dev/null; printf '\0'; }
r() { v=; [ ! -r "$2" ] || read -r v <"$2" 2>/dev/null; printf '%s=%s\0' "$1" "$v"; }
x() { k=$1; shift; printf '%s=%s\0' "$k" "$("$@" 2>/dev/null)"; }
h() { command -v "$1" >/dev/null && printf 'has_%s=yes\0' "$1"; }
printf 'uname='; uname -s; uname -n; uname -r; uname -v; uname -m; printf '\0'
x fqdn hostname -f
c os_release /etc/os-release
c debian_version /etc/debian_version
c redhat_release /etc/redhat-release
c lsb_release /etc/lsb-release
r machine_id /etc/machine-id
r proc_1 /proc/1/comm
[ ! -d /run/systemd/system ] || printf 'systemd=yes\0'
for p in apt-get dnf5 dnf yum zypper apk pacman openrc-init; do h $p; done
[ ! -e /sbin/openrc ] || printf 'has_openrc=yes\0'
x ids id
printf 'user='; u=$(id -u); while IFS=: read -r a b c d e f g; do [ "$c" != "$u" ] || { printf '%s\n' "$a" "$d" "$e" "$f" "$g"; break; }; done </etc/passwd; printf '\0'
date '+date=%s %Y %m %A %w %W %d %H %M %S %Z %z' | tr '\n' '\000'
c resolv /etc/resolv.conf
c cmdline /proc/cmdline
c loadavg /proc/loadavg
r uptime /proc/uptime
r fips /proc/sys/crypto/fips_enabled
if [ -e /sys/fs/selinux/enforce ]; then r selinux_enforce /sys/fs/selinux/enforce; r selinux_policy /sys/fs/selinux/policyvers; c selinux_config /etc/selinux/config; fi
[ ! -e /sys/kernel/security/apparmor ] || printf 'apparmor=yes\0'
for k in rsa ecdsa ed25519 dsa; do for d in /etc/ssh /etc/openssh /etc; do [ ! -r $d/ssh_host_${k}_key.pub ] || { r ssh_$k $d/ssh_host_${k}_key.pub; break; }; done; done
x bits getconf LONG_BIT
x root stat -L -c '%i %d' / ; x root1 stat -L -c '%i %d' /proc/1/root/.
"#;

/// What is asked of the hardware. No file system of the network is asked for its size: a dead one would hang the shell.
const HARDWARE: &str = r#"c cpuinfo /proc/cpuinfo
x nproc nproc
c meminfo /proc/meminfo
c mounts /proc/mounts
printf 'sizes='
set --
while read -r d m t o x y; do
case $t in nfs*|cifs|smb*|fuse.sshfs|glusterfs|ceph|9p|afs|lustre|autofs) continue ;; esac
case $m in *\\*) m=$(printf '%b_' "$(printf '%s' "$m" | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')"); m=${m%_} ;; esac
case $d in /*) set -- "$@" "$m" ;; esac
done </proc/mounts
[ $# = 0 ] || stat -f -c '%S %b %f %a %c %d %n' -- "$@" 2>/dev/null
printf '\0'
printf 'uuids='; ls -l /dev/disk/by-uuid 2>/dev/null; printf '\0'
for f in bios_date bios_vendor bios_version board_asset_tag board_name board_serial board_vendor board_version chassis_asset_tag chassis_serial chassis_vendor chassis_version product_name product_serial product_uuid product_version sys_vendor chassis_type; do r dmi_$f /sys/class/dmi/id/$f; done
"#;

/// What is asked of the network.
const NETWORK: &str = r#"if command -v ip >/dev/null; then
printf 'ip_addr='; ip -o addr show 2>/dev/null; printf '\0'
x route4 ip -4 route get 8.8.8.8
x route6 ip -6 route get 2404:6800:400a:800::1012
x default4 ip -4 route show default
fi
printf 'links='
for d in /sys/class/net/*; do [ -e "$d/address" ] || continue; a=; m=; o=; t=; f=
read -r a <"$d/address"; read -r m <"$d/mtu"; read -r o <"$d/operstate"; read -r t <"$d/type"; read -r f <"$d/flags"
b=; [ ! -d "$d/bridge" ] || b=bridge; [ ! -d "$d/bonding" ] || b=bonding
printf '%s %s %s %s %s %s %s\n' "${d##*/}" "${a:--}" "${m:-0}" "${o:--}" "${t:-0}" "${f:-0x0}" "${b:--}"; done 2>/dev/null
printf '\0'
"#;

/// What is asked to find out about virtual machines and containers.
const VIRTUAL: &str = r"printf 'container='; tr '\000' '\n' </proc/1/environ 2>/dev/null | sed -n 's/^container=//p'; printf '\0'
[ ! -e /.dockerenv ] || printf 'docker=yes\0'
[ ! -e /run/.containerenv ] || printf 'podman=yes\0'
c cgroup /proc/1/cgroup
r virt_product /sys/class/dmi/id/product_name
r virt_vendor /sys/class/dmi/id/sys_vendor
r virt_bios /sys/class/dmi/id/bios_vendor
r hypervisor /sys/hypervisor/type
printf 'cpu_flags='; grep -m 1 -o 'hypervisor' /proc/cpuinfo; printf '\0'
printf 'modules='; grep -E '^(kvm|vboxdrv|virtio)' /proc/modules; printf '\0'
[ ! -e /dev/kvm ] || printf 'dev_kvm=yes\0'
";

/// The host's own facts.
const LOCAL: &str = r#"if [ -d "$L" ]; then for f in "$L"/*.fact; do [ -f "$f" ] || continue; n=${f##*/}
printf 'local_%s=' "${n%.fact}"; if [ -x "$f" ]; then "$f" 2>/dev/null </dev/null | tr -d '\000'; else tr -d '\000' <"$f"; fi; printf '\0'; done; fi
printf 'raw\0'; cat /proc/self/environ 2>/dev/null
:
"#;

/// Returns the script for the parts that are wanted.
pub(super) fn text(parts: Parts, local: &str) -> String {
    let mut text = format!("{PRELUDE}{NO}{LEAST}");
    if parts.hardware {
        text.push_str(HARDWARE);
    }
    if parts.network {
        text.push_str(NETWORK);
    }
    if parts.virtualization {
        text.push_str(VIRTUAL);
    }
    text.push_str(&["L=", &path_word(local), "\n", LOCAL].concat());
    text
}
