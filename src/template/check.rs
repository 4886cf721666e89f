//! What can be said of a template before anything is rendered: its mistakes, and the names that it needs.
//!
//! A name counts as needed if it is used anywhere without `default`, `is defined` and the like, and if the template
//! does not set it. Whether something defines it is for the caller to say, who knows the variables.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::error::width;
use super::functions;
use super::locate::{Origin, Place};
use super::syntax::{self, Issue, Mode};
use super::templater::{Templater, is_unsafe};
use super::tree::{Constant, Expression, Form, Program, Span, Statement, Target};
use crate::yaml::{Data, Loc, Node, Problem, Source};

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that may hold templates.
    Value,
    /// A bare expression.
    Expression,
    /// A bare condition, as in `when`.
    Condition,
}

/// A name that a template needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The name.
    pub name: String,
    /// Where it is used first.
    pub loc: Option<Loc>,
    /// How many characters to underline.
    pub width: u32,
}

/// What was found out about a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Mistakes: syntax, unknown filters, arguments that do not fit, templates that cannot be read.
    pub problems: Vec<Problem>,
    /// The names that must be defined for it to be rendered.
    pub needs: Vec<Need>,
}

/// The names that a template gets without anybody setting them.
const GIVEN: [&str; 6] = ["loop", "caller", "varargs", "kwargs", "self", "super"];

/// How deep templates that include each other are followed.
const DEEPEST: usize = 20;

impl Templater {
    /// Checks a text.
    pub fn check<'o>(&self, text: &str, kind: Kind, origin: impl Into<Origin<'o>>) -> Checked {
        let place = Rc::new(Place::from(origin.into()));
        let mut check = Check::new(self);
        check.text(text, kind, &place, 0);
        check.done()
    }

    /// Checks a template file, and those that it includes by a constant name.
    pub fn check_file(&self, source: &Arc<Source>) -> Checked {
        let mut check = Check::new(self);
        check.file(source, 0);
        check.done()
    }

    /// Checks every text of a node of a YAML file.
    pub fn check_node(&self, node: &Node) -> Checked {
        let mut check = Check::new(self);
        check.node(node);
        check.done()
    }
}

struct Check<'a> {
    templater: &'a Templater,
    found: Checked,
    /// What is needed unless it turns out to be optional or set, by name.
    wanted: HashMap<String, Need>,
    order: Vec<String>,
    optional: HashSet<String>,
    seen: HashSet<String>,
}

/// One program that is looked through.
struct Walk<'p> {
    program: &'p Program,
    place: Rc<Place>,
    /// Whether texts between quotes may hold templates.
    embedded: bool,
    depth: usize,
}

impl<'a> Check<'a> {
    fn new(templater: &'a Templater) -> Self {
        Self {
            templater,
            found: Checked::default(),
            wanted: HashMap::new(),
            order: Vec::new(),
            optional: HashSet::new(),
            seen: HashSet::new(),
        }
    }

    fn done(mut self) -> Checked {
        for name in self.order {
            if !self.optional.contains(&name) {
                self.found.needs.extend(self.wanted.remove(&name));
            }
        }
        self.found
    }

    fn node(&mut self, node: &Node) {
        match &node.data {
            Data::Str(_) if is_unsafe(node) => {}
            Data::Str(text) => {
                // What is optional in one text of a node is not so in another.
                let mut own = Check::new(self.templater);
                own.text(
                    text,
                    Kind::Value,
                    &Rc::new(Place::from(Origin::Scalar(node))),
                    0,
                );
                let own = own.done();
                self.found.problems.extend(own.problems);
                self.found.needs.extend(own.needs);
            }
            Data::Seq(items) => items.iter().for_each(|item| self.node(item)),
            Data::Map(entries) => entries.iter().for_each(|(_, item)| self.node(item)),
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => {}
        }
    }

    fn text(&mut self, text: &str, kind: Kind, place: &Rc<Place>, depth: usize) {
        let mode = match kind {
            Kind::Value => Mode::Value,
            Kind::Condition if syntax::is_all_template(text.trim()) => Mode::Value,
            Kind::Expression => Mode::Expression,
            Kind::Condition => Mode::Condition,
        };
        if mode == Mode::Value && !syntax::is_template(text) {
            return;
        }
        self.parsed(text, mode, place, kind == Kind::Condition, depth);
    }

    fn file(&mut self, source: &Arc<Source>, depth: usize) {
        if syntax::is_template(&source.text) {
            let place = Rc::new(Place::File(Arc::clone(source)));
            self.parsed(&source.text, Mode::File, &place, false, depth);
        }
    }

    fn parsed(&mut self, text: &str, mode: Mode, place: &Rc<Place>, embedded: bool, depth: usize) {
        match self.templater.parsed(text, mode) {
            Err(issues) => {
                for issue in issues.iter() {
                    self.report(text, place, issue);
                }
            }
            Ok(program) => {
                for issue in &program.warnings {
                    self.report(text, place, issue);
                }
                let walk = Walk {
                    program: &program,
                    place: Rc::clone(place),
                    embedded,
                    depth,
                };
                self.statements(&walk, &program.body);
                for block in program.blocks.values() {
                    self.statements(&walk, block);
                }
                for name in &program.sets {
                    self.optional.insert(name.to_string());
                }
            }
        }
    }

