//! A terminal that remembers what stands on it, as far as the live view uses one: it breaks long lines, scrolls, and
//! breaks them anew when its width changes, as today's terminals do.

/// A row, and whether the line that begins in it or before goes on in the next one.
#[derive(Debug, Clone, Default)]
struct Row {
    text: Vec<char>,
    goes_on: bool,
}

/// The terminal. Rows that have scrolled away are kept above the others.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    columns: usize,
    rows: usize,
    lines: Vec<Row>,
    row: usize,
    column: usize,
    /// The rest of what was written, if it ends within a sequence or a character.
    rest: Vec<u8>,
}

impl Terminal {
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            lines: vec![Row::default()],
            row: 0,
            column: 0,
            rest: Vec::new(),
        }
    }

    /// Returns all that was ever seen and not taken away, row by row.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.iter().map(|row| row.text.iter().collect());
        let lines: Vec<String> = lines
            .map(|line: String| line.trim_end().to_owned())
            .collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// Returns what stands on it without what has scrolled away.
    pub(crate) fn seen(&self) -> String {
        let from = self.lines.len().saturating_sub(self.rows);
        let text = self.text();
        let lines: Vec<&str> = text.lines().skip(from).collect();
        lines.join("\n")
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.columns, self.rows)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.rest.drain(..whole).collect()).unwrap();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => self.down(),
                '\r' => self.column = 0,
                '\u{1b}' => {
                    let sequence: String = chars.clone().collect();
                    let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic()) else {
                        self.rest
                            .splice(0..0, format!("\u{1b}{sequence}").into_bytes());
                        return;
                    };
                    self.obey(&sequence[..=end]);
                    chars = chars.as_str()[end + 1..].chars();
                }
                c => self.put(c),
            }
        }
    }

    fn obey(&mut self, sequence: &str) {
        let number = || sequence[1..sequence.len() - 1].parse::<usize>();
        match sequence.chars().last() {
            Some('A') => {
                let top = self.lines.len().saturating_sub(self.rows);
                self.row = self.row.saturating_sub(number().unwrap_or(1)).max(top);
            }
            Some('J') => {
                self.lines.truncate(self.row + 1);
                self.lines[self.row].text.truncate(self.column);
                self.lines[self.row].goes_on = false;
            }
            // Colours, and when to show what is written.
            Some('m' | 'h' | 'l') => {}
            other => panic!("{other:?} is not known: {sequence:?}"),
        }
    }

    fn down(&mut self) {
        self.row += 1;
        self.column = 0;
        if self.row == self.lines.len() {
            self.lines.push(Row::default());
        }
    }

    fn put(&mut self, c: char) {
        if self.column == self.columns {
            self.lines[self.row].goes_on = true;
            self.down();
        }
        let text = &mut self.lines[self.row].text;
        text.resize(text.len().max(self.column + 1), ' ');
        text[self.column] = c;
        self.column += 1;
    }

    /// Changes the size; the cursor stays in its line.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        let old = std::mem::take(&mut self.lines);
        let (mut cursor, mut line) = (0, Vec::new());
        for (number, row) in old.into_iter().enumerate() {
            line.extend(row.text);
            let is_here = number == self.row;
            if !row.goes_on {
                let parts: Vec<Vec<char>> = line.chunks(columns).map(<[char]>::to_vec).collect();
                let count = parts.len().max(1);
                let parts = parts.into_iter().chain([Vec::new()]).take(count);
                for (number, text) in parts.enumerate() {
                    let goes_on = number + 1 < count;
                    self.lines.push(Row { text, goes_on });
                }
                line.clear();
            }
            if is_here {
                cursor = self.lines.len().saturating_sub(1);
            }
        }
        (self.row, self.columns, self.rows) = (cursor, columns, rows);
        self.column = self.column.min(columns);
    }
}
