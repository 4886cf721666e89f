//! `mysql_query` against a real `MariaDB`, from Debian's packages: with TLS and without, from the bastion and through the
//! host's session, large answers, every type of column, refusals, connections that end, locks. Nothing hangs, and nothing
//! is sent twice: the server's own log counts.

use std::time::Duration;

use lab::clock;
use lab::command::{Command, Output};
use lab::files;
use lab::fleet::{Fleet, Host, Options};
use serde_json::{Value, json};

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![case("mariadb::statements_on_a_real_server", statements)]
}

const PASSWORD: &str = "open-sesame-4711";

/// A server that speaks TLS, logs every statement into a table, and knows two users.
const CONFIGURATION: &str = "\
[mariadbd]
bind-address = 0.0.0.0
ssl_cert = /etc/mysql/lab.pem
ssl_key = /etc/mysql/lab.pem
general_log = ON
log_output = TABLE
";

const USERS: &str = "\
CREATE DATABASE lab; CREATE TABLE lab.t (k INT PRIMARY KEY, n INT) ENGINE=InnoDB;
CREATE USER plain IDENTIFIED BY 'open-sesame-4711'; GRANT ALL ON *.* TO plain;
CREATE USER secure IDENTIFIED BY 'open-sesame-4711' REQUIRE SSL; GRANT ALL ON lab.* TO secure;
";

struct Server<'a> {
    fleet: &'a Fleet,
    host: &'a Host,
}

fn statements(lab: &Lab) -> Outcome {
    let options = Options {
        packages: vec!["mariadb-server".to_owned()],
        ..Options::new("test: mariadb", 1)
    };
    let fleet = lab.fleet(&options)?;
    let server = Server {
        fleet: &fleet,
        host: fleet.host("node1")?,
    };
    server.prepare(lab)?;
    server.ways()?;
    server.rows()?;
    server.types()?;
    server.refusals()?;
    server.locks()?;
    server.endings()
}

