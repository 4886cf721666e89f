//! What a run is doing, as text for a terminal.

use super::super::pages::span;
use super::{BracketStanding, HostStanding, MemberStanding, Standing, Waiting};

impl Standing {
    /// Returns it for a terminal.
    pub fn text(&self) -> String {
        let mut lines = vec![self.head()];
        let reason = self.reason.as_ref();
        lines.extend(reason.map(|reason| format!("  reason: {reason}")));
        lines.push(format!(
            "  started {}, last record {}",
            self.started, self.last
        ));
        if let Some((name, number, of)) = &self.play {
            let batch = self.batch.as_ref();
            let batch = batch
                .map(|(batch, of, hosts)| format!(", batch {batch} of {of}: {}", hosts.join(", ")));
            lines.push(format!(
                "  play {number} of {of}, {name}{}",
                batch.unwrap_or_default()
            ));
        }
        let gate = self.gate.as_ref();
        lines.extend(gate.map(|gate| {
            let saw = gate.saw.as_ref().map(|saw| format!("\n    last saw {saw}"));
            let since = since(&gate.since, gate.for_ms);
            format!("  gate {}, {since}{}", gate.name, saw.unwrap_or_default())
        }));
        let asking = self.asking.as_ref();
        lines.extend(asking.map(|name| format!("  asks for approval of `{name}`")));
        match self.stop_level {
            0 => {}
            1 => lines.push("  asked to stop: it goes on to the next rest point".to_owned()),
            _ => lines.push("  asked to stop at once".to_owned()),
        }
        let stopped = self.stopped.as_ref();
        lines.extend(stopped.map(|why| format!("  stopped: {why}")));
        let not_begun = self.not_begun.iter();
        lines.extend(not_begun.map(|what| format!("  not begun: {what}")));
        section(&mut lines, "Hosts", self.hosts.iter().map(host_line));
        section(
            &mut lines,
            "Out of service",
            self.down.iter().map(member_line),
        );
        section(
            &mut lines,
            "Brackets",
            self.brackets.iter().map(bracket_line),
        );
        section(&mut lines, "Guards", self.guards.iter().map(guard_line));
        lines.join("\n")
    }

    fn head(&self) -> String {
        let process = self.process.map(|id| format!("process {id}"));
        let who = match (process, self.operator.as_str()) {
            (Some(process), "") => process,
            (Some(process), operator) => format!("{process} of {operator}"),
            (None, operator) => operator.to_owned(),
        };
        let how = match (self.state, self.rebooted, self.exit_code) {
            ("running", ..) => format!("goes on ({who})"),
            ("cut_off", true, _) => format!("cut off: the machine was booted since ({who})"),
            ("cut_off", false, _) => format!("cut off: its process is gone ({who})"),
            ("stopped", _, Some(code)) => format!("stopped, exit code {code}"),
            (_, _, Some(code)) => format!("ended, exit code {code}"),
            (state, ..) => state.to_owned(),
        };
        let check = if self.check { ", check mode" } else { "" };
        format!("run {} of {}{check}: {how}", self.run, self.playbook)
    }
}

fn section(lines: &mut Vec<String>, heading: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.map(|item| format!("  {item}")).collect();
    if !items.is_empty() {
        lines.push(format!("\n{heading}"));
        lines.extend(items);
    }
}

fn since(since: &str, for_ms: u64) -> String {
    format!("since {since}, for {}", span(for_ms))
}

fn host_line(host: &HostStanding) -> String {
    let mut line = match (&host.step, &host.since, &host.left, &host.last) {
        (Some(step), Some(from), ..) => {
            format!("{}: {step}, {}", host.host, since(from, host.for_ms))
        }
        (_, _, Some(left), _) => format!("{}: left: {left}", host.host),
        (_, _, None, Some(last)) => format!("{}: ended {last}", host.host),
        (_, _, None, None) => format!("{}: has not begun", host.host),
    };
    if host.attempt > 1 {
        line = format!("{line}, try {}", host.attempt);
    }
    match &host.saw {
        Some(saw) => format!("{line}\n    last saw {saw}"),
        None => line,
    }
}

fn member_line(down: &MemberStanding) -> String {
    let allowed = down.declared_ms.map(|ms| format!(" (may be {})", span(ms)));
    format!(
        "{} on {}: {}{}",
        down.member,
        down.host,
        since(&down.since, down.for_ms),
        allowed.unwrap_or_default()
    )
}

fn bracket_line(bracket: &BracketStanding) -> String {
    match (bracket.state, &bracket.since, &bracket.reason) {
        ("entering", Some(since), _) => {
            let name = &bracket.name;
            format!("{name}: begun to be entered at {since}, its leave is due")
        }
        (_, Some(since), _) => format!("{}: entered since {since}", bracket.name),
        (state, None, reason) => format!(
            "{}: {}: {}",
            bracket.name,
            state.to_uppercase(),
            reason.as_deref().unwrap_or_default()
        ),
    }
}

fn guard_line(guard: &Waiting) -> String {
    let value = guard.value.unwrap_or_default();
    let saw = guard.saw.as_ref().map(|saw| format!(": {saw}"));
    format!(
        "{}: {value}, {}{}",
        guard.name,
        since(&guard.since, guard.for_ms),
        saw.unwrap_or_default()
    )
}
