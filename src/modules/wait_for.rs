//! `wait_for`: waits until a port or a path of the host is as asked.

use core::net::IpAddr;
use std::io::Read as _;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::files::{
    Append as _, Flags, PRELUDE, PathState, Pattern, Reply, STATE, Text, path_word,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::waiting::{Look, SocketState, Wait, Waited, sockets, sockets_script};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::{ConnError, Endpoint, Limit};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "wait_for",
    summary: "Waits until a port of a host or a path is as asked, or for a time",
    notes: &[
        "The port is looked at from the host, through its session; on the host's own loopback its table of sockets is read.",
        "Without `port` and `path` it waits for `timeout` seconds.",
        "It looks more often at first than `sleep` says.",
    ],
    arguments: &[
        Argument::new("port", Kind::Int, "The TCP port."),
        Argument::new("host", Kind::Str, "The name or address that the port is at, as seen from the host.").default("127.0.0.1"),
        Argument::new("path", Kind::Path, "The path."),
        Argument::new("state", Kind::Str, "started: the port is open; stopped: it is closed; drained: nobody is connected to it any more; present: the path, and the pattern in it, is there; absent: the path is gone.")
            .choices(&["absent", "drained", "present", "started", "stopped"])
            .default("started"),
        Argument::new("search_regex", Kind::Str, "A pattern that must be found in the file, or in what the port sends."),
        Argument::new("timeout", Kind::Duration, "How long is waited.").default("300"),
        Argument::new("delay", Kind::Duration, "How long before the first look.").default("0"),
        Argument::new("sleep", Kind::Duration, "How long between two looks at most.").default("1"),
        Argument::new("connect_timeout", Kind::Duration, "How long one attempt to connect may take.").default("5"),
        Argument::new("active_connection_states", Kind::List, "Which states of connections count for `drained`.")
            .default("ESTABLISHED,FIN_WAIT1,FIN_WAIT2,SYN_RECV,SYN_SENT,TIME_WAIT"),
        Argument::new("exclude_hosts", Kind::List, "Addresses whose connections do not count for `drained`."),
        Argument::new("msg", Kind::Str, "What is said instead when the time is up."),
    ],
    exclusive: &[&["path", "port"], &["path", "exclude_hosts"]],
    safety: Safety::ReadOnly,
    example: "- wait_for:\n    port: 8529\n    timeout: 60\n",
    returns: &[
        ("elapsed", "how long it waited, in seconds"),
        ("state", "what was waited for"),
        ("port", "the port"),
        ("path", "the path"),
        ("search_regex", "the pattern"),
        ("match_groups", "what the pattern's groups matched"),
        ("match_groupdict", "what its named groups matched"),
    ],
    ..ModuleSpec::EMPTY
};

/// The most that is read from a port or of a file to search in.
const MOST: usize = 16 * 1024 * 1024;

/// The module.
#[derive(Debug)]
pub(super) struct WaitFor;

