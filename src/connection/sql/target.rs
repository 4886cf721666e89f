//! Where a server of SQL is, as whom one logs in, and how its certificate is checked.

use std::io::Write as _;
use std::time::Duration;

use mysql::{OptsBuilder, SslOpts};
use tempfile::NamedTempFile;

use super::SqlError;
use crate::connection::tunnel::Door;
use crate::secrets::Secret;

/// The longest packet that is sent or taken; set, so that the library does not ask the server for it.
const LONGEST_PACKET: usize = 64 << 20;

/// Whether TLS is spoken, and how the server's certificate is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SqlTls {
    /// No TLS.
    #[default]
    Off,
    /// TLS with a check of the certificate against these authorities, in PEM, beside the public ones.
    Verify {
        /// The authorities; `None` trusts the public ones alone.
        authorities: Option<Vec<u8>>,
        /// Whether the name in the certificate is checked.
        checks_name: bool,
    },
    /// TLS with any certificate.
    Insecure,
}

/// A server and a login.
#[derive(Debug, Clone)]
pub struct SqlTarget {
    /// The server's name or address, as seen from where the connection starts.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database to begin in; `None` begins in none.
    pub database: Option<String>,
    /// TLS.
    pub tls: SqlTls,
    /// How long connecting and logging in may take.
    pub connect: Duration,
    /// How long the server may say nothing.
    pub read: Duration,
    /// How long all of it may take.
    pub total: Duration,
}

impl SqlTarget {
    /// Names the place for people.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Refuses what cannot be done: a certificate's name is not checked through a host, where the library sees only a
    /// port of this machine.
    pub(super) fn check(&self, through_host: bool) -> Result<(), SqlError> {
        match &self.tls {
            SqlTls::Verify {
                checks_name: true, ..
            } if through_host => Err(SqlError::NotSent(
                "through a host the name in a certificate cannot be checked: waive it (`check_hostname: false`)"
                    .to_owned(),
            )),
            SqlTls::Verify { .. } | SqlTls::Insecure | SqlTls::Off => Ok(()),
        }
    }

    /// Makes the library's options; the file holds the authorities, which the library reads when it connects.
    pub(super) fn options(
        &self,
        door: Option<&Door>,
    ) -> Result<(OptsBuilder, Option<NamedTempFile>), SqlError> {
        let (tls, file) = self.tls_options()?;
        let mut options = OptsBuilder::new()
            // Else it asks the server for its socket and connects to that path on this machine.
            .prefer_socket(false)
            .max_allowed_packet(Some(LONGEST_PACKET))
            .stmt_cache_size(0)
            .tcp_connect_timeout(Some(self.connect))
            .read_timeout(Some(self.read))
            .write_timeout(Some(self.read))
            .user(Some(self.user.clone()))
            .pass(
                self.password
                    .as_ref()
                    .map(|password| password.reveal().to_owned()),
            )
            .db_name(self.database.clone())
            .ssl_opts(tls);
        options = match door {
            Some(door) => match (door.path(), door.port()) {
                (Some(path), _) => options.socket(Some(path.to_string_lossy().into_owned())),
                (None, port) => options
                    .ip_or_hostname(Some("127.0.0.1"))
                    .tcp_port(port.unwrap_or_default()),
            },
            None => options
                .ip_or_hostname(Some(self.host.clone()))
                .tcp_port(self.port),
        };
        Ok((options, file))
    }

    fn tls_options(&self) -> Result<(Option<SslOpts>, Option<NamedTempFile>), SqlError> {
        match &self.tls {
            SqlTls::Off => Ok((None, None)),
            SqlTls::Insecure => {
                let options = SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true);
                Ok((Some(options), None))
            }
            SqlTls::Verify {
                authorities,
                checks_name,
            } => {
                let mut options =
                    SslOpts::default().with_danger_skip_domain_validation(!checks_name);
                let file = authorities.as_deref().map(kept).transpose()?;
                if let Some(file) = &file {
                    options = options.with_root_cert_path(Some(file.path().to_owned()));
                }
                Ok((Some(options), file))
            }
        }
    }
}

/// Keeps certificates in a file for as long as the library wants to read them.
fn kept(pem: &[u8]) -> Result<NamedTempFile, SqlError> {
    let write = || {
        let mut file = NamedTempFile::new()?;
        file.write_all(pem)?;
        file.flush()?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| {
        SqlError::NotSent(format!(
            "the authorities' certificates cannot be kept: {error}"
        ))
    })
}
