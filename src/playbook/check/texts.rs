//! Every text of the tree as a template: its syntax, and the variables that nothing can define.

use std::collections::HashSet;
use std::sync::Arc;

use super::names::Names;
use super::scope::{Defined, Scope};
use super::survey::{Around, Part, Survey};
use super::{Findings, Surroundings, files};
use crate::modules::spec::{Kind, is_template};
use crate::playbook::{Action, Context, Include, Included, Keywords, LoopOver, Play, Task};
use crate::template::{Checked, Kind as Text, Need, Origin};
use crate::yaml::{Data, Node, Problem, Source, is_vaulted};

pub(super) fn check(
    survey: &Survey<'_>,
    surroundings: &Surroundings<'_>,
    names: &Names<'_>,
    findings: &mut Findings,
) {
    let mut reader = Reader {
        surroundings,
        findings,
        read: HashSet::new(),
    };
    let scope = |context, play| Scope {
        names,
        context,
        play,
        here: Vec::new(),
    };
    for play in &survey.plays {
        reader.play(play, &scope(&play.context, Some(play)));
    }
    for (block, around) in &survey.blocks {
        let scope = scope(&block.context, of(around));
        reader.keywords(&block.context.keywords, &scope);
        reader.unscoped(block.name.as_ref(), &scope);
        reader.values(block.takes_down.iter().map(|taken| &taken.members), &scope);
    }
    for (task, around) in &survey.tasks {
        let mut scope = scope(&task.context, of(around)).for_task(task);
        if around.part == Part::Bracket {
            scope.here.push("found");
        }
        reader.task(task, &scope);
    }
    for (guard, around) in &survey.guards {
        let mut scope = scope(&guard.probe.context, of(around));
        reader.values(
            [&guard.every, &guard.grace, &guard.unknown_grace]
                .into_iter()
                .flatten(),
            &scope,
        );
        scope.here.push("result");
        reader.expressions(&guard.until, &scope);
    }
    for (bracket, around) in &survey.brackets {
        let mut scope = scope(&bracket.context, of(around));
        reader.keywords(&bracket.context.keywords, &scope);
        reader.values(&bracket.expect, &scope);
        reader.values(&bracket.hold_wait, &scope);
        // `found` is an expression; one in braces is a template.
        match bracket.found.as_ref().and_then(Node::as_str) {
            Some(text) if is_template(text) => reader.values(&bracket.found, &scope),
            Some(_) | None => reader.expressions(&bracket.found, &scope),
        }
        scope.here.extend(["found", "result"]);
        let held = bracket.hold_while.iter().flat_map(|held| &held.that);
        reader.expressions(held, &scope);
    }
}

fn of<'a>(around: &Around<'a>) -> Option<&'a Play> {
    around.play.map(Arc::as_ref)
}

/// Reads texts, and what they use.
#[derive(Debug)]
struct Reader<'r> {
    surroundings: &'r Surroundings<'r>,
    findings: &'r mut Findings,
    /// The values of variables that were read already, by their place and the play.
    read: HashSet<String>,
}

