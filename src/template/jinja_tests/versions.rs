//! The test `version`: loose, strict and semantic versions, as Ansible compares them.

use std::cmp::Ordering;

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

const PARAMETERS: &[&str] = &["value", "version", "operator", "strict", "version_type"];

pub(super) const TESTS: &[Plugin] = &[
    Plugin::new("version", PARAMETERS, 2, version),
    Plugin::new("version_compare", PARAMETERS, 2, version),
];

fn version(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let (own, other) = (bound.printed(rendering, 0)?, bound.printed(rendering, 1)?);
    if !bound.value().truth()? || !bound.object(1).truth()? {
        return Err(failed("a version is empty"));
    }
    let operator = bound.text(2)?;
    let operator = operator.as_deref().unwrap_or("eq");
    let kind = bound.text(4)?;
    if kind.is_some() && bound.get(3).is_some() {
        return Err(failed("takes `strict` or `version_type`, not both"));
    }
    let kind = match kind.as_deref() {
        None if bound.flag(3, false)? => "strict",
        None => "loose",
        Some(kind) => kind,
    };
    let order = match kind {
        "loose" => loose(&own, &other)?,
        "strict" => strict(&own)?.cmp(&strict(&other)?),
        "semver" | "semantic" => semantic(&own)?.cmp(&semantic(&other)?),
        "pep440" => pep440(&own)?.cmp(&pep440(&other)?),
        _ => {
            return Err(failed(format!(
                "there is no `version_type` `{kind}`: loose, strict, semver, semantic, pep440"
            )));
        }
    };
    Ok(Object::Bool(match operator {
        "==" | "=" | "eq" => order.is_eq(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        "!=" | "<>" | "ne" => order.is_ne(),
        _ => {
            return Err(failed(format!(
                "there is no operator `{operator}`: ==, <, <=, >, >=, !="
            )));
        }
    }))
}

/// A part of a loose version.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

/// Splits a version into numbers and words; points are dropped, other signs are words.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut piece = String::new();
    let kind = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let mut last = None;
    for c in text.chars().map(Some).chain([None]) {
        let now = c.map(kind);
        if now != last || now == Some(2) {
            if !piece.is_empty() && piece != "." {
                parts.push(match piece.parse() {
                    Ok(number) => Part::Number(number),
                    Err(_) => Part::Word(std::mem::take(&mut piece)),
                });
            }
            piece.clear();
        }
        piece.extend(c);
        last = now;
    }
    parts
}

