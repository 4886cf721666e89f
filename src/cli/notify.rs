//! `--notify`: a command or an URL that is told how a run goes on, so that nobody has to watch it.
//!
//! Told when the run starts, needs an approval, stops, owes or holds something, and ends. What is told was masked before
//! (events are). It is told from a thread of its own, one thing after another, each within a time: a run waits for nobody,
//! and what cannot be told is said once and otherwise does nothing to it.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::machine::{end, reason};
use super::output;
use crate::clock::{Clock as _, Stop, SystemClock};
use crate::connection::Limit;
use crate::connection::http::{HttpCall, http};
use crate::events::{BracketRef, ByHand, Event, EventKind, Sink};
use crate::secrets::Secret;

/// How long one telling may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Tells others of a run.
#[derive(Debug)]
pub(super) struct Notifier {
    about: Value,
    sender: Option<Sender<Value>>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// Begins to tell these commands and URLs.
    pub(super) fn new(whom: Vec<String>, bastion: &str) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || tell_all(&whom, &receiver));
        Self {
            about: json!({"bastion": bastion}),
            sender: Some(sender),
            thread: Some(thread),
        }
    }

    fn tell(&mut self, event: &Event, what: &str, more: Value) {
        let mut value = json!({"what": what, "at": event.at.to_string()});
        for fields in [&self.about, &more] {
            if let (Some(value), Some(fields)) = (value.as_object_mut(), fields.as_object()) {
                value.extend(fields.clone());
            }
        }
        if let Some(sender) = &self.sender {
            // The thread ends only with this value.
            drop(sender.send(value));
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Sink for Notifier {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::RunStarted {
            run,
            playbook,
            check,
            operator,
            reason,
            ..
        } = &event.kind
        {
            let bastion = self.about.get("bastion").cloned();
            self.about = json!({"run": run, "playbook": playbook, "operator": operator, "reason": reason, "check": check, "bastion": bastion});
        }
        if let Some((what, more)) = self.worth_telling(event) {
            self.tell(event, what, more);
        }
        Ok(())
    }
}

impl Notifier {
    /// Returns what an event is called, and what is told of it beside what is known of the run.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds are worth a message; the others are passed over on purpose"
    )]
    fn worth_telling(&self, event: &Event) -> Option<(&'static str, Value)> {
        let debt = |bracket: &BracketRef, reason: &str, by_hand: &[ByHand]| json!({"bracket": bracket, "message": reason, "by_hand": by_hand});
        Some(match &event.kind {
            EventKind::RunStarted { resumed, .. } => ("started", json!({"resumed": resumed})),
            EventKind::ApprovalAsked { name, note } => {
                let run = self.about.get("run").and_then(Value::as_str);
                let how = format!(
                    "stagger resume {} --approve '{name}'",
                    run.unwrap_or_default()
                );
                let more = json!({"name": name, "message": note, "unattended": how});
                ("approval", more)
            }
            EventKind::BracketOwed {
                bracket,
                reason,
                by_hand,
            } => ("owed", debt(bracket, reason, by_hand)),
            EventKind::BracketHeld {
                bracket,
                reason,
                by_hand,
            } => ("held", debt(bracket, reason, by_hand)),
            EventKind::RunStopped {
                cause,
                message,
                at,
                by_hand,
            } => (
                "stopped",
                json!({"cause": cause, "message": message, "place": at, "by_hand": by_hand}),
            ),
            EventKind::RunFinished {
                exit_code, owed, ..
            } => (
                "ended",
                json!({"exit_code": exit_code, "owed": owed, "took_ms": event.elapsed_ms}),
            ),
            _ => return None,
        })
    }
}

fn tell_all(whom: &[String], receiver: &Receiver<Value>) {
    let mut failed = vec![false; whom.len()];
    while let Ok(value) = receiver.recv() {
        for (one, failed) in whom.iter().zip(&mut failed) {
            let told = tell(one, &value);
            if let (Err(why), false) = (told, *failed) {
                *failed = true;
                output::message(&format!(
                    "warning: {} could not be told that the run {}: {why}; this is said once\n",
                    short(one),
                    value
                        .get("what")
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                ));
            }
        }
    }
}

/// Names a command or an URL without what may be secret in it.
fn short(one: &str) -> String {
    match one.split_once("://") {
        Some((scheme, rest)) if is_url(one) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/...")
        }
        _ => {
            let program = one.split_whitespace().next().unwrap_or_default();
            format!("`{program}`")
        }
    }
}

fn is_url(one: &str) -> bool {
    one.starts_with("http://") || one.starts_with("https://")
}

/// Returns what of the addressees must not be shown or kept: whole URLs, as many of them are keys.
pub(super) fn secrets(whom: &[String]) -> Vec<Secret> {
    let urls = whom.iter().filter(|one| is_url(one));
    urls.map(|url| Secret::new(url.as_str())).collect()
}

/// Returns typed words without `--notify`: whom a run tells is said anew when it goes on.
pub(super) fn without(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--notify" {
            drop(words.next());
        } else if !word.starts_with("--notify=") {
            kept.push(word);
        }
    }
    kept
}

fn tell(one: &str, value: &Value) -> Result<(), String> {
    if is_url(one) {
        post(one, value)
    } else {
        run(one, value)
    }
}

fn post(url: &str, value: &Value) -> Result<(), String> {
    let (clock, stop) = (SystemClock::new(), Stop::new());
    let call = HttpCall {
        method: "POST".to_owned(),
        headers: vec![("content-type".to_owned(), Secret::new("application/json"))],
        body: Some(value.to_string().into_bytes()),
        ..HttpCall::get(url, PATIENCE)
    };
    let limit = Limit {
        clock: &clock,
        stop: &stop,
        deadline: clock.deadline(PATIENCE),
    };
    // The text of an error may name the whole URL.
    let reply =
        http(&call, None, limit).map_err(|error| error.to_string().replace(url, &short(url)))?;
    if (200..300).contains(&reply.status) {
        Ok(())
    } else {
        Err(format!("it answered with status {}", reply.status))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the operator wants to be told by is a program"
)]
fn run(command: &str, value: &Value) -> Result<(), String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("STAGGER_WHAT", text("what"))
        .env("STAGGER_RUN", text("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C at the terminal is for the run.
        .process_group(0)
        .spawn()
        .map_err(|error| reason(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read it need not.
        drop(writeln!(input, "{value}"));
    }
    let (clock, never) = (SystemClock::new(), Stop::new());
    while clock.elapsed() < PATIENCE {
        match child.try_wait().map_err(|error| reason(&error))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(end(status)),
            None => {
                clock.wait(LOOK, &never);
            }
        }
    }
    ended(&mut child);
    Err(format!("it took longer than {} s", PATIENCE.as_secs()))
}

/// Ends a command that takes too long, with all that it started.
fn ended(child: &mut Child) {
    let group = i32::try_from(child.id()).ok();
    if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
        let kill = rustix::process::Signal::KILL;
        let _told = rustix::process::kill_process_group(group, kill).is_ok();
    }
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_not_shown_whole_and_no_words_of_them_are_kept() {
        for (one, shown) in [
            (
                "https://hooks.example/T0/B0/key",
                "https://hooks.example/...",
            ),
            ("http://ann:pw@h:81?x", "http://h:81/..."),
            ("mail -s x ann", "`mail`"),
        ] {
            assert_eq!(short(one), shown);
        }
        let words = [
            "apply",
            "--notify",
            "https://x/key",
            "a.yml",
            "--notify=cmd",
            "-v",
        ];
        let kept = without(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(kept, ["apply", "a.yml", "-v"]);
    }
}
