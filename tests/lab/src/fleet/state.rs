//! Which fleets there are on this machine, whose they are, and how many hosts they have.
//!
//! A fleet's name, its subnet and its directory are claimed together, under one lock for the
//! machine, and before anything of it is made. So whatever a crash leaves behind belongs to a
//! directory that the next one who claims finds, sees to be nobody's, and takes down.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::{Error, Options, teardown};
use crate::clock::{self, Look};
use crate::files;

/// How many hosts may be up at once on the whole machine.
pub const MOST_HOSTS: usize = 48;
/// Subnets are numbered like fleets.
const MOST_FLEETS: u8 = 100;
/// How long a claim waits until others have taken their hosts down.
const CLAIM_LIMIT: Duration = Duration::from_mins(30);
const RECORD: &str = "fleet.json";

/// Where the lab's things are: root file systems, fleets, and the lab itself.
#[derive(Debug, Clone)]
pub struct Place {
    /// Root file systems, kept for the next time.
    pub cache: PathBuf,
    /// Fleets, one directory each; the same for every process on the machine.
    pub fleets: PathBuf,
    /// The program `lab`, for what runs beside this process or on the hosts.
    pub program: PathBuf,
}

/// What is written down of a fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its name, which its namespaces and control groups have too.
    pub name: String,
    /// The third number of its addresses.
    pub subnet: u8,
    /// Whose it is.
    pub owner: Owner,
    /// When it was claimed, in UTC.
    pub since: String,
    /// What was asked for.
    pub options: Options,
}

impl Place {
    /// Returns the directory of a fleet.
    pub fn fleet(&self, name: &str) -> PathBuf {
        self.fleets.join(name)
    }

    /// Takes the lock under which fleets come and go.
    pub(super) fn lock(&self) -> Result<File, Error> {
        Ok(files::lock(&self.fleets.join("lock"))?)
    }

    /// Returns the names of all fleets, also of those that were never finished.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = files::names(&self.fleets)?;
        names.retain(|name| self.fleets.join(name).is_dir());
        Ok(names)
    }

    /// Returns what is written down of a fleet, if anything is.
    pub fn record(&self, name: &str) -> Result<Option<Record>, Error> {
        let path = self.fleet(name).join(RECORD);
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(None);
        };
        // What cannot be read was left by another lab: nobody can own it.
        Ok(serde_json::from_str(&text).ok())
    }

    /// Writes down what is known of a fleet.
    pub(super) fn write(&self, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(record).map_err(Error::Record)?;
        files::write(&self.fleet(&record.name).join(RECORD), text, 0o644)?;
        Ok(())
    }

    /// Claims a name, a subnet and a directory for a fleet, once there is room for its hosts.
    pub(super) fn claim(&self, options: &Options) -> Result<Record, Error> {
        self.claim_within(options, CLAIM_LIMIT)
    }

    fn claim_within(&self, options: &Options, limit: Duration) -> Result<Record, Error> {
        let wanted = options.hosts.len();
        if wanted > MOST_HOSTS {
            return Err(Error::NoRoom {
                wanted,
                others: "no other fleet".to_owned(),
            });
        }
        let claimed = clock::wait(limit, || {
            let _lock = self.lock()?;
            self.take_stale_down()?;
            let others = self.records()?;
            if hosts_of(&others) + wanted <= MOST_HOSTS {
                return self.claim_first_free(&others, options).map(Look::Done);
            }
            Ok::<_, Error>(Look::NotYet(list_of(&others)))
        })?;
        claimed.map_err(|others| Error::NoRoom { wanted, others })
    }

    fn claim_first_free(&self, others: &[Record], options: &Options) -> Result<Record, Error> {
        let is_free = |subnet: &u8| others.iter().all(|other| other.subnet != *subnet);
        let subnet = (0..MOST_FLEETS)
            .find(is_free)
            .ok_or_else(|| Error::NoRoom {
                wanted: options.hosts.len(),
                others: list_of(others),
            })?;
        let record = Record {
            name: format!("lab{subnet}"),
            subnet,
            // Until all of it is up it is its maker's, whatever becomes of it later.
            owner: Owner::here(false)?,
            since: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
            options: options.clone(),
        };
        self.write(&record)?;
        Ok(record)
    }

    /// Returns what is written down of all fleets.
    pub fn records(&self) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for name in self.names()? {
            records.extend(self.record(&name)?);
        }
        Ok(records)
    }

    /// Takes down every fleet that is nobody's any more; the caller holds the lock.
    pub(super) fn take_stale_down(&self) -> Result<Vec<String>, Error> {
        let mut taken = Vec::new();
        for name in self.names()? {
            let is_alive = match self.record(&name)? {
                Some(record) => record.owner.is_alive()?,
                // Between its directory and its record its maker holds the lock: it is gone.
                None => false,
            };
            if !is_alive {
                teardown::take_down(&self.fleet(&name), &name)?;
                taken.push(name);
            }
        }
        Ok(taken)
    }
}

fn hosts_of(records: &[Record]) -> usize {
    records.iter().map(|other| other.options.hosts.len()).sum()
}

fn list_of(records: &[Record]) -> String {
    let one = |record: &Record| {
        let (hosts, purpose) = (record.options.hosts.len(), &record.options.purpose);
        format!("{} ({purpose}, {hosts} hosts)", record.name)
    };
    records.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The directory of fleets where the lab runs for real.
pub fn fleets_of_this_machine() -> &'static Path {
    Path::new("/var/lib/stagger-lab")
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            cache: directory.path().join("cache"),
            fleets: directory.path().join("fleets"),
            program: PathBuf::new(),
        };
        (directory, place)
    }

    fn claim(place: &Place, hosts: usize) -> Result<Record, Error> {
        place.claim_within(&Options::new("test", hosts), Duration::ZERO)
    }

    #[test]
    fn fleets_side_by_side_have_names_and_subnets_of_their_own() {
        let (_directory, place) = place();
        let one = claim(&place, 3).unwrap();
        let other = claim(&place, 3).unwrap();
        assert_eq!((one.name.as_str(), one.subnet), ("lab0", 0));
        assert_eq!((other.name.as_str(), other.subnet), ("lab1", 1));
        assert_eq!(place.names().unwrap(), ["lab0", "lab1"]);
    }

    #[test]
    fn claims_of_several_at_once_never_meet() {
        let (_directory, place) = place();
        let names: Vec<_> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8).map(|_| scope.spawn(|| claim(&place, 1))).collect();
            let joined = claims.into_iter().map(|claim| claim.join().unwrap());
            joined.map(|record| record.unwrap().name).collect()
        });
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), 8, "{names:?}");
    }

    #[test]
    fn the_machine_has_room_for_so_many_hosts_and_says_who_has_them() {
        let (_directory, place) = place();
        claim(&place, MOST_HOSTS - 2).unwrap();
        let error = claim(&place, 3).unwrap_err().to_string();
        let taken = format!("lab0 (test, {} hosts)", MOST_HOSTS - 2);
        assert!(error.contains(&taken), "{error}");
        claim(&place, 2).unwrap();
        assert!(claim(&place, MOST_HOSTS + 1).is_err());
    }
}
