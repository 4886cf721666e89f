//! A template as this room evaluates it: what `lower` makes of the parser's tree.
//!
//! It owns its texts, so that it can be kept and shared by many threads, and its filters and tests are found already.

use std::collections::HashMap;
use std::sync::Arc;

use super::plugin::Plugin;
use super::syntax::Issue;

/// A piece of a program's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Returns the span from the start of one to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A template, ready to be evaluated.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// The whole text, to which spans refer.
    pub(crate) text: Arc<str>,
    /// What to do.
    pub(crate) body: Vec<Statement>,
    /// The blocks that a template which extends another may override.
    pub(crate) blocks: HashMap<Arc<str>, Arc<[Statement]>>,
    /// The names that the template itself sets, for "did you mean".
    pub(crate) sets: Vec<Arc<str>>,
    /// Whether it changes lists or maps, so that what it writes must be copied when it is written.
    pub(crate) changes: bool,
    /// The end of a line in its output.
    pub(crate) newline: &'static str,
    /// Mistakes that would show only when that part of it is evaluated.
    pub(crate) warnings: Vec<Issue>,
}

/// A value that is known before anything is evaluated.
#[derive(Debug, Clone)]
pub(crate) enum Constant {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
}

/// A piece of a program that gives a value.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) span: Span,
    pub(crate) form: Form,
}

/// What a piece of a program that gives a value does.
#[derive(Debug)]
pub(crate) enum Form {
    /// Gives a value that is known.
    Constant(Constant),
    /// Looks up a name.
    Name(Arc<str>),
    /// `a.b`.
    Attribute(Box<Expression>, Arc<str>),
    /// `a[b]`.
    Item(Box<Expression>, Box<Expression>),
    /// `a[b:c:d]`.
    Slice(Box<Expression>, [Option<Box<Expression>>; 3]),
    /// `not a`.
    Not(Box<Expression>),
    /// `-a`.
    Negate(Box<Expression>),
    /// `a and b`.
    And(Box<Expression>, Box<Expression>),
    /// `a or b`.
    Or(Box<Expression>, Box<Expression>),
    /// `a + b` and the like.
    Operate(Operator, Box<Expression>, Box<Expression>),
    /// `a < b <= c`.
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    /// `b if a else c`.
    Choose(Box<Choice>),
    /// `a | filter(b)`.
    Filter(Box<Filter>),
    /// `a is test(b)`.
    Test(Box<Test>),
    /// `a(b, c=d)`.
    Call(Box<Expression>, Vec<Argument>),
    /// `[a, b]`.
    List(Vec<Expression>),
    /// `(a, b)`.
    Tuple(Vec<Expression>),
    /// `{a: b}`.
    Map(Vec<(Expression, Expression)>),
}

/// One value or another.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) test: Expression,
    pub(crate) then: Expression,
    pub(crate) otherwise: Option<Expression>,
}

/// A filter that is applied.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) plugin: &'static Plugin,
    /// Where its name stands.
    pub(crate) name: Span,
    /// What is filtered; if unsaid, the text of the block around it.
    pub(crate) value: Option<Expression>,
    pub(crate) arguments: Vec<Argument>,
}

/// A test that is made.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) plugin: &'static Plugin,
    pub(crate) value: Expression,
    pub(crate) arguments: Vec<Argument>,
}

/// What is handed to a filter, a test, a macro or a function.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) how: Handing,
    pub(crate) value: Expression,
}

/// How an argument is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handing {
    /// `a`.
    Positional,
    /// `name=a`.
    Named(Arc<str>),
    /// `*a`.
    Spread,
    /// `**a`.
    SpreadNamed,
}

/// An operation on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
    Power,
    Concat,
}

/// A comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

/// What a value is stored in.
#[derive(Debug)]
pub(crate) enum Target {
    /// A name.
    Name(Arc<str>),
    /// An attribute of a namespace.
    Attribute(Arc<str>, Arc<str>, Span),
    /// Several targets, one for each item.
    Several(Vec<Target>, Span),
}

/// A piece of a program that does something.
#[derive(Debug)]
pub(crate) enum Statement {
    /// Writes a text.
    Text(Arc<str>),
    /// Writes a value.
    Output(Expression),
    /// Repeats.
    For(Arc<For>),
    /// Does one thing or another.
    If(Expression, Vec<Statement>, Vec<Statement>),
    /// Sets names for a while.
    With(Vec<(Target, Expression)>, Vec<Statement>),
    /// Sets a name.
    Set(Target, Expression),
    /// Sets a name to what a body writes, maybe filtered.
    SetBlock(Target, Option<Expression>, Vec<Statement>),
    /// Writes what a body writes, filtered.
    FilterBlock(Expression, Vec<Statement>),
    /// Does a body in a scope of its own.
    Scope(Vec<Statement>),
    /// Writes a block that may be overridden.
    Block(Arc<str>),
    /// Goes on with another template, whose blocks this one overrides.
    Extends(Expression),
    /// Writes another template.
    Include(Include),
    /// Makes another template's names available.
    Import(Import),
    /// Defines a macro.
    Macro(Arc<Macro>),
    /// Calls a macro and hands it a body.
    CallBlock(Expression, Arc<Macro>),
    /// Evaluates, and writes nothing.
    Do(Expression),
    /// Goes on with the next item.
    Continue,
    /// Ends the loop.
    Break,
}

/// A loop.
#[derive(Debug)]
pub(crate) struct For {
    pub(crate) target: Target,
    pub(crate) over: Expression,
    pub(crate) only_if: Option<Expression>,
    pub(crate) recursive: bool,
    pub(crate) body: Vec<Statement>,
    pub(crate) otherwise: Vec<Statement>,
}

/// Another template, written in place.
#[derive(Debug)]
pub(crate) struct Include {
    pub(crate) name: Expression,
    pub(crate) ignore_missing: bool,
    pub(crate) with_context: bool,
}

/// Another template's names.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) from: Expression,
    /// The name of the whole, or else the names of parts with what they are called here.
    pub(crate) names: Names,
    pub(crate) with_context: bool,
}

/// What is imported.
#[derive(Debug)]
pub(crate) enum Names {
    /// All, under one name.
    Whole(Arc<str>),
    /// Parts, each under a name.
    Parts(Vec<(Arc<str>, Arc<str>)>),
}

/// A macro, or the body of a call block.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Arc<str>,
    pub(crate) parameters: Vec<Arc<str>>,
    /// The defaults of the last parameters.
    pub(crate) defaults: Vec<Expression>,
    pub(crate) body: Vec<Statement>,
    /// Whether the body uses `varargs`, `kwargs`, `caller`; without, surplus arguments are a mistake.
    pub(crate) uses: Uses,
}

/// The special names that a macro's body uses.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Uses {
    pub(crate) varargs: bool,
    pub(crate) kwargs: bool,
    pub(crate) caller: bool,
}
