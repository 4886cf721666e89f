//! `cluster_lock`: the lock that lets one run at a time work on a cluster. Only its table and its words are here; the
//! engine takes it, keeps it, and holds it against every step.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

/// After how many seconds the holder renews it, if nothing else is said.
const EVERY: Duration = Duration::from_secs(20);

static SPEC: ModuleSpec = ModuleSpec {
    name: "cluster_lock",
    summary: "Takes, renews and gives back the lock that lets one run at a time work on a cluster",
    notes: &[
        "The lock is a directory on each of the cluster's machines; who has it on a majority of them has the cluster. Machines with two names count once. A minority that cannot be reached stops nothing; what could not be asked is taken as soon as it can.",
        "take is for a bracket's enter, give_back for its leave, renew for its renew. While the run has the lock, every step that changes something on one of these machines, as the user who took it, compares the lock's token in the same script, and is refused where a later run has taken it over; before other steps that change something, and before those that stagger itself speaks (uri, mysql_query), the token is read on one of the machines.",
        "Somebody else's lock is taken over only by its name (take_over), and only if its counter did not move for three of its own intervals. Those in replaces are taken over at once: name there only what certainly has ended.",
        "Its failure says whose the lock is, and ends the run with exit code 5.",
    ],
    arguments: &[
        Argument::new("action", Kind::Str, "What is done.")
            .choices(&["look", "take", "renew", "give_back"])
            .default("look"),
        Argument::new(
            "directory",
            Kind::Path,
            "The directory that is the lock, equal on all machines and other for each cluster; not for renew.",
        ),
        Argument::new(
            "machines",
            Kind::List,
            "The inventory names of all of the cluster's machines, whatever the run is limited to; not for renew.",
        ),
        Argument::new(
            "holder",
            Kind::Str,
            "By which name it is held: other for each run; not for renew.",
        ),
        Argument::new(
            "replaces",
            Kind::List,
            "Holders that certainly have ended: what they left is replaced.",
        ),
        Argument::new(
            "take_over",
            Kind::Str,
            "The holder from whom it is taken over, as the refusal names it.",
        ),
        Argument::new(
            "every",
            Kind::Duration,
            "After how long it will be renewed, as its contenders are told; 0 for a lock that nobody renews.",
        )
        .default("20s"),
        Argument::new("reason", Kind::Str, "Why it is held, for whoever meets it."),
        Argument::new(
            "hint",
            Kind::Str,
            "What whoever is refused may type; HOLDER in it stands for the holder's name.",
        ),
    ],
    safety: Safety::State,
    needs_host: false,
    example: "- cluster_lock:\n    action: take\n    directory: /var/lib/stagger/lock/mine\n    machines: \"{{ groups.db }}\"\n    holder: \"{{ stagger_machine }} {{ stagger_run_id }}\"\n",
    returns: &[
        ("held", "whether somebody has it; for renew: whether this run still has it"),
        ("mine", "whether the holder that was asked for has it"),
        ("holder", "who has it on the most machines"),
        ("since", "since when, by the holder's clock"),
        ("reason", "what the holder gave as reason"),
        ("renewals", "how often it was renewed"),
        ("token", "the highest token that was given out"),
        ("on", "on how many machines that holder has it"),
        ("asked", "how many machines answered"),
        ("machines", "how many machines there are"),
        ("place", "where it lies, for people"),
    ],
    ..ModuleSpec::EMPTY
};

/// Which lock is meant, and who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockWish {
    /// The directory that is the lock, on each machine.
    pub directory: String,
    /// The inventory names of the machines.
    pub machines: Vec<String>,
    /// The name of who asks.
    pub holder: String,
    /// Holders that have ended.
    pub replaces: Vec<String>,
    /// The holder from whom it is taken over by name; empty for nobody.
    pub take_over: String,
    /// After how long it is renewed; zero for never.
    pub every: Duration,
    /// Why.
    pub reason: String,
    /// What whoever is refused may type.
    pub hint: String,
}

