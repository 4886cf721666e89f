//! The shipped upgrades whole, in one process: their own playbooks and roles, the real modules, scripted hosts with a model
//! of the cluster behind them, a simulated clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Map;

use crate::clock::{SimulatedClock, Stop};
use crate::connection::Connection;
use crate::connection::scripted::{Answering, ScriptedHosts};
use crate::events::{Event, EventKind};
use crate::journal::{Header, Journal, MemoryJournal, Record, Sealer};
use crate::modules;
use crate::modules::spec::Specs;
use crate::playbook::{Loader, Playbook};
use crate::rollout::{
    Connector, Ended, GuardMode, NoSession, NothingBefore, Outside, Previously, Recollection,
    Rollout, Settings, Templaters, Wish,
};
use crate::secrets::Masker;
use crate::template::{self, Templater};
use crate::vars::{RunMagic, World};

use super::answers::{Answers, MemoryDesk};
use super::model::Model;

/// A shipped upgrade and the cluster that it runs on, ready to be run many times.
#[derive(Debug)]
pub(in crate::rollout) struct Upgrade {
    name: &'static str,
    desk: Arc<MemoryDesk>,
    loader: Arc<Loader>,
    playbook: Arc<Playbook>,
    approved: &'static [&'static str],
}

/// One cluster with one run on it, in as many parts as it takes.
#[derive(Debug)]
pub(in crate::rollout) struct Stage {
    pub(in crate::rollout) model: Arc<dyn Model>,
    pub(in crate::rollout) hosts: Arc<ScriptedHosts>,
    pub(in crate::rollout) clock: Arc<SimulatedClock>,
    pub(in crate::rollout) journal: MemoryJournal,
    /// How many runs there were before this one.
    earlier: usize,
}

impl Upgrade {
    /// Loads a role's `upgrade.yml` for an inventory; its points of no return are approved beforehand.
    pub(in crate::rollout) fn of(
        name: &'static str,
        inventory: &str,
        approved: &'static [&'static str],
    ) -> Self {
        let mut files = BTreeMap::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for top in ["roles", "templates"] {
            read_below(root, &format!("{top}/{name}"), &mut files);
        }
        let package = format!("roles/{name}/packages/new.deb");
        files.insert(package, "a package".to_owned());
        let desk = Arc::new(MemoryDesk::new(files, inventory.to_owned()));
        let tables = modules::ALL.iter().map(|module| module.spec());
        let specs = Arc::new(tables.collect::<Specs>());
        let loader = Arc::new(Loader::new(desk.clone(), specs, vec!["roles".to_owned()]));
        let playbook = format!("roles/{name}/upgrade.yml");
        let playbook = loader
            .load(&playbook)
            .unwrap_or_else(|problems| panic!("{problems:#?}"));
        Self {
            name,
            desk,
            loader,
            playbook: Arc::new(playbook),
            approved,
        }
    }

    /// Puts a cluster on the stage.
    pub(in crate::rollout) fn on(model: Arc<dyn Model>) -> Stage {
        let clock = Arc::new(SimulatedClock::new());
        model.lives_by(&clock);
        let answers: Arc<dyn Answering> = Arc::<dyn Model>::clone(&model);
        Stage {
            hosts: ScriptedHosts::new(clock.clone(), Stop::new(), answers),
            model,
            clock,
            journal: MemoryJournal::new(),
            earlier: 0,
        }
    }

    /// Begins the run, or goes on with it where the stage's journal holds one; what is written goes to `journal`.
    pub(in crate::rollout) fn run(&self, stage: &Stage, journal: Box<dyn Journal>) -> Ended {
        let entries = stage.journal.entries().unwrap();
        let previously: Arc<dyn Previously> = match Recollection::of(&entries) {
            Ok(known) => Arc::new(known),
            Err(_) => Arc::new(NothingBefore),
        };
        let settings = Settings {
            forks: 1,
            guards: GuardMode::Inline,
            stopped_runs: (1..=stage.earlier)
                .map(|run| format!("run-{run}"))
                .collect(),
            approved: self
                .approved
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            ..Settings::default()
        };
        let masker = Masker::new();
        let rollout = Rollout {
            header: Header {
                run: format!("run-{}", stage.earlier + 1),
                operator: "alice".to_owned(),
                machine: "bastion-1".to_owned(),
                playbook: format!("roles/{}/upgrade.yml", self.name),
                ..Header::default()
            },
            settings,
            outside: Outside {
                clock: stage.clock.clone(),
                stop: Stop::new(),
                connector: Arc::new(Sessions(stage.hosts.clone())),
                asker: Arc::new(Answers::default()),
                desk: self.desk.clone(),
                world: World::new(self.desk.inventory_now(), Vec::new(), RunMagic::default()),
                templaters: Arc::new(DeskTemplaters(self.desk.clone(), stage.clock.clone())),
                loader: self.loader.clone(),
                modules: modules::find,
                seal: Arc::new(Sealer::new(masker.clone())),
                masker,
                notes: modules::Notes::new(),
                previously,
            },
            playbook: self.playbook.clone(),
            outline: Vec::new(),
            answers: Map::new(),
        };
        rollout.run(journal, Vec::new())
    }
}

