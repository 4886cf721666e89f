//! Everything that a playbook needs before a host is touched: inventory, variables, templates, playbook, plan.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::args::{Selection, Sources};
use super::failure::{Failure, draw_as};
use super::machine::Machine;
use super::{output, secret_vars, settings, vaults};
use crate::clock::{Clock, SystemClock};
use crate::inventory::{Inventory, Limit};
use crate::modules::spec::is_template;
use crate::plan::{Inputs, Known, Plan, TagSelection};
use crate::playbook::{Context, Loader, Play, Playbook, Surroundings};
use crate::rollout::{Templaters, layers_around};
use crate::secrets::{Masker, Secret};
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
    templaters: Arc<MachineTemplaters>,
    limit: Option<Limit>,
    masker: Masker,
}

/// A plan says what a text will be only if it is the same on all hosts; on more hosts than this nobody asks them all.
const ASKED: usize = 100;

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

    fn shown(&self, play: Option<&Play>, context: &Arc<Context>, node: &Node) -> Option<String> {
        let text = node.as_str()?;
        if !is_template(text) {
            return None;
        }
        let play = play?;
        let pattern = play.hosts.as_str()?;
        let pattern = if is_template(pattern) {
            self.value(play, &play.hosts).ok()?.as_str()?.to_owned()
        } else {
            pattern.to_owned()
        };
        let inventory = self.world.inventory();
        let mut hosts = inventory.select_any(&pattern, None).ok()?;
        if let Some(limit) = &self.limit {
            hosts = limit.apply(&inventory, &hosts);
        }
        if hosts.len() > ASKED {
            return None;
        }
        let mut directories: Vec<String> =
            context.roles().map(|role| role.role.path.clone()).collect();
        directories.push(context.directory.to_string());
        directories.push(context.playbook_directory.to_string());
        let templater = self.templaters.searching(&directories);
        let layers = layers_around(&[], &Arc::default(), &play.role_uses, context);
        let layers = Arc::new(Layers::new(layers));
        let mut magic = Map::new();
        magic.insert("playbook_dir".to_owned(), self.directory.clone().into());
        if let Some(role) = context.role() {
            magic.insert("role_name".to_owned(), role.role.name.clone().into());
            magic.insert("role_path".to_owned(), role.role.path.clone().into());
        }
        let magic = Arc::new(magic);
        let mut known: Option<Value> = None;
        for host in &hosts {
            let scope = self
                .world
                .scope(host.as_str(), &self.directory, &layers, &magic);
            let scope: Arc<dyn Variables> = Arc::new(scope);
            let value = templater.node(node, &scope).ok()?;
            if known.as_ref().is_some_and(|known| *known != value) {
                return None;
            }
            known = Some(value);
        }
        let text = match known? {
            Value::String(text) => text,
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect::<Vec<_>>()
                .join(", "),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                other.to_string()
            }
        };
        Some(self.masker.mask(&text))
    }
}

/// Returns what hides the secrets among the variables of the inventory and the command line, told by their names.
pub(super) fn secrets_of(world: &Arc<World>, directory: &str, machine: &Machine) -> Masker {
    let masker = Masker::new();
    let ears = masker.clone();
    machine.vault.listen(move |_, secret| ears.add(secret));
    let names: Vec<String> = world
        .variable_names(directory)
        .into_iter()
        .filter(|name| secret_vars::is_secret(name))
        .collect();
    if names.is_empty() {
        return masker;
    }
    let layers = Arc::new(Layers::default());
    let magic = Arc::new(Map::new());
    for host in world.inventory().hosts() {
        let scope = world.scope(host.as_str(), directory, &layers, &magic);
        for name in &names {
            if let Some(text) = scope
                .lookup(name)
                .as_ref()
                .and_then(|raw| raw.value.as_str())
            {
                masker.add(&Secret::new(text));
            }
        }
    }
    masker
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
    warn(&world.add_playbook_directory(&directory, machine)?, machine);
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
        masker: secrets_of(&world, &directory, machine),
        directory,
        templater: templaters.searching(&[]),
        templaters: Arc::clone(&templaters),
        limit: limit.clone(),
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
            files: &machine.sealed(),
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
    warn(inventory.warnings(), machine);
    let mut warnings = Vec::new();
    let extra = extra_vars(&sources.extra_vars, machine, &mut warnings)?;
    warn(&warnings, machine);
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

fn warn(problems: &[Problem], machine: &Machine) {
    let masker = vaults::masker(machine);
    for problem in problems {
        output::message(&masker.mask(&draw_as("warning", problem)));
    }
}
