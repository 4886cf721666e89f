//! The shell text that looks at a machine; POSIX `sh`, coreutils or busybox, and whatever else is there.

use std::fmt::Write as _;

use crate::cluster::sections::Marker;
use crate::template::shell_quote;

/// Room that is needed somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The directory; the nearest one above it that exists is looked at.
    pub path: String,
    /// How many kibibytes will be written there.
    pub kib: u64,
    /// Whether all that lies there is written anew beside the old, so that it is needed once more.
    pub rewritten: bool,
}

/// What a machine is looked at for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The package that will be replaced.
    pub package: String,
    /// Where room is needed.
    pub needs: Vec<Need>,
    /// By how many seconds its clock may differ from that of whoever asks.
    pub skew_s: u64,
    /// What may interfere all the same, by [`super::Finding::about`].
    pub allowed: Vec<String>,
}

/// Units that install packages or change the configuration on their own.
const UNITS: &str = "apt-daily.service apt-daily.timer apt-daily-upgrade.service apt-daily-upgrade.timer \
unattended-upgrades.service dnf-automatic.service dnf-automatic.timer dnf-automatic-install.timer yum-cron.service \
packagekit.service puppet.service pe-puppet.service chef-client.service chef-client.timer salt-minion.service \
cfengine3.service cf-execd.service rudder-agent.service";

/// Makes the text that looks at a machine.
pub fn script(marker: &Marker, wanted: &Wanted) -> String {
    let mut text = format!(
        "{}export LC_ALL=C\nstagger_package={}\n",
        marker.shell(),
        shell_quote(&wanted.package)
    );
    text.push_str(WHO);
    for need in &wanted.needs {
        let measure = if need.rewritten { "yes" } else { "no" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "stagger_room {} {measure}", shell_quote(&need.path));
    }
    text.push_str(PACKAGES);
    text.push_str(&INTERFERING.replace("UNITS", UNITS));
    text.push_str(":\n");
    text
}

/// Who runs this, at what time, under which init, and the room below a path.
const WHO: &str = r#"stagger_at uid; id -u
stagger_at user; id -un 2>/dev/null
stagger_at login; printf %s "${SUDO_USER:-}"
stagger_at clock; date +%s
stagger_at init; read -r stagger_i </proc/1/comm && printf %s "$stagger_i"; [ -d /run/systemd/system ] && printf ' booted'
stagger_room() {
  stagger_r=$1
  while [ ! -d "$stagger_r" ] && [ "$stagger_r" != / ] && [ -n "$stagger_r" ]; do stagger_r=${stagger_r%/*}; stagger_r=${stagger_r:-/}; done
  stagger_w=no; [ -w "$stagger_r" ] && stagger_w=yes
  stagger_u=0; [ "$2" = yes ] && { stagger_u=$(du -sk "$stagger_r" 2>/dev/null); stagger_u=${stagger_u%%[!0-9]*}; }
  stagger_at room; printf '%s\n%s\n%s\n' "$1" "$stagger_w" "${stagger_u:-0}"; df -Pk "$stagger_r" | tail -n 1; df -Pi "$stagger_r" 2>/dev/null | tail -n 1
}
"#;

/// What the package system says, and who holds its locks.
const PACKAGES: &str = r#"if command -v dpkg >/dev/null 2>&1; then
  stagger_at audit; dpkg --audit 2>&1 | head -n 20
  stagger_at package; dpkg-query -W -f '${db:Status-Abbrev} ${Version}' "$stagger_package" 2>/dev/null
elif command -v rpm >/dev/null 2>&1; then
  stagger_at audit; rpm -q rpm 2>&1 >/dev/null | head -n 5
  stagger_at package; rpm -q --qf 'ii %{VERSION}' "$stagger_package" 2>/dev/null
fi
for stagger_f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock \
  /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock; do
  [ -e "$stagger_f" ] || continue
  stagger_n=$(stat -c %i "$stagger_f" 2>/dev/null) || continue
  while read -r stagger_a stagger_b stagger_c stagger_d stagger_p stagger_x stagger_z; do
    [ "${stagger_x##*:}" = "$stagger_n" ] || continue
    read -r stagger_i 2>/dev/null <"/proc/$stagger_p/comm" || stagger_i=
    stagger_at lock; printf '%s\n%s\n%s\n' "$stagger_f" "$stagger_p" "$stagger_i"
  done </proc/locks
done
for stagger_f in /run/yum.pid /run/dnf.pid /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid; do
  read -r stagger_p 2>/dev/null <"$stagger_f" || continue
  read -r stagger_i 2>/dev/null <"/proc/$stagger_p/comm" || continue
  stagger_at lock; printf '%s\n%s\n%s\n' "$stagger_f" "$stagger_p" "$stagger_i"
done
"#;

/// Who installs or configures on its own, and what would end or record our commands.
const INTERFERING: &str = r#"stagger_at units; systemctl show -p Id,ActiveState,NextElapseUSecRealtime -- UNITS 2>/dev/null
stagger_at periodic; command -v apt-config >/dev/null 2>&1 && apt-config dump APT::Periodic::Unattended-Upgrade 2>/dev/null
stagger_at cron; grep -lsE '(^|[^[:alnum:]_-])(puppet|chef-client|cf-agent|salt-call|ansible-pull)([^[:alnum:]_-]|$)' /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* 2>/dev/null
for stagger_f in /opt/puppetlabs/puppet/cache/state/agent_catalog_run.lock /var/lib/puppet/state/agent_catalog_run.lock /var/cache/puppet/state/agent_catalog_run.lock /var/cache/chef/chef-client-running.pid; do
  read -r stagger_p 2>/dev/null <"$stagger_f" || continue
  read -r stagger_i 2>/dev/null <"/proc/$stagger_p/comm" || continue
  stagger_at running; printf '%s\n%s\n%s\n' "$stagger_f" "$stagger_p" "$stagger_i"
done
stagger_at kill; busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>/dev/null
stagger_at spared; busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillExcludeUsers 2>/dev/null
stagger_at sudo; [ -n "${SUDO_USER:-}" ] && command -v sudo >/dev/null 2>&1 && sudo -n -l -U "$SUDO_USER" 2>/dev/null </dev/null
"#;