impl Module for WaitFor {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Waiting::of(arguments)
            .map(|waiting| Box::new(waiting) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    Gone,
    Drained,
}

#[derive(Debug)]
struct Waiting {
    host: String,
    port: Option<u16>,
    path: Option<String>,
    state: State,
    word: String,
    regex: Option<(String, Pattern)>,
    wait: Wait,
    connect: Duration,
    counted: Vec<String>,
    excluded: Vec<String>,
    message: Option<String>,
    /// The file's size and time at the last look, and what was found in it.
    seen: Mutex<Option<(String, bool)>>,
}

impl Waiting {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let span = |name: &str, default| {
            arguments
                .duration(name)
                .unwrap_or(Duration::from_secs(default))
        };
        let word = arguments.str("state").unwrap_or("started");
        let port = arguments.int("port").map(u16::try_from).transpose();
        let port = port.map_err(|_| ModuleError::failed("port must be from 1 to 65535"))?;
        let path = arguments.str("path").map(str::to_owned);
        let state = match word {
            "absent" | "stopped" => State::Gone,
            "drained" => State::Drained,
            _ => State::There,
        };
        if state == State::Drained && (path.is_some() || port.is_none()) {
            return Err(ModuleError::failed(
                "state=drained should only be used for checking a port in host",
            ));
        }
        if !arguments.list("exclude_hosts").is_empty() && state != State::Drained {
            return Err(ModuleError::failed(
                "exclude_hosts should only be with state=drained",
            ));
        }
        let regex = |source: &str| -> Result<(String, Pattern), ModuleError> {
            let flags = Flags {
                multi_line: true,
                ..Flags::default()
            };
            Ok((source.to_owned(), Pattern::new(source, Text::Utf8, flags)?))
        };
        Ok(Self {
            host: arguments.str("host").unwrap_or("127.0.0.1").to_owned(),
            port,
            path,
            state,
            word: word.to_owned(),
            regex: arguments.str("search_regex").map(regex).transpose()?,
            wait: Wait {
                delay: span("delay", 0),
                sleep: span("sleep", 1),
                timeout: span("timeout", 300),
            },
            connect: span("connect_timeout", 5),
            counted: arguments.list("active_connection_states"),
            excluded: arguments.list("exclude_hosts"),
            message: arguments.str("msg").map(str::to_owned),
            seen: Mutex::new(None),
        })
    }

    fn look(&self, cx: &mut HostCx<'_>) -> Result<Look<Map<String, Value>>, ModuleError> {
        match (&self.path, self.port) {
            (Some(path), _) => self.look_at_path(cx, path),
            (None, Some(port)) if self.state == State::Drained => {
                self.look_at_connections(cx, port)
            }
            (None, Some(port)) => self.look_at_port(cx, port),
            (None, None) => Ok(Look::NotYet("the time is not up".to_owned())),
        }
    }

    fn look_at_path(
        &self,
        cx: &mut HostCx<'_>,
        path: &str,
    ) -> Result<Look<Map<String, Value>>, ModuleError> {
        let mut text = format!(
            "{PRELUDE}{STATE}p={}\n[ -e \"$p\" ] || exit 0\nprintf 'there=yes\\0'\nst state \"$p\" -L\n",
            path_word(path)
        );
        if self.regex.is_some() && self.state == State::There {
            let last = self
                .seen
                .lock()
                .ok()
                .and_then(|seen| seen.as_ref().map(|seen| seen.0.clone()));
            text.append(format!(
                "n=$(stat -L -c '%s %Y %i' -- \"$p\"); printf 'now=%s\\0' \"$n\"\n\
                 [ \"$n\" != {} ] || exit 0\nprintf 'content=yes\\0raw\\0'; head -c {MOST} <\"$p\"\n",
                shell_quote(&last.unwrap_or_default())
            ));
        }
        let reply = Reply::of(&cx.script(text + ":\n")?, &format!("cannot look at {path}"))?;
        let there = reply.yes("there");
        let mut known = match reply.line("state") {
            Some(line) => PathState::parse(line)
                .map(|state| state.fields())
                .unwrap_or_default(),
            None => Map::new(),
        };
        // As with Ansible, a pattern says nothing about a path that shall be gone.
        let pattern = self
            .regex
            .as_ref()
            .filter(|_| there && self.state == State::There);
        let Some((source, pattern)) = pattern else {
            let wanted = if self.state == State::There {
                there
            } else {
                !there
            };
            return Ok(if wanted {
                Look::Done(known)
            } else if there {
                Look::NotYet(format!("{path} is there"))
            } else {
                Look::NotYet(format!("{path} is not there"))
            });
        };
        let (found, groups) = self.search(&reply, pattern)?;
        Ok(if found {
            known.extend(groups);
            Look::Done(known)
        } else {
            Look::NotYet(format!("`{source}` is not in {path}"))
        })
    }

