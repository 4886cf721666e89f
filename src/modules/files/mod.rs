//! What the file modules share: the state of a path, permissions, atomic writing, editing text.
//!
//! Everything here makes shell text or reads what such a text answered. User text gets into a script as quoted words or
//! base64 only. Called by the modules; knows none of them.

mod attributes;
mod edit;
mod mode;
mod pattern;
mod place;
mod presence;
mod remote_copy;
mod state;
mod target;
mod tree;
mod word;
mod write;

pub use attributes::{Attributes, FILE_ARGUMENTS, GROUP, MODE, OWNER};
pub use edit::{
    BACKUP, Edit, Edited, Editor, PATH, VALIDATE, difference, missing, wanted_for_difference,
};
pub use mode::Mode;
pub use pattern::{Flags, Pattern, Text, expand};
pub use place::Place;
pub use presence::Presence;
pub use remote_copy::RemoteCopy;
pub use state::{FileKind, PathState, STATE, read_state};
pub use target::{Found, Target, Wanted};
pub use tree::{Tree, TreeFile};
pub use word::{Append, PRELUDE, Reply, argument_words, path_word};
pub use write::{BACKUP as BACKUP_LINES, NO, Write, Written, hex, sha256, validate_lines};