impl Server<'_> {
    fn prepare(&self, lab: &Lab) -> Outcome {
        let (authority, pem) = lab::cluster::certificate(self.host)?;
        self.host.write("/etc/mysql/lab.pem", pem, 0o644)?;
        self.host
            .write("/etc/mysql/mariadb.conf.d/99-lab.cnf", CONFIGURATION, 0o644)?;
        self.host.must(
            "systemctl restart mariadb 2>&1 || journalctl -u mariadb --no-pager | tail -20 >&2",
        )?;
        self.sql(USERS)?;
        let bastion = self.fleet.bastion();
        bastion.provide("stagger", &lab.product()?.program)?;
        let address = self.host.address();
        let inventory = format!(
            "all:\n  hosts:\n    node1: {{ ansible_host: {address}, ansible_user: root }}\n"
        );
        files::write(&bastion.home().join("inventory.yml"), inventory, 0o600)?;
        files::write(&bastion.home().join("ca.pem"), authority, 0o644)?;
        Ok(())
    }

    /// Says statements as root of the host, past stagger.
    fn sql(&self, text: &str) -> Result<String, Failure> {
        self.host
            .write("/root/say.sql", format!("SET NAMES utf8mb4; {text}"), 0o600)?;
        Ok(self
            .host
            .must("mariadb --batch --skip-column-names </root/say.sql")?)
    }

    /// Counts statements with a mark in them that clients over the network sent.
    fn sent(&self, mark: &str) -> Result<usize, Failure> {
        let count = self.sql(&format!(
            "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Query' AND user_host NOT LIKE 'root%' \
             AND argument LIKE '%{mark}%'"
        ))?;
        count
            .trim()
            .parse()
            .map_err(|_| Failure(format!("{count:?} is no count")))
    }

    /// Runs one task, with what it must come to as a condition on `result`.
    fn task(&self, query: &Value, more: &Value, that: &str) -> Result<Output, Failure> {
        let mut arguments = json!({
            "login_host": self.host.address().to_string(), "login_user": "plain", "login_password": PASSWORD,
            "query": query, "query_timeout": 20,
        });
        if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more.clone()) {
            arguments.extend(more);
        }
        let playbook = json!([{ "hosts": "all", "gather_facts": false, "tasks": [
            {"name": "ask", "mysql_query": arguments, "register": "result", "ignore_errors": true},
            {"name": "as it must be", "assert": {"that": that, "fail_msg": "{{ result }}"}},
        ]}]);
        let bastion = self.fleet.bastion();
        files::write(
            &bastion.home().join("play.yml"),
            playbook.to_string(),
            0o600,
        )?;
        let apply = Command::line("stagger apply play.yml -i inventory.yml --state state");
        Ok(bastion
            .command(apply)
            .within(Duration::from_mins(2))
            .output()?)
    }

    fn must(&self, what: &str, query: &Value, more: &Value, that: &str) -> Outcome {
        let output = self.task(query, more, that)?;
        check(
            output.is_ok(),
            format!("{what}: {}: {}{}", output.exit, output.out, output.err),
        )
    }

    /// With TLS and without, from the bastion and through the host.
    fn ways(&self) -> Outcome {
        let authority = self.fleet.bastion().home().join("ca.pem");
        let authority = authority.display().to_string();
        let encrypted = json!("SHOW STATUS LIKE 'Ssl_cipher'");
        let (is, is_not) = (
            "result.query_result[0][0].Value | length > 0",
            "result.query_result[0][0].Value == ''",
        );
        let secure = |more: Value| {
            let mut all = json!({"login_user": "secure"});
            if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
                all.extend(more);
            }
            all
        };
        let verified = json!({"tls": "verify", "ca_cert": authority});
        self.must("plain", &encrypted, &json!({}), is_not)?;
        self.must("verified", &encrypted, &secure(verified.clone()), is)?;
        self.must(
            "any certificate",
            &encrypted,
            &secure(json!({"tls": "insecure"})),
            is,
        )?;
        self.must(
            "no authority",
            &encrypted,
            &secure(json!({"tls": "verify"})),
            "result is failed",
        )?;
        self.must(
            "no TLS where it is demanded",
            &encrypted,
            &secure(json!({})),
            "result is failed",
        )?;
        let through = json!({"via": "host", "login_host": "127.0.0.1"});
        self.must("through the host", &encrypted, &through, is_not)?;
        let through = json!({"via": "host", "login_host": "127.0.0.1", "tls": "verify", "ca_cert": authority, "check_hostname": false});
        self.must(
            "through the host, verified",
            &encrypted,
            &secure(through),
            is,
        )?;
        let wrong = json!({"login_password": "wrong"});
        self.must(
            "a wrong password",
            &encrypted,
            &wrong,
            "result is failed and 'Access denied' in result.msg",
        )
    }

    fn rows(&self) -> Outcome {
        let many = json!("SELECT seq AS n, REPEAT('x', 100) AS filler FROM lab.seq_1_to_10000");
        let that = "result.rowcount == [10000] and result.query_result[0] | map(attribute='n') | sum == 50005000 \
                    and result.query_result[0][9999].filler | length == 100";
        self.must("10,000 rows", &many, &json!({}), that)?;
        self.must(
            "10,000 rows through the host",
            &many,
            &json!({"via": "host", "login_host": "127.0.0.1"}),
            that,
        )?;
        let long = json!("SELECT REPEAT('é', 1000000) AS filler");
        self.must(
            "a long text",
            &long,
            &json!({}),
            "result.query_result[0][0].filler | length == 1000000",
        )
    }

    /// Every type of column.
    fn types(&self) -> Outcome {
        let mut types = types();
        types.extend(rare_types());
        let columns: Vec<_> = types
            .iter()
            .enumerate()
            .map(|(n, (kind, ..))| format!("c{n} {kind}"))
            .collect();
        let values: Vec<_> = types
            .iter()
            .map(|(_, value, _)| (*value).to_owned())
            .collect();
        let wanted: serde_json::Map<String, Value> = types
            .into_iter()
            .enumerate()
            .map(|(n, (.., value))| (format!("c{n}"), value))
            .collect();
        self.sql(&format!(
            "CREATE TABLE lab.types ({}); INSERT INTO lab.types VALUES ({});",
            columns.join(", "),
            values.join(", ")
        ))?;
        let that = format!(
            "result.query_result[0][0] == ({} | from_json)",
            template_text(&Value::Object(wanted))
        );
        self.must(
            "every type",
            &json!("SELECT * FROM lab.types"),
            &json!({}),
            &that,
        )
    }

    fn refusals(&self) -> Outcome {
        for (what, query, number) in [
            ("no such table", "SELECT * FROM lab.nowhere", 1146),
            ("no statement", "SELEKT 1", 1064),
            (
                "a key that is there",
                "INSERT INTO lab.t VALUES (1, 1), (1, 2)",
                1062,
            ),
        ] {
            let that = format!("result is failed and result.error_number == {number}");
            self.must(what, &json!(query), &json!({}), &that)?;
        }
        let other = json!({"login_user": "secure", "tls": "insecure"});
        let that = "result is failed and result.error_number == 1142";
        self.must(
            "what is another's",
            &json!("SELECT * FROM mysql.user"),
            &other,
            that,
        )?;
        let several = json!([
            "INSERT INTO lab.t VALUES (2, 2)",
            "SELECT n FROM lab.t WHERE k = 2",
            "UPDATE lab.t SET n = 3 WHERE k = 2"
        ]);
        self.must(
            "several",
            &several,
            &json!({}),
            "result is changed and result.rowcount == [1, 1, 1]",
        )?;
        let undone = json!([
            "INSERT INTO lab.t VALUES (7, 7)",
            "INSERT INTO lab.t VALUES (2, 2)"
        ]);
        self.must(
            "a transaction",
            &undone,
            &json!({"single_transaction": true}),
            "result.error_number == 1062",
        )?;
        same(
            self.sql("SELECT COUNT(*) FROM lab.t WHERE k = 7")?.trim(),
            "0",
            "rows of a transaction that was refused",
        )
    }

    /// Runs something on the host meanwhile.
    fn beside(&self, script: &str) -> Outcome {
        self.host.must(&format!(
            "setsid sh -c {} >/dev/null 2>&1 &",
            lab::fleet::quoted(script)
        ))?;
        clock::pause(Duration::from_secs(1));
        Ok(())
    }

    /// A lock that somebody else holds: the server's own limit is an error like any other, ours leaves the step in doubt.
    fn locks(&self) -> Outcome {
        self.beside("mariadb -e \"BEGIN; UPDATE lab.t SET n = 9 WHERE k = 2; DO SLEEP(20)\"")?;
        let query = json!([
            "SET innodb_lock_wait_timeout = 1",
            "UPDATE lab.t SET n = 10 /* waits */ WHERE k = 2"
        ]);
        self.must(
            "a lock, the server's limit",
            &query,
            &json!({}),
            "result.error_number == 1205",
        )?;
        let began = clock::now();
        let output = self.task(
            &json!("UPDATE lab.t SET n = 11 /* gives up */ WHERE k = 2"),
            &json!({"query_timeout": 3}),
            "true",
        )?;
        check(
            !output.is_ok(),
            format!("a lock, our limit: {}{}", output.out, output.err),
        )?;
        check(
            began.elapsed() < Duration::from_secs(15),
            format!("it took {:?}", began.elapsed()),
        )?;
        check(
            output.err.contains("no answer within") || output.out.contains("no answer within"),
            format!("{}{}", output.out, output.err),
        )?;
        same(
            (self.sent("waits")?, self.sent("gives up")?),
            (1, 1),
            "statements that waited for a lock",
        )
    }

    /// Connections that are ended by somebody else, and a server that goes away in the middle.
    fn endings(&self) -> Outcome {
        let kill = "sleep 2; mariadb -N -e \"SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE info LIKE '%MARK%' AND user = 'plain'\" | mariadb";
        for (mark, script) in [
            ("killed", kill.replace("MARK", "killed")),
            (
                "crashed",
                "sleep 2; systemctl kill -s KILL mariadb".to_owned(),
            ),
        ] {
            self.beside(&script)?;
            let began = clock::now();
            let query = json!(format!(
                "INSERT INTO lab.t SELECT 100 + SLEEP(30), 1 /* {mark} */"
            ));
            let output = self.task(&query, &json!({"query_timeout": 60}), "result is failed")?;
            check(
                began.elapsed() < Duration::from_secs(20),
                format!("{mark}: it took {:?}", began.elapsed()),
            )?;
            check(
                mark == "killed" || !output.is_ok(),
                format!("{mark}: {}{}", output.out, output.err),
            )?;
            if mark == "crashed" {
                self.host.must("systemctl restart mariadb")?;
            }
            same(self.sent(mark)?, 1, mark)?;
            same(
                self.sql("SELECT COUNT(*) FROM lab.t WHERE k >= 100")?
                    .trim(),
                "0",
                mark,
            )?;
        }
        Ok(())
    }
}

