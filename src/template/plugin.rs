//! The shape of every filter and every test: a name, parameters, a function.

use super::arguments::{Arguments, Bound, Signature};
use super::failure::Fault;
use super::object::Object;
use super::rendering::Rendering;

/// What a filter or a test does.
pub(crate) type Run = fn(&Rendering, &Bound) -> Result<Object, Fault>;

/// A filter or a test.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// The name that a template uses.
    pub(crate) name: &'static str,
    /// What it takes, what is filtered or tested first.
    pub(crate) signature: Signature,
    /// Whether it wants to see values that are missing; others never meet one.
    pub(crate) takes_missing: bool,
    run: Run,
}

impl Plugin {
    /// Makes a filter or a test of which `required` parameters must be given.
    pub(crate) const fn new(
        name: &'static str,
        parameters: &'static [&'static str],
        required: usize,
        run: Run,
    ) -> Self {
        Self {
            name,
            signature: Signature {
                parameters,
                required,
                more: false,
                any_name: false,
            },
            takes_missing: false,
            run,
        }
    }

    /// Lets it take any number of further arguments.
    pub(crate) const fn more(mut self) -> Self {
        self.signature.more = true;
        self
    }

    /// Lets it take arguments of any name.
    pub(crate) const fn any_name(mut self) -> Self {
        self.signature.any_name = true;
        self
    }

    /// Lets it see values that are missing.
    pub(crate) const fn takes_missing(mut self) -> Self {
        self.takes_missing = true;
        self
    }

    /// Calls it; a value that is missing is handed on, unless it wants to see such values.
    pub(crate) fn call(
        &'static self,
        rendering: &Rendering,
        mut arguments: Arguments,
    ) -> Result<Object, Fault> {
        if !self.takes_missing
            && let Some(missing) = arguments.missing()
        {
            return Ok(missing);
        }
        let bound = arguments.bind(&self.signature)?;
        (self.run)(rendering, &bound)
    }
}