impl Reader<'_> {
    fn play(&mut self, play: &Play, scope: &Scope<'_>) {
        self.keywords(&play.context.keywords, scope);
        let texts = [
            &play.order,
            &play.order_by,
            &play.strategy,
            &play.gather_facts,
            &play.max_fail_percentage,
        ];
        self.values(texts.into_iter().flatten(), scope);
        self.values(play.serial.iter().chain([&play.hosts]), scope);
        self.unscoped(play.name.as_ref(), scope);
    }

    fn keywords(&mut self, keywords: &Keywords, scope: &Scope<'_>) {
        let texts = [
            &keywords.r#become,
            &keywords.become_user,
            &keywords.become_method,
            &keywords.become_flags,
            &keywords.become_exe,
            &keywords.remote_user,
            &keywords.port,
            &keywords.connection,
            &keywords.check_mode,
            &keywords.diff,
            &keywords.no_log,
            &keywords.run_once,
            &keywords.throttle,
            &keywords.timeout,
            &keywords.any_errors_fatal,
            &keywords.ignore_errors,
            &keywords.ignore_unreachable,
            &keywords.delegate_to,
            &keywords.delegate_facts,
        ];
        self.values(texts.into_iter().flatten(), scope);
        self.values(keywords.tags.iter().chain(&keywords.environment), scope);
        self.values(&keywords.notify, scope);
        self.expressions(&keywords.when, scope);
        // Variables are read when they are used; only their syntax is judged here.
        self.unscoped(keywords.vars.as_ref(), scope);
    }

    fn task(&mut self, task: &Task, scope: &Scope<'_>) {
        self.keywords(&task.context.keywords, scope);
        self.unscoped(task.name.as_ref(), scope);
        for list in [&task.until, &task.changed_when, &task.failed_when] {
            self.expressions(list, scope);
        }
        let texts = [
            &task.retries,
            &task.delay,
            &task.r#async,
            &task.poll,
            &task.point_of_no_return,
        ];
        self.values(texts.into_iter().flatten(), scope);
        self.values(task.listen.iter(), scope);
        self.values(task.takes_down.iter().map(|taken| &taken.members), scope);
        if let Some(repetition) = &task.r#loop {
            let control = &repetition.control;
            match &repetition.over {
                LoopOver::Items(node) => self.values([node], scope),
                LoopOver::With { terms, .. } => self.values([terms], scope),
            }
            self.values(
                [&control.label, &control.pause].into_iter().flatten(),
                scope,
            );
            self.expressions(&control.break_when, scope);
        }
        if let Some(done) = &task.done_when {
            let mut scope = scope.clone();
            scope.here.push("result");
            self.expressions(&done.that, &scope);
        }
        match &task.action {
            Action::Module {
                spec, arguments, ..
            } => {
                for (key, node) in arguments.as_map().unwrap_or_default() {
                    let kind = spec.argument(&key.name).map(|argument| argument.kind);
                    let is_expression = kind == Some(Kind::Conditions)
                        || (spec.name == "debug" && key.name == "var");
                    if is_expression {
                        self.expressions([node], scope);
                    } else {
                        self.values([node], scope);
                    }
                }
                self.template_file(task, scope);
            }
            Action::Include(Include { what, apply, .. }) => {
                match what {
                    Included::Tasks { file } => self.values([file], scope),
                    Included::Role { name, files, .. } => {
                        let parts = [&files.tasks, &files.vars, &files.defaults, &files.handlers];
                        self.values(parts.into_iter().flatten().chain([name]), scope);
                    }
                }
                self.unscoped(apply.as_ref(), scope);
            }
            Action::Meta(_) | Action::RoleArguments(_) => {}
        }
    }

    /// Reads the template file that a task names.
    fn template_file(&mut self, task: &Task, scope: &Scope<'_>) {
        let Some(named) = files::named(task).filter(|named| named.module == "template") else {
            return;
        };
        let files = self.surroundings.files;
        let Some(path) = task.context.find_file(named.kind, named.name, files) else {
            return;
        };
        match files.read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => {
                let source = Source::new(path, text);
                let directories = task.context.search(named.kind);
                let templater = (self.surroundings.searching)(&directories);
                let Checked { problems, needs } = templater.check_file(&source);
                let note = format!("in the template of the task at {}", task.loc);
                let with_note = |problem: Problem| problem.note(note.clone());
                self.findings
                    .problems
                    .extend(problems.into_iter().map(with_note));
                self.needs(needs, &source.text, scope, &note);
            }
            Ok(Err(_)) => {
                let message = format!("`{path}` is no UTF-8 text");
                self.findings
                    .problems
                    .push(Problem::at(&named.node.loc, message));
            }
            Err(reason) => {
                let message = format!("cannot read `{path}`: {reason}");
                self.findings
                    .problems
                    .push(Problem::at(&named.node.loc, message));
            }
        }
    }

    /// Reads texts that may be templates, also inside lists and maps.
    fn values<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>, scope: &Scope<'_>) {
        for node in nodes {
            self.walk(node, &mut |reader, node| {
                let Checked { problems, needs } = reader.surroundings.templater.check_node(node);
                reader.findings.problems.extend(problems);
                reader.needs(needs, node.as_str().unwrap_or_default(), scope, "");
            });
        }
    }

    /// Reads texts of which only the syntax counts here.
    fn unscoped<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>, _: &Scope<'_>) {
        for node in nodes {
            self.walk(node, &mut |reader, node| {
                let found = reader.surroundings.templater.check_node(node);
                reader.findings.problems.extend(found.problems);
            });
        }
    }

    fn walk(&mut self, node: &Node, read: &mut dyn FnMut(&mut Self, &Node)) {
        if node.tag.as_deref() == Some("unsafe") || is_vaulted(node) {
            return;
        }
        match &node.data {
            Data::Str(text) if is_template(text) => read(self, node),
            Data::Seq(items) => items.iter().for_each(|node| self.walk(node, read)),
            Data::Map(entries) => entries.iter().for_each(|(_, node)| self.walk(node, read)),
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {}
        }
    }

    /// Reads bare expressions.
    fn expressions<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>, scope: &Scope<'_>) {
        for node in nodes {
            for item in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
                let Some(text) = item.as_str() else { continue };
                let templater = self.surroundings.templater;
                let Checked { problems, needs } =
                    templater.check(text, Text::Condition, Origin::Scalar(item));
                self.findings.problems.extend(problems);
                self.needs(needs, text, scope, "");
            }
        }
    }

    /// Judges the variables that a text needs, and those that their values need.
    fn needs(&mut self, needs: Vec<Need>, text: &str, scope: &Scope<'_>, note: &str) {
        for need in needs {
            match scope.find(&need.name) {
                Defined::By(definitions) => {
                    for value in definitions.iter().filter_map(|found| found.value.as_ref()) {
                        self.value_of(value, scope);
                    }
                }
                Defined::ByNothing => {
                    let name = need.name.as_str();
                    let is_told = scope.names.missing.contains(name);
                    if !is_told && !asks_for(text, name) && !asked_around(scope.context, name) {
                        let mut problem = undefined(&need, scope);
                        if !note.is_empty() {
                            problem = problem.note(note);
                        }
                        self.findings.problems.push(problem);
                    }
                }
            }
        }
    }

    /// Reads the value of a variable that is used, once in a play.
    fn value_of(&mut self, value: &Node, scope: &Scope<'_>) {
        let play = scope.play.map_or("", |play| play.id.as_str());
        if self.read.insert(format!("{play} {}", value.loc)) {
            self.values([value], scope);
        }
    }
}