/// A text of JSON as a template's literal.
fn template_text(value: &Value) -> String {
    let text = value.to_string();
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What a column is declared as, a literal, and what it must come as.
fn types() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("TINYINT", "-128", json!(-128)),
        ("SMALLINT UNSIGNED", "65535", json!(65535)),
        ("MEDIUMINT", "-8388608", json!(-8_388_608)),
        ("INT", "2147483647", json!(2_147_483_647)),
        ("BIGINT", "-9223372036854775808", json!(i64::MIN)),
        ("BIGINT UNSIGNED", "18446744073709551615", json!(u64::MAX)),
        ("BOOLEAN", "TRUE", json!(1)),
        (
            "DECIMAL(65,30)",
            "12345.000000000000000000000000000001",
            json!("12345.000000000000000000000000000001"),
        ),
        ("FLOAT", "1.5", json!(1.5)),
        ("DOUBLE", "-1e300", json!(-1e300)),
        ("BIT(12)", "b'101000000001'", json!("0x0A01")),
        ("DATE", "'2016-02-29'", json!("2016-02-29")),
        (
            "DATETIME(6)",
            "'2016-02-29 23:59:59.000001'",
            json!("2016-02-29 23:59:59.000001"),
        ),
        (
            "TIMESTAMP NULL",
            "'2016-02-29 01:02:03'",
            json!("2016-02-29 01:02:03"),
        ),
        ("TIME(3)", "'-838:59:58.999'", json!("-838:59:58.999")),
        ("YEAR", "2016", json!(2016)),
        ("CHAR(4)", "'ab'", json!("ab")),
        ("VARCHAR(20) CHARACTER SET utf8mb4", "'ü€😀'", json!("ü€😀")),
        ("BINARY(3)", "X'00FF01'", json!("0x00FF01")),
        ("VARBINARY(9)", "X'FF'", json!("0xFF")),
        ("BLOB", "'text all the same'", json!("text all the same")),
        ("LONGBLOB", "X'C328'", json!("0xC328")),
        ("LONGTEXT", "'a\\nb'", json!("a\nb")),
        ("ENUM('a','b')", "'b'", json!("b")),
        ("SET('a','b')", "'a,b'", json!("a,b")),
        ("JSON", "'{\"a\": [1]}'", json!("{\"a\": [1]}")),
        ("INET6", "'2001:db8::1'", json!("2001:db8::1")),
        (
            "UUID",
            "'123e4567-e89b-12d3-a456-426655440000'",
            json!("123e4567-e89b-12d3-a456-426655440000"),
        ),
        ("INT", "NULL", Value::Null),
    ]
}

