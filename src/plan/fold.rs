//! Long lists of hosts as ranges: `db[01:50]`, which an inventory would read as the same hosts.

use crate::inventory::HostName;

/// How many hosts are shown by name before a list is folded.
const FEW: usize = 8;

/// Shows hosts: by their names if they are few, with ranges otherwise.
pub(super) fn fold(hosts: &[HostName]) -> String {
    if hosts.len() <= FEW {
        return hosts
            .iter()
            .map(HostName::as_str)
            .collect::<Vec<_>>()
            .join(", ");
    }
    let mut runs: Vec<Run<'_>> = Vec::new();
    for host in hosts {
        let parts = Parts::of(host.as_str());
        match (runs.last_mut(), parts) {
            (Some(run), Some(parts)) if run.goes_on_with(&parts) => run.last = parts,
            (_, Some(parts)) => runs.push(Run {
                first: parts,
                last: parts,
            }),
            (_, None) => {
                let whole = Parts {
                    before: host.as_str(),
                    number: 0,
                    width: 0,
                    after: "",
                };
                runs.push(Run {
                    first: whole,
                    last: whole,
                });
            }
        }
    }
    let shown: Vec<String> = runs.iter().map(Run::text).collect();
    match shown.split_at_checked(FEW * 2) {
        Some((begin, rest)) if !rest.is_empty() => {
            format!("{}, and {} more", begin.join(", "), rest.len())
        }
        Some(_) | None => shown.join(", "),
    }
}

/// A name, cut at its first number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    before: &'a str,
    number: u64,
    width: usize,
    after: &'a str,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let start = name.find(|c: char| c.is_ascii_digit())?;
        let (before, rest) = name.split_at(start);
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        Some(Self {
            before,
            number: digits.parse().ok()?,
            width: digits.len(),
            after,
        })
    }

    fn text(&self) -> String {
        let digits = match self.width {
            0 => String::new(),
            width => format!("{:0width$}", self.number),
        };
        format!("{}{digits}{}", self.before, self.after)
    }
}

#[derive(Debug)]
struct Run<'a> {
    first: Parts<'a>,
    last: Parts<'a>,
}

impl Run<'_> {
    fn goes_on_with(&self, parts: &Parts<'_>) -> bool {
        let padded = self.last.width == parts.width;
        // `9` goes on with `10` only where numbers are not padded.
        let grown = parts.width == self.last.width + 1
            && !format!("{:0width$}", self.first.number, width = self.first.width).starts_with('0')
            && parts.number.to_string().len() == parts.width;
        self.last.width > 0
            && self.last.before == parts.before
            && self.last.after == parts.after
            && self.last.number.checked_add(1) == Some(parts.number)
            && (padded || grown)
    }

    fn text(&self) -> String {
        if self.first == self.last {
            return self.first.text();
        }
        let Parts { before, after, .. } = self.first;
        let digits = |parts: &Parts<'_>| format!("{:0width$}", parts.number, width = parts.width);
        format!(
            "{before}[{}:{}]{after}",
            digits(&self.first),
            digits(&self.last)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(names: &[String]) -> String {
        let hosts: Vec<HostName> = names.iter().map(|name| HostName::new(name)).collect();
        fold(&hosts)
    }

    #[test]
    fn long_lists_become_ranges_and_short_ones_do_not() {
        let names = |range: std::ops::RangeInclusive<u32>| {
            range.map(|n| format!("db{n:02}.eu")).collect::<Vec<_>>()
        };
        assert_eq!(folded(&names(1..=3)), "db01.eu, db02.eu, db03.eu");
        assert_eq!(folded(&names(1..=50)), "db[01:50].eu");
        let mut two = names(1..=9);
        two.extend(names(20..=21));
        two.push("localhost".to_owned());
        assert_eq!(folded(&two), "db[01:09].eu, db[20:21].eu, localhost");
        let plain: Vec<String> = (8..=17).map(|n| format!("n{n}")).collect();
        assert_eq!(folded(&plain), "n[8:17]");
        let padded: Vec<String> = (98..=107).map(|n| format!("n{n:03}")).collect();
        assert_eq!(folded(&padded), "n[098:107]");
    }

    #[test]
    fn a_list_that_does_not_fold_is_cut() {
        let odd: Vec<String> = (0..40).map(|n| format!("n{}", n * 2)).collect();
        assert!(folded(&odd).ends_with(", and 24 more"), "{}", folded(&odd));
    }
}
