//! Splitting a line of an INI inventory into words, as Python's `shlex` does with comments.

/// A word with the column (in characters, from 0) at which it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text, without quotes.
    pub text: String,
    /// Where it starts in the line.
    pub column: usize,
    /// Where the character after its first `=` stands in the line; the same as `column` without one.
    pub value_column: usize,
}

/// The words of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The words.
    pub words: Vec<Word>,
    /// The column of a `#` that ends the line although no space stands before it.
    pub glued_comment: Option<usize>,
}

/// Splits a line; the error is a message.
pub(super) fn split(line: &str) -> Result<Words, &'static str> {
    let mut out = Words::default();
    let mut word: Option<Word> = None;
    let mut chars = line.chars().enumerate();
    while let Some((column, c)) = chars.next() {
        if c.is_whitespace() {
            out.words.extend(word.take());
            continue;
        }
        if c == '#' {
            out.glued_comment = word.is_some().then_some(column);
            break;
        }
        let current = word.get_or_insert_with(|| Word {
            text: String::new(),
            column,
            value_column: column,
        });
        match c {
            '\'' | '"' => quoted(&mut chars, c, &mut current.text)?,
            '\\' => {
                let (_, escaped) = chars.next().ok_or("nothing comes after a backslash")?;
                current.text.push(escaped);
            }
            '=' if current.value_column == current.column => {
                current.text.push('=');
                current.value_column = column + 1;
            }
            _ => current.text.push(c),
        }
    }
    out.words.extend(word);
    Ok(out)
}

fn quoted(
    chars: &mut impl Iterator<Item = (usize, char)>,
    quote: char,
    text: &mut String,
) -> Result<(), &'static str> {
    const OPEN: &str = "a quote is not closed";
    loop {
        let (_, c) = chars.next().ok_or(OPEN)?;
        if c == quote {
            return Ok(());
        }
        if c == '\\' && quote == '"' {
            // Inside double quotes a backslash escapes only a quote and itself.
            let (_, escaped) = chars.next().ok_or(OPEN)?;
            if escaped != '"' && escaped != '\\' {
                text.push('\\');
            }
            text.push(escaped);
        } else {
            text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words were printed by `shlex.split(line, comments=True)` of Python 3.11.
    #[test]
    fn lines_are_split_as_python_does() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("web a=1  b=2", &["web", "a=1", "b=2"]),
            ("web a='x y' b=\"it's\"", &["web", "a=x y", "b=it's"]),
            (
                r#"web a="x \"y\" \n" b='\n'"#,
                &["web", r#"a=x "y" \n"#, r"b=\n"],
            ),
            (r"web a=x\ y b=\\", &["web", "a=x y", r"b=\"]),
            ("web a=1 # b=2", &["web", "a=1"]),
            ("web a=1#2 b=2", &["web", "a=1"]),
            ("web a='1#2'", &["web", "a=1#2"]),
            ("web a='' b", &["web", "a=", "b"]),
            ("web 'a'\"b\"c=d", &["web", "abc=d"]),
        ];
        for (line, expected) in cases {
            let words = split(line).unwrap().words;
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(texts, *expected, "{line}");
        }
        for line in ["a='x", "a=\"x", "a=\"x\\", "a=\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn words_know_their_columns() {
        let out = split("web  key=va=lue x#y").unwrap();
        let columns: Vec<(usize, usize)> = out
            .words
            .iter()
            .map(|word| (word.column, word.value_column))
            .collect();
        assert_eq!(columns, [(0, 0), (5, 9), (16, 16)]);
        assert_eq!(out.glued_comment, Some(17));
    }
}
