//! Where in the tree something is being read.

use std::fmt::Display;
use std::sync::Arc;

use crate::playbook::{Context, Keywords, Level, TaskId, directory_of};

/// A place in the tree: the id to give, what is inherited, and the file that is being read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The id of what is being read.
    pub(super) id: TaskId,
    /// What it inherits; nothing at the top.
    pub(super) context: Option<Arc<Context>>,
    /// The directory of the file that is being read.
    pub(super) directory: Arc<str>,
    /// The directory of the playbook.
    pub(super) playbook_directory: Arc<str>,
    /// Whether handlers are being read.
    pub(super) handlers: bool,
    /// What is being read, for messages: "a task", "a handler", "a guard".
    pub(super) object: &'static str,
    /// The files and roles that led here, so that a circle is seen.
    pub(super) stack: Vec<String>,
}

impl Place {
    /// Makes the place of a playbook's file.
    pub(super) fn of_playbook(path: &str, id: TaskId) -> Self {
        let directory: Arc<str> = Arc::from(directory_of(path));
        Self {
            id,
            context: None,
            playbook_directory: Arc::clone(&directory),
            directory,
            handlers: false,
            object: "a task",
            stack: vec![path.to_owned()],
        }
    }

    /// Returns the place of a part.
    pub(super) fn child(&self, part: impl Display) -> Self {
        Self {
            id: self.id.child(part),
            ..self.clone()
        }
    }

    /// Makes a level of inheritance here.
    pub(super) fn level(&self, level: Level, keywords: Keywords) -> Arc<Context> {
        Arc::new(Context {
            level,
            keywords,
            parent: self.context.clone(),
            directory: Arc::clone(&self.directory),
            playbook_directory: Arc::clone(&self.playbook_directory),
        })
    }

    /// Returns the place inside a level.
    pub(super) fn within(&self, context: &Arc<Context>) -> Self {
        Self {
            context: Some(Arc::clone(context)),
            ..self.clone()
        }
    }

    /// Returns the place inside another file.
    pub(super) fn in_file(&self, path: &str) -> Self {
        let mut place = self.clone();
        place.directory = Arc::from(directory_of(path));
        place.stack.push(path.to_owned());
        place
    }

    /// Returns the place inside a gate, bracket or guard.
    pub(super) fn protected(&self) -> Self {
        self.within(&self.level(Level::Protection, Keywords::default()))
    }
}
