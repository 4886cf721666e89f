//! Files -> documents, each read once.

use super::Load;
use crate::playbook::FileKind;
use crate::yaml::{Data, Loc, Node, Problem, Source, open_vaulted, parse};

/// The endings that a file of YAML may have, in the order in which they are tried.
const ENDINGS: [&str; 3] = ["yml", "yaml", "json"];

impl Load<'_> {
    /// Reads a file, once; a problem stands at `at`, where the file is named.
    pub(super) fn document(&mut self, path: &str, at: Option<&Loc>) -> Option<Node> {
        if let Some(known) = self.documents.get(path) {
            return known.clone();
        }
        let document = self.read_document(path, at);
        self.documents.insert(path.to_owned(), document.clone());
        document
    }

    fn read_document(&mut self, path: &str, at: Option<&Loc>) -> Option<Node> {
        let text =
            self.loader.files.read(path).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".into())
            });
        let text = match text {
            Ok(text) => text,
            Err(reason) => {
                let message = format!("cannot read `{path}`: {reason}");
                self.problem(at.map_or_else(
                    || Problem::nowhere(message.clone()),
                    |loc| Problem::at(loc, message.clone()),
                ));
                return None;
            }
        };
        let source = Source::new(path, text);
        self.read.push(source.clone());
        match parse(&source) {
            Ok(mut node) => {
                open_vaulted(&mut node, self.loader.files.vault(), &mut self.problems);
                Some(node)
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// Says whether a path names a file.
    pub(super) fn is_file(&self, path: &str) -> bool {
        self.loader.files.kind(path) == Some(FileKind::File)
    }

    /// Says whether a path names a directory.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.loader.files.kind(path) == Some(FileKind::Directory)
    }

    /// Finds `stem` with one of YAML's endings in a directory; a name with an ending is taken as it is.
    pub(super) fn find_stem(&self, directory: &str, stem: &str) -> Option<String> {
        let whole = format!("{directory}/{stem}");
        if stem != "main" && self.is_file(&whole) {
            return Some(whole);
        }
        let with_ending = |ending: &&str| format!("{whole}.{ending}");
        let mut names = ENDINGS.iter().map(with_ending);
        let found = names.find(|name| self.is_file(name));
        found.or_else(|| self.is_file(&whole).then_some(whole))
    }

    /// Returns the files of variables of a role: `main` as a file, or all files below a directory of that name.
    pub(super) fn variable_files(&self, directory: &str, stem: &str) -> Vec<String> {
        if let Some(file) = self.find_stem(directory, stem) {
            return vec![file];
        }
        let mut files = Vec::new();
        self.below(&format!("{directory}/{stem}"), &mut files);
        files
    }

    fn below(&self, directory: &str, files: &mut Vec<String>) {
        if !self.is_directory(directory) {
            return;
        }
        for name in self.loader.files.list(directory) {
            let path = format!("{directory}/{name}");
            if self.is_directory(&path) {
                self.below(&path, files);
            } else if !name.starts_with('.') && has_ending(&name) {
                files.push(path);
            }
        }
    }

    /// Reads a file of variables: a map, or nothing at all.
    pub(super) fn variables_of(&mut self, path: &str, at: Option<&Loc>) -> Option<Node> {
        let node = self.document(path, at)?;
        match &node.data {
            Data::Map(_) => Some(self.variables(&node)),
            Data::Null => None,
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                let message = format!("a file of variables must hold a map, not {}", node.kind());
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }
}

fn has_ending(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.contains(&ending),
        None => true,
    }
}
