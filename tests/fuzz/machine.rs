//! A machine with one file, for parsers that read files.

use stagger::inventory::{self, Kind, Output};
use stagger::playbook::{self, FileKind};

/// Has one file, which is a program as well, where it is asked to be run.
#[derive(Debug, Clone)]
pub(crate) struct OneFile {
    path: &'static str,
    content: Vec<u8>,
    executable: bool,
}

impl OneFile {
    pub(crate) fn new(path: &'static str, content: &[u8]) -> Self {
        Self {
            path,
            content: content.to_vec(),
            executable: false,
        }
    }

    /// Makes the file a program that prints the content.
    pub(crate) fn printing(path: &'static str, content: &[u8]) -> Self {
        Self {
            executable: true,
            ..Self::new(path, content)
        }
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, String> {
        if path != self.path {
            return Err("no such file".to_owned());
        }
        if self.executable {
            return Ok(b"#!/bin/sh\n".to_vec());
        }
        Ok(self.content.clone())
    }
}

impl inventory::Files for OneFile {
    fn kind(&self, path: &str) -> Option<Kind> {
        (path == self.path).then_some(Kind::File {
            executable: self.executable,
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.content(path)
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Err("no such file".to_owned())
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<Output, String> {
        Ok(Output {
            success: true,
            end: "exit code 0".to_owned(),
            stdout: self.content.clone(),
            stderr: Vec::new(),
        })
    }
}

impl playbook::Files for OneFile {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.content(path)
    }

    fn kind(&self, path: &str) -> Option<FileKind> {
        (path == self.path).then_some(FileKind::File)
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
