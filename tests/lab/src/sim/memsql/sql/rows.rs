//! Statements about rows: SELECT, INSERT, columns and conditions.

use std::collections::BTreeMap;

use super::lex::Token;
use super::parse::{Parsed, Parser, spelled};
use super::select::{Filter, Item, Select};
use super::statement::{Insert, Statement};

impl Parser {
    pub(super) fn columns(&mut self) -> Parsed<Vec<String>> {
        self.needs_sign('(')?;
        let mut columns = Vec::new();
        let (mut depth, mut begins) = (1, true);
        while depth > 0 {
            let token = self.peek().cloned().ok_or_else(|| self.wrong())?;
            self.place += 1;
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth -= 1,
                Token::Sign(',') if depth == 1 => begins = true,
                Token::Word(name) if begins && is_column(&name) => columns.push(name),
                Token::Name(name) if begins => columns.push(name),
                Token::Word(_)
                | Token::Name(_)
                | Token::Text(_)
                | Token::Number(_)
                | Token::Sign(_) => begins = false,
            }
            if !matches!(
                self.tokens.get(self.place.wrapping_sub(1)),
                Some(Token::Sign(','))
            ) {
                begins = false;
            }
        }
        // Options of the table after its columns mean nothing here.
        self.place = self.tokens.len();
        Ok(columns)
    }

    pub(super) fn insert(&mut self, replaces: bool) -> Parsed<Statement> {
        let table = self.table()?;
        let mut columns = Vec::new();
        if self.sign('(') {
            loop {
                columns.push(self.name()?);
                if !self.sign(',') {
                    break;
                }
            }
            self.needs_sign(')')?;
        }
        if !self.has("VALUES") {
            self.needs("VALUE")?;
        }
        let mut rows = Vec::new();
        loop {
            self.needs_sign('(')?;
            rows.push(self.values()?);
            if !self.sign(',') {
                break;
            }
        }
        let update = if self.has("ON DUPLICATE KEY UPDATE") {
            Some(self.assignments()?)
        } else {
            None
        };
        Ok(Statement::Insert(Insert {
            table,
            columns,
            rows,
            update,
            replaces,
        }))
    }

    /// Values up to the closing bracket.
    fn values(&mut self) -> Parsed<Vec<Option<String>>> {
        let mut values = Vec::new();
        if self.sign(')') {
            return Ok(values);
        }
        loop {
            values.push(self.value()?);
            if !self.sign(',') {
                break;
            }
        }
        self.needs_sign(')')?;
        Ok(values)
    }

    /// `a = 1, b = VALUES(b)`; the latter is left out, as the row's own value is meant.
    pub(super) fn assignments(&mut self) -> Parsed<BTreeMap<String, Option<String>>> {
        let mut set = BTreeMap::new();
        loop {
            let name = self.name()?;
            self.needs_sign('=')?;
            if self.has("VALUES") {
                self.needs_sign('(')?;
                self.name()?;
                self.needs_sign(')')?;
            } else {
                set.insert(name, self.value()?);
            }
            if !self.sign(',') {
                return Ok(set);
            }
        }
    }

    pub(super) fn select(&mut self) -> Parsed<Statement> {
        let mut select = Select::default();
        loop {
            let begin = self.place;
            let item = self.item()?;
            let own = self.tokens.get(begin..self.place).unwrap_or_default();
            let mut name: String = own.iter().map(spelled).collect();
            if let Item::Column(column) = &item {
                name.clone_from(column);
            }
            if self.has("AS") {
                name = self.name()?;
            }
            select.items.push((item, name));
            if !self.sign(',') {
                break;
            }
        }
        if self.has("FROM") {
            select.from = Some(self.table()?);
            select.filters = self.filters()?;
        }
        if self.has("ORDER BY") {
            let column = self.name()?;
            let falls = self.has("DESC");
            self.has("ASC");
            select.order = Some((column, falls));
        }
        if self.has("LIMIT") {
            select.limit = Some(self.number()?);
        }
        Ok(Statement::Select(select))
    }

    fn item(&mut self) -> Parsed<Item> {
        if self.sign('*') {
            return Ok(Item::All);
        }
        match self.peek().cloned() {
            Some(Token::Name(name)) => {
                self.place += 1;
                Ok(Item::Column(name))
            }
            Some(Token::Word(word)) if word.starts_with("@@") => {
                self.place += 1;
                let bare = word.trim_start_matches('@').to_owned();
                if self.sign('.') {
                    return Ok(Item::Variable(self.name()?));
                }
                Ok(Item::Variable(bare))
            }
            Some(Token::Word(word)) if !word.eq_ignore_ascii_case("NULL") => {
                self.place += 1;
                if !self.sign('(') {
                    return Ok(Item::Column(word));
                }
                if word.eq_ignore_ascii_case("COUNT") {
                    self.needs_sign('*')?;
                    self.needs_sign(')')?;
                    return Ok(Item::Count);
                }
                Ok(Item::Call(word.to_uppercase(), self.values()?))
            }
            _ => Ok(Item::Value(self.value()?)),
        }
    }

    pub(super) fn filters(&mut self) -> Parsed<Vec<Filter>> {
        let mut filters = Vec::new();
        if !self.has("WHERE") {
            return Ok(filters);
        }
        loop {
            let column = self.name()?;
            filters.push(self.filter(column)?);
            if !self.has("AND") {
                return Ok(filters);
            }
        }
    }

    fn filter(&mut self, column: String) -> Parsed<Filter> {
        let filter = |how: &str, values| Filter {
            column: column.clone(),
            how: how.to_owned(),
            values,
        };
        for how in ["IS NOT NULL", "IS NULL"] {
            if self.has(how) {
                return Ok(filter(how, Vec::new()));
            }
        }
        for how in ["NOT IN", "IN"] {
            if self.has(how) {
                self.needs_sign('(')?;
                return Ok(filter(how, self.values()?));
            }
        }
        for how in ["NOT LIKE", "LIKE"] {
            if self.has(how) {
                return Ok(filter(how, vec![self.value()?]));
            }
        }
        let mut how = String::new();
        while let Some(Token::Sign(sign @ ('=' | '<' | '>' | '!'))) = self.peek() {
            how.push(*sign);
            self.place += 1;
        }
        let how = if how == "<>" { "!=".to_owned() } else { how };
        if !["=", "!=", "<", ">", "<=", ">="].contains(&how.as_str()) {
            return Err(self.wrong());
        }
        Ok(filter(&how, vec![self.value()?]))
    }
}

fn is_column(word: &str) -> bool {
    let others = [
        "PRIMARY",
        "KEY",
        "SHARD",
        "UNIQUE",
        "INDEX",
        "FOREIGN",
        "CONSTRAINT",
        "FULLTEXT",
    ];
    !others.iter().any(|other| word.eq_ignore_ascii_case(other))
}