fn loose(own: &str, other: &str) -> Result<Ordering, Fault> {
    let (own, other) = (parts(own), parts(other));
    for (left, right) in own.iter().zip(&other) {
        let order = match (left, right) {
            (Part::Number(left), Part::Number(right)) => left.cmp(right),
            (Part::Word(left), Part::Word(right)) => left.cmp(right),
            (Part::Number(_), Part::Word(_)) | (Part::Word(_), Part::Number(_)) => {
                return Err(failed(
                    "the versions cannot be compared: a number stands where the other has a word",
                ));
            }
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(own.len().cmp(&other.len()))
}

fn wrong(kind: &str, text: &str) -> Fault {
    failed(format!("`{text}` is no {kind} version"))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A strict version: numbers, and a pre-release, which comes before none.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Strict {
    numbers: [u64; 3],
    is_release: bool,
    letter: char,
    count: u64,
}

fn strict(text: &str) -> Result<Strict, Fault> {
    let bad = || wrong("strict", text);
    let (numbers, pre) = match text.find(['a', 'b']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let numbers: Vec<&str> = numbers.split('.').collect();
    if !(2..=3).contains(&numbers.len()) {
        return Err(bad());
    }
    let mut version = [0; 3];
    for (slot, digits) in version.iter_mut().zip(numbers) {
        *slot = number(digits).ok_or_else(bad)?;
    }
    let mut pre = pre.chars();
    let letter = pre.next();
    let count = match letter {
        None => 0,
        Some(_) => number(pre.as_str()).ok_or_else(bad)?,
    };
    Ok(Strict {
        numbers: version,
        is_release: letter.is_none(),
        letter: letter.unwrap_or(' '),
        count,
    })
}

/// A part of a semantic pre-release; numbers come before words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

/// A semantic version; one with a pre-release comes before one without.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Semantic {
    core: [u64; 3],
    is_release: bool,
    pre: Vec<Identifier>,
}

fn semantic(text: &str) -> Result<Semantic, Fault> {
    let bad = || wrong("semantic", text);
    let (rest, build) = text
        .split_once('+')
        .map_or((text, None), |(a, b)| (a, Some(b)));
    let (core, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let fits = |own: Option<&str>| own.is_none_or(|own| own.split('.').all(identifier));
    let numbers: Vec<&str> = core.split('.').collect();
    let plain = |digits: &&str| digits.len() == 1 || !digits.starts_with('0');
    if numbers.len() != 3 || !numbers.iter().all(plain) || !fits(build) || !fits(pre) {
        return Err(bad());
    }
    let mut version = [0; 3];
    for (slot, digits) in version.iter_mut().zip(numbers) {
        *slot = number(digits).ok_or_else(bad)?;
    }
    let part = |part: &str| match number(part) {
        Some(number) => Identifier::Number(number),
        None => Identifier::Word(part.to_owned()),
    };
    Ok(Semantic {
        core: version,
        is_release: pre.is_none(),
        pre: pre.map_or_else(Vec::new, |pre| pre.split('.').map(part).collect()),
    })
}

/// A version of PEP 440, without local parts: epoch, release, then pre-, post- and dev-release in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pep440 {
    epoch: u64,
    release: Vec<u64>,
    pre: (i8, u64),
    post: (i8, u64),
    dev: (i8, u64),
}

fn pep440(text: &str) -> Result<Pep440, Fault> {
    let bad = || wrong("PEP 440", text);
    let lower = text.trim().to_lowercase();
    let own = lower.strip_prefix('v').unwrap_or(&lower);
    let own = own.split('+').next().unwrap_or_default();
    let (epoch, own) = match own.split_once('!') {
        Some((epoch, own)) => (number(epoch).ok_or_else(bad)?, own),
        None => (0, own),
    };
    let end = own.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (numbers, rest) = own.split_at(end.unwrap_or(own.len()));
    let mut release = Vec::new();
    for digits in numbers.trim_end_matches('.').split('.') {
        release.push(number(digits).ok_or_else(bad)?);
    }
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let [pre, post, dev] = suffixes(rest).ok_or_else(bad)?;
    Ok(Pep440 {
        epoch,
        release,
        // A dev-release alone comes before all pre-releases, and no pre-release after them.
        pre: match (pre, post, dev) {
            (Some(pre), _, _) => pre,
            (None, None, Some(_)) => (-1, 0),
            (None, _, _) => (3, 0),
        },
        post: post.unwrap_or((0, 0)),
        dev: dev.unwrap_or((1, 0)),
    })
}

/// Reads what follows the release: pre-, post- and dev-release.
fn suffixes(mut rest: &str) -> Option<[Option<(i8, u64)>; 3]> {
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !rest.is_empty() {
        let own = rest.trim_start_matches(['.', '-', '_']);
        let end = own.find(|c: char| !c.is_ascii_alphabetic());
        let (word, after) = own.split_at(end.unwrap_or(own.len()));
        let after = after.trim_start_matches(['.', '-', '_']);
        let end = after.find(|c: char| !c.is_ascii_digit());
        let (digits, after) = after.split_at(end.unwrap_or(after.len()));
        let count = number(digits).unwrap_or(0);
        match word {
            "a" | "alpha" => pre = Some((0, count)),
            "b" | "beta" => pre = Some((1, count)),
            "c" | "rc" | "pre" | "preview" => pre = Some((2, count)),
            "post" | "rev" | "r" => post = Some((1, count)),
            "" if rest.starts_with('-') && !digits.is_empty() => post = Some((1, count)),
            "dev" => dev = Some((0, count)),
            _ => return None,
        }
        rest = after;
    }
    Some([pre, post, dev])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(order: Ordering) -> &'static str {
        match order {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        }
    }

    #[test]
    fn loose_versions_are_compared_part_by_part() {
        let cases = [
            ("3.4.0", "3.3.99", ">"),
            ("1.10", "1.9", ">"),
            ("2.0.1", "2.0.1", "="),
            ("1.0", "1.0.0", "<"),
            ("1.5.1b2", "1.5.1b10", "<"),
            ("1.13++", "1.13", ">"),
            ("3.4.8-1", "3.4.8-2", "<"),
        ];
        for (own, other, expected) in cases {
            assert_eq!(sign(loose(own, other).unwrap()), expected, "{own} {other}");
        }
        assert!(loose("1.2", "a.b").is_err());
        assert!(loose("3.4.rc", "3.4.1").is_err());
    }

    #[test]
    fn strict_and_semantic_versions_know_pre_releases() {
        assert_eq!(
            sign(strict("1.0").unwrap().cmp(&strict("1.0.0").unwrap())),
            "="
        );
        assert_eq!(
            sign(strict("1.0a1").unwrap().cmp(&strict("1.0").unwrap())),
            "<"
        );
        for text in ["1", "1.2.3.4", "1.3.a4", "1.3c4"] {
            assert!(strict(text).is_err(), "{text}");
        }
        let cases = [
            ("1.0.0-rc1", "1.0.0", "<"),
            ("1.0.0-alpha.2", "1.0.0-alpha.10", "<"),
            ("1.0.0-1", "1.0.0-a", "<"),
            ("1.0.0-a", "1.0.0-a.1", "<"),
            ("1.0.0+x", "1.0.0+y", "="),
            ("1.10.0", "1.9.0", ">"),
        ];
        for (own, other, expected) in cases {
            let order = semantic(own).unwrap().cmp(&semantic(other).unwrap());
            assert_eq!(sign(order), expected, "{own} {other}");
        }
        for text in ["1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-a..b"] {
            assert!(semantic(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_of_pep_440_are_ordered() {
        let order = [
            "1.dev1",
            "1a1.dev1",
            "1a1",
            "1b1",
            "1rc1",
            "1",
            "1.post1.dev1",
            "1.post1",
            "1.1",
            "1!0",
        ];
        for pair in order.windows(2) {
            let (low, high) = (pep440(pair[0]).unwrap(), pep440(pair[1]).unwrap());
            assert_eq!(sign(low.cmp(&high)), "<", "{pair:?}");
        }
        assert_eq!(pep440("1.0").unwrap(), pep440("1.0.0").unwrap());
        assert!(pep440("x").is_err());
    }
}
