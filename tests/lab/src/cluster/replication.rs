//! A cluster and, where that is wanted, a second one that takes its changes.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::arangodb::{AUTHORITY_FILE, Cluster, Options, SYNC_KEY_FILE, SYNC_MASTER_PORT};
use super::{Error, inventory, keys};
use crate::clock::{self, Look};
use crate::fleet::{Fleet, Host, Login};

const RUNNING_LIMIT: Duration = Duration::from_mins(1);

/// The cluster that is to be upgraded, and the one that takes its changes.
#[derive(Debug)]
pub struct Clusters<'a> {
    main: Cluster<'a>,
    far: Option<Cluster<'a>>,
}

impl<'a> Clusters<'a> {
    /// Sets up what is asked for, and waits until it serves and replicates.
    pub fn up(fleet: &'a Fleet, program: &Path, options: &Options) -> Result<Self, Error> {
        let is_far = |host: &&Host| host.name().starts_with("far");
        let (far, main): (Vec<_>, Vec<_>) = fleet.hosts().iter().partition(is_far);
        let authority = keys::Authority::make()?;
        let with = (program, &authority);
        let set_up = |hosts| Cluster::up_on(hosts, fleet.bastion(), with, options.clone());
        if !options.sync {
            let main = set_up(main)?;
            return Ok(Self { main, far: None });
        }
        let clusters = Self {
            main: set_up(main)?,
            far: Some(set_up(far)?),
        };
        clusters.configure()?;
        Ok(clusters)
    }

    /// Returns the cluster that is to be upgraded.
    pub fn main(&self) -> &Cluster<'a> {
        &self.main
    }

    /// Returns the cluster that takes the other's changes.
    pub fn far(&self) -> Option<&Cluster<'a>> {
        self.far.as_ref()
    }

    /// Returns an inventory for the upgrade, as an operator would write it.
    pub fn inventory(&self, login: Login) -> String {
        inventory::text(&self.main, self.far.as_ref(), login)
    }

    /// Tells the far cluster to take the other's changes, and waits until it does.
    fn configure(&self) -> Result<(), Error> {
        let Some((far, host)) = self.far.as_ref().and_then(|far| {
            let first = far.hosts().first()?;
            Some((far, *first))
        }) else {
            return Ok(());
        };
        host.must(&format!(
            "arangosync configure sync --master.endpoint={} --master.keyfile={SYNC_KEY_FILE} \
             --source.endpoint={} --source.cacert={AUTHORITY_FILE} --auth.user=root --auth.password=",
            far.sync_masters().join(","),
            self.main.sync_masters().join(","),
        ))?;
        let running = clock::wait(RUNNING_LIMIT, || {
            let (code, body) = far.ask_sync(host, SYNC_MASTER_PORT, "/_api/sync")?;
            let said: Value = serde_json::from_str(&body).unwrap_or_default();
            let runs = said.get("status").and_then(Value::as_str) == Some("running");
            Ok::<_, Error>(if runs {
                Look::Done(())
            } else {
                Look::NotYet(format!("the far sync master answers {code} {body}"))
            })
        })?;
        running.map_err(Error::NotUp)
    }
}
