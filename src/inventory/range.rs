//! Host patterns as inventories write them: `db[01:50].eu`, `web:2222`, `[2001:db8::1]:22`.

/// No inventory is meant to have more hosts in one line than this.
const MOST: usize = 200_000;

/// Splits `host:port`; text that is no host keeps its colon and has no port.
pub(super) fn split_port(text: &str) -> (&str, Option<u16>) {
    let unchanged = (text, None);
    let Some((host, digits)) = text.rsplit_once(':') else {
        return unchanged;
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = digits.parse().ok().filter(|_| is_number) else {
        return unchanged;
    };
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) if is_address(inner) || is_host(inner) => (inner, Some(port)),
        Some(_) | None if is_host(host) => (host, Some(port)),
        Some(_) | None => unchanged,
    }
}

/// Tells whether a text is one host, with ranges or not, with a port or not; else its colons separate patterns.
pub(super) fn is_one_host(text: &str) -> bool {
    let (host, port) = split_port(text);
    port.is_some() || is_host(host) || is_address(host)
}

/// Tells an IPv6 address, of which each part may be a range.
fn is_address(text: &str) -> bool {
    without_ranges(text, |bound| bound.chars().all(|c| c.is_ascii_hexdigit()))
        .is_some_and(|plain| plain.parse::<core::net::Ipv6Addr>().is_ok())
}

/// Tells a host's name: labels of letters, digits, `-` and `_` with a letter or digit at the end.
fn is_host(text: &str) -> bool {
    let letter_or_number = |bound: &str| {
        let mut chars = bound.chars();
        let one_letter =
            matches!((chars.next(), chars.next()), (Some(c), None) if c.is_ascii_alphabetic());
        one_letter || bound.bytes().all(|byte| byte.is_ascii_digit())
    };
    let label = |label: &str| {
        let known = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        label.chars().all(known)
            && label.chars().next().is_some_and(|c| c != '-')
            && label.chars().last().is_some_and(char::is_alphanumeric)
    };
    without_ranges(text, letter_or_number).is_some_and(|plain| plain.split('.').all(label))
}

/// Puts a `0` in place of each `[begin:end:step]`; `None` if a bracket holds something else.
fn without_ranges(text: &str, bound: impl Fn(&str) -> bool) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, tail) = after.split_once(']')?;
        let parts: Vec<&str> = range.split(':').collect();
        let is_range = match parts.as_slice() {
            [begin, end] => !begin.is_empty() && !end.is_empty() && bound(begin) && bound(end),
            [begin, end, step] => {
                let is_number = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
                !begin.is_empty() && !end.is_empty() && bound(begin) && bound(end) && is_number
            }
            _ => false,
        };
        if !is_range {
            return None;
        }
        plain.push_str(before);
        plain.push('0');
        rest = tail;
    }
    plain.push_str(rest);
    Some(plain)
}

/// Expands `db[01:03]` to its hosts, and any text without a range to itself; the error is a message.
pub(super) fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut hosts = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((range, tail)) = after.split_once(']') else {
            return Err(format!("`{text}` has a `[` without a `]`"));
        };
        let members =
            members(range).map_err(|reason| format!("`[{range}]` is no range: {reason}"))?;
        if members.len().saturating_mul(hosts.len()) > MOST {
            return Err(format!("`{text}` is more than {MOST} hosts"));
        }
        let add = |host: &String| {
            let begin = format!("{host}{before}");
            members
                .iter()
                .map(move |member| format!("{begin}{member}"))
                .collect::<Vec<_>>()
        };
        hosts = hosts.iter().flat_map(add).collect();
        rest = tail;
    }
    for host in &mut hosts {
        host.push_str(rest);
    }
    Ok(hosts)
}

fn members(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match parts.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => return Err("write [begin:end] or [begin:end:step]".to_owned()),
    };
    if end.is_empty() {
        return Err("its end is missing".to_owned());
    }
    let step = match step.parse::<usize>() {
        Ok(step) if step > 0 => step,
        Ok(_) | Err(_) => return Err(format!("`{step}` is no step")),
    };
    match (letter(begin), letter(end)) {
        (Some(first), Some(last)) if first <= last => {
            let letters = ('a'..='z').chain('A'..='Z').enumerate();
            Ok(letters
                .filter(|(place, _)| (first..=last).contains(place))
                .step_by(step)
                .map(|(_, letter)| letter.to_string())
                .collect())
        }
        (Some(_), Some(_)) => Err("its begin comes after its end".to_owned()),
        (None, _) | (_, None) => numbers(begin, end, step),
    }
}

