//! Tokens.

use crate::sim::memsql::wire::Fault;

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word, as it was typed; `@@global.x` is one.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(String),
    /// A sign.
    Sign(char),
}

/// Cuts a statement; comments are left out.
pub fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut chars = text.chars().peekable();
    let mut found = Vec::new();
    while let Some(&first) = chars.peek() {
        match first {
            _ if first.is_whitespace() => drop(chars.next()),
            '`' | '\'' | '"' => {
                chars.next();
                let inner = quoted(&mut chars, first)?;
                found.push(if first == '`' {
                    Token::Name(inner)
                } else {
                    Token::Text(inner)
                });
            }
            _ if first.is_ascii_digit() => {
                found.push(Token::Number(run(&mut chars, |c| {
                    c.is_ascii_digit() || c == '.'
                })));
            }
            _ if is_word(first) => found.push(Token::Word(run(&mut chars, is_word))),
            '#' => drop(run(&mut chars, |c| c != '\n')),
            '-' | '/' => {
                chars.next();
                match (first, chars.peek()) {
                    ('-', Some('-')) => drop(run(&mut chars, |c| c != '\n')),
                    ('/', Some('*')) => skip_comment(&mut chars)?,
                    _ => found.push(Token::Sign(first)),
                }
            }
            _ => {
                chars.next();
                found.push(Token::Sign(first));
            }
        }
    }
    Ok(found)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '$')
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn run(chars: &mut Chars<'_>, is_in: impl Fn(char) -> bool) -> String {
    let mut word = String::new();
    while let Some(next) = chars.next_if(|c| is_in(*c)) {
        word.push(next);
    }
    word
}

fn skip_comment(chars: &mut Chars<'_>) -> Result<(), Fault> {
    chars.next();
    let mut before = ' ';
    for next in chars.by_ref() {
        if before == '*' && next == '/' {
            return Ok(());
        }
        before = next;
    }
    Err(wrong("/*"))
}

fn quoted(chars: &mut Chars<'_>, quote: char) -> Result<String, Fault> {
    let mut inner = String::new();
    while let Some(next) = chars.next() {
        if next == quote {
            if chars.next_if_eq(&quote).is_none() {
                return Ok(inner);
            }
            inner.push(quote);
        } else if next == '\\' && quote != '`' {
            let escaped = chars.next().ok_or_else(|| wrong("\\"))?;
            inner.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                other => other,
            });
        } else {
            inner.push(next);
        }
    }
    Err(wrong(&inner))
}

/// Returns the error of a statement that is none.
pub fn wrong(near: &str) -> Fault {
    Fault::new(
        1064,
        format!(
            "You have an error in your SQL syntax; check the manual for the right syntax to use near '{near}'"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_signs_are_told_apart() {
        let found =
            tokens("DETACH /* a */ LEAF 'h-1':3306 -- end\n `a``b` @@GLOBAL.x=\"it\\'s\"").unwrap();
        let word = |text: &str| Token::Word(text.into());
        assert_eq!(
            found,
            [
                word("DETACH"),
                word("LEAF"),
                Token::Text("h-1".into()),
                Token::Sign(':'),
                Token::Number("3306".into()),
                Token::Name("a`b".into()),
                word("@@GLOBAL"),
                Token::Sign('.'),
                word("x"),
                Token::Sign('='),
                Token::Text("it's".into()),
            ]
        );
        assert!(tokens("'open").is_err());
    }
}
