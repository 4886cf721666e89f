//! `known_hosts` files: is this the key of this host?
//!
//! Reads what OpenSSH writes: plain and hashed names, patterns, ports, several keys for a host, `@revoked`. Pure but for
//! [`add`], which appends one line. The check is made before anything is said to the host but the handshake.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, counted from one.
    pub(crate) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

/// A line that counts.
#[derive(Debug, Clone)]
struct Line {
    place: Place,
    marker: Marker,
    names: String,
    key: Vec<u8>,
}

/// The lines of all `known_hosts` files.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
}

/// What the files say of a host and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This is its key.
    Known,
    /// Nothing is known of this host.
    Unknown,
    /// Other keys of this host are known, at these places.
    Changed(Vec<(Place, String)>),
    /// This very key is marked as revoked.
    Revoked(Place),
    /// Only a certificate authority is known for this host.
    OnlyAuthority(Place),
}

impl KnownHosts {
    /// Reads a file's text; lines that make no sense are passed over, as OpenSSH does.
    pub(crate) fn parse(&mut self, file: &Path, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let mut first = words.next();
            let marker = match first {
                Some("@revoked") => Marker::Revoked,
                Some("@cert-authority") => Marker::Authority,
                Some(other) if other.starts_with('@') => continue,
                _ => Marker::None,
            };
            if marker != Marker::None {
                first = words.next();
            }
            let (Some(names), Some(_), Some(key)) = (first, words.next(), words.next()) else {
                continue;
            };
            if let Ok(key) = STANDARD.decode(key) {
                let place = Place {
                    file: file.to_owned(),
                    line: number + 1,
                };
                self.lines.push(Line {
                    place,
                    marker,
                    names: names.to_owned(),
                    key,
                });
            }
        }
    }

    /// Reads the files that are there.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut known = Self::default();
        for file in files {
            match std::fs::read(file) {
                Ok(bytes) => known.parse(file, &String::from_utf8_lossy(&bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
            }
        }
        Ok(known)
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines
            .iter()
            .filter(move |line| names_match(&line.names, name))
    }

    /// Judges a host's key.
    pub(crate) fn check(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let name = name_of(host, port);
        let revoked = self
            .of(&name)
            .chain(self.of(host))
            .find(|line| line.marker == Marker::Revoked && line.key == key);
        if let Some(line) = revoked {
            return Verdict::Revoked(line.place.clone());
        }
        let plain = |line: &&Line| line.marker == Marker::None;
        let others: Vec<&Line> = self.of(&name).filter(plain).collect();
        if others.iter().any(|line| line.key == key) {
            return Verdict::Known;
        }
        // A key that is known under the bare name counts for another port too; a different one says nothing about it.
        if port != 22 && self.of(host).filter(plain).any(|line| line.key == key) {
            return Verdict::Known;
        }
        if !others.is_empty() {
            let shown = others
                .iter()
                .map(|line| (line.place.clone(), describe(&line.key)))
                .collect();
            return Verdict::Changed(shown);
        }
        match self.of(&name).find(|line| line.marker == Marker::Authority) {
            Some(line) => Verdict::OnlyAuthority(line.place.clone()),
            None => Verdict::Unknown,
        }
    }

    /// Returns the types of the keys that are known of a host, so that the handshake asks for these first.
    pub(crate) fn types(&self, host: &str, port: u16) -> Vec<String> {
        let name = name_of(host, port);
        let mut types: Vec<String> = Vec::new();
        for line in self
            .of(&name)
            .chain(self.of(host))
            .filter(|line| line.marker == Marker::None)
        {
            let kind = key_type(&line.key);
            if !types.contains(&kind) {
                types.push(kind);
            }
        }
        types
    }
}

/// Returns the name that a host is known under: with its port in brackets unless it is the usual one.
pub(crate) fn name_of(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

fn names_match(names: &str, name: &str) -> bool {
    if let Some(hashed) = names.strip_prefix("|1|") {
        return hash_matches(hashed, name);
    }
    let mut found = false;
    for pattern in names.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if glob(pattern, name) => return false,
            Some(_) => {}
            None => found |= glob(pattern, name),
        }
    }
    found
}

fn hash_matches(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else {
        return false;
    };
    name_hash(&salt, name).is_some_and(|own| own == hash)
}

