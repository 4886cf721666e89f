//! From the parser's tree to this room's: the only place that knows minijinja.
//!
//! minijinja reads a template (lexer, parser, white space); what it means is decided here and in `evaluate`, since its
//! machine has no place for what Ansible needs: undefined values that travel through filters and attributes, an error
//! for `'10' > 9`, values that keep their type, lists that can be appended to, the exact position of every mistake.
//! The parser's tree is an unstable interface of minijinja; its version is pinned, and nothing else depends on it.

mod expression;
mod statement;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use minijinja::machinery::{self, ast};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

use super::syntax::{self, Issue, Mode};
use super::tree::{Program, Span, Statement, Uses};

/// Reads a text as a template.
pub(crate) fn compile(text: &str, mode: Mode) -> Result<Program, Vec<Issue>> {
    let text = if text.contains('\r') && !is_expression(mode) {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let mut lower = Lower::new(&text, mode);
    match lower.read(mode) {
        Ok(body) if lower.issues.iter().all(|issue| !issue.is_syntax) => Ok(Program {
            body,
            blocks: lower.blocks,
            sets: lower.sets,
            changes: lower.changes,
            newline: lower.newline,
            warnings: lower.issues,
            text: text.into(),
        }),
        Ok(_) => Err(lower.issues),
        Err(issue) => {
            lower.issues.push(issue);
            Err(lower.issues)
        }
    }
}

fn is_expression(mode: Mode) -> bool {
    matches!(mode, Mode::Expression | Mode::Condition)
}

/// One reading of a text.
#[derive(Debug)]
struct Lower<'t> {
    /// The whole text.
    text: &'t str,
    /// Where the part that the parser read begins.
    start: usize,
    /// The address of that part, to find where a text of the tree stands.
    address: usize,
    /// Whether a backslash in a text between quotes of an output means itself.
    plain_backslash: bool,
    /// Whether what is read now is an output, `{{ ... }}`.
    in_output: bool,
    changes: bool,
    newline: &'static str,
    issues: Vec<Issue>,
    blocks: HashMap<Arc<str>, Arc<[Statement]>>,
    sets: Vec<Arc<str>>,
    uses: Uses,
}

impl<'t> Lower<'t> {
    fn new(text: &'t str, mode: Mode) -> Self {
        Self {
            text,
            start: 0,
            address: 0,
            plain_backslash: matches!(mode, Mode::Value | Mode::Expression),
            in_output: is_expression(mode),
            changes: false,
            newline: "\n",
            issues: Vec::new(),
            blocks: HashMap::new(),
            sets: Vec::new(),
            uses: Uses::default(),
        }
    }

    fn read(&mut self, mode: Mode) -> Result<Vec<Statement>, Issue> {
        let mut source = self.text;
        let mut config = SyntaxConfig::default();
        if !is_expression(mode) {
            let form = syntax::form(self.text)?;
            self.start = form.start;
            self.newline = form.newline;
            config = form.config;
            source = source.get(form.start..).unwrap_or_default();
            if !form.keep_trailing_newline {
                source = source.strip_suffix('\n').unwrap_or(source);
            }
        }
        match parse(source, mode, &config) {
            Ok(tree) => Ok(self.tree(source, &tree)),
            Err(error) if error.kind() == ErrorKind::BadEscape => {
                let hidden = hide_escapes(source);
                match parse(&hidden, mode, &config) {
                    Ok(tree) => Ok(self.tree(&hidden, &tree)),
                    Err(error) => Err(self.issue(source, &error, mode)),
                }
            }
            Err(error) => Err(self.issue(source, &error, mode)),
        }
    }

    fn tree(&mut self, source: &str, tree: &Tree<'_>) -> Vec<Statement> {
        self.address = source.as_ptr().addr();
        match tree {
            Tree::Template(ast::Stmt::Template(template)) => self.statements(&template.children),
            Tree::Template(_) => Vec::new(),
            Tree::Expression(expression) => vec![Statement::Output(self.expression(expression))],
        }
    }

    fn issue(&self, source: &str, error: &Error, mode: Mode) -> Issue {
        let range = error.range().unwrap_or(source.len()..source.len());
        let detail = error.detail().unwrap_or("it cannot be read").to_owned();
        let hint = if is_expression(mode) && source.contains("{{") {
            Some("an expression stands here already, without `{{ }}`".to_owned())
        } else if let Some(word) = detail.strip_prefix("unknown statement ") {
            crate::yaml::nearest(word, KEYWORDS).map(|near| format!("did you mean `{near}`?"))
        } else {
            None
        };
        Issue {
            message: format!("template syntax: {detail}"),
            span: self.range(range.start, range.end.max(range.start + 1)),
            hint,
            is_syntax: true,
        }
    }

    fn range(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at + self.start).unwrap_or(u32::MAX);
        Span {
            start: offset(start),
            end: offset(end),
        }
    }

    fn span(&self, span: machinery::Span) -> Span {
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.range(offset(span.start_offset), offset(span.end_offset))
    }

    /// Returns where a text of the parser's tree stands.
    fn place(&self, text: &str) -> Span {
        let at = text.as_ptr().addr().wrapping_sub(self.address);
        self.range(at, at.wrapping_add(text.len()))
    }

    /// Returns a piece of the original text.
    fn slice(&self, span: Span) -> &'t str {
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.text
            .get(offset(span.start)..offset(span.end))
            .unwrap_or_default()
    }

    fn report(&mut self, span: Span, message: String, hint: Option<String>, is_syntax: bool) {
        self.issues.push(Issue {
            message,
            span,
            hint,
            is_syntax,
        });
    }
}

/// The words that begin a statement.
const KEYWORDS: [&str; 15] = [
    "for", "if", "with", "set", "filter", "block", "extends", "include", "import", "from", "macro",
    "call", "do", "break", "continue",
];

/// What the parser makes of a text.
enum Tree<'s> {
    Template(ast::Stmt<'s>),
    Expression(ast::Expr<'s>),
}

fn parse<'s>(source: &'s str, mode: Mode, config: &SyntaxConfig) -> Result<Tree<'s>, Error> {
    if is_expression(mode) {
        machinery::parse_expr(source).map(Tree::Expression)
    } else {
        machinery::parse(source, "", config.clone()).map(Tree::Template)
    }
}

/// Returns a text of the same length in which no backslash begins an escape that the parser could refuse.
fn hide_escapes(source: &str) -> String {
    let mut hidden = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\\' | '\'' | '"')) => {
                hidden.push(c);
                hidden.extend(chars.next());
            }
            ('\\', _) => hidden.push('_'),
            _ => hidden.push(c),
        }
    }
    hidden
}
