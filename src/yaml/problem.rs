//! A mistake in something that a person wrote: what, where, and what would be right.

use super::Loc;

/// One mistake of a file. Collected, never thrown one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where, if it stands in a text.
    pub loc: Option<Loc>,
    /// How many characters to underline at `loc`, at least 1.
    pub width: u32,
    /// What stands under the caret, such as "did you mean `src`?".
    pub hint: Option<String>,
    /// Further lines: "task: ...", "host: ...".
    pub notes: Vec<String>,
}

impl Problem {
    /// Makes a problem at a position.
    pub fn at(loc: &Loc, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            loc: Some(loc.clone()),
            width: 1,
            hint: None,
            notes: Vec::new(),
        }
    }

    /// Makes a problem that stands in no text.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            loc: None,
            width: 1,
            hint: None,
            notes: Vec::new(),
        }
    }

    /// Sets how many characters are underlined.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = u32::try_from(width).unwrap_or(u32::MAX).max(1);
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the hint "did you mean `x`?" if one of `known` is close to `word`.
    #[must_use]
    pub fn did_you_mean<'a>(
        mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        if let Some(near) = nearest(word, known) {
            self.hint = Some(format!("did you mean `{near}`?"));
        }
        self
    }

    /// Adds a further line.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// A beginning of a word is told to be one from so many characters on.
const BEGINNING: usize = 3;

/// Returns the word of `known` that is closest to `word`, if one is close enough to be a slip of the hand; else the only
/// one that begins with it. Capital letters are no difference.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let count = word.chars().count();
    let limit = (count / 3).max(1);
    let word = word.to_lowercase();
    let mut close: Option<(usize, &str)> = None;
    let mut longer = Vec::new();
    for candidate in known {
        let lower = candidate.to_lowercase();
        let distance = distance(&word, &lower);
        if distance <= limit && close.is_none_or(|(best, _)| distance < best) {
            close = Some((distance, candidate));
        }
        if count >= BEGINNING && lower.starts_with(&word) && !longer.contains(&candidate) {
            longer.push(candidate);
        }
    }
    match (close, longer.as_slice()) {
        (Some((_, candidate)), _) => Some(candidate),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// Counts the edits between two words; swapping two neighbours is one edit (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let cost = usize::from(x != y);
            let get =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (get(&above, j) + cost)
                .min(get(&above, j + 1) + 1)
                .min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not() {
        let known = ["src", "dest", "mode", "restart_policy"];
        assert_eq!(nearest("srcc", known), Some("src"));
        assert_eq!(nearest("restrat_policy", known), Some("restart_policy"));
        assert_eq!(nearest("owner", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("MODE", known), Some("mode"));
        assert_eq!(nearest("restart", known), Some("restart_policy"));
        assert_eq!(nearest("re", known), None);
        assert_eq!(nearest("res", ["resume", "restore"]), None, "either");
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
