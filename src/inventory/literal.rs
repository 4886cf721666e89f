//! Values of INI inventories: Python literals, as `ast.literal_eval` reads them; all else is text.

use super::number::number;
use crate::yaml::{Data, Key, Loc, Node, Style};

/// How deep lists and maps may be nested.
const DEEPEST: usize = 64;

/// Reads a value at a position: a number, `True`, `None`, a quoted text, a list or a map; else the text itself.
pub(super) fn value(text: &str, loc: &Loc) -> Node {
    let mut reader = Reader {
        chars: text.trim_start().chars().collect(),
        at: 0,
        loc,
    };
    let read = reader.whole();
    let style = match &read {
        Some(Data::Str(_)) => Style::Quoted,
        // Text as it stands, which is never read as YAML would: `yes` stays text.
        Some(_) | None => Style::Literal {
            first_line: loc.line,
            indent: loc.column.saturating_sub(1),
        },
    };
    Node {
        style,
        ..Node::new(
            read.unwrap_or_else(|| Data::Str(text.to_owned())),
            loc.clone(),
        )
    }
}

#[derive(Debug)]
struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    loc: &'a Loc,
}

impl Reader<'_> {
    /// Reads an expression up to the end or a comment; commas outside of brackets make a list.
    fn whole(&mut self) -> Option<Data> {
        let first = self.item(0)?;
        let data = if self.eat(',') {
            let mut items = vec![self.node(first)];
            while !self.at_end() {
                let item = self.item(0)?;
                items.push(self.node(item));
                if !self.eat(',') {
                    break;
                }
            }
            Data::Seq(items)
        } else {
            first
        };
        self.at_end().then_some(data)
    }

    fn node(&self, data: Data) -> Node {
        Node {
            style: Style::Quoted,
            ..Node::new(data, self.loc.clone())
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn skip_spaces(&mut self) {
        while self
            .peek()
            .is_some_and(|c| matches!(c, ' ' | '\t' | '\x0c'))
        {
            self.at += 1;
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.skip_spaces();
        let found = self.peek() == Some(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    fn at_end(&mut self) -> bool {
        self.skip_spaces();
        matches!(self.peek(), None | Some('#'))
    }

    fn item(&mut self, depth: usize) -> Option<Data> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_spaces();
        match self.peek()? {
            '[' => {
                self.at += 1;
                Some(Data::Seq(self.items(']', depth)?.0))
            }
            '(' => {
                self.at += 1;
                let (mut items, commas) = self.items(')', depth)?;
                // `(1)` is a number in brackets, `(1,)` and `()` are tuples.
                match (items.len(), commas) {
                    (1, 0) => items.pop().map(|item| item.data),
                    _ => Some(Data::Seq(items)),
                }
            }
            '{' => {
                self.at += 1;
                self.map_or_set(depth)
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ => self.word_or_text(),
        }
    }

    /// Reads items up to `close`, and counts the commas.
    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Node>, usize)> {
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            if self.eat(close) {
                return Some((items, commas));
            }
            if items.len() != commas {
                return None;
            }
            let item = self.item(depth + 1)?;
            items.push(self.node(item));
            if self.eat(',') {
                commas += 1;
            }
        }
    }

    fn map_or_set(&mut self, depth: usize) -> Option<Data> {
        if self.eat('}') {
            return Some(Data::Map(Vec::new()));
        }
        let first = self.item(depth + 1)?;
        if !self.eat(':') {
            let mut items = vec![self.node(first)];
            if self.eat(',') {
                items.extend(self.items('}', depth)?.0);
            } else if !self.eat('}') {
                return None;
            }
            let mut unique: Vec<Node> = Vec::new();
            for item in items {
                if !unique.contains(&item) {
                    unique.push(item);
                }
            }
            return Some(Data::Seq(unique));
        }
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut key = first;
        loop {
            let name = key_name(key)?;
            let value = self.item(depth + 1)?;
            let value = self.node(value);
            match entries.iter_mut().find(|(key, _)| key.name == name) {
                Some((_, old)) => *old = value,
                None => entries.push((
                    Key {
                        name,
                        loc: self.loc.clone(),
                    },
                    value,
                )),
            }
            let comma = self.eat(',');
            if self.eat('}') {
                return Some(Data::Map(entries));
            }
            if !comma {
                return None;
            }
            key = self.item(depth + 1)?;
            if !self.eat(':') {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Data> {
        let mut negative = false;
        if let Some(sign @ ('+' | '-')) = self.peek() {
            negative = sign == '-';
            self.at += 1;
            self.skip_spaces();
        }
        let start = self.at;
        while let Some(c) = self.peek() {
            let sign_of_exponent = matches!(c, '+' | '-')
                && self.at > start
                && matches!(self.chars.get(self.at - 1), Some('e' | 'E'))
                && !self.is_radix(start);
            if !c.is_ascii_alphanumeric() && c != '_' && c != '.' && !sign_of_exponent {
                break;
            }
            self.at += 1;
        }
        let digits: String = self.chars.get(start..self.at)?.iter().collect();
        number(&digits, negative)
    }

    fn is_radix(&self, start: usize) -> bool {
        matches!(self.chars.get(start + 1), Some('x' | 'X'))
    }

    fn word_or_text(&mut self) -> Option<Data> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        let word: String = self.chars.get(start..self.at)?.iter().collect();
        if matches!(self.peek(), Some('\'' | '"')) {
            self.at = start;
            return self.texts();
        }
        match word.as_str() {
            "True" => Some(Data::Bool(true)),
            "False" => Some(Data::Bool(false)),
            "None" => Some(Data::Null),
            "" if self.chars.get(start..start + 3)? == ['.', '.', '.'] => {
                self.at = start + 3;
                Some(Data::Str("...".to_owned()))
            }
            _ => None,
        }
    }

    /// Reads one or more quoted texts; neighbours are joined.
    fn texts(&mut self) -> Option<Data> {
        let mut text = String::new();
        loop {
            self.text(&mut text)?;
            self.skip_spaces();
            let start = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
                self.at += 1;
            }
            let another = matches!(self.peek(), Some('\'' | '"'));
            self.at = start;
            if !another {
                return Some(Data::Str(text));
            }
        }
    }

    fn text(&mut self, out: &mut String) -> Option<()> {
        let mut raw = false;
        let mut quote = self.next()?;
        let mut prefix = String::new();
        while quote != '\'' && quote != '"' {
            prefix.push(quote.to_ascii_lowercase());
            quote = self.next()?;
        }
        match prefix.as_str() {
            "" | "u" | "b" => {}
            "r" | "br" | "rb" => raw = true,
            _ => return None,
        }
        let long = self.chars.get(self.at..self.at + 2) == Some(&[quote, quote]);
        if long {
            self.at += 2;
        }
        loop {
            let c = self.next()?;
            if c == quote {
                if !long {
                    return Some(());
                }
                if self.chars.get(self.at..self.at + 2) == Some(&[quote, quote]) {
                    self.at += 2;
                    return Some(());
                }
            }
            match c {
                '\\' if raw => {
                    out.push('\\');
                    out.push(self.next()?);
                }
                '\\' => self.escape(out)?,
                _ => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let c = self.next()?;
        let simple = match c {
            '\\' | '\'' | '"' => Some(c),
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'v' => Some('\x0b'),
            'x' => self.code(2, 16),
            'u' => self.code(4, 16),
            'U' => self.code(8, 16),
            '0'..='7' => {
                self.at -= 1;
                let rest = self.chars.get(self.at..)?;
                let length = rest
                    .iter()
                    .take(3)
                    .take_while(|c| matches!(c, '0'..='7'))
                    .count();
                self.code(length, 8)
            }
            // A character by its name needs tables that nobody uses in an inventory.
            'N' => None,
            _ => {
                out.push('\\');
                Some(c)
            }
        };
        out.push(simple?);
        Some(())
    }

    fn code(&mut self, length: usize, radix: u32) -> Option<char> {
        let digits: String = self.chars.get(self.at..self.at + length)?.iter().collect();
        self.at += length;
        char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
    }
}

/// Writes a map's key as JSON does, since variables end as JSON.
fn key_name(key: Data) -> Option<String> {
    match key {
        Data::Str(text) => Some(text),
        Data::Int(number) => Some(number.to_string()),
        Data::Float(number) => Some(format!("{number:?}")),
        Data::Bool(flag) => Some(flag.to_string()),
        Data::Null => Some("null".to_owned()),
        Data::Seq(_) | Data::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Source;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        value(text, &Loc::start(&Source::new("t", text))).to_value()
    }

    fn numbers_and_words() -> Vec<(&'static str, Value)> {
        vec![
            ("22", json!(22)),
            ("-5", json!(-5)),
            ("+5", json!(5)),
            ("0", json!(0)),
            ("00", json!(0)),
            ("022", json!("022")),
            ("1_000", json!(1000)),
            ("1__0", json!("1__0")),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0b11", json!(3)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("1e3", json!(1000.0)),
            ("1e-3", json!(0.001)),
            ("1j", json!("1j")),
            ("9223372036854775808", json!("9223372036854775808")),
            ("True", json!(true)),
            ("true", json!("true")),
            ("yes", json!("yes")),
            ("None", json!(null)),
            ("...", json!("...")),
        ]
    }

    fn texts_and_collections() -> Vec<(&'static str, Value)> {
        vec![
            ("'text'", json!("text")),
            ("'a' \"b\"", json!("ab")),
            (r"'a\tb\x41\u00e4\101\q'", json!("a\tbAäA\\q")),
            (r"r'a\tb'", json!(r"a\tb")),
            ("b'x'", json!("x")),
            ("'''x'''", json!("x")),
            ("'a", json!("'a")),
            ("[1, 'a', [True]]", json!([1, "a", [true]])),
            ("[1,]", json!([1])),
            ("[]", json!([])),
            ("[1 2]", json!("[1 2]")),
            ("[,]", json!("[,]")),
            ("(1)", json!(1)),
            ("(1,)", json!([1])),
            ("()", json!([])),
            ("80,443", json!([80, 443])),
            ("80,", json!([80])),
            ("a,b", json!("a,b")),
            (
                "{'a': 1, 'b': {2: None}}",
                json!({"a": 1, "b": {"2": null}}),
            ),
            ("{}", json!({})),
            ("{'a', 'b', 'a'}", json!(["a", "b"])),
            ("{a: 1}", json!("{a: 1}")),
            ("22 # no comment", json!(22)),
            ("text # kept", json!("text # kept")),
            ("{{ x }}", json!("{{ x }}")),
            ("1.2.3.4", json!("1.2.3.4")),
            ("10.0.0.0/8", json!("10.0.0.0/8")),
            ("", json!("")),
            ("1 + 1", json!("1 + 1")),
            ("f'x'", json!("f'x'")),
            ("inf", json!("inf")),
            ("-True", json!("-True")),
            ("+-5", json!("+-5")),
            ("- 5", json!(-5)),
            ("0x_1", json!(1)),
            ("1_", json!("1_")),
            ("\t5", json!(5)),
        ]
    }

    /// The values were printed by the INI plugin of ansible-core 2.19.
    #[test]
    fn values_are_python_literals_or_text() {
        for (text, expected) in numbers_and_words()
            .into_iter()
            .chain(texts_and_collections())
        {
            assert_eq!(read(text), expected, "{text}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(read(&deep), json!(deep));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\](){},:'\"\\\\rbuxN0-9a-e_.+# -]{0,24}") {
            read(&text);
        }

        #[test]
        fn json_without_its_own_words_is_read_as_json(
            items in prop::collection::vec((any::<i32>(), "[a-z \\\\\"]{0,8}"), 0..5)
        ) {
            let json = json!({"list": items, "more": [[], {}]});
            prop_assert_eq!(read(&json.to_string()), json);
        }
    }
}
