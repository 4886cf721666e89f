//! Questions to the operator, where somebody is there to answer.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::output;
use super::progress::Screen;
use crate::rollout::{Asker, StepAnswer};
use crate::secrets::Secret;

/// Asks on the terminal; without one nobody is there.
#[derive(Debug)]
pub(super) struct Terminal {
    attended: bool,
    /// Where a live view is that has to go away while somebody is asked.
    screen: Option<Screen>,
}

impl Terminal {
    pub(super) fn new(screen: Option<Screen>) -> Self {
        Self {
            attended: io::stdin().is_terminal() && io::stderr().is_terminal(),
            screen,
        }
    }

    /// Returns one that never asks.
    pub(super) fn nobody() -> Self {
        Self {
            attended: false,
            screen: None,
        }
    }

    fn line(&self, prompt: &str) -> Option<String> {
        if !self.attended {
            return None;
        }
        let _away = self.screen.as_ref().map(Screen::hold);
        output::message(prompt);
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        matches!(read, Ok(count) if count > 0).then(|| line.trim_end_matches('\n').to_owned())
    }
}

impl Asker for Terminal {
    fn is_attended(&self) -> bool {
        self.attended
    }

    fn step(&self, task: &str) -> StepAnswer {
        loop {
            let answer = self.line(&format!(
                "\n{task}\nrun it? (y)es, (n)o, (c)ontinue without asking, (s)top here: "
            ));
            match answer.as_deref().map(str::trim) {
                Some("y" | "yes") => return StepAnswer::Run,
                Some("n" | "no") => return StepAnswer::Skip,
                Some("c" | "continue") => return StepAnswer::Continue,
                Some("s" | "stop") | None => return StepAnswer::Stop,
                Some(_) => {}
            }
        }
    }

    fn approve(&self, name: &str, note: &str) -> Option<bool> {
        let prompt = format!(
            "\nPoint of no return `{name}`: {note}\nType its name to go on, anything else to stop: "
        );
        Some(self.line(&prompt)?.trim() == name)
    }

    fn pause(&self, prompt: &str, echo: bool) -> Option<String> {
        if echo {
            self.line(&format!("\n{prompt} "))
        } else {
            let _away = self.screen.as_ref().map(Screen::hold);
            password(prompt).map(|secret| secret.reveal().to_owned())
        }
    }
}

/// Asks for a secret without showing what is typed; `None` without a terminal.
pub(super) fn password(prompt: &str) -> Option<Secret> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    let before = tcgetattr(&stdin).ok()?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &silent).ok()?;
    output::message(&format!("{prompt} "));
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    let _restored = tcsetattr(&stdin, OptionalActions::Now, &before).is_ok();
    output::message("\n");
    matches!(read, Ok(count) if count > 0).then(|| Secret::new(line.trim_end_matches('\n')))
}
