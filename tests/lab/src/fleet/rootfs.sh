# Makes a host's root file system: suite $1, packages $2, mirror $3 or empty, directory $4.
# It is called by rootfs.rs, under a lock and in a mount namespace of its own.
set -eu
suite=$1 packages=$2 mirror=$3 making=$4

# shellcheck disable=SC2086 # no mirror is no argument
debootstrap --variant=minbase --include="$packages" "$suite" "$making" $mirror

in_host() { chroot "$making" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }

# Each host gets keys and a machine-id of its own, and its disk must not tell of this one.
rm -f "$making"/etc/ssh/ssh_host_* "$making"/etc/machine-id "$making"/var/lib/dbus/machine-id
rm -rf "$making"/var/cache/apt/archives/*.deb "$making"/var/lib/apt/lists/*
: >"$making/etc/machine-id"
: >"$making/etc/resolv.conf"

# Timers and consoles that a host of a few minutes does not need.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-timesyncd.service systemd-networkd.service systemd-resolved.service systemd-pstore.service \
    getty.target console-getty.service motd-news.timer logrotate.timer man-db.timer; do
    ln -sf /dev/null "$making/etc/systemd/system/$unit"
done

# An operator who is not root; which sudo he has is each host's own choice.
in_host useradd --create-home --shell /bin/bash ops
printf 'ops:operator\n' | in_host chpasswd
