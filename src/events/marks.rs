//! The marked lines of a long job: how a script tells its parts while it runs.
//!
//! A job writes `::stagger:: begin NAME` on its standard output when it comes to a part, `::stagger:: saw TEXT` to tell
//! what it waits for, and, as the very last thing it does, `::stagger:: end`. A job that wrote a mark and not the last one
//! did not come to its end, whatever its exit code says: its step is in doubt.

const PREFIX: &str = "::stagger:: ";

/// A marked line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A part began; the one before it is over.
    Begin(String),
    /// What the current part sees.
    Saw(String),
    /// The job came to its end, well or not.
    End,
}

impl Mark {
    /// Reads a line; `None` when it is not marked.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(PREFIX)?.trim_end();
        match rest.split_once(' ') {
            Some(("begin", name)) => Some(Self::Begin(name.trim().to_owned())),
            Some(("saw", text)) => Some(Self::Saw(text.trim().to_owned())),
            Some(_) => None,
            None => (rest == "end").then_some(Self::End),
        }
    }
}

/// Cuts a job's output, as it comes, into lines and finds the marks.
#[derive(Debug, Default)]
pub struct MarkReader {
    partial: Vec<u8>,
    marked: bool,
    ended: bool,
}

/// A longer line is cut: no mark is that long, and a job may write without any newline.
const LONGEST: usize = 16 * 1024;

impl MarkReader {
    /// Takes bytes of output; returns the lines that are complete now, each with its mark if it is one.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<(String, Option<Mark>)> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' || self.partial.len() >= LONGEST {
                lines.push(self.line());
            }
            if byte != b'\n' {
                self.partial.push(byte);
            }
        }
        lines
    }

    /// Takes the rest when the output is over.
    pub fn finish(&mut self) -> Option<(String, Option<Mark>)> {
        (!self.partial.is_empty()).then(|| self.line())
    }

    /// Tells whether the job marked its parts and never came to the last mark.
    pub fn is_cut_short(&self) -> bool {
        self.marked && !self.ended
    }

    fn line(&mut self) -> (String, Option<Mark>) {
        let bytes = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&bytes)
            .trim_end_matches('\r')
            .to_owned();
        let mark = Mark::parse(&text);
        if let Some(mark) = &mark {
            self.marked = true;
            self.ended = *mark == Mark::End;
        }
        (text, mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_across_pieces_of_output() {
        let mut reader = MarkReader::default();
        assert!(reader.take(b"hello\n::stag").len() == 1);
        assert!(!reader.is_cut_short(), "nothing is marked yet");
        let lines = reader.take(b"ger:: begin stop the starter\nplain\n");
        assert_eq!(lines[0].1, Some(Mark::Begin("stop the starter".to_owned())));
        assert_eq!(lines[1], ("plain".to_owned(), None));
        assert!(reader.is_cut_short());
        assert_eq!(
            reader.take(b"::stagger:: saw pid 12\r\n")[0].1,
            Some(Mark::Saw("pid 12".to_owned()))
        );
        reader.take(b"::stagger:: end");
        assert!(reader.is_cut_short(), "the line is not complete yet");
        assert_eq!(reader.finish().and_then(|line| line.1), Some(Mark::End));
        assert!(!reader.is_cut_short());
    }

    #[test]
    fn other_lines_are_no_marks() {
        for line in [
            "::stagger::end",
            " ::stagger:: end",
            "::stagger:: ended",
            "::stagger:: begin",
            "::stagger:: other x",
        ] {
            assert_eq!(Mark::parse(line), None, "{line}");
        }
        let mut reader = MarkReader::default();
        let lines = reader.take(&vec![b'x'; LONGEST + 5]);
        assert_eq!(lines.len(), 1, "an endless line is cut");
    }
}
