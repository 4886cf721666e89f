//! Statements.

use std::sync::Arc;

use minijinja::machinery::ast::{self, Expr, Stmt};

use super::super::tree::{
    Expression, For, Import, Include, Macro, Names, Span, Statement, Target, Uses,
};
use super::Lower;

impl Lower<'_> {
    /// Lowers statements.
    pub(super) fn statements(&mut self, statements: &[Stmt<'_>]) -> Vec<Statement> {
        let mut lowered = Vec::with_capacity(statements.len());
        for statement in statements {
            self.statement(statement, &mut lowered);
        }
        lowered
    }

    fn statement(&mut self, statement: &Stmt<'_>, into: &mut Vec<Statement>) {
        into.push(match statement {
            Stmt::Template(template) => Statement::Scope(self.statements(&template.children)),
            Stmt::EmitExpr(output) => Statement::Output(self.output(&output.expr)),
            Stmt::EmitRaw(raw) => Statement::Text(self.text(raw.raw)),
            Stmt::ForLoop(repeat) => Statement::For(Arc::new(self.repeat(repeat))),
            Stmt::IfCond(choice) => Statement::If(
                self.expression(&choice.expr),
                self.statements(&choice.true_body),
                self.statements(&choice.false_body),
            ),
            Stmt::WithBlock(with) => self.with(with),
            Stmt::Set(set) => {
                let value = self.expression(&set.expr);
                Statement::Set(self.target(&set.target), value)
            }
            Stmt::SetBlock(set) => {
                let filter = set.filter.as_ref().map(|filter| self.expression(filter));
                let body = self.statements(&set.body);
                Statement::SetBlock(self.target(&set.target), filter, body)
            }
            // Nothing is escaped, whatever a template says of it.
            Stmt::AutoEscape(escape) => Statement::Scope(self.statements(&escape.body)),
            Stmt::FilterBlock(block) => {
                Statement::FilterBlock(self.expression(&block.filter), self.statements(&block.body))
            }
            Stmt::Block(block) => {
                let name: Arc<str> = block.name.into();
                let body = self.statements(&block.body);
                self.blocks.insert(Arc::clone(&name), body.into());
                Statement::Block(name)
            }
            Stmt::Extends(extends) => Statement::Extends(self.expression(&extends.name)),
            Stmt::Include(include) => Statement::Include(Include {
                name: self.expression(&include.name),
                ignore_missing: include.ignore_missing,
                with_context: self.context(self.span(include.span()), true),
            }),
            Stmt::Import(import) => {
                let names = Names::Whole(self.new_name(&import.name));
                self.import(self.span(import.span()), &import.expr, names)
            }
            Stmt::FromImport(import) => {
                let parts = self.parts(&import.names);
                self.import(self.span(import.span()), &import.expr, parts)
            }
            Stmt::Macro(definition) => {
                let name: Arc<str> = definition.name.into();
                self.sets.push(Arc::clone(&name));
                Statement::Macro(Arc::new(self.definition(definition)))
            }
            Stmt::CallBlock(block) => Statement::CallBlock(
                self.call(&block.call, self.span(block.call.span())),
                Arc::new(self.definition(&block.macro_decl)),
            ),
            Stmt::Continue(_) => Statement::Continue,
            Stmt::Break(_) => Statement::Break,
            Stmt::Do(call) => Statement::Do(self.call(&call.call, self.span(call.call.span()))),
        });
    }

    fn with(&mut self, with: &ast::WithBlock<'_>) -> Statement {
        let mut assignments = Vec::with_capacity(with.assignments.len());
        for (target, value) in &with.assignments {
            let value = self.expression(value);
            assignments.push((self.target(target), value));
        }
        Statement::With(assignments, self.statements(&with.body))
    }

    fn parts(&mut self, names: &[(Expr<'_>, Option<Expr<'_>>)]) -> Names {
        let mut parts = Vec::with_capacity(names.len());
        for (name, alias) in names {
            let here = self.new_name(alias.as_ref().unwrap_or(name));
            parts.push((identifier(name), here));
        }
        Names::Parts(parts)
    }

    fn output(&mut self, expression: &Expr<'_>) -> Expression {
        let before = std::mem::replace(&mut self.in_output, true);
        let lowered = self.expression(expression);
        self.in_output = before;
        lowered
    }

    /// Takes a text from the original, since the parser may have seen another one of the same length.
    fn text(&self, raw: &str) -> Arc<str> {
        let own = self.slice(self.place(raw));
        let text = if own.len() == raw.len() { own } else { raw };
        if self.newline == "\n" {
            text.into()
        } else {
            text.replace('\n', self.newline).into()
        }
    }

    fn repeat(&mut self, repeat: &ast::ForLoop<'_>) -> For {
        let over = self.expression(&repeat.iter);
        let target = self.target(&repeat.target);
        let only_if = repeat
            .filter_expr
            .as_ref()
            .map(|test| self.expression(test));
        For {
            target,
            over,
            only_if,
            recursive: repeat.recursive,
            body: self.statements(&repeat.body),
            otherwise: self.statements(&repeat.else_body),
        }
    }

    fn import(&mut self, span: Span, from: &Expr<'_>, names: Names) -> Statement {
        Statement::Import(Import {
            from: self.expression(from),
            names,
            with_context: self.context(span, false),
        })
    }

    /// Reads `with context` and `without context`, which the parser drops.
    fn context(&self, span: Span, default: bool) -> bool {
        let words: Vec<&str> = self.slice(span).split_whitespace().collect();
        let said = |word: &str| words.windows(2).any(|pair| pair == [word, "context"]);
        if said("with") {
            true
        } else if said("without") {
            false
        } else {
            default
        }
    }

    fn definition(&mut self, definition: &ast::Macro<'_>) -> Macro {
        let before = std::mem::take(&mut self.uses);
        let parameters: Vec<Arc<str>> = definition
            .args
            .iter()
            .map(|name| self.new_name(name))
            .collect();
        let defaults = definition
            .defaults
            .iter()
            .map(|value| self.expression(value))
            .collect();
        let body = self.statements(&definition.body);
        let uses = std::mem::replace(&mut self.uses, before);
        Macro {
            name: definition.name.into(),
            uses: Uses {
                caller: uses.caller && !parameters.iter().any(|name| &**name == "caller"),
                ..uses
            },
            parameters,
            defaults,
            body,
        }
    }

    fn target(&mut self, target: &Expr<'_>) -> Target {
        if let Expr::GetAttr(access) = target {
            let name = identifier(&access.expr);
            return Target::Attribute(name, access.name.into(), self.span(access.span()));
        }
        if let Expr::List(list) = target {
            let span = self.span(list.span());
            let targets = list.items.iter().map(|item| self.target(item)).collect();
            return Target::Several(targets, span);
        }
        Target::Name(self.new_name(target))
    }

    fn new_name(&mut self, name: &Expr<'_>) -> Arc<str> {
        let name = identifier(name);
        self.sets.push(Arc::clone(&name));
        name
    }
}

fn identifier(name: &Expr<'_>) -> Arc<str> {
    if let Expr::Var(var) = name {
        var.id.into()
    } else {
        Arc::from("")
    }
}
