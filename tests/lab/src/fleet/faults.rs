//! What can befall a host, on purpose.
//!
//! Each fault is what it says, made with the kernel's own means: nothing in the host takes
//! part in it or could know that it is a test. None of them touches the clock.

use super::Error;
use super::host::{Host, quoted};

impl Host {
    /// Cuts the host off from everybody, as if its cable were pulled.
    pub fn cut_link(&self) -> Result<(), Error> {
        self.network.cut(self.port(), true)
    }

    /// Plugs the cable in again.
    pub fn restore_link(&self) -> Result<(), Error> {
        self.network.cut(self.port(), false)
    }

    /// Parts the host from another one; both go on talking to everybody else.
    pub fn part_from(&self, other: &Host) -> Result<(), Error> {
        self.network.part(self.port(), other.port(), true)
    }

    /// Joins the host with another one again.
    pub fn rejoin(&self, other: &Host) -> Result<(), Error> {
        self.network.part(self.port(), other.port(), false)
    }

    /// Parts the host from the bastion; the hosts go on talking to each other.
    pub fn part_from_bastion(&self) -> Result<(), Error> {
        self.network.part_from_bastion(self.port(), true)
    }

    /// Joins the host with the bastion again.
    pub fn rejoin_bastion(&self) -> Result<(), Error> {
        self.network.part_from_bastion(self.port(), false)
    }

    /// Takes the power away: every process ends at once, what is on the disk stays.
    ///
    /// What was written and not yet synced stays too: the disk is this machine's.
    pub fn power_cut(&self) -> Result<(), Error> {
        self.groups.kill()
    }

    /// Boots the host again after a power cut and waits until it is up.
    pub fn power_back(&self) -> Result<(), Error> {
        self.power_on()?;
        self.wait_until_up()
    }

    /// Makes every process of the host stand still; its kernel goes on answering.
    pub fn freeze(&self) -> Result<(), Error> {
        self.groups.freeze(true)
    }

    /// Lets the host's processes go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.groups.freeze(false)
    }

    /// Puts a small file system of its own under a directory, with what is in it now.
    pub fn small_disk(&self, directory: &str, bytes: u64) -> Result<(), Error> {
        let directory = quoted(directory);
        self.must(&format!(
            "set -e; d={directory}; mkdir -p \"$d\"; m=$(mktemp -d); \
             mount -t tmpfs -o size={bytes},mode=$(stat -c %a \"$d\") lab \"$m\"; cp -a \"$d/.\" \"$m/\"; \
             mount --bind \"$m\" \"$d\"; umount \"$m\"; rmdir \"$m\""
        ))?;
        Ok(())
    }

    /// Fills the file system that a directory lies on until not one byte more fits.
    pub fn fill_disk(&self, directory: &str) -> Result<(), Error> {
        let file = quoted(&format!("{directory}/.filled"));
        self.must(&format!(
            "f={file}; dd if=/dev/zero of=\"$f\" bs=1M 2>/dev/null; \
             dd if=/dev/zero bs=1 count=8192 2>/dev/null >>\"$f\"; \
             ! printf x 2>/dev/null >>\"$f\""
        ))?;
        Ok(())
    }

    /// Gives the room on a filled file system back.
    pub fn free_disk(&self, directory: &str) -> Result<(), Error> {
        self.must(&format!(
            "rm -f {}",
            quoted(&format!("{directory}/.filled"))
        ))?;
        Ok(())
    }
}
