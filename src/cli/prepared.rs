//! Everything that a playbook needs before a host is touched: inventory, variables, templates, playbook, plan.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::args::{Selection, Sources};
use super::failure::{Failure, draw_as};
use super::machine::Machine;
use super::{output, settings};
use crate::clock::{Clock, SystemClock};
use crate::inventory::{Inventory, Limit};
use crate::plan::{Inputs, Known, Plan, TagSelection};
use crate::playbook::{Loader, Play, Playbook, Surroundings};
use crate::rollout::Templaters;
use crate::template::{Templater, Variables};
use crate::vars::{Layer, Layers, Precedence, RunMagic, World, extra_vars};
use crate::yaml::{Node, Problem};

/// What a command says about the run, beside its sources.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    pub(super) check: bool,
    pub(super) diff: bool,
    pub(super) verbosity: u8,
    pub(super) forks: usize,
}

/// A playbook that is ready to be run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) world: Arc<World>,
    pub(super) loader: Arc<Loader>,
    pub(super) playbook: Arc<Playbook>,
    pub(super) plan: Plan,
    pub(super) limit: Option<Limit>,
    pub(super) tags: TagSelection,
    pub(super) templaters: Arc<MachineTemplaters>,
    pub(super) clock: Arc<SystemClock>,
}

/// Makes templaters whose lookups reach the machine.
#[derive(Debug)]
pub(super) struct MachineTemplaters {
    machine: Machine,
    clock: Arc<SystemClock>,
}

impl MachineTemplaters {
    pub(super) fn new(machine: &Machine, clock: &Arc<SystemClock>) -> Arc<Self> {
        Arc::new(Self {
            machine: machine.clone(),
            clock: Arc::clone(clock),
        })
    }
}

impl Templaters for MachineTemplaters {
    fn searching(&self, directories: &[String]) -> Templater {
        let outside = self.machine.searching(directories.to_vec());
        let clock: Arc<dyn Clock> = Arc::<SystemClock>::clone(&self.clock);
        Templater::with_zone(Arc::new(outside), clock, jiff::tz::TimeZone::system())
    }
}

/// What is known before a run, for no host in particular.
#[derive(Debug)]
struct BeforeRun {
    world: Arc<World>,
    directory: String,
    templater: Templater,
}

impl Known for BeforeRun {
    fn value(&self, play: &Play, node: &Node) -> Result<Value, Problem> {
        let mut layers = Vec::new();
        for level in play.context.levels() {
            if let Some(vars) = &level.keywords.vars {
                layers.push(Layer::from_node(Precedence::Play, "play", vars)?);
            }
        }
        let layers = Arc::new(Layers::new(layers));
        let magic = Arc::new(Map::new());
        let scope = self
            .world
            .scope("localhost", &self.directory, &layers, &magic);
        let scope: Arc<dyn Variables> = Arc::new(scope);
        self.templater
            .node(node, &scope)
            .map_err(|error| error.to_problem())
    }
}

/// Loads and checks everything, and works out the plan.
pub(super) fn prepare(
    playbook: &str,
    sources: &Sources,
    selection: &Selection,
    mode: Mode,
    machine: &Machine,
) -> Result<Prepared, Failure> {
    let clock = Arc::new(SystemClock::new());
    let inventory = settings::inventory(sources, machine)?;
    let limit = settings::limit(&inventory, sources, machine)?;
    let world = world(inventory, sources, selection, mode, machine)?;
    let loader = Arc::new(settings::loader(&Arc::new(machine.clone())));
    let templaters = MachineTemplaters::new(machine, &clock);
    let directory = crate::playbook::directory_of(playbook).to_owned();
    warn(&world.add_playbook_directory(&directory, machine)?);
    let names = world.variable_names(&directory);
    let (loaded, _notes) = checked(
        &loader,
        playbook,
        &templaters,
        (Some(&names), false),
        machine,
    )?;
    let tags = TagSelection::new(
        selection.tags.iter().cloned(),
        selection.skip_tags.iter().cloned(),
    );
    let known = BeforeRun {
        world: Arc::clone(&world),
        directory,
        templater: templaters.searching(&[]),
    };
    let listed = world.listed(&known.directory).to_string();
    let mut further = vec![("variables of the inventory".to_owned(), listed.into_bytes())];
    let extra = sources.extra_vars.iter().cloned();
    further.extend(extra.map(|text| ("-e".to_owned(), text.into_bytes())));
    let inventory = world.inventory();
    let plan = Plan::build(
        &loaded,
        &Inputs {
            inventory: &inventory,
            limit: limit.as_ref(),
            known: &known,
            files: machine,
            tags: &tags,
            seed: 0,
            request: Value::Null,
            further: &further,
        },
    )?;
    Ok(Prepared {
        world,
        loader,
        playbook: Arc::new(loaded),
        plan,
        limit,
        tags,
        templaters,
        clock,
    })
}

/// Loads a playbook and checks it as a whole, against the names of all variables if they are known, and shipped ones
/// also against what a resume demands. Returns also what is worth knowing.
pub(super) fn checked(
    loader: &Loader,
    playbook: &str,
    templaters: &MachineTemplaters,
    (variables, demanding): (Option<&[String]>, bool),
    machine: &Machine,
) -> Result<(Playbook, Vec<Problem>), Failure> {
    let surroundings = Surroundings {
        files: machine,
        templater: &templaters.searching(&[]),
        searching: &|directories| templaters.searching(directories),
        variables,
        demanding,
    };
    let found = loader.load_checked(playbook, &surroundings)?;
    Ok((found.playbook, found.notes))
}

/// Makes the world of variables.
pub(super) fn world(
    inventory: Inventory,
    sources: &Sources,
    selection: &Selection,
    mode: Mode,
    machine: &Machine,
) -> Result<Arc<World>, Failure> {
    warn(inventory.warnings());
    let mut warnings = Vec::new();
    let extra = extra_vars(&sources.extra_vars, machine, &mut warnings)?;
    warn(&warnings);
    let here = std::env::current_dir().unwrap_or_default();
    let magic = RunMagic {
        check: mode.check,
        diff: mode.diff,
        verbosity: mode.verbosity,
        forks: mode.forks,
        limit: (!sources.limit.is_empty()).then(|| sources.limit.join(",")),
        run_tags: selection.tags.clone(),
        skip_tags: selection.skip_tags.clone(),
        inventory_sources: sources.inventory.clone(),
        working_directory: Path::new(&here).to_string_lossy().into_owned(),
    };
    Ok(World::new(inventory, extra, magic))
}

fn warn(problems: &[Problem]) {
    for problem in problems {
        output::message(&draw_as("warning", problem));
    }
}
