//! `memsql-ops` as a package, and the versions of MemSQL that it is given as files.
//!
//! The package has the agent's program and its unit; the servers that it starts are second
//! names of the same program, and which version one plays is in a file beside it. The unit
//! says `KillMode=process`, so that servers outlive their agent, as they do in the field.

use std::path::{Path, PathBuf};

use super::Error;
use super::deb::{Content, Deb, Script};
use crate::files;

/// The package's name.
pub const NAME: &str = "memsql-ops";

const SERVICE: &str = "\
[Unit]
Description=MemSQL Ops
After=network.target

[Service]
ExecStart=/usr/bin/memsql-ops agent-run
Restart=on-failure
KillMode=process
LimitNOFILE=131072

[Install]
WantedBy=multi-user.target
";

const POSTINST: &str = "\
if [ \"$1\" = configure ]; then
    mkdir -p /var/lib/memsql /var/lib/memsql-ops /etc/memsql-ops
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
fi";

/// Makes the package of a version of Ops in a directory, with the lab's program in it.
pub fn build(program: &Path, version: &str, directory: &Path) -> Result<PathBuf, Error> {
    Deb::new(NAME, version)
        .file(
            "/usr/bin/memsql-ops",
            0o755,
            Content::CopyOf(program.into()),
        )
        .file(
            "/lib/systemd/system/memsql-ops.service",
            0o644,
            Content::Text(SERVICE.to_owned()),
        )
        .script(Script::Postinst, POSTINST)
        .build(directory)
}

/// Makes the file of a version of MemSQL, as `memsql-ops file-add` takes it.
pub fn server(version: &str, directory: &Path) -> Result<PathBuf, Error> {
    let path = directory.join(format!("memsqlbin_amd64-{version}.tar.gz"));
    files::write(&path, format!("{version}\n"), 0o644)?;
    Ok(path)
}