/// What the machines told of a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockTold {
    /// Whether somebody has it, or may have it on machines that did not answer.
    pub held: bool,
    /// Whether that is who asked.
    pub mine: bool,
    /// Who has it on the most machines; empty for nobody, or for who left no name.
    pub holder: String,
    /// What the holder told of itself: `since`, `every`, `reason`.
    pub about: BTreeMap<String, String>,
    /// How often it was renewed.
    pub renewals: u64,
    /// The highest token.
    pub token: u64,
    /// On how many machines that holder has it.
    pub on: usize,
    /// On how many machines who asked has it.
    pub own: usize,
    /// How many machines answered.
    pub asked: usize,
    /// How many machines there are.
    pub machines: usize,
    /// What came of it, in one line.
    pub saw: String,
}

/// Takes a cluster's lock, for the run; implemented by `rollout`.
pub trait Locks: Send + Sync + Debug {
    /// Looks whose the lock is; changes nothing.
    fn look(&self, wish: &LockWish) -> Result<LockTold, ModuleError>;

    /// Looks whether it could be taken now; changes nothing.
    fn would_take(&self, wish: &LockWish) -> Result<LockTold, ModuleError>;

    /// Takes it on a majority of the machines; from then on it stands against every step of the run.
    fn take(&self, wish: &LockWish) -> Result<LockTold, ModuleError>;

    /// Renews what the run has taken, and looks whether it still has it.
    fn renew(&self) -> Result<LockTold, ModuleError>;

    /// Gives it back wherever it is the holder's; `own` is on how many machines it was.
    fn give_back(&self, wish: &LockWish) -> Result<LockTold, ModuleError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Look,
    Take,
    Renew,
    GiveBack,
}

/// The module.
#[derive(Debug)]
pub(super) struct ClusterLock;

impl Module for ClusterLock {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).unwrap_or_default().to_owned();
        let what = match arguments.str("action") {
            Some("take") => What::Take,
            Some("renew") => What::Renew,
            Some("give_back") => What::GiveBack,
            Some(_) | None => What::Look,
        };
        let wish = LockWish {
            directory: text("directory").trim_end_matches('/').to_owned(),
            machines: arguments.list("machines"),
            holder: text("holder"),
            replaces: arguments.list("replaces"),
            take_over: text("take_over"),
            every: arguments.duration("every").unwrap_or(EVERY),
            reason: text("reason"),
            hint: text("hint"),
        };
        if what != What::Renew {
            check(&wish, what).map_err(|error| error.in_task(arguments))?;
        }
        Ok(Box::new(Locking { what, wish }))
    }
}

/// Refuses what could not be one cluster's lock.
fn check(wish: &LockWish, what: What) -> Result<(), ModuleError> {
    let inner = wish.directory.strip_prefix('/');
    if !inner.is_some_and(|inner| inner.contains('/')) || wish.directory.contains('\0') {
        return Err(ModuleError::failed(
            "`directory` must be the absolute path of a directory in a directory of its own",
        ));
    }
    if wish.machines.is_empty() {
        return Err(ModuleError::failed("`machines` names no machine"));
    }
    let plain = |name: &String| !name.contains(|c: char| c.is_control());
    let names = [&wish.holder, &wish.take_over, &wish.reason];
    if !names.into_iter().chain(&wish.replaces).all(plain) {
        return Err(ModuleError::failed(
            "a holder and a reason are one line each",
        ));
    }
    // Who left no name is given back by none.
    if wish.holder.trim().is_empty() && what == What::Take {
        return Err(ModuleError::failed(
            "`holder` says by which name it is held",
        ));
    }
    Ok(())
}

#[derive(Debug)]
struct Locking {
    what: What,
    wish: LockWish,
}

