//! A value of a row as data: numbers as numbers, texts as texts, bytes that are no text as hexadecimal digits.

use std::fmt::Write as _;

use mysql::consts::ColumnType;
use mysql::{Column, Value as Sql};
use serde_json::{Number, Value};

/// The character set of columns that hold bytes.
const BINARY: u16 = 63;

/// Turns a value into data, as its column says.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "in text all types but numbers and bytes are their text"
)]
pub(super) fn value_of(column: &Column, value: Sql) -> Value {
    let bytes = match value {
        Sql::NULL => return Value::Null,
        Sql::Bytes(bytes) => bytes,
        other => return Value::String(other.as_sql(true)),
    };
    let is_bits = column.column_type() == ColumnType::MYSQL_TYPE_BIT;
    let text = match String::from_utf8(bytes) {
        Ok(text) if !is_bits => text,
        Ok(text) => return hexadecimal(text.as_bytes()),
        Err(error) if is_bits || column.character_set() == BINARY => {
            return hexadecimal(error.as_bytes());
        }
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let number = match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_YEAR => text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .ok(),
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => {
            text.parse().ok().and_then(Number::from_f64)
        }
        _ => None,
    };
    number.map_or(Value::String(text), Value::Number)
}

fn hexadecimal(bytes: &[u8]) -> Value {
<<<<<<< HEAD
    let mut digits = String::from("0x");
    for byte in bytes {
        // A text takes whatever is written into it.
        let _ = write!(digits, "{byte:02X}");
    }
    Value::String(digits)
=======
    let digits = crate::connection::framing::hex(bytes).to_uppercase();
    Value::String(format!("0x{digits}"))
>>>>>>> house-lints
}