/// The place of a letter in `a` to `z`, `A` to `Z`.
fn letter(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let (letter, None) = (chars.next()?, chars.next()) else {
        return None;
    };
    ('a'..='z').chain('A'..='Z').position(|c| c == letter)
}

fn numbers(begin: &str, end: &str, step: usize) -> Result<Vec<String>, String> {
    let begin = if begin.is_empty() { "0" } else { begin };
    let padded = begin.len() > 1 && begin.starts_with('0');
    if padded && begin.len() != end.len() {
        return Err("with leading zeros, begin and end must have the same length".to_owned());
    }
    let number = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<usize>()
            .ok()
            .filter(|_| is_number)
            .ok_or_else(|| format!("`{text}` is neither a number nor a letter"))
    };
    let (first, last) = (number(begin)?, number(end)?);
    if first > last {
        return Err("its begin comes after its end".to_owned());
    }
    if (last - first) / step >= MOST {
        return Err(format!("it has more than {MOST} members"));
    }
    let width = if padded { begin.len() } else { 0 };
    Ok((first..=last)
        .step_by(step)
        .map(|number| format!("{number:0width$}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_expanded_as_ansible_does() {
        let cases: &[(&str, &[&str])] = &[
            ("web", &["web"]),
            ("db[1:3]", &["db1", "db2", "db3"]),
            ("db[01:03].eu", &["db01.eu", "db02.eu", "db03.eu"]),
            ("db[08:10]", &["db08", "db09", "db10"]),
            ("db[:2]", &["db0", "db1", "db2"]),
            ("db[1:10:4]", &["db1", "db5", "db9"]),
            ("db[a:c]x", &["dbax", "dbbx", "dbcx"]),
            ("db[y:B]", &["dby", "dbz", "dbA", "dbB"]),
            ("[1:2]-[a:b]", &["1-a", "1-b", "2-a", "2-b"]),
            ("db[3:3]", &["db3"]),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text).unwrap(), *expected, "{text}");
        }
        let wrong = [
            ("db[1:3", "`db[1:3` has a `[` without a `]`"),
            ("db[1:]", "`[1:]` is no range: its end is missing"),
            (
                "db[3]",
                "`[3]` is no range: write [begin:end] or [begin:end:step]",
            ),
            (
                "db[01:100]",
                "`[01:100]` is no range: with leading zeros, begin and end must have the same length",
            ),
            (
                "db[3:1]",
                "`[3:1]` is no range: its begin comes after its end",
            ),
            (
                "db[c:a]",
                "`[c:a]` is no range: its begin comes after its end",
            ),
            (
                "db[a:5]",
                "`[a:5]` is no range: `a` is neither a number nor a letter",
            ),
            ("db[1:5:0]", "`[1:5:0]` is no range: `0` is no step"),
            (
                "db[1:9999999]",
                "`[1:9999999]` is no range: it has more than 200000 members",
            ),
            (
                "d[1:999]b[1:999]",
                "`d[1:999]b[1:999]` is more than 200000 hosts",
            ),
        ];
        for (text, message) in wrong {
            assert_eq!(expand(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn ports_are_split_off_hosts_only() {
        let cases = [
            ("web", ("web", None)),
            ("web:2222", ("web", Some(2222))),
            ("web[1:3].eu:22", ("web[1:3].eu", Some(22))),
            ("10.0.0.1:22", ("10.0.0.1", Some(22))),
            ("[2001:db8::1]:22", ("2001:db8::1", Some(22))),
            ("[web]:22", ("web", Some(22))),
            ("2001:db8::1", ("2001:db8::1", None)),
            ("web:", ("web:", None)),
            ("web:x", ("web:x", None)),
            ("web:99999", ("web:99999", None)),
            ("a b:22", ("a b:22", None)),
            ("-web:22", ("-web:22", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(split_port(text), expected, "{text}");
        }
        for text in ["web", "web[1:3]", "::1", "fe80::[a:f]", "a_b", "a.b:1"] {
            assert!(is_one_host(text), "{text}");
        }
        for text in ["web:db", "a:&b", "!a", "web*", "g[-1]", "a:b[1:2]", "a_"] {
            assert!(!is_one_host(text), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_range_has_every_member_once_and_in_order(
            first in 0_usize..200, count in 0_usize..50, step in 1_usize..7, width in 3_usize..6
        ) {
            let last = first + count;
            let hosts = expand(&format!("h[{first:0width$}:{last:0width$}:{step}]x")).unwrap();
            let expected: Vec<String> =
                (first..=last).step_by(step).map(|n| format!("h{n:0width$}x")).collect();
            prop_assert_eq!(hosts, expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-c0-3:\\[\\].é-]{0,20}") {
            drop(expand(&text));
            split_port(&text);
            is_one_host(&text);
        }
    }
}
