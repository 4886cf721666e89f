//! What `ProxyJump` names: `[user@]host[:port]` or `ssh://`, separated by commas. Pure.

/// One host on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// The login user.
    pub(super) user: Option<String>,
    /// The host, as files of configuration know it.
    pub(super) host: String,
    /// The port.
    pub(super) port: Option<u16>,
}

/// Reads a list of jumps, the first one first; the error is a message.
pub(super) fn hops(text: &str) -> Result<Vec<Hop>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    text.split(',').map(|word| hop(word.trim())).collect()
}

fn hop(word: &str) -> Result<Hop, String> {
    let wrong = || format!("`{word}` is no jump: write USER@HOST:PORT");
    let place = word
        .strip_prefix("ssh://")
        .map_or(word, |uri| uri.trim_end_matches('/'));
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, place),
    };
    let (host, port) = if let Some(inside) = place.strip_prefix('[') {
        let (host, after) = inside.split_once(']').ok_or_else(wrong)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(wrong()),
        }
    } else {
        match place.split_once(':') {
            // Several colons without brackets are an address of its own.
            Some((_, rest)) if rest.contains(':') => (place, None),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let port = match port {
        Some(port) => Some(
            port.parse()
                .map_err(|_| format!("`{port}` is no port, in the jump `{word}`"))?,
        ),
        None => None,
    };
    if host.is_empty() || host.starts_with('-') || user.as_deref() == Some("") {
        return Err(wrong());
    }
    Ok(Hop {
        user,
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_read() {
        let hop = |user: Option<&str>, host: &str, port| Hop {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        };
        for (text, expected) in [
            ("a", vec![hop(None, "a", None)]),
            (
                "o@a:22,b",
                vec![hop(Some("o"), "a", Some(22)), hop(None, "b", None)],
            ),
            ("ssh://o@a:22/", vec![hop(Some("o"), "a", Some(22))]),
            ("[::1]:22", vec![hop(None, "::1", Some(22))]),
            ("o@[::1]", vec![hop(Some("o"), "::1", None)]),
            ("fe80::1", vec![hop(None, "fe80::1", None)]),
            ("a@b@c", vec![hop(Some("a@b"), "c", None)]),
            ("none", vec![]),
        ] {
            assert_eq!(hops(text).unwrap(), expected, "{text}");
        }
        for text in ["", "a,,b", "@a", "a:x", "[::1", "[::1]x", "-oX"] {
            assert!(hops(text).is_err(), "{text}");
        }
    }
}
