//! Quoting for statements of the MySQL family: names, texts, nodes.

/// Quotes a name (a database, a table, a column) in backticks, whatever characters it has.
pub fn mysql_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Quotes a text as a literal.
pub fn mysql_text(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{1a}' => quoted.push_str("\\Z"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Writes a node, `host:port` or `[v6]:port`, as statements about leaves want it: the host as a text, then the port.
pub fn mysql_node(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port: u16 = port.parse().ok()?;
    (!host.is_empty()).then(|| format!("{}:{port}", mysql_text(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_texts_and_nodes() {
        assert_eq!(mysql_name("a-b"), "`a-b`");
        assert_eq!(
            mysql_name("a`; DROP DATABASE x; --"),
            "`a``; DROP DATABASE x; --`"
        );
        assert_eq!(mysql_text("it's \\ \n"), r"'it''s \\ \n'");
        assert_eq!(mysql_node("10.0.0.1:3306").unwrap(), "'10.0.0.1':3306");
        assert_eq!(mysql_node("[fd00::1]:3306").unwrap(), "'fd00::1':3306");
        assert_eq!(mysql_node("h':3306").unwrap(), "'h''':3306");
        for bad in ["", "h", ":1", "h:x", "h:1; DROP"] {
            assert_eq!(mysql_node(bad), None, "{bad}");
        }
    }
}
