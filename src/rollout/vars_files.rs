//! A play's files of variables: those that are the same for all hosts once, those named by a template for each host.

use std::sync::Arc;

use crate::inventory::HostName;
use crate::modules::spec::is_template;
use crate::playbook::{Play, join};
use crate::vars::{Layer, Precedence};
use crate::yaml::{Node, Problem, Source, parse};

use super::ended::told;
use super::engine::Engine;
use super::place::Place;
use super::scope::Scope;

impl Engine {
    /// Reads the files whose names are no templates.
    pub(super) fn play_files(&self, play: &Play, scope: &Scope) -> Result<Vec<Layer>, Problem> {
        let mut layers = Vec::new();
        for node in play.vars_files.iter().filter(|node| !is_templated(node)) {
            layers.extend(self.first_file(play, node, scope)?);
        }
        Ok(layers)
    }

    /// Reads the files that are named by templates, for each host.
    pub(super) fn read_host_files(&self, place: &Place, play: &Arc<Play>, hosts: &[HostName]) {
        let templated: Vec<&Node> = play
            .vars_files
            .iter()
            .filter(|node| is_templated(node))
            .collect();
        if templated.is_empty() {
            return;
        }
        let around = self.around(place, &play.context);
        for host in hosts {
            let scope = self.scope(host.as_str(), &around);
            let mut layers = Vec::new();
            for node in &templated {
                match self.first_file(play, node, &scope) {
                    Ok(found) => layers.extend(found),
                    Err(problem) => self.warn(told(&problem), Some(host.as_str())),
                }
            }
            place.play.set_host_files(host, layers);
        }
    }

    /// Reads one entry of `vars_files`: a file, or the first of a list that is there.
    fn first_file(
        &self,
        play: &Play,
        node: &Node,
        scope: &Scope,
    ) -> Result<Option<Layer>, Problem> {
        let names = scope.texts(node)?;
        let desk = &self.outside.desk;
        for name in &names {
            let path = join(&play.context.playbook_directory, name);
            let beside = join(&join(&play.context.playbook_directory, "vars"), name);
            let found = [path, beside].into_iter().find(|path| desk.exists(path));
            let Some(path) = found else {
                continue;
            };
            let wrong =
                |reason: &str| Problem::at(&node.loc, format!("cannot read `{path}`: {reason}"));
            let content = desk.read(&path).map_err(|reason| wrong(&reason))?;
            let text = String::from_utf8(content).map_err(|_| wrong("it is not UTF-8 text"))?;
            let source = Source::new(path.clone(), text);
            let parsed = parse(&source).map_err(|problems| {
                let first = problems.into_iter().next();
                first.unwrap_or_else(|| wrong("it is no YAML"))
            })?;
            return Layer::from_node(Precedence::VarsFiles, &path, &parsed).map(Some);
        }
        if node.as_seq().is_some() {
            return Ok(None);
        }
        let message = format!("there is no file `{}`", names.join("`, `"));
        Err(Problem::at(&node.loc, message))
    }
}

fn is_templated(node: &Node) -> bool {
    match (node.as_str(), node.as_seq()) {
        (Some(text), _) => is_template(text),
        (None, Some(items)) => items.iter().any(is_templated),
        (None, None) => false,
    }
}