impl Stage {
    /// Lets the next run be another one on the same cluster.
    pub(in crate::rollout) fn begin_again(&mut self) {
        self.hosts.revive();
        self.hosts.heal();
        self.journal = MemoryJournal::new();
        self.earlier += 1;
    }

    /// What failed in all parts so far: the task, the host, the message.
    pub(in crate::rollout) fn failures(&self) -> Vec<String> {
        let entries = self.journal.entries().unwrap();
        let mut told = Vec::new();
        for entry in entries {
            if let Record::Event(Event {
                kind:
                    EventKind::StepFinished {
                        step,
                        name,
                        outcome,
                        result,
                        ..
                    },
                ..
            }) = entry.record
                && !outcome.is_good()
            {
                told.push(format!("{name} on {}: {}", step.host, result.message));
            }
        }
        told
    }
}

/// Reads all text files below a directory.
fn read_below(root: &Path, directory: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            read_below(root, &path, files);
        } else {
            files.insert(path, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[derive(Debug)]
struct Sessions(Arc<ScriptedHosts>);

impl Connector for Sessions {
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        Ok(self.0.session(wish.host))
    }
}

/// Templates that find the role's files, and nothing else of the machine.
#[derive(Debug)]
struct DeskTemplaters(Arc<MemoryDesk>, Arc<SimulatedClock>);

#[derive(Debug)]
struct Searched {
    desk: Arc<MemoryDesk>,
    directories: Vec<String>,
}

impl Templaters for DeskTemplaters {
    fn searching(&self, directories: &[String]) -> Templater {
        let searched = Searched {
            desk: self.0.clone(),
            directories: directories.to_vec(),
        };
        Templater::new(Arc::new(searched), self.1.clone())
    }
}

impl template::Outside for Searched {
    fn read(&self, kind: &str, path: &str) -> Result<String, String> {
        let found = self.find(kind, path).ok_or("there is no such file")?;
        let content = crate::playbook::Files::read(&*self.desk, &found)?;
        String::from_utf8(content).map_err(|error| error.to_string())
    }

    fn find(&self, kind: &str, path: &str) -> Option<String> {
        let inside = self.directories.iter().flat_map(|directory| {
            [
                format!("{directory}/{kind}/{path}"),
                format!("{directory}/{path}"),
            ]
        });
        let mut places = inside.chain([format!("{kind}/{path}"), path.to_owned()]);
        places.find(|place| {
            crate::playbook::Files::kind(&*self.desk, place)
                == Some(crate::playbook::FileKind::File)
        })
    }

    fn glob(&self, _kind: &str, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn pipe(&self, command: &str) -> Result<String, String> {
        Err(format!("{command} is not run here"))
    }
}
