//! Where a server listens, in the ways the databases write it.

use std::fmt;

/// An endpoint: `tcp://H:P`, `ssl://H:P`, `http://H:P/`, `https://H:P`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Whether it speaks TLS.
    pub secure: bool,
    /// The host name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Returns the endpoint that a text names, whatever path follows it.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme {
            "tcp" | "http" | "http+tcp" => false,
            "ssl" | "https" | "http+ssl" => true,
            _ => return None,
        };
        let authority = rest.split('/').next()?;
        let (host, port) = authority.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            secure,
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }

    /// Returns host and port as one writes them in a URL.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Returns the endpoint as the database writes it: `tcp://` or `ssl://`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.secure { "ssl" } else { "tcp" };
        format!("{scheme}://{}", self.authority())
    }

    /// Returns the endpoint as a URL without a path.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for (text, endpoint, url) in [
            (
                "tcp://10.0.0.1:8531",
                "tcp://10.0.0.1:8531",
                "http://10.0.0.1:8531",
            ),
            ("ssl://h:1", "ssl://h:1", "https://h:1"),
            ("http://h:8528/", "tcp://h:8528", "http://h:8528"),
            ("tcp://[::]:8531", "tcp://[::]:8531", "http://[::]:8531"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.endpoint().as_str(), target.url().as_str()),
                (endpoint, url)
            );
        }
        for bad in ["", "h:1", "ftp://h:1", "tcp://h", "tcp://h:99999"] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }
}
