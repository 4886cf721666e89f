//! What a case is, and what it is given.

use std::io::Write as _;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use lab::command::Command;
use lab::fleet::{self, Fleet, Options, Place};
use lab::product::{self, Product};
use libtest_mimic::{Completion, Failed, Trial};

/// What a case ends in.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a case has failed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// One thing that must hold.
#[derive(Debug)]
pub(crate) struct Case {
    name: &'static str,
    run: fn(&Lab) -> Outcome,
    shares: usize,
    /// Why it does not run each time.
    on_demand: Option<&'static str>,
}

/// How many shares the machine has: that many light cases, or three whole clusters under load.
pub(crate) const SHARES: usize = 6;
/// How many of them a build beside the cases takes.
const OF_A_BUILD: usize = 2;

/// The machine, of which each running case holds its shares.
static MACHINE: Machine = Machine {
    free: Mutex::new(SHARES),
    freed: Condvar::new(),
};

#[derive(Debug)]
struct Machine {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Machine {
    /// Waits until there are so many shares.
    fn hold(&'static self, shares: usize) -> Held {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.freed.wait_while(free, |free| *free < shares);
        *enough.unwrap_or_else(PoisonError::into_inner) -= shares;
        Held(self, shares)
    }
}

/// Shares that are given back when this is dropped, also by a case that panics.
#[derive(Debug)]
struct Held(&'static Machine, usize);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += self.1;
        self.0.freed.notify_all();
    }
}

/// Makes a case of a name and a function.
pub(crate) fn case(name: &'static str, run: fn(&Lab) -> Outcome) -> Case {
    Case {
        name,
        run,
        shares: 1,
        on_demand: None,
    }
}

impl Case {
    /// Lets two other such cases run beside it at most, one while something is built: on a machine that is short of
    /// processors clients wait for no fault of the cluster's, and the oracle takes a server that is starved for one that
    /// is down.
    pub(crate) fn heavy(self) -> Self {
        Self { shares: 2, ..self }
    }

    /// Lets no other case run beside it: where hundreds of requests wait at once, a busy machine makes others wait too.
    pub(crate) fn alone(self) -> Self {
        Self {
            shares: SHARES,
            ..self
        }
    }

    /// Lets it run only where it is asked for, and says why; it is a row's case nevertheless.
    pub(crate) fn on_demand(self, why: &'static str) -> Self {
        Self {
            on_demand: Some(why),
            ..self
        }
    }

    /// Returns how much of the machine it holds.
    pub(crate) fn shares(&self) -> usize {
        self.shares
    }

    /// Makes it known to the test harness; `asked_for` says whether those on demand run too.
    pub(crate) fn trial(self, lab: &'static Lab, asked_for: bool) -> Trial {
        let on_demand = self.on_demand;
        let trial = Trial::ignorable_test(self.name, move || {
            if let (Some(why), false) = (on_demand, asked_for) {
                return Ok(Completion::ignored_with(format!(
                    "on demand, as {why}: cargo test -p lab --test hosts -- --include-ignored {}",
                    self.name
                )));
            }
            if let Err(reason) = lab.ready() {
                if lab::cli::is_required() {
                    return Err(Failed::from(format!("the lab cannot start: {reason}")));
                }
                return Ok(Completion::ignored_with(reason));
            }
            let _held = MACHINE.hold(self.shares);
            let began = lab::clock::now();
            let outcome = (self.run)(lab);
            let seconds = began.elapsed().as_secs();
            // Each case's seconds, for whoever wants the suite to take less of them.
            drop(writeln!(std::io::stderr(), "{}: {seconds} s", self.name));
            outcome.map_err(|failure| Failed::from(failure.0))?;
            Ok(Completion::Completed)
        });
        // With the flag the harness would list it without the reason.
        trial.with_ignored_flag(on_demand.is_some() && asked_for)
    }
}

/// Fails a case unless something holds.
pub(crate) fn check(holds: bool, otherwise: impl Into<String>) -> Outcome {
    if holds {
        return Ok(());
    }
    Err(Failure(otherwise.into()))
}

/// Fails a case unless two things are equal.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a case compares what it has just made, and reads better without `&`"
)]
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(is: T, wanted: T, what: &str) -> Outcome {
    check(is == wanted, format!("{what}: {is:?}, not {wanted:?}"))
}

/// Finds the program once: the one that was given, if one was.
fn once(
    kept: &OnceLock<Result<Product, String>>,
    build: impl FnOnce() -> Result<Product, product::Error>,
) -> Result<&Product, Failure> {
    let product = kept.get_or_init(|| {
        let product = match lab::cli::given_program() {
            Some(program) => product::look_at(&program),
            None => build(),
        };
        product.map_err(|error| error.to_string())
    });
    product.as_ref().map_err(|why| Failure(why.clone()))
}

/// The lab that all cases share.
#[derive(Debug)]
pub(crate) struct Lab {
    ready: OnceLock<Result<Place, String>>,
    trial: OnceLock<Result<Product, String>>,
    released: OnceLock<Result<Product, String>>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            ready: OnceLock::new(),
            trial: OnceLock::new(),
            released: OnceLock::new(),
        }
    }

    /// Returns the program under test: given, or as the tests are built.
    pub(crate) fn product(&self) -> Result<&Product, Failure> {
        once(&self.trial, || {
            product::look_at(&product::build_for_trial("stagger")?)
        })
    }

    /// Returns the program under test as it is released; whoever is the first to ask builds it.
    pub(crate) fn released(&self) -> Result<&Product, Failure> {
        once(&self.released, || product::build_beside("stagger"))
    }

    /// Builds what is released beside the cases that need it not.
    pub(crate) fn build_beside(&'static self) {
        if self.ready().is_ok() {
            let held = MACHINE.hold(OF_A_BUILD);
            std::thread::spawn(move || {
                drop(self.released());
                drop(held);
            });
        }
    }

    /// Finds out, once, whether hosts can be booted here.
    fn ready(&self) -> Result<&Place, String> {
        let ready = self.ready.get_or_init(|| {
            fleet::provide().map_err(|error| error.to_string())?;
            let place = lab::cli::place().map_err(|error| error.to_string())?;
            Ok(Place {
                program: env!("CARGO_BIN_EXE_lab").into(),
                ..place
            })
        });
        ready.as_ref().map_err(Clone::clone)
    }

    /// Returns where fleets are.
    pub(crate) fn place(&self) -> Result<&Place, Failure> {
        self.ready().map_err(Failure)
    }

    /// Boots some hosts, `node1` and on; they are taken down when the fleet is dropped.
    pub(crate) fn hosts(&self, case: &str, hosts: usize) -> Result<Fleet, Failure> {
        self.fleet(&Options::new(&format!("test: {case}"), hosts))
    }

    /// Boots the hosts that are asked for.
    pub(crate) fn fleet(&self, options: &Options) -> Result<Fleet, Failure> {
        Ok(Fleet::up(self.place()?, options)?)
    }

    /// Returns the command `lab`, to be used as a person would.
    pub(crate) fn command(&self) -> Result<Command, Failure> {
        Ok(Command::new(&self.place()?.program))
    }
}
