//! Writes on the terminal what the progress bar library draws: each frame at once, and nothing of it stays behind.
//!
//! The library moves the cursor by what it drew, at the width of then. Here every line of the view ends by itself and the
//! cursor rests below them, so that it is known how many rows they take now, also after the terminal has become narrower
//! and has broken them. While somebody is asked something the view is away ([`Screen::hold`]).

use std::fmt;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;
use unicode_width::UnicodeWidthStr as _;

use super::text::cut;

/// Stands before each line of the view, and changes nothing: it tells them from those that scroll away.
pub(super) const MARK: &str = "\u{1b}[0m";

/// Between these a terminal that can do so shows nothing half-way.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// The size of a terminal in columns and rows.
pub(super) type Size = (usize, usize);

/// A terminal with a view at its lower end.
#[derive(Clone)]
pub(in crate::cli) struct Screen {
    state: Arc<Mutex<State>>,
    size: Arc<dyn Fn() -> Size + Send + Sync>,
}

struct State {
    out: Box<dyn Write + Send>,
    /// The lines of the frame that the library is drawing.
    frame: Vec<String>,
    /// A line of the frame whose rest is not filled yet.
    open: Option<String>,
    /// How many columns each line of the view fills that is seen now.
    seen: Vec<usize>,
    held: bool,
    /// What has to scroll by when nobody is asked any more.
    waiting: String,
}

impl fmt::Debug for Screen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Screen").finish_non_exhaustive()
    }
}

/// Keeps the view away until it is dropped.
#[derive(Debug)]
pub(in crate::cli) struct Hold(Screen);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state().held = false;
    }
}

impl Screen {
    /// Takes the error output, which must be a terminal.
    pub(in crate::cli) fn stderr() -> Self {
        Self::on(Box::new(io::stderr()), Arc::new(size))
    }

    pub(super) fn on(
        out: Box<dyn Write + Send>,
        size: Arc<dyn Fn() -> Size + Send + Sync>,
    ) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                out,
                frame: Vec::new(),
                open: None,
                seen: Vec::new(),
                held: false,
                waiting: String::new(),
            })),
            size,
        }
    }

    /// Takes the view away while something else is written.
    pub(in crate::cli) fn hold(&self) -> Hold {
        let columns = self.columns();
        let mut state = self.state();
        let text = state.erased(columns);
        state.held = true;
        // Who is asked sees the question all the same.
        drop(state.write(&text));
        drop(state);
        Hold(self.clone())
    }

    pub(super) fn columns(&self) -> usize {
        (self.size)().0.max(1)
    }

    /// Returns how many rows there are above the cursor's.
    pub(super) fn rows(&self) -> usize {
        (self.size)().1.saturating_sub(1).max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns what takes the view away that is seen now.
    fn erased(&mut self, columns: usize) -> String {
        let rows: usize = self
            .seen
            .drain(..)
            .map(|filled| filled.div_ceil(columns.max(1)).max(1))
            .sum();
        match rows {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A\r\u{1b}[J"),
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn finish_frame(&mut self, columns: usize) -> io::Result<()> {
        let open = self.open.take();
        let frame = std::mem::take(&mut self.frame);
        let mut text = self.erased(columns);
        if !self.held {
            text.push_str(&std::mem::take(&mut self.waiting));
        }
        for line in frame.into_iter().chain(open) {
            if self.held {
                if !line.starts_with(MARK) {
                    self.waiting.push_str(&line);
                    self.waiting.push('\n');
                }
                continue;
            }
            // Writing to a String cannot fail.
            let _ = if let Some(line) = line.strip_prefix(MARK) {
                // The library draws a line again as it was, also where there is less room now.
                let line = cut(line, columns);
                self.seen.push(line.width());
                writeln!(text, "{line}")
            } else {
                writeln!(text, "{line}")
            };
        }
        if text.is_empty() {
            return Ok(());
        }
        self.write(&format!("{BEGIN}{text}{END}"))
    }
}

/// Returns the size of the terminal; one that does not tell has the usual one.
fn size() -> Size {
    let told = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let told = told.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or((80, 24), |size| {
        (usize::from(size.ws_col), usize::from(size.ws_row))
    })
}

/// The library's movements are passed over: where the cursor is and what is to be erased is known here.
impl TermLike for Screen {
    fn width(&self) -> u16 {
        u16::try_from(self.columns()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.rows()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.state().frame.push(text.to_owned());
        Ok(())
    }

    /// Takes a line, then the blanks that fill its rest, as the library writes them.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.open.take() {
            None => state.open = Some(text.to_owned()),
            Some(line) => state.frame.push(line),
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let columns = self.columns();
        self.state().finish_frame(columns)
    }
}
