//! Filters that change a text.

use std::fmt::Write as _;

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::percent;
use super::super::plugin::Plugin;
use super::super::python_text as python;
use super::super::quote::shell_quote;
use super::super::quote_mysql::{mysql_name, mysql_node, mysql_text};
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("capitalize", &["s"], 1, |r, b| {
        changed(r, b, python::capitalize)
    }),
    Plugin::new("center", &["value", "width"], 1, |r, b| {
        let width = b.count(1, 80)?;
        let text = b.printed(r, 0)?;
        python::pad(&text, width, ' ', python::Side::Both).map(Object::from)
    }),
    Plugin::new(
        "comment",
        &[
            "text",
            "style",
            "decoration",
            "beginning",
            "end",
            "prefix",
            "prefix_count",
            "postfix",
            "postfix_count",
            "newline",
        ],
        1,
        comment,
    ),
    Plugin::new("e", &["value"], 1, |r, b| changed(r, b, escaped)),
    Plugin::new("escape", &["value"], 1, |r, b| changed(r, b, escaped)),
    Plugin::new("forceescape", &["value"], 1, |r, b| changed(r, b, escaped)),
    Plugin::new("format", &["value"], 1, format)
        .more()
        .any_name(),
    Plugin::new("indent", &["s", "width", "first", "blank"], 1, indent),
    Plugin::new("lower", &["s"], 1, |r, b| changed(r, b, str::to_lowercase)),
    Plugin::new("mysql_name", &["value"], 1, |r, b| {
        changed(r, b, mysql_name)
    }),
    Plugin::new("mysql_node", &["value"], 1, |_, b| {
        let address = b.need_text(0)?;
        let quoted = mysql_node(&address);
        quoted
            .map(Object::from)
            .ok_or_else(|| failed(format!("`{address}` is no node: it must be `host:port`")))
    }),
    Plugin::new("mysql_text", &["value"], 1, |r, b| {
        changed(r, b, mysql_text)
    }),
    Plugin::new("pprint", &["value"], 1, |r, b| {
        r.repr(&b.value()).map(Object::from)
    }),
    Plugin::new("quote", &["value"], 1, |r, b| {
        if matches!(b.value(), Object::None) {
            return Ok(Object::from("''"));
        }
        changed(r, b, shell_quote)
    }),
    Plugin::new("replace", &["s", "old", "new", "count"], 3, |r, b| {
        let count = python::limit(b.int(3, -1)?);
        let (old, new) = (b.printed(r, 1)?, b.printed(r, 2)?);
        Ok(Object::from(b.printed(r, 0)?.replacen(&old, &new, count)))
    }),
    Plugin::new("safe", &["value"], 1, |r, b| changed(r, b, str::to_owned)),
    Plugin::new("split", &["value", "sep", "maxsplit"], 1, |_, b| {
        let (text, separator) = (b.need_text(0)?, b.text(1)?);
        let parts = python::split(&text, separator.as_deref(), b.int(2, -1)?)?;
        Ok(Object::list(parts.into_iter().map(Object::from).collect()))
    }),
    Plugin::new("string", &["value"], 1, |r, b| changed(r, b, str::to_owned)),
    Plugin::new("striptags", &["value"], 1, |r, b| {
        changed(r, b, without_tags)
    }),
    Plugin::new("title", &["s"], 1, |r, b| changed(r, b, title)),
    Plugin::new("trim", &["value", "chars"], 1, |r, b| {
        let (text, chars) = (b.printed(r, 0)?, b.text(1)?);
        Ok(Object::from(python::strip(
            &text,
            chars.as_deref(),
            python::Side::Both,
        )))
    }),
    Plugin::new("upper", &["s"], 1, |r, b| changed(r, b, str::to_uppercase)),
    Plugin::new("xmlattr", &["d", "autospace"], 1, xmlattr),
];

fn changed(
    rendering: &Rendering,
    bound: &Bound,
    work: fn(&str) -> String,
) -> Result<Object, Fault> {
    Ok(Object::from(work(&bound.printed(rendering, 0)?)))
}

