//! Looks on while a step runs: the parts of a long job become events, its output signs of progress.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connection::JobOutput;
use crate::events::{EventKind, Mark, MarkReader, Progress, StepId};
use crate::modules::Watch;

use super::engine::Engine;

/// How long at least lies between two signs of progress of one step.
const PACE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Seen {
    marks: MarkReader,
    saw: Option<String>,
    shown: Option<Duration>,
    job: bool,
    counted: bool,
}

/// Looks on at one step.
#[derive(Debug)]
pub(super) struct StepWatch<'a> {
    engine: &'a Engine,
    step: &'a StepId,
    job: String,
    quiet: bool,
    seen: Mutex<Seen>,
}

impl<'a> StepWatch<'a> {
    /// Looks on at a step whose job would have this name; `quiet` tells nothing of it.
    pub(super) fn new(engine: &'a Engine, step: &'a StepId, job: &str, quiet: bool) -> Self {
        Self {
            engine,
            step,
            job: job.to_owned(),
            quiet,
            seen: Mutex::default(),
        }
    }

    /// Tells what the step last said it saw.
    pub(super) fn last_seen(&self) -> Option<String> {
        self.lock().saw.clone()
    }

    /// Tells, once, whether the step started its job.
    pub(super) fn take_started(&self) -> bool {
        let mut seen = self.lock();
        seen.job && !std::mem::replace(&mut seen.counted, true)
    }

    /// Takes the end of the job's output; tells whether it marked its parts and never came to the last mark.
    pub(super) fn is_cut_short(&self) -> bool {
        let last = self.lock().marks.finish();
        if let Some((line, mark)) = last {
            self.line(&line, mark, false);
        }
        self.lock().marks.is_cut_short()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, line: &str, mark: Option<Mark>, stderr: bool) {
        match mark {
            Some(Mark::Begin(name)) => self.tell(EventKind::SubStepStarted {
                step: self.step.clone(),
                name,
            }),
            Some(Mark::Saw(what)) => self.saw(&what),
            Some(Mark::End) => {}
            None => self.show(Progress::Output {
                step: self.step.clone(),
                stderr,
                line: self.engine.outside.masker.mask(line),
            }),
        }
    }

    fn tell(&self, event: EventKind) {
        if !self.quiet {
            self.engine.ledger.tell(event);
        }
    }

    fn show(&self, progress: Progress) {
        if self.quiet {
            return;
        }
        let now = self.engine.clock().elapsed();
        let mut seen = self.lock();
        if seen
            .shown
            .is_none_or(|shown| now.saturating_sub(shown) >= PACE)
        {
            seen.shown = Some(now);
            drop(seen);
            self.engine.ledger.progress(&progress);
        }
    }
}

impl Watch for StepWatch<'_> {
    fn output(&self, output: &JobOutput<'_>) {
        match output {
            JobOutput::Started => {
                let first = !std::mem::replace(&mut self.lock().job, true);
                if first {
                    self.tell(EventKind::JobStarted {
                        step: self.step.clone(),
                        job: self.job.clone(),
                    });
                }
            }
            JobOutput::Out(bytes) => {
                let lines = self.lock().marks.take(bytes);
                for (line, mark) in lines {
                    self.line(&line, mark, false);
                }
            }
            JobOutput::Err(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if let Some(line) = text.lines().last() {
                    self.line(line, None, true);
                }
            }
        }
    }

    fn saw(&self, what: &str) {
        let what = self.engine.outside.masker.mask(what);
        let news = {
            let mut seen = self.lock();
            let news = seen.saw.as_deref() != Some(&what);
            seen.saw = Some(what.clone());
            news
        };
        if news {
            self.tell(EventKind::StepWaited {
                step: self.step.clone(),
                attempt: 1,
                of: None,
                left_ms: None,
                saw: what,
            });
        } else {
            self.show(Progress::Saw {
                step: self.step.clone(),
                what,
            });
        }
    }
}