fn name_hash(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// Tells whether a text matches a pattern with `*` and `?`, without regard to case.
fn glob(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                matches(rest, text)
                    || text
                        .split_first()
                        .is_some_and(|(_, tail)| matches(pattern, tail))
            }
            (Some((b'?', rest)), Some((_, tail))) => matches(rest, tail),
            (Some((own, rest)), Some((other, tail))) => {
                own.eq_ignore_ascii_case(other) && matches(rest, tail)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
    matches(pattern.as_bytes(), text.as_bytes())
}

/// Returns the type that a key names in itself.
pub(crate) fn key_type(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map_or(0, |bytes| {
        usize::try_from(u32::from_be_bytes(*bytes)).unwrap_or(0)
    });
    let name = key
        .get(4..)
        .and_then(|rest| rest.get(..length))
        .unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// Writes a key as people compare it: its type and its SHA256 fingerprint.
pub(crate) fn describe(key: &[u8]) -> String {
    format!(
        "{} SHA256:{}",
        key_type(key),
        STANDARD_NO_PAD.encode(Sha256::digest(key))
    )
}

/// Appends a host's key to a file, making the file and its directory if they are missing.
pub(crate) fn add(
    file: &Path,
    host: &str,
    port: u16,
    key: &[u8],
    salt: Option<&[u8]>,
) -> std::io::Result<()> {
    let name = name_of(host, port);
    let name = match salt.and_then(|salt| Some((salt, name_hash(salt, &name)?))) {
        Some((salt, hash)) => format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash)),
        None => name,
    };
    if let Some(directory) = file.parent().filter(|directory| !directory.exists()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let mut opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    // Several hosts are met at once: one writer at a time, and what it adds is one write.
    opened.lock()?;
    let mut line = String::new();
    if !ends_in_newline(&mut opened)? {
        line.push('\n');
    }
    let written = writeln!(line, "{name} {} {}", key_type(key), STANDARD.encode(key));
    written.map_err(std::io::Error::other)?;
    opened.write_all(line.as_bytes())?;
    // `/dev/null` is a usual place for keys that nobody wants to keep, and cannot be synced.
    if opened.metadata()?.is_file() {
        opened.sync_data()?;
    }
    Ok(())
}

fn ends_in_newline(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, rest: u8) -> Vec<u8> {
        let mut key = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
        key.extend_from_slice(kind.as_bytes());
        key.push(rest);
        key
    }

    fn known(text: &str) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.parse(Path::new("/k"), text);
        known
    }

    fn line(names: &str, key: &[u8]) -> String {
        format!(
            "{names} {} {} comment\n",
            key_type(key),
            STANDARD.encode(key)
        )
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn verdicts() {
        let (a, b, rsa) = (
            key("ssh-ed25519", 1),
            key("ssh-ed25519", 2),
            key("ssh-rsa", 3),
        );
        let salted = format!(
            "|1|{}|{}",
            STANDARD.encode(b"salt"),
            STANDARD.encode(name_hash(b"salt", "[db9]:2222").unwrap())
        );
        let text = [
            "# a comment\n\nnonsense\ndb0 ssh-ed25519 !!!\n@strange db1 x y\n".to_owned(),
            line("db1,10.0.0.1", &a),
            line("db1", &rsa),
            line("[db2]:2222", &a),
            line("*.dc1,!bad.dc1", &a),
            line(&salted, &a),
            format!("@revoked {}", line("*", &key("ssh-ed25519", 9))),
            format!("@cert-authority {}", line("ca.example", &a)),
        ]
        .concat();
        let known = known(&text);
        let changed = |line: usize, key: &[u8]| {
            Verdict::Changed(vec![(
                Place {
                    file: "/k".into(),
                    line,
                },
                describe(key),
            )])
        };
        let cases = [
            ("db1", 22, &a, Verdict::Known),
            ("DB1", 22, &a, Verdict::Known),
            ("10.0.0.1", 22, &a, Verdict::Known),
            ("10.0.0.1", 22, &b, changed(6, &a)),
            ("db1", 22, &rsa, Verdict::Known),
            ("db1", 2022, &a, Verdict::Known),
            ("db1", 2022, &b, Verdict::Unknown),
            ("db2", 2222, &a, Verdict::Known),
            ("db2", 22, &a, Verdict::Unknown),
            ("x.dc1", 22, &a, Verdict::Known),
            ("bad.dc1", 22, &a, Verdict::Unknown),
            ("db9", 2222, &a, Verdict::Known),
            ("db9", 2222, &b, changed(10, &a)),
            (
                "db8",
                22,
                &key("ssh-ed25519", 9),
                Verdict::Revoked(Place {
                    file: "/k".into(),
                    line: 11,
                }),
            ),
            (
                "ca.example",
                22,
                &a,
                Verdict::OnlyAuthority(Place {
                    file: "/k".into(),
                    line: 12,
                }),
            ),
            ("db0", 22, &a, Verdict::Unknown),
        ];
        for (host, port, key, verdict) in cases {
            assert_eq!(known.check(host, port, key), verdict, "{host}:{port}");
        }
        assert_eq!(known.types("db1", 22), ["ssh-ed25519", "ssh-rsa"]);
        assert!(known.types("unknown", 22).is_empty());
    }

    #[test]
    fn what_was_added_is_known_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new/known_hosts");
        let (a, b) = (key("ssh-ed25519", 1), key("ssh-ed25519", 2));
        add(&file, "Db1", 22, &a, None).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes a file")]
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().trim_end()).unwrap();
        add(&file, "db2", 2222, &b, Some(b"salt")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("db2")
                && text.starts_with("db1 ssh-ed25519 ")
                && text.lines().count() == 2,
            "{text}"
        );
        let known = KnownHosts::read(&[file, directory.path().join("missing")]).unwrap();
        assert_eq!(known.check("db1", 22, &a), Verdict::Known);
        assert_eq!(known.check("db2", 2222, &b), Verdict::Known);
        assert!(KnownHosts::read(&[directory.path().to_owned()]).is_err());
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        // ssh-keygen -lf of this line says so.
        let line = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let key = STANDARD.decode(line).unwrap();
        assert_eq!(
            describe(&key),
            "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        );
    }
}