/// Jinja's title, which leaves the letter after an apostrophe alone.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = c.is_whitespace() || "-({[<".contains(c);
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        let Some((_, next)) = after.split_once(end) else {
            break;
        };
        out.push_str(before);
        rest = next;
    }
    out.push_str(rest);
    let words: Vec<&str> = out.split_whitespace().collect();
    words
        .join(" ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn format(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let values = if bound.named.is_empty() {
        Object::Tuple(bound.rest.clone().into())
    } else if bound.rest.is_empty() {
        let named = bound.named.iter();
        let entries =
            named.map(|(name, value)| (super::super::key::Key::text(name.as_ref()), value.clone()));
        Object::Map(super::super::map::Map::new(entries))
    } else {
        return Err(failed("takes values with names or without, not both"));
    };
    percent::format(rendering, &text, &values).map(Object::from)
}

fn indent(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let indention = match bound.get(1) {
        Some(Object::Text(text)) => text.to_string(),
        _ => " ".repeat(bound.count(1, 4)?.min(super::super::spec::WIDEST)),
    };
    let (first, blank) = (bound.flag(2, false)?, bound.flag(3, false)?);
    let value = bound.value();
    if value.as_text().is_none() {
        return Err(failed(format!("indents text, not {}", value.described())));
    }
    let text = rendering.print(&value)? + "\n";
    let mut out = String::with_capacity(text.len());
    for (index, line) in python::lines(&text, false).iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let wanted = if index == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if wanted {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(Object::from(out))
}

struct Style {
    decoration: &'static str,
    beginning: &'static str,
    end: &'static str,
}

fn style(name: &str) -> Option<Style> {
    let (decoration, beginning, end) = match name {
        "plain" => ("# ", "", ""),
        "erlang" => ("% ", "", ""),
        "c" => ("// ", "", ""),
        "cblock" => (" * ", "/*", " */"),
        "xml" => (" - ", "<!--", "-->"),
        _ => return None,
    };
    Some(Style {
        decoration,
        beginning,
        end,
    })
}

fn comment(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let name = bound.text(1)?;
    let name = name.as_deref().unwrap_or("plain");
    let style = style(name).ok_or_else(|| {
        failed(format!(
            "there is no style `{name}`: plain, erlang, c, cblock, xml"
        ))
    })?;
    let text = bound.printed(rendering, 0)?;
    let given = |index: usize, default: &str| -> Result<String, Fault> {
        Ok(bound
            .text(index)?
            .map_or_else(|| default.to_owned(), |own| own.to_string()))
    };
    let decoration = given(2, style.decoration)?;
    let newline = given(9, "\n")?;
    let bare = decoration.trim_end();
    let prefix = given(5, bare)?;
    let postfix = given(7, bare)?;
    let mut out = String::new();
    let beginning = given(3, style.beginning)?;
    if !beginning.is_empty() {
        let _ = write!(out, "{beginning}{newline}");
    }
    if !prefix.is_empty() {
        let line = if prefix == newline {
            prefix
        } else {
            prefix + &newline
        };
        out.push_str(&line.repeat(bound.count(6, 1)?.min(1000)));
    }
    let decorated = format!(
        "{decoration}{}",
        text.replace(&newline, &format!("{newline}{decoration}"))
    );
    out.push_str(&decorated.replace(
        &format!("{decoration}{newline}"),
        &format!("{bare}{newline}"),
    ));
    for _ in 0..bound.count(8, 1)?.min(1000) {
        let _ = write!(out, "{newline}{postfix}");
    }
    let end = given(4, style.end)?;
    if !end.is_empty() {
        let _ = write!(out, "{newline}{end}");
    }
    Ok(Object::from(out))
}

fn xmlattr(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let Some(map) = value.as_map() else {
        return Err(failed(format!("needs a map, not {}", value.described())));
    };
    let mut attributes = Vec::new();
    for (key, item) in rendering.entries(map)? {
        if matches!(item, Object::None) {
            continue;
        }
        let key = rendering.key_text(&key)?;
        if key.contains(|c: char| c.is_ascii_whitespace() || "/>=".contains(c)) {
            return Err(failed("a key is no name of an attribute"));
        }
        let item = escaped(&rendering.print(&item)?);
        attributes.push(format!("{}=\"{item}\"", escaped(&key)));
    }
    let space = !attributes.is_empty() && bound.flag(1, true)?;
    let joined = attributes.join(" ");
    Ok(Object::from(if space {
        format!(" {joined}")
    } else {
        joined
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_tags_and_escapes_are_jinjas() {
        assert_eq!(title("it's a-b (c)"), "It's A-B (C)");
        assert_eq!(
            without_tags("<p>a <b>b</b>\n&amp;c</p><!-- x > y -->"),
            "a b &c"
        );
        assert_eq!(escaped("<a href='x'>"), "&lt;a href=&#39;x&#39;&gt;");
    }
}
