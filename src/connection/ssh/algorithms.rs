//! Which algorithms are offered: the lists of `ssh_config`, of which those that libssh2 knows are taken.
//!
//! A list of which nothing is left is an error, since the host must not be reached in another way than was written.

use ssh2::{MethodType, Session};

use crate::connection::target::Algorithms;

/// Why a list cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The option whose list it is.
    pub(crate) option: &'static str,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Tells whether lists can be offered at all, before anybody is dialled.
pub(crate) fn check(algorithms: &Algorithms) -> Result<(), Unknown> {
    if *algorithms == Algorithms::default() {
        return Ok(());
    }
    match Session::new() {
        Ok(session) => offer(&session, algorithms),
        // Without a session nothing can be reached: that is told when one is wanted.
        Err(_) => Ok(()),
    }
}

/// Sets what a session offers; nothing that was not said is changed.
pub(crate) fn offer(session: &Session, algorithms: &Algorithms) -> Result<(), Unknown> {
    let lists: [(&'static str, &Option<String>, &[MethodType]); 4] = [
        ("KexAlgorithms", &algorithms.kex, &[MethodType::Kex]),
        (
            "HostKeyAlgorithms",
            &algorithms.host_keys,
            &[MethodType::HostKey],
        ),
        (
            "Ciphers",
            &algorithms.ciphers,
            &[MethodType::CryptCs, MethodType::CryptSc],
        ),
        (
            "MACs",
            &algorithms.macs,
            &[MethodType::MacCs, MethodType::MacSc],
        ),
    ];
    for (option, list, kinds) in lists {
        let Some(list) = list else {
            continue;
        };
        for kind in kinds {
            let refused = |reason: String| Unknown { option, reason };
            let known = session
                .supported_algs(*kind)
                .map_err(|error| refused(error.message().to_owned()))?;
            let chosen = chosen(list, &known);
            if chosen.is_empty() {
                return Err(refused(format!(
                    "nothing of `{option} {list}` is known here; known are {}",
                    known.join(", ")
                )));
            }
            session
                .method_pref(*kind, &chosen.join(","))
                .map_err(|error| refused(error.message().to_owned()))?;
        }
    }
    Ok(())
}

/// Works out a list: after `+` it is added, after `-` taken away, after `^` put first; else it stands for itself.
fn chosen<'a>(list: &'a str, known: &[&'a str]) -> Vec<&'a str> {
    let names = |list: &'a str| list.split(',').filter(|name| !name.is_empty());
    let is_known = |name: &&str| known.contains(name);
    let (first, rest) = (list.get(..1).unwrap_or_default(), list.get(1..));
    let rest = rest.unwrap_or_default();
    match first {
        // What libssh2 knows it also offers, so that nothing is to be added.
        "+" => known.to_vec(),
        "-" => {
            let gone = |name: &&&str| names(rest).any(|pattern| matches(pattern, name));
            known.iter().filter(|name| !gone(name)).copied().collect()
        }
        "^" => {
            let mut all: Vec<&str> = names(rest).filter(is_known).collect();
            let others: Vec<&str> = known
                .iter()
                .filter(|name| !all.contains(*name))
                .copied()
                .collect();
            all.extend(others);
            all
        }
        _ => names(list).filter(is_known).collect(),
    }
}

/// Tells whether a name matches a pattern, of which `*` at the ends is what people write.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_worked_out_over_what_is_known() {
        let known = ["aes256-gcm", "aes128-ctr", "aes128-cbc", "3des-cbc"];
        for (list, expected) in [
            ("aes128-ctr,unknown,aes256-gcm", "aes128-ctr,aes256-gcm"),
            ("+x", "aes256-gcm,aes128-ctr,aes128-cbc,3des-cbc"),
            ("-*-cbc", "aes256-gcm,aes128-ctr"),
            ("-aes*,3des-cbc", ""),
            (
                "^aes128-cbc,unknown",
                "aes128-cbc,aes256-gcm,aes128-ctr,3des-cbc",
            ),
            ("unknown", ""),
        ] {
            assert_eq!(chosen(list, &known).join(","), expected, "{list}");
        }
    }

    #[test]
    fn a_session_takes_them_and_a_list_of_nothing_known_is_told() {
        let session = Session::new().unwrap();
        let mut algorithms = Algorithms {
            kex: Some("curve25519-sha256".to_owned()),
            host_keys: Some("ssh-ed25519,rsa-sha2-512".to_owned()),
            ciphers: Some("-*-cbc".to_owned()),
            macs: Some("^hmac-sha2-512".to_owned()),
        };
        offer(&session, &algorithms).unwrap();
        algorithms.kex = Some("sntrup761x25519-sha512@openssh.com".to_owned());
        let error = check(&algorithms).unwrap_err();
        assert_eq!(error.option, "KexAlgorithms");
        assert!(error.reason.contains("known are"), "{error:?}");
        assert_eq!(check(&Algorithms::default()), Ok(()));
    }
}
