//! Taking a fleet down so that nothing of it is left.
//!
//! Works from the fleet's name and from what is there, never from what its maker remembers:
//! the maker may have been killed at any moment. Doing it twice does no harm.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::cgroup::{Groups, Layout};
use super::network::Network;
use super::{Error, mounts};
use crate::clock::{self, Look};
use crate::command::Command;
use crate::files;

const BASTION_LIMIT: Duration = Duration::from_secs(10);

/// Takes a fleet down; its directory goes last, because that is what it is found by.
pub(super) fn take_down(directory: &Path, name: &str) -> Result<(), Error> {
    let layout = Layout::here()?;
    let groups = Groups::of_fleet(layout.clone(), name);
    let network = Network::new(name, 0);
    groups.kill()?;
    end_bastion(&network)?;
    forget_locks(directory)?;
    mounts::take_away_below(directory)?;
    network.take_away()?;
    groups.remove()?;
    Groups::remove_top(&layout);
    forget_machines(name)?;
    Command::line("rm -rf --one-file-system --")
        .arg(directory)
        .run()?;
    Ok(())
}

/// Ends what still runs on the bastion: commands of a lab that is gone.
fn end_bastion(network: &Network) -> Result<(), Error> {
    let left = clock::wait(BASTION_LIMIT, || {
        let pids = network.processes()?;
        if pids.is_empty() {
            return Ok::<_, Error>(Look::Done(()));
        }
        for pid in &pids {
            // One that ended meanwhile is what is wanted.
            let _gone = Command::line("kill -9").arg(pid.to_string()).output()?;
        }
        Ok(Look::NotYet(format!("processes {pids:?}")))
    })?;
    left.map_err(|left| Error::NotGone {
        what: "the bastion".to_owned(),
        left,
    })
}

/// Removes the locks that `systemd-nspawn` leaves when it is killed, named by the inodes of
/// the hosts' root directories.
fn forget_locks(directory: &Path) -> Result<(), Error> {
    let hosts = directory.join("hosts");
    for name in files::names(&hosts)? {
        if let Ok(root) = std::fs::metadata(hosts.join(name).join("root")) {
            let lock = format!("inode-{}:{}", root.dev(), root.ino());
            files::remove(&Path::new("/run/systemd/nspawn/locks").join(lock))?;
        }
    }
    Ok(())
}

/// Removes the directories that `systemd-nspawn` leaves when it is killed.
fn forget_machines(fleet: &str) -> Result<(), Error> {
    let left = Path::new("/run/systemd/nspawn/propagate");
    let prefix = format!("{fleet}-");
    for name in files::names(left)? {
        if name.starts_with(&prefix) {
            mounts::take_away_below(&left.join(&name))?;
            Command::line("rm -rf --one-file-system --")
                .arg(left.join(name))
                .run()?;
        }
    }
    Ok(())
}