    /// Searches what was read; what has not changed since the last look is not read again.
    fn search(
        &self,
        reply: &Reply,
        pattern: &Pattern,
    ) -> Result<(bool, Map<String, Value>), ModuleError> {
        if !reply.yes("content") {
            let seen = self.seen.lock().ok();
            let found = seen.and_then(|seen| seen.as_ref().map(|seen| seen.1));
            return Ok((found.unwrap_or(false), Map::new()));
        }
        let content = String::from_utf8_lossy(&reply.raw).into_owned();
        let matched = matched(pattern, &content)?;
        let found = matched.is_some();
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some((reply.line("now").unwrap_or_default().to_owned(), found));
        }
        Ok((found, matched.unwrap_or_default()))
    }

    /// Looks whether the port is open: in the table of sockets if it is on the host itself, else by connecting.
    fn look_at_port(
        &self,
        cx: &mut HostCx<'_>,
        port: u16,
    ) -> Result<Look<Map<String, Value>>, ModuleError> {
        let place = format!("{}:{port}", self.host);
        let by_table = if self.regex.is_none() && is_loopback(&self.host) {
            self.listens(cx, port)?
        } else {
            None
        };
        let (open, groups, said) = match by_table {
            Some(open) => (open, Map::new(), String::new()),
            None => self.connect(cx, port)?,
        };
        Ok(if open == (self.state == State::There) {
            Look::Done(groups)
        } else if open {
            Look::NotYet(format!("{place} is open"))
        } else if said.is_empty() {
            Look::NotYet(format!("{place} is closed"))
        } else {
            Look::NotYet(format!("{place}: {said}"))
        })
    }

    /// Reads the table of sockets; `None` if the host does not show it.
    fn listens(&self, cx: &mut HostCx<'_>, port: u16) -> Result<Option<bool>, ModuleError> {
        let reply = cx.script(sockets_script(port))?;
        if reply.code != 0 {
            return Ok(None);
        }
        let wanted: Option<IpAddr> = self.host.parse().ok();
        let fits = |address: IpAddr| {
            address.is_unspecified()
                || wanted.is_none_or(|wanted| wanted == address) && address.is_loopback()
        };
        let listening = sockets(&reply.text()).iter().any(|socket| {
            socket.port == port && socket.state == SocketState::Listen && fits(socket.local)
        });
        Ok(Some(listening))
    }

    fn connect(
        &self,
        cx: &mut HostCx<'_>,
        port: u16,
    ) -> Result<(bool, Map<String, Value>, String), ModuleError> {
        let to = Endpoint {
            host: self.host.clone(),
            port,
        };
        let limit = Limit {
            clock: cx.clock,
            stop: cx.stop,
            deadline: cx.deadline.earlier(cx.clock.deadline(self.connect)),
        };
        let mut stream = match cx.connection.brief_stream(&to, limit) {
            Ok(stream) => stream,
            Err(ConnError::Stopped) => return Err(ConnError::Stopped.into()),
            Err(error) => return Ok((false, Map::new(), error.to_string())),
        };
        let Some((source, pattern)) = &self.regex else {
            return Ok((true, Map::new(), String::new()));
        };
        let (mut heard, mut buffer) = (Vec::new(), [0_u8; 4096]);
        while heard.len() < MOST {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => heard.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
            if let Some(groups) = matched(pattern, &String::from_utf8_lossy(&heard))? {
                return Ok((true, groups, String::new()));
            }
        }
        Ok((false, Map::new(), format!("it does not say `{source}`")))
    }

    fn look_at_connections(
        &self,
        cx: &mut HostCx<'_>,
        port: u16,
    ) -> Result<Look<Map<String, Value>>, ModuleError> {
        let reply = cx.script(sockets_script(port))?;
        if reply.code != 0 {
            return Err(ModuleError::failed(
                "the host does not show its table of sockets: /proc/net/tcp",
            ));
        }
        let own: Option<IpAddr> = self
            .host
            .parse()
            .ok()
            .filter(|address: &IpAddr| !address.is_unspecified());
        let counts = |state: SocketState| match state {
            SocketState::Named(name) => self.counted.iter().any(|counted| counted == name),
            SocketState::Listen => false,
        };
        let excluded = |address: IpAddr| {
            self.excluded
                .iter()
                .any(|excluded| *excluded == address.to_string())
        };
        let table = sockets(&reply.text());
        let connected = table.iter().filter(|socket| {
            socket.port == port
                && counts(socket.state)
                && !excluded(socket.remote)
                && own.is_none_or(|own| own == socket.local)
        });
        Ok(match connected.count() {
            0 => Look::Done(Map::new()),
            count => Look::NotYet(format!("{count} connections to {}:{port}", self.host)),
        })
    }

    fn told(&self, elapsed: Duration, groups: Map<String, Value>) -> Map<String, Value> {
        let mut result = fields([
            ("elapsed", json!(elapsed.as_secs())),
            ("state", json!(self.word)),
            ("port", json!(self.port)),
            ("path", json!(self.path)),
            (
                "search_regex",
                json!(self.regex.as_ref().map(|regex| &regex.0)),
            ),
            ("match_groups", json!([])),
            ("match_groupdict", json!({})),
        ]);
        result.extend(groups);
        result
    }

    fn place(&self) -> String {
        let place = match (&self.path, self.port) {
            (Some(path), _) => path.clone(),
            (None, Some(port)) => format!("{}:{port}", self.host),
            (None, None) => "the time".to_owned(),
        };
        match &self.regex {
            Some((source, _)) => format!("`{source}` in {place}"),
            None => place,
        }
    }
}

