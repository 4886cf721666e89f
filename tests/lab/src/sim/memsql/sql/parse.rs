//! From tokens to statements.

use super::lex::{Token, tokens, wrong};
use super::statement::{Statement, TableName};
use crate::sim::memsql::address::Address;
use crate::sim::memsql::wire::Fault;

/// Makes a statement of a text.
pub fn parse(text: &str) -> Result<Statement, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        place: 0,
    };
    while parser.tokens.last() == Some(&Token::Sign(';')) {
        parser.tokens.pop();
    }
    let statement = parser.statement()?;
    if parser.place < parser.tokens.len() {
        return Err(parser.wrong());
    }
    Ok(statement)
}

/// A statement's tokens, and how far they were understood.
pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) place: usize,
}

pub(super) type Parsed<T> = Result<T, Fault>;

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    pub(super) fn wrong(&self) -> Fault {
        let near = self.tokens.get(self.place..).unwrap_or_default();
        let near: Vec<_> = near.iter().map(spelled).collect();
        wrong(&near.join(" "))
    }

    /// Takes words if they come next, whatever their capitals.
    pub(super) fn has(&mut self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split(' ').collect();
        let next = self.tokens.get(self.place..).unwrap_or_default();
        let is = next.len() >= wanted.len()
            && wanted.iter().zip(next).all(|(wanted, token)| {
                matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
            });
        if is {
            self.place += wanted.len();
        }
        is
    }

    pub(super) fn needs(&mut self, words: &str) -> Parsed<()> {
        if self.has(words) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    pub(super) fn sign(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(&Token::Sign(sign));
        self.place += usize::from(is);
        is
    }

    pub(super) fn needs_sign(&mut self, sign: char) -> Parsed<()> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    pub(super) fn name(&mut self) -> Parsed<String> {
        let found = match self.peek() {
            Some(Token::Word(name) | Token::Name(name)) => name.clone(),
            _ => return Err(self.wrong()),
        };
        self.place += 1;
        Ok(found)
    }

    pub(super) fn number(&mut self) -> Parsed<usize> {
        let found = match self.peek() {
            Some(Token::Number(number)) => number.parse().map_err(|_| self.wrong())?,
            _ => return Err(self.wrong()),
        };
        self.place += 1;
        Ok(found)
    }

    /// A literal: text, number, NULL, or a bare word such as ON.
    pub(super) fn value(&mut self) -> Parsed<Option<String>> {
        let minus = self.sign('-');
        let found = match self.peek() {
            Some(Token::Text(text)) => Some(text.clone()),
            Some(Token::Number(number)) => {
                Some(format!("{}{number}", if minus { "-" } else { "" }))
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("NULL") => None,
            Some(Token::Word(word)) => Some(word.clone()),
            _ => return Err(self.wrong()),
        };
        self.place += 1;
        Ok(found)
    }

    pub(super) fn table(&mut self) -> Parsed<TableName> {
        let first = self.name()?;
        if self.sign('.') {
            return Ok(TableName {
                database: Some(first),
                table: self.name()?,
            });
        }
        Ok(TableName {
            database: None,
            table: first,
        })
    }

    /// `'host':port`, in backticks as well, and with a login before it.
    fn address(&mut self) -> Parsed<Address> {
        if let Some(Token::Word(_)) = self.peek() {
            // `root:'password'@` or `root@`: the sign belongs to the word before it.
            self.name()?;
            if self.sign(':') {
                self.value()?;
                self.needs("@")?;
            }
        }
        let host = match self.peek() {
            Some(Token::Text(host) | Token::Name(host)) => host.clone(),
            _ => return Err(self.wrong()),
        };
        self.place += 1;
        Ok(Address::new(host, self.port()?))
    }

    fn port(&mut self) -> Parsed<u16> {
        if !self.sign(':') {
            return Ok(3306);
        }
        u16::try_from(self.number()?).map_err(|_| self.wrong())
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.has("SELECT") {
            return self.select();
        }
        if self.has("SHOW") {
            return self.show();
        }
        if self.has("INSERT INTO") || self.has("INSERT") {
            return self.insert(false);
        }
        if self.has("REPLACE INTO") {
            return self.insert(true);
        }
        if self.has("USE") {
            return Ok(Statement::Use(self.name()?));
        }
        if self.has("SET") {
            return self.set();
        }
        for word in [
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "START TRANSACTION",
            "START",
            "LOCK",
            "UNLOCK",
        ] {
            if self.has(word) {
                self.place = self.tokens.len();
                return Ok(Statement::Nothing);
            }
        }
        if self.has("UPDATE") {
            let table = self.table()?;
            self.needs("SET")?;
            let values = self.assignments()?;
            return Ok(Statement::Update(table, values, self.filters()?));
        }
        if self.has("DELETE FROM") {
            return Ok(Statement::Delete(self.table()?, self.filters()?));
        }
        if self.has("KILL") {
            let _of_what = self.has("CONNECTION") || self.has("QUERY");
            let id = self.number()?;
            return Ok(Statement::Kill(u32::try_from(id).unwrap_or(0)));
        }
        self.definition()
    }

    fn definition(&mut self) -> Parsed<Statement> {
        if self.has("CREATE DATABASE") {
            let if_not = self.has("IF NOT EXISTS");
            let name = self.name()?;
            let partitions = if self.has("PARTITIONS") {
                Some(self.number()?)
            } else {
                None
            };
            return Ok(Statement::CreateDatabase(name, if_not, partitions));
        }
        if self.has("DROP DATABASE") {
            let if_there = self.has("IF EXISTS");
            return Ok(Statement::DropDatabase(self.name()?, if_there));
        }
        if self.has("CREATE TABLE") {
            let if_not = self.has("IF NOT EXISTS");
            let table = self.table()?;
            let columns = self.columns()?;
            return Ok(Statement::CreateTable(table, if_not, columns));
        }
        if self.has("DROP TABLE") {
            let if_there = self.has("IF EXISTS");
            return Ok(Statement::DropTable(self.table()?, if_there));
        }
        if self.has("ALTER TABLE") {
            let table = self.table()?;
            self.place = self.tokens.len();
            return Ok(Statement::AlterTable(table));
        }
        self.cluster()
    }

    fn cluster(&mut self) -> Parsed<Statement> {
        if self.has("EXPLAIN RESTORE REDUNDANCY ON") {
            return Ok(Statement::ExplainRestore(self.name()?));
        }
        if self.has("EXPLAIN REBALANCE PARTITIONS ON") {
            return Ok(Statement::ExplainRebalance(self.name()?));
        }
        if self.has("RESTORE REDUNDANCY ON") {
            return Ok(Statement::RestoreRedundancy(self.name()?));
        }
        if self.has("REBALANCE PARTITIONS ON") {
            let name = self.name()?;
            self.has("FULL");
            return Ok(Statement::Rebalance(name, self.has("FORCE")));
        }
        if self.has("SNAPSHOT DATABASE") || self.has("SNAPSHOT") {
            return Ok(Statement::Snapshot(self.name()?));
        }
        if self.has("BACKUP DATABASE") {
            let name = self.name()?;
            self.place = self.tokens.len();
            return Ok(Statement::Backup(name));
        }
        if self.has("CLEAR ORPHAN DATABASES") {
            return Ok(Statement::ClearOrphans);
        }
        if self.has("AGGREGATOR SET AS MASTER") {
            return Ok(Statement::SetAsMaster);
        }
        self.members()
    }

    fn members(&mut self) -> Parsed<Statement> {
        if self.has("DETACH LEAF") {
            return Ok(Statement::DetachLeaf(self.address()?));
        }
        if self.has("ATTACH LEAF ALL") {
            return Ok(Statement::AttachLeafAll);
        }
        if self.has("ATTACH LEAF") {
            let leaf = self.address()?;
            let force = self.has("FORCE");
            let rebalance = !self.has("NO REBALANCE");
            return Ok(Statement::AttachLeaf {
                leaf,
                force,
                rebalance,
            });
        }
        if self.has("ADD LEAF") {
            let leaf = self.address()?;
            let group = if self.has("INTO GROUP") {
                Some(u8::try_from(self.number()?).map_err(|_| self.wrong())?)
            } else {
                None
            };
            return Ok(Statement::AddLeaf(leaf, group));
        }
        if self.has("REMOVE LEAF") {
            let leaf = self.address()?;
            return Ok(Statement::RemoveLeaf(leaf, self.has("FORCE")));
        }
        if self.has("ADD AGGREGATOR") {
            return Ok(Statement::AddAggregator(self.address()?));
        }
        if self.has("REMOVE AGGREGATOR") {
            return Ok(Statement::RemoveAggregator(self.address()?));
        }
        if self.has("BOOTSTRAP AGGREGATOR") {
            let Some(Token::Text(host)) = self.peek().cloned() else {
                return Err(self.wrong());
            };
            self.place += 1;
            let port = if self.peek().is_some() {
                Some(self.port()?)
            } else {
                None
            };
            return Ok(Statement::BootstrapAggregator(host, port));
        }
        Err(self.wrong())
    }

    fn show(&mut self) -> Parsed<Statement> {
        if self.has("LEAVES") {
            return Ok(Statement::ShowLeaves);
        }
        if self.has("AGGREGATORS") {
            return Ok(Statement::ShowAggregators);
        }
        if self.has("CLUSTER STATUS") {
            return Ok(Statement::ShowClusterStatus);
        }
        if self.has("REPLICATION STATUS") {
            return Ok(Statement::ShowReplicationStatus);
        }
        if self.has("FULL PROCESSLIST") || self.has("PROCESSLIST") {
            return Ok(Statement::ShowProcesslist);
        }
        if self.has("REBALANCE STATUS ON") {
            return Ok(Statement::ShowRebalanceStatus(self.name()?));
        }
        if self.has("PARTITIONS") {
            let extended = self.has("EXTENDED");
            let name = if self.has("ON") {
                Some(self.name()?)
            } else {
                None
            };
            return Ok(Statement::ShowPartitions(name, extended));
        }
        if self.has("DATABASES") {
            let extended = self.has("EXTENDED");
            return Ok(Statement::ShowDatabases(extended, self.pattern()?));
        }
        if self.has("TABLES") {
            let of = if self.has("FROM") || self.has("IN") {
                Some(self.name()?)
            } else {
                None
            };
            return Ok(Statement::ShowTables(of));
        }
        self.has("GLOBAL");
        self.has("SESSION");
        self.needs("VARIABLES")?;
        Ok(Statement::ShowVariables(self.pattern()?))
    }

    /// `LIKE 'pattern'` or `WHERE Variable_name = 'name'`.
    fn pattern(&mut self) -> Parsed<Option<String>> {
        if self.has("LIKE") {
            return self.value();
        }
        if self.has("WHERE") {
            self.name()?;
            if !self.has("LIKE") {
                self.needs_sign('=')?;
            }
            return self.value();
        }
        Ok(None)
    }

    fn set(&mut self) -> Parsed<Statement> {
        let is_global = self.has("GLOBAL") || {
            let begin = self.place;
            let is = self.has("@@GLOBAL") && self.sign('.');
            if !is {
                self.place = begin;
            }
            is
        };
        if !is_global {
            self.place = self.tokens.len();
            return Ok(Statement::Nothing);
        }
        let name = self.name()?;
        self.needs_sign('=')?;
        let value = self.value()?.unwrap_or_default();
        Ok(Statement::SetGlobal(name, value))
    }
}

/// Returns a token as it was typed.
pub(super) fn spelled(token: &Token) -> String {
    match token {
        Token::Word(text) | Token::Name(text) | Token::Number(text) => text.clone(),
        Token::Text(text) => format!("'{text}'"),
        Token::Sign(sign) => sign.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::memsql::sql::Item;

    #[test]
    fn what_operators_type_is_understood() {
        let leaf = || Address::new("10.0.0.1", 3307);
        let attach = |force, rebalance| Statement::AttachLeaf {
            leaf: leaf(),
            force,
            rebalance,
        };
        for (text, statement) in [
            ("detach leaf '10.0.0.1':3307", Statement::DetachLeaf(leaf())),
            (
                "DETACH LEAF `10.0.0.1`:3307;",
                Statement::DetachLeaf(leaf()),
            ),
            (
                "ATTACH LEAF '10.0.0.1':3307 NO REBALANCE",
                attach(false, false),
            ),
            ("ATTACH LEAF '10.0.0.1':3307 FORCE", attach(true, true)),
            (
                "ADD LEAF root:'x'@'10.0.0.1':3307 INTO GROUP 2",
                Statement::AddLeaf(leaf(), Some(2)),
            ),
            (
                "ADD LEAF root@'10.0.0.1':3307",
                Statement::AddLeaf(leaf(), None),
            ),
            ("SNAPSHOT DATABASE `a-b`", Statement::Snapshot("a-b".into())),
            ("SNAPSHOT db", Statement::Snapshot("db".into())),
            (
                "SET @@GLOBAL.auto_attach = OFF",
                Statement::SetGlobal("auto_attach".into(), "OFF".into()),
            ),
            ("SET NAMES utf8", Statement::Nothing),
            (
                "SHOW PARTITIONS EXTENDED ON `x`",
                Statement::ShowPartitions(Some("x".into()), true),
            ),
            (
                "SHOW GLOBAL VARIABLES LIKE 'a%'",
                Statement::ShowVariables(Some("a%".into())),
            ),
            (
                "BOOTSTRAP AGGREGATOR '10.0.0.1'",
                Statement::BootstrapAggregator("10.0.0.1".into(), None),
            ),
        ] {
            assert_eq!(parse(text).unwrap(), statement, "{text}");
        }
        for text in [
            "DETACH LEAF",
            "SHOW LEAVES NOW",
            "ATTACH LEAF '1':1 NO",
            "x",
            "",
        ] {
            assert_eq!(parse(text).unwrap_err().number, 1064, "{text}");
        }
    }

    #[test]
    fn tables_have_their_columns_and_rows_their_values() {
        let create = "CREATE TABLE IF NOT EXISTS a.`t` (k VARCHAR(10) PRIMARY KEY, n DECIMAL(3,2), \
                      KEY (n), SHARD KEY (k))";
        let Statement::CreateTable(table, true, columns) = parse(create).unwrap() else {
            panic!("no table");
        };
        assert_eq!((table.table.as_str(), columns.len()), ("t", 2));
        let text = "INSERT INTO t (k, n) VALUES ('a', -1), ('b', NULL) ON DUPLICATE KEY UPDATE n = VALUES(n)";
        let Statement::Insert(insert) = parse(text).unwrap() else {
            panic!("no rows");
        };
        assert_eq!(
            insert.rows,
            [
                [Some("a".into()), Some("-1".into())],
                [Some("b".into()), None]
            ]
        );
        let text = "SELECT ID, COUNT(*), @@global.x AS y FROM information_schema.PROCESSLIST \
                    WHERE COMMAND='QUERY' AND TIME >= 5 AND STATE IN ('executing') ORDER BY TIME DESC LIMIT 3";
        let Statement::Select(select) = parse(text).unwrap() else {
            panic!("no query");
        };
        assert_eq!(select.filters.len(), 3);
        assert_eq!(select.items[2], (Item::Variable("x".into()), "y".into()));
        assert_eq!(select.limit, Some(3));
    }
}