fn undefined(need: &Need, scope: &Scope<'_>) -> Problem {
    let message = format!("`{}` is undefined: nothing can define it", need.name);
    let mut problem = match &need.loc {
        Some(loc) => Problem::at(loc, message),
        None => Problem::nowhere(message),
    };
    problem.width = need.width.max(1);
    problem.hint = scope.nearest(&need.name);
    problem
}

/// Says whether conditions around a text ask if a name is defined.
fn asked_around(context: &Context, name: &str) -> bool {
    let mut conditions = context.conditions().into_iter();
    conditions.any(|node| node.as_str().is_some_and(|text| asks_for(text, name)))
}

/// Says whether a text asks if a name is defined, so that it may be undefined.
fn asks_for(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let rest = text.get(at + name.len()..).unwrap_or_default();
        if before.is_some_and(|c| is_word(c) || c == '.') || rest.starts_with(is_word) {
            return false;
        }
        let words: Vec<&str> = rest
            .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '}' | '%'))
            .filter(|word| !word.is_empty())
            .take(3)
            .collect();
        matches!(
            words.as_slice(),
            ["is", "defined" | "undefined", ..]
                | ["is", "not", "defined" | "undefined"]
                | ["|", "default" | "d", ..]
                | ["|default" | "|d", ..]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::asks_for;

    #[test]
    fn a_text_that_asks_for_a_name_is_seen() {
        for (text, asks) in [
            ("x is defined", true),
            ("x is not defined and y", true),
            ("a and (x is undefined)", true),
            ("x|default(1)", true),
            ("x | d('')", true),
            ("{% if x is defined %}", true),
            ("x", false),
            ("xx is defined", false),
            ("a.x is defined", false),
            ("x == 1 and y is defined", false),
        ] {
            assert_eq!(asks_for(text, "x"), asks, "{text}");
        }
    }
}
