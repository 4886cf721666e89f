//! The check of a host's key: the policy over [`KnownHosts`], and what a person is told.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever a key is but known, or new where that is allowed, it is refused"
)]

use ssh2::{MethodType, Session};

use crate::connection::ConnError;
use crate::connection::framing::random_hex;
use crate::connection::target::{HostKeyCheck, Target};

use super::known_hosts::{KnownHosts, Place, Verdict, add, describe, name_of};

/// Asks for the types of keys that are known of this host first, so that a second key of it is no surprise.
pub(crate) fn prefer_known(session: &Session, target: &Target) -> Result<(), ConnError> {
    let known = read(target)?;
    let types = known.types(name(target), target.port);
    let Ok(supported) = session.supported_algs(MethodType::HostKey) else {
        return Ok(());
    };
    let is_known = |algorithm: &str| {
        let kind = if algorithm.starts_with("rsa-sha2-") {
            "ssh-rsa"
        } else {
            algorithm
        };
        types.iter().any(|known| known == kind)
    };
    let (mut first, rest): (Vec<&str>, Vec<&str>) = supported
        .into_iter()
        .partition(|algorithm| is_known(algorithm));
    if !first.is_empty() {
        first.extend(rest);
        session
            .method_pref(MethodType::HostKey, &first.join(","))
            .map_err(|error| ConnError::HostKey {
                message: format!(
                    "cannot ask {} for its known keys: {}",
                    target.address,
                    error.message()
                ),
            })?;
    }
    Ok(())
}

/// Checks the key that the handshake showed; `Err` before anything else is said to the host.
pub(crate) fn check(session: &Session, target: &Target) -> Result<(), ConnError> {
    if target.host_keys.check == HostKeyCheck::Off {
        return Ok(());
    }
    let Some((key, _)) = session.host_key() else {
        return Err(refused(format!(
            "{} showed no host key",
            name_of(name(target), target.port)
        )));
    };
    let verdict = read(target)?.check(name(target), target.port, key);
    match verdict {
        Verdict::Known => Ok(()),
        Verdict::Unknown if target.host_keys.check == HostKeyCheck::AcceptNew => {
            accept(target, key)
        }
        other => Err(refused(explain(target, key, &other))),
    }
}

fn name(target: &Target) -> &str {
    target.host_keys.alias.as_deref().unwrap_or(&target.address)
}

fn read(target: &Target) -> Result<KnownHosts, ConnError> {
    if target.host_keys.check == HostKeyCheck::Off {
        return Ok(KnownHosts::default());
    }
    KnownHosts::read(&target.host_keys.files).map_err(refused)
}

fn accept(target: &Target, key: &[u8]) -> Result<(), ConnError> {
    let who = name_of(name(target), target.port);
    let Some(file) = target.host_keys.files.first() else {
        return Err(refused(format!(
            "the host key of {who} is new, and there is no known_hosts file to add it to"
        )));
    };
    let failed = |error: std::io::Error| {
        refused(format!(
            "cannot add the host key of {who} to {}: {error}",
            file.display()
        ))
    };
    let salt = if target.host_keys.hash_names {
        Some(random_hex::<10>().map_err(failed)?)
    } else {
        None
    };
    add(
        file,
        name(target),
        target.port,
        key,
        salt.as_ref().map(String::as_bytes),
    )
    .map_err(failed)
}

fn refused(message: String) -> ConnError {
    ConnError::HostKey { message }
}

/// Says what was found, what was expected and where that stands, and what to do about it.
fn explain(target: &Target, key: &[u8], verdict: &Verdict) -> String {
    let who = name_of(name(target), target.port);
    let shown = describe(key);
    let file = |place: &Place| place.file.display().to_string();
    let port = if target.port == 22 {
        String::new()
    } else {
        format!("-p {} ", target.port)
    };
    match verdict {
        Verdict::Known => String::new(),
        Verdict::Unknown => {
            let files: Vec<String> = target
                .host_keys
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            let first = files.first().map_or("~/.ssh/known_hosts", String::as_str);
            format!(
                "the host key of {who} is not known: it shows {shown}, and no line for it is in {}; compare the fingerprint on \
                 the host (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then add it: ssh-keyscan {port}{} >> {first}",
                if files.is_empty() {
                    "any file".to_owned()
                } else {
                    files.join(", ")
                },
                target.address,
            )
        }
        Verdict::Changed(others) => {
            let known: Vec<String> = others
                .iter()
                .map(|(place, key)| format!("{key} ({place})"))
                .collect();
            let first = others
                .first()
                .map_or_else(String::new, |(place, _)| file(place));
            format!(
                "the host key of {who} has changed: it shows {shown}, known is {}; either the host was installed anew or \
                 somebody sits in between: compare the fingerprint on the host, and only if it is right remove the old \
                 one: ssh-keygen -f {first} -R '{who}'",
                known.join(", "),
            )
        }
        Verdict::Revoked(place) => {
            format!(
                "the host key of {who} is revoked by {place}: it shows {shown}; the host needs a new key"
            )
        }
        Verdict::OnlyAuthority(place) => format!(
            "only a certificate authority is known for {who} ({place}), and host certificates are not supported: it \
             shows {shown}; add this key as a line of its own"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::target::Surroundings;

    #[test]
    fn messages_name_the_line_and_what_to_do() {
        let mut target = Target::ssh("db1", &Surroundings::default());
        target.port = 2222;
        target.host_keys.files = vec!["/k".into()];
        let place = Place {
            file: "/k".into(),
            line: 7,
        };
        let cases = [
            (
                Verdict::Unknown,
                vec![
                    "the host key of [db1]:2222 is not known",
                    "in /k;",
                    "ssh-keyscan -p 2222 db1 >> /k",
                ],
            ),
            (
                Verdict::Changed(vec![(place.clone(), "ssh-rsa SHA256:x".to_owned())]),
                vec!["known is ssh-rsa SHA256:x (/k:7)", "-f /k -R '[db1]:2222'"],
            ),
            (Verdict::Revoked(place.clone()), vec!["revoked by /k:7"]),
            (
                Verdict::OnlyAuthority(place),
                vec!["(/k:7)", "certificates are not supported"],
            ),
        ];
        for (verdict, signs) in cases {
            let text = explain(&target, b"\0\0\0\x01x", &verdict);
            for sign in signs {
                assert!(text.contains(sign), "{text}");
            }
        }
    }

    #[test]
    fn a_new_key_is_added_once_under_the_choice_to_accept_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut target = Target::ssh("db1", &Surroundings::default());
        target.host_keys.files = vec![directory.path().join("known_hosts")];
        target.host_keys.hash_names = true;
        accept(&target, b"\0\0\0\x01x").unwrap();
        let verdict = read(&target).unwrap().check("db1", 22, b"\0\0\0\x01x");
        assert_eq!(verdict, Verdict::Known);
        target.host_keys.files.clear();
        assert!(accept(&target, b"\0\0\0\x01x").is_err());
    }
}
