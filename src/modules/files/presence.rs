//! `creates` and `removes`: what lies on the host tells that there is nothing to do.
//!
//! Makes the question and reads its answer; the caller asks, and says in the words of its module what came of it. Called
//! by the modules that run programs and by `uri`.

use super::word::Reply;
use crate::modules::spec::Arguments;

/// The arguments `creates` and `removes`.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    creates: Option<String>,
    removes: Option<String>,
}

impl Presence {
    /// Reads them from a module's arguments.
    pub fn of(arguments: &Arguments) -> Self {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        Self {
            creates: text("creates"),
            removes: text("removes"),
        }
    }

    /// Tells whether either was given, so that the host can be asked.
    pub fn can_be_asked(&self) -> bool {
        self.creates.is_some() || self.removes.is_some()
    }

    /// Makes the lines that ask; `there` makes of a path the shell's condition that something lies there.
    pub fn question(&self, there: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for (name, path) in [("creates", &self.creates), ("removes", &self.removes)] {
            if let Some(path) = path {
                let condition = there(path);
                text.push_str(
                    &["if ", &condition, "; then printf '", name, "=yes\\0'; fi\n"].concat(),
                );
            }
        }
        text
    }

    /// Reads the answer: the path that says that nothing is to be done, and how it does.
    pub fn done(&self, reply: &Reply) -> Option<(&str, &'static str)> {
        match (&self.creates, &self.removes) {
            (Some(path), _) if reply.yes("creates") => Some((path, "exists")),
            (_, Some(path)) if !reply.yes("removes") => Some((path, "does not exist")),
            _ => None,
        }
    }
}