impl Locking {
    fn outcome(&self, told: LockTold, changed: bool) -> Outcome {
        let about = |name: &str| told.about.get(name).cloned().unwrap_or_default();
        let place = format!(
            "{} on {}",
            self.wish.directory,
            match (told.machines, told.on) {
                (1, _) => "1 machine".to_owned(),
                (several, 0) => format!("{several} machines"),
                (several, on) => format!("{on} of {several} machines"),
            }
        );
        let result = json!({
            "held": told.held,
            "mine": told.mine,
            "holder": told.holder,
            "since": about("since"),
            "reason": about("reason"),
            "renewals": told.renewals,
            "token": told.token,
            "on": told.on,
            "asked": told.asked,
            "machines": told.machines,
            "place": place,
        });
        let result = match result {
            Value::Object(fields) => fields,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        Outcome {
            changed,
            result,
            ..Outcome::default()
        }
    }
}

/// Returns who takes locks.
fn locks<'c>(cx: &HostCx<'c>) -> Result<&'c dyn Locks, ModuleError> {
    let nobody = || ModuleError::failed("only a run can take a cluster's lock");
    cx.controller.locks().ok_or_else(nobody)
}

impl Action for Locking {
    fn describe(&self) -> String {
        let place = format!(
            "{} on {}",
            self.wish.directory,
            self.wish.machines.join(", ")
        );
        match self.what {
            What::Look => format!("look whose the lock is ({place})"),
            What::Take => format!("take the lock ({place})"),
            What::Renew => "renew the cluster's lock".to_owned(),
            What::GiveBack => format!("give the lock back ({place})"),
        }
    }

    fn by_hand(&self) -> Option<String> {
        let directory = crate::template::shell_quote(&self.wish.directory);
        match self.what {
            What::Look | What::Renew | What::Take => None,
            What::GiveBack => Some(format!(
                "[ \"$(cat {directory}/owner)\" = {} ] && rm -rf {directory}   # on each of {}",
                crate::template::shell_quote(&self.wish.holder),
                self.wish.machines.join(", ")
            )),
        }
    }

    fn safety(&self) -> Option<Safety> {
        match self.what {
            What::Look | What::Renew => Some(Safety::ReadOnly),
            What::Take | What::GiveBack => None,
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let locks = locks(cx)?;
        let told = match self.what {
            What::Renew => locks.renew()?,
            What::Look => locks.look(&self.wish)?,
            What::Take | What::GiveBack => {
                // Looked at where it is taken, and where it is given back.
                if cx.check && self.what == What::Take {
                    cx.watch.saw(&locks.would_take(&self.wish)?.saw);
                }
                return Ok(Observed::Differs(Change::new("the cluster's lock")));
            }
        };
        if self.what == What::Renew {
            cx.watch.saw(&told.saw);
        }
        Ok(Observed::Same(self.outcome(told, false)))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let locks = locks(cx)?;
        let told = match self.what {
            What::GiveBack => locks.give_back(&self.wish)?,
            What::Look | What::Take | What::Renew => locks.take(&self.wish)?,
        };
        let changed = told.own > 0;
        Ok(self.outcome(told, changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_one_clusters_lock_is_refused() {
        let fine = LockWish {
            directory: "/var/lib/stagger/lock/x".to_owned(),
            machines: vec!["a".to_owned()],
            holder: "b1 r-1".to_owned(),
            ..LockWish::default()
        };
        assert!(check(&fine, What::Take).is_ok());
        let with = |change: fn(&mut LockWish)| {
            let mut wish = fine.clone();
            change(&mut wish);
            wish
        };
        for bad in [
            with(|wish| "lock/x".clone_into(&mut wish.directory)),
            with(|wish| "/x".clone_into(&mut wish.directory)),
            with(|wish| wish.machines.clear()),
            with(|wish| wish.holder.clear()),
            with(|wish| "a\nb".clone_into(&mut wish.reason)),
            with(|wish| wish.replaces.push("a\nb".to_owned())),
        ] {
            assert!(check(&bad, What::Take).is_err(), "{bad:?}");
        }
    }
}
