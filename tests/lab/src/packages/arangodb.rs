//! The database's package as far as an upgrade meets it.
//!
//! `arangod`, `arangodb` (the starter) and `arangosync` are one program, the lab's, under
//! three names; which of them it is it sees from the name, and which version it plays it
//! reads from a file beside, once, at its start. As with the real package the installation
//! starts a standalone server of its own, `arangodb3.service` on port 8529, through
//! `invoke-rc.d`, unless a `policy-rc.d` forbids it; and the JavaScript files change under
//! the servers that run.

use std::path::{Path, PathBuf};

use super::Error;
use super::deb::{Content, Deb, Script};

/// The package's name.
pub const NAME: &str = "arangodb3";
/// Where the programs read which version they play.
pub const VERSION: &str = "/usr/share/arangodb3/VERSION";

const SERVICE: &str = "\
[Unit]
Description=ArangoDB database server
After=network.target

[Service]
User=arangodb
Group=arangodb
LimitNOFILE=131072
ExecStart=/usr/sbin/arangod -c /etc/arangodb3/arangod.conf
Restart=on-failure
TimeoutStopSec=3600

[Install]
WantedBy=multi-user.target
";

const CONFIGURATION: &str = "\
[database]
directory = /var/lib/arangodb3

[server]
endpoint = tcp://127.0.0.1:8529
authentication = false
storage-engine = rocksdb

[javascript]
startup-directory = /usr/share/arangodb3/js
app-path = /var/lib/arangodb3-apps

[log]
level = info
file = /var/log/arangodb3/arangod.log
";

const PREINST: &str = "\
if ! getent passwd arangodb >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /usr/share/arangodb3 \\
        --shell /usr/sbin/nologin arangodb
fi";

const POSTINST: &str = "\
if [ \"$1\" = configure ]; then
    for d in /var/lib/arangodb3 /var/lib/arangodb3-apps /var/log/arangodb3; do
        mkdir -p \"$d\"
        chown arangodb:arangodb \"$d\"
    done
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        deb-systemd-helper unmask arangodb3.service >/dev/null || true
        if deb-systemd-helper --quiet was-enabled arangodb3.service; then
            deb-systemd-helper enable arangodb3.service >/dev/null || true
        else
            deb-systemd-helper update-state arangodb3.service >/dev/null || true
        fi
    fi
    if [ -n \"$2\" ]; then action=restart; else action=start; fi
    invoke-rc.d arangodb3 $action || exit $?
fi";

const PRERM: &str = "\
if [ \"$1\" = remove ] || [ \"$1\" = upgrade ]; then
    invoke-rc.d arangodb3 stop || true
fi";

const POSTRM: &str = "\
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
if [ \"$1\" = purge ]; then
    deb-systemd-helper purge arangodb3.service >/dev/null || true
fi";

/// Makes the package of a version in a directory, with the lab's program in it.
pub fn build(program: &Path, version: &str, directory: &Path) -> Result<PathBuf, Error> {
    let text = |text: &str| Content::Text(text.to_owned());
    let same = || Content::LinkTo("/usr/sbin/arangod".to_owned());
    let js = format!("// {version}\n");
    Deb::new(NAME, version)
        .depends("passwd, init-system-helpers")
        .file("/usr/sbin/arangod", 0o755, Content::CopyOf(program.into()))
        // Second names, not links: what runs is then seen by its own name.
        .file("/usr/bin/arangodb", 0o755, same())
        .file("/usr/sbin/arangosync", 0o755, same())
        .file(VERSION, 0o644, text(&format!("{version}\n")))
        .file("/usr/share/arangodb3/js/server/server.js", 0o644, text(&js))
        .file(
            "/usr/share/arangodb3/js/common/bootstrap/modules.js",
            0o644,
            text(&js),
        )
        .file(
            "/lib/systemd/system/arangodb3.service",
            0o644,
            text(SERVICE),
        )
        .configuration("/etc/arangodb3/arangod.conf", CONFIGURATION)
        .script(Script::Preinst, PREINST)
        .script(Script::Postinst, POSTINST)
        .script(Script::Prerm, PRERM)
        .script(Script::Postrm, POSTRM)
        .build(directory)
}