    fn report(&mut self, text: &str, place: &Place, issue: &Issue) {
        let mut problem = match place.position(text, issue.span.start) {
            Some(loc) => Problem::at(&loc, issue.message.clone()),
            None => Problem::nowhere(issue.message.clone()),
        };
        problem.width = width(text, issue.span);
        problem.hint.clone_from(&issue.hint);
        self.found.problems.push(problem);
    }

    fn statements(&mut self, walk: &Walk<'_>, statements: &[Statement]) {
        for statement in statements {
            self.statement(walk, statement);
        }
    }

    fn statement(&mut self, walk: &Walk<'_>, statement: &Statement) {
        for expression in statement.expressions() {
            self.expression(walk, expression);
        }
        for body in statement.bodies() {
            self.statements(walk, body);
        }
        if let Statement::Set(target, _) | Statement::SetBlock(target, ..) = statement {
            self.target(walk, target);
        } else if let Statement::Extends(name) = statement {
            self.other(walk, name, false, true);
        } else if let Statement::Include(include) = statement {
            let context = include.with_context;
            self.other(walk, &include.name, include.ignore_missing, context);
        } else if let Statement::Import(import) = statement {
            self.other(walk, &import.from, false, import.with_context);
        }
    }

    fn target(&mut self, walk: &Walk<'_>, target: &Target) {
        match target {
            Target::Name(_) => {}
            Target::Attribute(name, _, span) => self.need(walk, name, *span),
            Target::Several(targets, _) => {
                for target in targets {
                    self.target(walk, target);
                }
            }
        }
    }

    fn need(&mut self, walk: &Walk<'_>, name: &str, span: Span) {
        if GIVEN.contains(&name) || functions::NAMES.contains(&name) {
            return;
        }
        if self.wanted.contains_key(name) {
            return;
        }
        let need = Need {
            name: name.to_owned(),
            loc: walk.place.position(&walk.program.text, span.start),
            width: width(&walk.program.text, span),
        };
        self.wanted.insert(name.to_owned(), need);
        self.order.push(name.to_owned());
    }

    fn expression(&mut self, walk: &Walk<'_>, expression: &Expression) {
        let mut embedded = walk.embedded;
        if let Form::Name(name) = &expression.form {
            self.need(walk, name, expression.span);
        } else if let Form::Constant(constant) = &expression.form {
            self.constant(walk, constant, expression.span);
        } else if let Form::Filter(filter) = &expression.form {
            let catches = ["default", "d", "type_debug"].contains(&filter.plugin.name);
            self.may_lack(filter.value.as_ref().filter(|_| catches));
        } else if let Form::Test(test) = &expression.form {
            let asks = ["defined", "undefined"].contains(&test.plugin.name);
            self.may_lack(Some(&test.value).filter(|_| asks));
        } else if let Form::Call(callee, _) = &expression.form
            && let Form::Name(name) = &callee.form
        {
            embedded |= ["lookup", "query", "q"].contains(&&**name);
        }
        let inner = Walk {
            program: walk.program,
            place: Rc::clone(&walk.place),
            embedded,
            depth: walk.depth,
        };
        for part in expression.parts() {
            self.expression(&inner, part);
        }
    }

    /// Looks into a text between quotes that holds a template.
    fn constant(&mut self, walk: &Walk<'_>, constant: &Constant, span: Span) {
        let Constant::Text(text) = constant else {
            return;
        };
        if !walk.embedded || !syntax::is_template(text) || walk.depth >= DEEPEST {
            return;
        }
        let inner = self.templater.check(text, Kind::Value, Origin::Nowhere);
        for need in inner.needs {
            self.need(walk, &need.name, span);
        }
    }

    /// Notes the name that a value begins with as one that may be undefined.
    fn may_lack(&mut self, value: Option<&Expression>) {
        let name = value.and_then(Expression::root);
        self.optional.extend(name.map(str::to_owned));
    }

    /// Checks another template that is named by a constant.
    fn other(&mut self, walk: &Walk<'_>, name: &Expression, may_lack: bool, context: bool) {
        self.expression(walk, name);
        let Form::Constant(Constant::Text(own)) = &name.form else {
            return;
        };
        if walk.depth >= DEEPEST || !self.seen.insert(own.to_string()) {
            return;
        }
        match self.templater.other(own) {
            Ok(source) if context => self.file(&source, walk.depth + 1),
            Ok(source) => {
                let own = self.templater.check_file(&source);
                self.found.problems.extend(own.problems);
            }
            Err(_) if may_lack => {}
            Err(problem) => {
                let issue = Issue {
                    message: format!("the template cannot be read: {problem}"),
                    span: name.span,
                    hint: None,
                    is_syntax: false,
                };
                self.report(&walk.program.text, &walk.place, &issue);
            }
        }
    }
}
