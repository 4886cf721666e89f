//! The agency's records on disk: appended, synced, read back at a restart.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use super::raft::Record;

/// Where records go; each batch is answered when it is on disk.
#[derive(Debug, Clone)]
pub struct Journal {
    sender: mpsc::UnboundedSender<(Vec<Record>, oneshot::Sender<()>)>,
}

impl Journal {
    /// Opens the journal and returns what it holds.
    ///
    /// A last line that was cut off is taken away: nothing was answered on it.
    pub fn open(path: &Path, sync: bool) -> io::Result<(Self, Vec<Record>)> {
        let records = read(path)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, mut receiver) =
            mpsc::unbounded_channel::<(Vec<Record>, oneshot::Sender<()>)>();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                while let Some((records, first)) = receiver.blocking_recv() {
                    let mut waiting = vec![first];
                    let mut lines = lines(&records);
                    // Whatever came meanwhile shares the sync.
                    while let Ok((records, next)) = receiver.try_recv() {
                        lines.push_str(&self::lines(&records));
                        waiting.push(next);
                    }
                    if write(&mut file, &lines, sync).is_err() {
                        // Nobody is told that it is safe: what waits for it waits on.
                        return;
                    }
                    for ack in waiting {
                        // Who does not wait any more does not need to know.
                        ack.send(()).ok();
                    }
                }
            })?;
        Ok((Self { sender }, records))
    }

    /// Hands records over, in the order of the calls; the receiver is told when they are safe.
    pub fn write(&self, records: Vec<Record>) -> oneshot::Receiver<()> {
        let (ack, safe) = oneshot::channel();
        if records.is_empty() {
            ack.send(()).ok();
        } else {
            drop(self.sender.send((records, ack)));
        }
        safe
    }
}

fn lines(records: &[Record]) -> String {
    records
        .iter()
        .filter_map(|record| serde_json::to_string(record).ok())
        .fold(String::new(), |lines, line| lines + &line + "\n")
}

fn write(file: &mut File, lines: &str, sync: bool) -> io::Result<()> {
    file.write_all(lines.as_bytes())?;
    if sync {
        file.sync_data()?;
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<Record>> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records = Vec::new();
    let mut good = 0;
    for line in text.split_inclusive('\n') {
        match serde_json::from_str(line) {
            Ok(record) if line.ends_with('\n') => records.push(record),
            _ => break,
        }
        good += line.len();
    }
    if good < text.len() {
        OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(u64::try_from(good).unwrap_or(0))?;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::arangod::agency::raft::Entry;
    use serde_json::json;

    fn entry(index: u64) -> Record {
        Record::Entry(Entry {
            index,
            term: 1,
            unix_ms: 0,
            operations: json!({"/k": index}),
        })
    }

    #[tokio::test]
    async fn records_come_back_in_order_and_a_torn_line_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let (journal, none) = Journal::open(&path, true).unwrap();
        assert!(none.is_empty());
        journal.write(vec![entry(1), entry(2)]).await.unwrap();
        journal.write(vec![entry(3)]).await.unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"entry":{"index":4,"ter"#).unwrap();
        let (journal, records) = Journal::open(&path, true).unwrap();
        assert_eq!(records, [entry(1), entry(2), entry(3)]);
        journal.write(vec![entry(4)]).await.unwrap();
        let (_, records) = Journal::open(&path, false).unwrap();
        assert_eq!(records.len(), 4, "the torn line is gone");
    }
}
