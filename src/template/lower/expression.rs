//! Expressions.

use std::sync::Arc;

use minijinja::Value;
use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};

use super::super::arguments::Signature;
use super::super::plugin::Plugin;
use super::super::tree::{
    Argument, Choice, Comparison, Constant, Expression, Filter, Form, Handing, Operator, Span, Test,
};
use super::super::{filters, jinja_tests, literal, lookups};
use super::Lower;

fn of(span: Span, form: Form) -> Expression {
    Expression { span, form }
}

/// The methods that change a list or a map.
const CHANGING: [&str; 11] = [
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
];

impl Lower<'_> {
    /// Lowers an expression.
    pub(super) fn expression(&mut self, expression: &Expr<'_>) -> Expression {
        match expression {
            Expr::Var(var) => of(self.span(var.span()), self.name(var.id)),
            Expr::Const(constant) => {
                let span = self.span(constant.span());
                of(span, Form::Constant(self.constant(&constant.value, span)))
            }
            Expr::Slice(slice) => self.slice_of(slice),
            Expr::UnaryOp(unary) => self.unary(unary),
            Expr::BinOp(binary) => self.binary(binary.op, &binary.left, &binary.right),
            Expr::Compare(compare) => self.compare(compare),
            Expr::IfExpr(choice) => self.choice(choice),
            Expr::Filter(filter) => self.filter(self.span(filter.span()), filter),
            Expr::Test(test) => self.test(self.span(test.span()), test),
            Expr::GetAttr(access) => {
                self.changes |= CHANGING.contains(&access.name);
                let base = self.boxed(&access.expr);
                let span = base.span.to(self.span(access.span()));
                of(span, Form::Attribute(base, access.name.into()))
            }
            Expr::GetItem(access) => {
                let base = self.boxed(&access.expr);
                let item = self.boxed(&access.subscript_expr);
                let span = base.span.to(self.span(access.span()));
                of(span, Form::Item(base, item))
            }
            Expr::Call(call) => self.call(call, self.span(call.span())),
            Expr::List(list) => {
                let items = self.several(&list.items);
                of(self.span(list.span()), Form::List(items))
            }
            Expr::Tuple(tuple) => {
                let items = self.several(&tuple.items);
                of(self.span(tuple.span()), Form::Tuple(items))
            }
            Expr::Map(map) => {
                let keys = self.several(&map.keys);
                let entries = keys.into_iter().zip(self.several(&map.values)).collect();
                of(self.span(map.span()), Form::Map(entries))
            }
        }
    }

    fn unary(&mut self, unary: &ast::Spanned<ast::UnaryOp<'_>>) -> Expression {
        let inner = self.boxed(&unary.expr);
        match unary.op {
            // `x not in y` has a span that begins before it; what matters is what is negated.
            UnaryOpKind::Not => of(inner.span, Form::Not(inner)),
            UnaryOpKind::Neg => of(self.span(unary.span()), Form::Negate(inner)),
        }
    }

    fn compare(&mut self, compare: &ast::Compare<'_>) -> Expression {
        let first = self.boxed(&compare.expr);
        let mut span = first.span;
        let mut rest = Vec::with_capacity(compare.ops.len());
        for op in &compare.ops {
            let right = self.expression(&op.expr);
            span = span.to(right.span);
            rest.push((comparison(op.op), right));
        }
        of(span, Form::Compare(first, rest))
    }

    fn choice(&mut self, choice: &ast::IfExpr<'_>) -> Expression {
        let then = self.expression(&choice.true_expr);
        let test = self.expression(&choice.test_expr);
        let otherwise = choice.false_expr.as_ref();
        let choice = Choice {
            otherwise: otherwise.map(|other| self.expression(other)),
            test,
            then,
        };
        let span = choice.then.span.to(choice.test.span);
        of(span, Form::Choose(Box::new(choice)))
    }

    fn boxed(&mut self, expression: &Expr<'_>) -> Box<Expression> {
        Box::new(self.expression(expression))
    }

    fn several(&mut self, expressions: &[Expr<'_>]) -> Vec<Expression> {
        expressions
            .iter()
            .map(|expression| self.expression(expression))
            .collect()
    }

    fn name(&mut self, name: &str) -> Form {
        match name {
            "varargs" => self.uses.varargs = true,
            "kwargs" => self.uses.kwargs = true,
            "caller" => self.uses.caller = true,
            _ => {}
        }
        Form::Name(name.into())
    }

    fn constant(&self, value: &Value, span: Span) -> Constant {
        if value.is_none() {
            return Constant::None;
        }
        if value.as_str().is_some() {
            let plain = self.plain_backslash && self.in_output;
            return Constant::Text(literal::decode(self.slice(span), plain).into());
        }
        if let Ok(flag) = bool::try_from(value.clone())
            && value.kind() == minijinja::value::ValueKind::Bool
        {
            return Constant::Bool(flag);
        }
        if let (true, Ok(whole)) = (value.is_integer(), i128::try_from(value.clone())) {
            return Constant::Int(whole);
        }
        Constant::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN))
    }

    fn slice_of(&mut self, slice: &ast::Spanned<ast::Slice<'_>>) -> Expression {
        let base = self.boxed(&slice.expr);
        let span = base.span.to(self.span(slice.span()));
        let parts = [&slice.start, &slice.stop, &slice.step]
            .map(|part| part.as_ref().map(|part| self.boxed(part)));
        of(span, Form::Slice(base, parts))
    }

    fn binary(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>) -> Expression {
        let left = self.boxed(left);
        let right = self.boxed(right);
        let span = left.span.to(right.span);
        let form = match op {
            BinOpKind::Eq => compared(left, Comparison::Equal, *right),
            BinOpKind::Ne => compared(left, Comparison::NotEqual, *right),
            BinOpKind::Lt => compared(left, Comparison::Less, *right),
            BinOpKind::Lte => compared(left, Comparison::LessEqual, *right),
            BinOpKind::Gt => compared(left, Comparison::Greater, *right),
            BinOpKind::Gte => compared(left, Comparison::GreaterEqual, *right),
            BinOpKind::In => compared(left, Comparison::In, *right),
            BinOpKind::ScAnd => Form::And(left, right),
            BinOpKind::ScOr => Form::Or(left, right),
            BinOpKind::Add => Form::Operate(Operator::Add, left, right),
            BinOpKind::Sub => Form::Operate(Operator::Subtract, left, right),
            BinOpKind::Mul => Form::Operate(Operator::Multiply, left, right),
            BinOpKind::Div => Form::Operate(Operator::Divide, left, right),
            BinOpKind::FloorDiv => Form::Operate(Operator::DivideWhole, left, right),
            BinOpKind::Rem => Form::Operate(Operator::Remainder, left, right),
            BinOpKind::Pow => Form::Operate(Operator::Power, left, right),
            BinOpKind::Concat => Form::Operate(Operator::Concat, left, right),
        };
        of(span, form)
    }

    /// Lowers a filter; one without a value filters the text of a block.
    pub(super) fn filter(&mut self, span: Span, filter: &ast::Filter<'_>) -> Expression {
        let value = filter.expr.as_ref().map(|value| self.expression(value));
        let arguments = self.arguments(&filter.args);
        let name = self.place(filter.name);
        let whole = value.as_ref().map_or(span, |value| value.span.to(span));
        let Some(plugin) = filters::find(filter.name) else {
            self.unknown("filter", filter.name, name, filters::names());
            return of(whole, Form::Constant(Constant::None));
        };
        self.check_call(plugin, "filter", name, &arguments);
        let filter = Filter {
            plugin,
            name,
            value,
            arguments,
        };
        of(whole, Form::Filter(Box::new(filter)))
    }

    fn test(&mut self, span: Span, test: &ast::Test<'_>) -> Expression {
        let value = self.expression(&test.expr);
        let arguments = self.arguments(&test.args);
        let name = self.place(test.name);
        let whole = value.span.to(span);
        let Some(plugin) = jinja_tests::find(test.name) else {
            self.unknown("test", test.name, name, jinja_tests::names());
            return of(whole, Form::Constant(Constant::None));
        };
        self.check_call(plugin, "test", name, &arguments);
        let test = Test {
            plugin,
            value,
            arguments,
        };
        of(whole, Form::Test(Box::new(test)))
    }

    /// Lowers a call.
    pub(super) fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Expression {
        let callee = self.boxed(&call.expr);
        let arguments = self.arguments(&call.args);
        let span = callee.span.to(span);
        if let Form::Name(name) = &callee.form
            && ["lookup", "query", "q"].contains(&name.as_ref())
            && let Some(first) = arguments.first()
            && let Form::Constant(Constant::Text(lookup)) = &first.value.form
            && lookups::find(lookup).is_none()
        {
            let (lookup, at) = (Arc::clone(lookup), first.value.span);
            let hint = crate::yaml::nearest(&lookup, lookups::names())
                .map(|near| format!("did you mean `{near}`?"));
            self.report(at, format!("there is no lookup `{lookup}`"), hint, false);
        }
        of(span, Form::Call(callee, arguments))
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Vec<Argument> {
        let mut lowered = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let (how, value) = match argument {
                CallArg::Pos(value) => (Handing::Positional, value),
                CallArg::Kwarg(name, value) => (Handing::Named((*name).into()), value),
                CallArg::PosSplat(value) => (Handing::Spread, value),
                CallArg::KwargSplat(value) => (Handing::SpreadNamed, value),
            };
            let value = self.expression(value);
            lowered.push(Argument { how, value });
        }
        lowered
    }

    fn unknown(
        &mut self,
        what: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'static str>,
    ) {
        let name: String = name.split_whitespace().collect();
        let own = name.rsplit('.').next().unwrap_or_default();
        let hint = crate::yaml::nearest(own, known).map(|near| format!("did you mean `{near}`?"));
        self.report(span, format!("there is no {what} `{name}`"), hint, true);
    }

    /// Reports arguments that a filter or a test cannot take; found at run time only, it would stop a run half-way.
    fn check_call(
        &mut self,
        plugin: &'static Plugin,
        what: &str,
        name: Span,
        arguments: &[Argument],
    ) {
        let signature: &Signature = &plugin.signature;
        let spread =
            |argument: &Argument| matches!(argument.how, Handing::Spread | Handing::SpreadNamed);
        if arguments.iter().any(spread) {
            return;
        }
        let mut given = 1;
        let mut named: Vec<&str> = Vec::new();
        let mut problem = None;
        for argument in arguments {
            match &argument.how {
                Handing::Named(own) if signature.parameters.contains(&&**own) => named.push(own),
                Handing::Named(own) if !signature.any_name => {
                    let failure = signature.unknown(own);
                    problem = Some((failure.message, failure.near));
                }
                Handing::Named(_) => {}
                Handing::Positional | Handing::Spread | Handing::SpreadNamed => given += 1,
            }
        }
        let count = signature.parameters.len();
        let mut hint = None;
        let message = if let Some((message, near)) = problem {
            if let super::super::failure::Near::Hint(text) = near {
                hint = Some(text);
            }
            message
        } else if given > count && !signature.more {
            format!("takes at most {} arguments", count - 1)
        } else {
            let lacks = |(index, own): (usize, &&str)| {
                index >= given && index < signature.required && !named.contains(own)
            };
            let mut lacking = signature.parameters.iter().enumerate();
            match lacking.find(|(index, own)| lacks((*index, own))) {
                Some((_, own)) => format!("needs `{own}`"),
                None => return,
            }
        };
        self.report(
            name,
            format!("{what} `{}`: {message}", plugin.name),
            hint,
            false,
        );
    }
}

fn compared(left: Box<Expression>, comparison: Comparison, right: Expression) -> Form {
    Form::Compare(left, vec![(comparison, right)])
}

fn comparison(op: CompareOpKind) -> Comparison {
    match op {
        CompareOpKind::Eq => Comparison::Equal,
        CompareOpKind::Ne => Comparison::NotEqual,
        CompareOpKind::Lt => Comparison::Less,
        CompareOpKind::Lte => Comparison::LessEqual,
        CompareOpKind::Gt => Comparison::Greater,
        CompareOpKind::Gte => Comparison::GreaterEqual,
        CompareOpKind::In => Comparison::In,
        CompareOpKind::NotIn => Comparison::NotIn,
    }
}
