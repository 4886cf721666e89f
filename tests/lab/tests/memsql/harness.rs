//! What a case is, how many of them run at once, and what a failed one shows.

use std::cell::RefCell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};

/// How many cases run at once: they mostly wait for servers, so more than there are processors.
pub(crate) const AT_ONCE: usize = 12;

/// One thing that must hold.
pub(crate) struct Case {
    name: String,
    shares: usize,
    run: Box<dyn FnOnce() + Send>,
}

/// Makes a case of a name and a function that panics where something is not as it must be.
pub(crate) fn case(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Case {
    Case {
        name: name.into(),
        shares: 1,
        run: Box::new(run),
    }
}

/// The machine, of which each running case holds its shares.
static MACHINE: Machine = Machine {
    free: Mutex::new(AT_ONCE),
    freed: Condvar::new(),
};

struct Machine {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Shares that are given back when this is dropped.
struct Held(usize);

impl Held {
    fn of(shares: usize) -> Self {
        let free = MACHINE.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = MACHINE.freed.wait_while(free, |free| *free < shares);
        *enough.unwrap_or_else(PoisonError::into_inner) -= shares;
        Self(shares)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *MACHINE.free.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        MACHINE.freed.notify_all();
    }
}

thread_local! {
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Adds to what is shown if the case on this thread fails.
pub(crate) fn show(text: &str) {
    SEEN.with_borrow_mut(|seen| seen.push_str(text));
}

impl Case {
    /// Lets a few such cases run at once at most: what is measured in them is a matter of time, and a machine that is short
    /// of processors would be taken for a server that is away.
    pub(crate) fn timed(self) -> Self {
        Self {
            shares: AT_ONCE / 3,
            ..self
        }
    }

    /// Makes it known to the test harness.
    pub(crate) fn trial(self) -> Trial {
        let Self { name, shares, run } = self;
        Trial::test(name.clone(), move || {
            let _held = Held::of(shares);
            let began = lab::clock::now();
            let outcome = catch_unwind(AssertUnwindSafe(run));
            let took = began.elapsed().as_secs_f64();
            // Each case's seconds, for whoever wants all of them to take less.
            drop(writeln!(std::io::stderr(), "{name}: {took:.1} s"));
            let seen = SEEN.take();
            outcome.map_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                Failed::from(format!("{}\n{seen}", text.unwrap_or("it panicked")))
            })
        })
    }
}
