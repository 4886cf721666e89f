//! The login to a server that speaks MySQL's protocol, as the modules for it share it.
//!
//! A connection starts on the machine that stagger runs on, or goes through the host's session; nothing is needed there.

mod placeholders;

use std::time::Duration;

use super::spec::{Argument, Arguments, Kind};
use super::{HostCx, ModuleError};
use crate::connection::sql::{SqlError, SqlSession, SqlTarget, SqlTls};
use crate::connection::{ConnError, Limit};
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

/// How servers are logged in to.
#[derive(Debug, Clone)]
pub struct Login {
    user: String,
    password: Option<Secret>,
    tls: Option<String>,
    authorities: Option<String>,
    checks_name: bool,
    connect: Duration,
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
            checks_name: arguments.get("check_hostname") != Some(&serde_json::Value::Bool(false)),
            connect: arguments
                .duration("connect_timeout")
                .unwrap_or(Duration::from_secs(30)),
            via_host: arguments.str("via") == Some("host"),
        }
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
            host: server.0.to_owned(),
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