/// Searches a text; the groups as the result's fields.
fn matched(pattern: &Pattern, text: &str) -> Result<Option<Map<String, Value>>, ModuleError> {
    let Some(groups) = pattern.captures(text, 0)? else {
        return Ok(None);
    };
    let all: Vec<Value> = groups
        .iter()
        .skip(1)
        .map(|group| json!(group.map(|group| group.as_str())))
        .collect();
    let named: Map<String, Value> = pattern
        .names()
        .map(|name| {
            (
                name.to_owned(),
                json!(groups.name(name).map(|group| group.as_str())),
            )
        })
        .collect();
    Ok(Some(fields([
        ("match_groups", json!(all)),
        ("match_groupdict", json!(named)),
    ])))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl Action for Waiting {
    fn describe(&self) -> String {
        match (&self.path, self.port) {
            (None, None) => format!("wait for {} s", self.wait.timeout.as_secs()),
            _ => format!("wait until {} is {}", self.place(), self.word),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if cx.check {
            return Ok(match self.look(cx)? {
                Look::Done(groups) => Observed::Same(Outcome {
                    result: self.told(Duration::ZERO, groups),
                    ..Outcome::default()
                }),
                Look::NotYet(seen) => Observed::Unknown(Change::new(format!("wait: {seen}"))),
            });
        }
        let only_time = self.path.is_none() && self.port.is_none();
        let (groups, elapsed) = match self.wait.until(cx, |cx| self.look(cx))? {
            Waited::Done(groups, elapsed) => (groups, elapsed),
            Waited::TimedOut(_, elapsed) if only_time => (Map::new(), elapsed),
            Waited::TimedOut(seen, elapsed) => {
                let said = format!(
                    "Timeout when waiting for {} to be {}: {seen}",
                    self.place(),
                    self.word
                );
                return Err(ModuleError::Failed {
                    message: self.message.clone().unwrap_or(said),
                    result: fields([("elapsed", json!(elapsed.as_secs()))]),
                });
            }
        };
        Ok(Observed::Same(Outcome {
            result: self.told(elapsed, groups),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