/// The same of what is seldom met, of what is empty, and of what is not there.
fn rare_types() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("TINYBLOB", "X'00'", json!("\u{0}")),
        ("MEDIUMBLOB", "X'FE'", json!("0xFE")),
        ("TINYTEXT", "'t'", json!("t")),
        ("TEXT", "''", json!("")),
        ("MEDIUMTEXT", "'m'", json!("m")),
        (
            "GEOMETRY",
            "ST_GeomFromText('POINT(1 2)')",
            json!("0x000000000101000000000000000000F03F0000000000000040"),
        ),
        ("DATE", "'0000-00-00'", json!("0000-00-00")),
        (
            "DATETIME",
            "'0000-00-00 00:00:00'",
            json!("0000-00-00 00:00:00"),
        ),
        ("TIME", "'00:00:00'", json!("00:00:00")),
        ("INET4", "'10.1.10.51'", json!("10.1.10.51")),
        ("BIGINT UNSIGNED", "NULL", Value::Null),
        ("DECIMAL(5,2)", "NULL", Value::Null),
        ("DOUBLE", "NULL", Value::Null),
        ("DATETIME", "NULL", Value::Null),
        ("TIME", "NULL", Value::Null),
        ("VARCHAR(3)", "NULL", Value::Null),
        ("LONGBLOB", "NULL", Value::Null),
        ("BIT(3)", "NULL", Value::Null),
    ]
}
