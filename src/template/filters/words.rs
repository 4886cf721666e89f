//! Filters that look at the words of a text.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_text as python;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new(
        "truncate",
        &["s", "length", "killwords", "end", "leeway"],
        1,
        truncate,
    ),
    Plugin::new("wordcount", &["s"], 1, |r, b| {
        let text = b.printed(r, 0)?;
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        Ok(Object::count(words.filter(|word| !word.is_empty()).count()))
    }),
    Plugin::new(
        "wordwrap",
        &[
            "s",
            "width",
            "break_long_words",
            "wrapstring",
            "break_on_hyphens",
        ],
        1,
        wordwrap,
    ),
];

fn truncate(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let length = bound.count(1, 255)?;
    let end = bound.text(3)?;
    let end = end.as_deref().unwrap_or("...");
    let leeway = bound.count(4, 5)?;
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        return Err(failed("`length` must not be less than the length of `end`"));
    };
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(Object::from(text));
    }
    let cut: String = text.chars().take(kept).collect();
    let cut = if bound.flag(2, false)? {
        cut.as_str()
    } else {
        cut.rsplit_once(' ')
            .map_or(cut.as_str(), |(before, _)| before)
    };
    Ok(Object::from(format!("{cut}{end}")))
}

fn wordwrap(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let width = bound.count(1, 79)?.max(1);
    let wrap = Wrap {
        width,
        break_long: bound.flag(2, true)?,
        on_hyphens: bound.flag(4, true)?,
    };
    let newline = bound.text(3)?;
    let newline = newline.as_deref().unwrap_or("\n");
    let lines = python::lines(&text, false);
    let wrapped = lines.iter().map(|line| wrap.line(line).join(newline));
    Ok(Object::from(wrapped.collect::<Vec<_>>().join(newline)))
}

struct Wrap {
    width: usize,
    break_long: bool,
    on_hyphens: bool,
}

impl Wrap {
    /// Splits a line into words, the blanks between them, and the parts of words that end with a hyphen.
    fn chunks(&self, line: &str) -> Vec<String> {
        let mut chunks: Vec<String> = Vec::new();
        let mut chunk = String::new();
        let mut blank = None;
        let chars: Vec<char> = line.chars().collect();
        for (index, c) in chars.iter().copied().enumerate() {
            if blank.is_some_and(|blank| blank != c.is_whitespace()) {
                chunks.push(std::mem::take(&mut chunk));
            }
            blank = Some(c.is_whitespace());
            chunk.push(c);
            let letter = |at: Option<usize>| {
                at.and_then(|at| chars.get(at))
                    .is_some_and(|c| c.is_alphabetic())
            };
            let joint = c == '-' && letter(index.checked_sub(1)) && letter(Some(index + 1));
            if self.on_hyphens && joint {
                chunks.push(std::mem::take(&mut chunk));
            }
        }
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        chunks
    }

    fn line(&self, line: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut chunks = self.chunks(line);
        chunks.reverse();
        let count = |text: &str| text.chars().count();
        while !chunks.is_empty() {
            let mut own = String::new();
            let blank = |chunk: &String| chunk.trim().is_empty();
            if !lines.is_empty() && chunks.last().is_some_and(blank) {
                chunks.pop();
            }
            while let Some(chunk) = chunks.pop_if(|chunk| count(&own) + count(chunk) <= self.width)
            {
                own.push_str(&chunk);
            }
            if let Some(chunk) = chunks.pop_if(|chunk| count(chunk) > self.width) {
                if self.break_long {
                    let room = (self.width - count(&own).min(self.width)).max(1);
                    own.extend(chunk.chars().take(room));
                    chunks.push(chunk.chars().skip(room).collect());
                } else if own.is_empty() {
                    own = chunk;
                } else {
                    chunks.push(chunk);
                }
            }
            let own = own.trim_end();
            if !own.is_empty() {
                lines.push(own.to_owned());
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_words() {
        let wrap = |width, break_long| Wrap {
            width,
            break_long,
            on_hyphens: true,
        };
        assert_eq!(wrap(5, true).line("abc def ghi"), ["abc", "def", "ghi"]);
        assert_eq!(wrap(7, true).line("abc def ghi"), ["abc def", "ghi"]);
        assert_eq!(wrap(4, true).line("abcdefghij x"), ["abcd", "efgh", "ij x"]);
        assert_eq!(
            wrap(4, false).line("a abcdefghij x"),
            ["a", "abcdefghij", "x"]
        );
        assert_eq!(
            wrap(6, true).line("well-known fact"),
            ["well-", "known", "fact"]
        );
        assert_eq!(wrap(9, true).line(""), Vec::<String>::new());
    }
}
