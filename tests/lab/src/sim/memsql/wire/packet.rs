//! Packets, and what is in them: numbers, strings, rows. Pure but for reading and writing.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a stream must be able to do.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A value of a row, as text; NULL is nothing.
pub type Cell = Option<String>;

/// A result: names of columns and rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Rows {
    /// Begins a result with columns and no rows.
    pub fn of(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Returns a row's cell by its column's name.
    pub fn cell<'a>(&'a self, row: &'a [Cell], column: &str) -> Option<&'a str> {
        let place = self.columns.iter().position(|name| name == column)?;
        row.get(place)?.as_deref()
    }
}

/// The largest packet that is taken; a longer one is an error, not a split one.
const LONGEST: usize = 0x00ff_ffff - 1;

/// Reads a packet; returns its number and content.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0_u8; 4];
    stream.read_exact(&mut head).await?;
    let [a, b, c, number] = head;
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    if length > LONGEST {
        return Err(io::Error::other("a packet of 16 MB or more"));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok((number, content))
}

/// Appends a packet to what is to be sent.
pub fn append(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    let length = u32::try_from(content.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    out.extend_from_slice(length.get(..3).unwrap_or_default());
    out.push(number);
    out.extend_from_slice(content);
}

/// Sends packets.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Appends a length-encoded number.
pub fn put_length(out: &mut Vec<u8>, value: usize) {
    match value {
        0..=250 => out.push(u8::try_from(value).unwrap_or(0)),
        251..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&u16::try_from(value).unwrap_or(0).to_le_bytes());
        }
        _ => {
            out.push(0xfd);
            let bytes = u32::try_from(value).unwrap_or(0).to_le_bytes();
            out.extend_from_slice(bytes.get(..3).unwrap_or_default());
        }
    }
}

/// Appends a length-encoded string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Reads what is in a packet, from its beginning to its end.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins to read.
    pub fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// Takes so many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Takes a number of so many bytes.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        let taken = self.take(bytes)?;
        Some(
            taken
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    /// Takes a length-encoded number; nothing for NULL.
    pub fn length(&mut self) -> Option<Option<u64>> {
        Some(match self.byte()? {
            0xfb => None,
            0xfc => Some(self.number(2)?),
            0xfd => Some(self.number(3)?),
            0xfe => Some(self.number(8)?),
            small => Some(u64::from(small)),
        })
    }

    /// Takes a length-encoded string; nothing for NULL.
    pub fn text(&mut self) -> Option<Cell> {
        let Some(length) = self.length()? else {
            return Some(None);
        };
        let bytes = self.take(usize::try_from(length).ok()?)?;
        Some(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Takes what stands before the next zero byte.
    pub fn until_zero(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let taken = self.take(end)?;
        self.take(1)?;
        Some(taken)
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_come_back() {
        for value in [0_usize, 250, 251, 65_535, 65_536, 1_000_000] {
            let mut out = Vec::new();
            put_length(&mut out, value);
            let read = Reader::new(&out).length().unwrap().unwrap();
            assert_eq!(usize::try_from(read).unwrap(), value);
        }
        assert_eq!(Reader::new(&[0xfb]).text(), Some(None));
    }

    #[test]
    fn a_torn_packet_is_no_packet() {
        let mut out = Vec::new();
        put_text(&mut out, "hello");
        assert_eq!(Reader::new(&out).text(), Some(Some("hello".to_owned())));
        out.pop();
        assert_eq!(Reader::new(&out).text(), None);
        assert_eq!(Reader::new(b"no end").until_zero(), None);
    }
}
