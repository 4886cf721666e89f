//! The lookups: values from the variables, the machine that stagger runs on, and lists put together.
//!
//! What a lookup asks of the machine goes through `Outside`; nothing is ever written.

mod lists;
mod machine;
mod names;

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{ErrorKind, Failure, Fault, failed};
use super::filters::own_name;
use super::object::Object;
use super::rendering::{Rendering, need};
use super::special::Special;

/// One call of a lookup.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    rendering: &'a Rendering,
    terms: Vec<Object>,
    options: Vec<(Arc<str>, Object)>,
}

impl Call<'_> {
    fn option(&self, name: &str) -> Option<&Object> {
        let own = self.options.iter().find(|(own, _)| own.as_ref() == name);
        own.map(|(_, value)| value)
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        self.option(name).map_or(Ok(default), Object::truth)
    }

    /// Returns the terms as texts.
    fn texts(&self) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            texts.push(self.rendering.print(term)?);
        }
        Ok(texts)
    }
}

/// A lookup.
#[derive(Debug)]
pub(crate) struct Lookup {
    name: &'static str,
    takes_missing: bool,
    run: fn(&Call<'_>) -> Result<Vec<Object>, Fault>,
}

impl Lookup {
    const fn new(name: &'static str, run: fn(&Call<'_>) -> Result<Vec<Object>, Fault>) -> Self {
        Self {
            name,
            takes_missing: false,
            run,
        }
    }

    const fn takes_missing(mut self) -> Self {
        self.takes_missing = true;
        self
    }
}

const FAMILIES: [&[Lookup]; 3] = [lists::LOOKUPS, machine::LOOKUPS, names::LOOKUPS];

/// Finds a lookup by its name, with or without the prefix of its collection.
pub(crate) fn find(name: &str) -> Option<&'static Lookup> {
    let name = own_name(name);
    let mut all = FAMILIES.iter().flat_map(|family| family.iter());
    all.find(|lookup| lookup.name == name)
}

/// Returns the names of all lookups.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    all.map(|lookup| lookup.name)
}

/// `lookup`, `query` and `q`.
#[derive(Debug)]
struct Function {
    want_list: bool,
}

const LOOKUP: &str = "lookup";

/// Returns the function by which templates call lookups; `query` always gives a list.
pub(crate) fn function(want_list: bool) -> Object {
    Object::Special(Rc::new(Function { want_list }))
}

/// Tells whether a callable of that kind calls lookups, whose arguments may hold templates between quotes.
pub(crate) fn is_lookup(kind: &str) -> bool {
    kind == LOOKUP
}

impl Special for Function {
    fn kind(&self) -> &'static str {
        LOOKUP
    }

    fn takes_missing(&self) -> bool {
        true
    }

    fn call(&self, rendering: &Rendering, mut arguments: Arguments) -> Result<Object, Fault> {
        if arguments.positional.is_empty() {
            return Err(failed("`lookup` needs the name of a lookup"));
        }
        let name = arguments.positional.remove(0);
        need(&name)?;
        let name = rendering.print(&name)?;
        let want_list = match arguments.take("wantlist") {
            Some(flag) => flag.truth()? || self.want_list,
            None => self.want_list,
        };
        let lenient = match arguments.take("errors") {
            Some(errors) => matches!(rendering.print(&errors)?.as_str(), "ignore" | "warn"),
            None => false,
        };
        let mut found = match run(rendering, &name, arguments) {
            Ok(found) => found,
            Err(fault) if lenient && fault.kind != ErrorKind::Unknown => {
                return Ok(if want_list {
                    Object::list(Vec::new())
                } else {
                    Object::None
                });
            }
            Err(fault) => return Err(fault),
        };
        if want_list {
            return Ok(Object::list(found));
        }
        if found.len() == 1 {
            return Ok(found.pop().unwrap_or(Object::None));
        }
        let texts: Option<Vec<&str>> = found
            .iter()
            .map(|item| item.as_text().map(AsRef::as_ref))
            .collect();
        Ok(match texts {
            Some(texts) if !texts.is_empty() => Object::from(texts.join(",")),
            _ => Object::list(found),
        })
    }
}

fn run(rendering: &Rendering, name: &str, mut arguments: Arguments) -> Result<Vec<Object>, Fault> {
    let Some(lookup) = find(name) else {
        let failure = Failure::new(ErrorKind::Unknown, format!("there is no lookup `{name}`"));
        return Err(match crate::yaml::nearest(name, names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")).fault(),
            None => failure.fault(),
        });
    };
    if !lookup.takes_missing
        && let Some(Object::Missing(fault)) = arguments.missing()
    {
        return Err(fault);
    }
    let call = Call {
        rendering,
        terms: arguments.positional,
        options: arguments.named,
    };
    (lookup.run)(&call).map_err(|fault| {
        if fault.kind == ErrorKind::Undefined || fault.spot.is_some() {
            return fault;
        }
        let mut failure = Rc::unwrap_or_clone(fault);
        failure.message = format!("lookup `{}`: {}", lookup.name, failure.message);
        failure.fault()
    })
}

/// Calls a lookup and returns all that it found.
pub(crate) fn query(
    rendering: &Rendering,
    name: &str,
    terms: Vec<Object>,
) -> Result<Vec<Object>, Fault> {
    run(rendering, name, Arguments::positional(terms))
}

/// Makes the failure of something that cannot be reached.
fn unreachable(problem: String) -> Fault {
    Failure::new(ErrorKind::Lookup, problem).fault()
}
