//! Small work on URLs: credentials in them, what a redirection leads to, forms.

use crate::modules::ModuleError;

/// Takes `user:password@` out of a URL.
pub fn without_credentials(url: &str) -> Result<(String, Option<String>), ModuleError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(ModuleError::failed(format!(
            "`{url}` is no URL: it must start with http:// or https://"
        )));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(ModuleError::failed(format!(
            "`{scheme}` is not supported: only http and https are"
        )));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Ok(match authority.rsplit_once('@') {
        Some((credentials, place)) => (
            format!("{scheme}://{place}{path}"),
            Some(decoded(credentials)),
        ),
        None => (url.to_owned(), None),
    })
}

/// Returns scheme, host and port of a URL.
pub(super) fn place(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(start..)
        .and_then(|rest| rest.find(['/', '?', '#']))
        .map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

/// Returns what a reference leads to, seen from a URL.
pub fn joined(base: &str, reference: &str) -> String {
    if reference.contains("://") {
        return reference.to_owned();
    }
    let place = place(base);
    if let Some(rest) = reference.strip_prefix("//") {
        let scheme = base.split("://").next().unwrap_or("http");
        return format!("{scheme}://{rest}");
    }
    if reference.starts_with('/') {
        return format!("{place}{reference}");
    }
    let path = base.get(place.len()..).unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if reference.starts_with(['?', '#']) {
        return format!("{place}{path}{reference}");
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{place}{directory}/{reference}")
}

/// Writes pairs as a form, as Python's `urlencode`.
pub fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.extend(
                        char::from_digit(u32::from(digit), 16)
                            .map(|digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (first, byte) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_a_url() {
        for (url, plain, credentials) in [
            ("http://h:1/a@b", "http://h:1/a@b", None),
            ("https://u:p%40x@h/a", "https://h/a", Some("u:p@x")),
            ("http://u@h?q", "http://h?q", Some("u")),
        ] {
            let (found, with) = without_credentials(url).unwrap();
            assert_eq!((found.as_str(), with.as_deref()), (plain, credentials));
        }
        assert!(without_credentials("ftp://x").is_err());
        assert!(without_credentials("x").is_err());
    }

    #[test]
    fn redirections_are_joined() {
        for (reference, to) in [
            ("http://o/x", "http://o/x"),
            ("//o/x", "https://o/x"),
            ("/x?y", "https://h:1/x?y"),
            ("x", "https://h:1/a/x"),
            ("?q", "https://h:1/a/b?q"),
        ] {
            assert_eq!(joined("https://h:1/a/b?z", reference), to);
        }
    }

    #[test]
    fn forms_are_encoded() {
        let pairs = [
            ("a b".to_owned(), "ä&=".to_owned()),
            ("c".to_owned(), "~.".to_owned()),
        ];
        assert_eq!(query(&pairs), "a+b=%C3%A4%26%3D&c=~.");
    }
}
