//! The login to a server that speaks MySQL's protocol, as the modules for it share it.
//!
//! A connection starts on the machine that stagger runs on, or goes through the host's session; nothing is needed there.

mod placeholders;

use std::time::Duration;

use serde_json::Value;

use super::spec::{Argument, Arguments, Kind};
use super::{HostCx, ModuleError};
use crate::connection::sql::{SqlError, SqlSession, SqlTarget, SqlTls};
use crate::connection::{ConnError, Limit, resolves};
use crate::secrets::Secret;

pub use placeholders::{Values, filled};

/// The argument `login_user`.
pub const USER: Argument =
    Argument::new("login_user", Kind::Str, "The user to log in as.").default("root");

/// The argument `login_password`.
pub const PASSWORD: Argument =
    Argument::new("login_password", Kind::Str, "The user's password.").secret();

/// The argument `tls`.
pub const TLS: Argument = Argument::new(
    "tls",
    Kind::Str,
    "Whether TLS is spoken; `insecure` takes any certificate. With `ca_cert` it is `verify`, without it `off`.",
)
.choices(&["insecure", "off", "verify"]);

/// The argument `ca_cert`.
pub const CA_CERT: Argument = Argument::new(
    "ca_cert",
    Kind::Str,
    "A file of the controller with the authorities that are trusted beside the public ones, in PEM.",
)
.aliases(&["ssl_ca"]);

/// The argument `check_hostname`.
pub const CHECK_HOSTNAME: Argument = Argument::new(
    "check_hostname",
    Kind::Flag,
    "Whether the name in the certificate is checked; through the host (`via: host`) it cannot be.",
)
.default("true");

/// The argument `connect_timeout`.
pub const CONNECT_TIMEOUT: Argument = Argument::new(
    "connect_timeout",
    Kind::Duration,
    "How long connecting and logging in may take.",
)
.default("30");

/// The argument `via`.
pub const VIA: Argument = Argument::new(
    "via",
    Kind::Str,
    "From where connections start: `bastion` is the machine that stagger runs on, `host` goes through the host's session.",
)
.choices(&["bastion", "host"])
.default("bastion");

/// The machines with all their names.
pub const MACHINES: Argument = Argument::new(
    "machines",
    Kind::Map,
    "The hosts of the inventory with all names and addresses that they go by; a server whose name cannot be resolved is reached under another one of its machine.",
);

/// How long a name is tried to be resolved.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// How servers are logged in to.
#[derive(Debug, Clone)]
pub struct Login {
    user: String,
    password: Option<Secret>,
    tls: Option<String>,
    authorities: Option<String>,
    checks_name: bool,
    connect: Duration,
    /// The names of each machine.
    machines: Vec<Vec<String>>,
    /// Whether connections go through the host.
    pub via_host: bool,
}

impl Login {
    /// Reads the arguments that all such modules share.
    pub fn of(arguments: &Arguments) -> Self {
        Self {
            user: arguments.str("login_user").unwrap_or("root").to_owned(),
            password: arguments
                .str("login_password")
                .filter(|password| !password.is_empty())
                .map(Secret::new),
            tls: arguments.str("tls").map(str::to_owned),
            authorities: arguments
                .str("ca_cert")
                .filter(|path| !path.is_empty())
                .map(str::to_owned),
            checks_name: arguments.get("check_hostname") != Some(&Value::Bool(false)),
            connect: arguments
                .duration("connect_timeout")
                .unwrap_or(Duration::from_secs(30)),
            machines: machines(arguments),
            via_host: arguments.str("via") == Some("host"),
        }
    }

    /// Returns under which name a server is reached from this machine: as it is called where that can be resolved, else the
    /// first of its machine's other names that can.
    fn reached(&self, cx: &HostCx<'_>, host: &str) -> String {
        let is_it = |name: &String| name.eq_ignore_ascii_case(host);
        let mut machines = self.machines.iter();
        let machine = machines.find(|names| names.iter().any(is_it));
        let (false, Some(names)) = (self.via_host, machine) else {
            return host.to_owned();
        };
        let known = |name: &str| {
            let limit = cx.limit();
            let deadline = limit.clock.deadline(RESOLVED_WITHIN);
            let deadline = deadline.earlier(limit.deadline);
            resolves(name, Limit { deadline, ..limit })
        };
        if known(host) {
            return host.to_owned();
        }
        let mut others = names.iter().filter(|name| !is_it(name));
        let other = others.find(|name| known(name));
        other.map_or_else(|| host.to_owned(), Clone::clone)
    }

    /// Limits connecting further.
    #[must_use]
    pub fn within(mut self, connect: Duration) -> Self {
        self.connect = self.connect.min(connect);
        self
    }

    fn tls(&self, cx: &HostCx<'_>) -> Result<SqlTls, ModuleError> {
        let read = |path: &String| {
            cx.controller
                .read("files", path)
                .map_err(ModuleError::Argument)
        };
        match (self.tls.as_deref(), &self.authorities) {
            (Some("insecure"), _) => Ok(SqlTls::Insecure),
            (Some("off"), _) | (None, None) => Ok(SqlTls::Off),
            (Some(_), path) | (None, path @ Some(_)) => Ok(SqlTls::Verify {
                authorities: path.as_ref().map(read).transpose()?,
                checks_name: self.checks_name,
            }),
        }
    }

    /// Connects and logs in.
    pub fn open(
        &self,
        cx: &mut HostCx<'_>,
        server: (&str, u16),
        database: Option<&str>,
        read: Duration,
        total: Duration,
    ) -> Result<Result<SqlSession, SqlError>, ModuleError> {
        let target = SqlTarget {
            host: self.reached(cx, server.0),
            port: server.1,
            user: self.user.clone(),
            password: self.password.clone(),
            database: database.map(str::to_owned),
            tls: self.tls(cx)?,
            connect: self.connect.min(total),
            read: read.min(total),
            total,
        };
        let limit = Limit {
            clock: cx.clock,
            stop: cx.stop,
            deadline: cx.deadline,
        };
        let opened = if self.via_host {
            SqlSession::open(&target, Some(&mut *cx.connection), limit)
        } else {
            SqlSession::open(&target, None, limit)
        };
        match opened {
            Err(SqlError::Stopped { .. }) => Err(ConnError::Stopped.into()),
            other => Ok(other),
        }
    }
}

/// Reads the names of each machine, its own first.
fn machines(arguments: &Arguments) -> Vec<Vec<String>> {
    let written = arguments.get("machines").and_then(Value::as_object);
    let all = written.into_iter().flatten().map(|(machine, names)| {
        let names = names.as_array().into_iter().flatten();
        let names = names.filter_map(Value::as_str).map(str::to_owned);
        let named = std::iter::once(machine.clone()).chain(names);
        named.filter(|name| !name.is_empty()).collect()
    });
    all.collect()
}
