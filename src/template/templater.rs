//! The face of the room: renders files, values, conditions; keeps what it has parsed.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::error::TemplateError;
use super::failure::{ErrorKind, Failure, Fault, Near, Spot};
use super::finish;
use super::frame::Frame;
use super::locate::{Origin, Place};
use super::lookups;
use super::lower;
use super::object::Object;
use super::rendering::Rendering;
use super::syntax::{self, Issue, Mode};
use super::tree::Program;
use super::{OMIT, Outside, Variables};
use crate::clock::Clock;
use crate::yaml::{Data, Node, Source, is_vaulted};

/// How many parsed texts of each kind are kept.
const KEPT: usize = 20_000;

type Parsed = Result<Arc<Program>, Arc<Vec<Issue>>>;

/// Renders templates. Cheap to clone, and used by many threads at once.
#[derive(Clone)]
pub struct Templater(Arc<Inner>);

struct Inner {
    outside: Arc<dyn Outside>,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
    parsed: [RwLock<HashMap<Arc<str>, Parsed>>; 4],
}

impl fmt::Debug for Templater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templater").finish_non_exhaustive()
    }
}

impl Templater {
    /// Makes a templater that reaches files and programs through `outside`; local time is UTC.
    pub fn new(outside: Arc<dyn Outside>, clock: Arc<dyn Clock>) -> Self {
        Self::with_zone(outside, clock, TimeZone::UTC)
    }

    /// Makes a templater whose local time is that of a zone.
    pub fn with_zone(outside: Arc<dyn Outside>, clock: Arc<dyn Clock>, zone: TimeZone) -> Self {
        Self(Arc::new(Inner {
            outside,
            clock,
            zone,
            parsed: Default::default(),
        }))
    }

    /// Renders a template file; the result is always text.
    pub fn render(
        &self,
        source: &Arc<Source>,
        variables: &Arc<dyn Variables>,
    ) -> Result<String, TemplateError> {
        self.rendering(variables, |rendering| {
            rendering.file(source, None).map(|text| text.to_string())
        })
    }

    /// Renders every text of a value. A text that is one `{{ expression }}` becomes the value of that expression.
    ///
    /// Entries and items that are `omit` are left out; if the whole is, the result is the text [`OMIT`].
    pub fn value<'o>(
        &self,
        value: &Value,
        origin: impl Into<Origin<'o>>,
        variables: &Arc<dyn Variables>,
    ) -> Result<Value, TemplateError> {
        let place: Place = origin.into().into();
        self.rendering(variables, |rendering| {
            let whole = finish::value(rendering, value, &Rc::new(place))?;
            Ok(whole.unwrap_or_else(|| Value::from(OMIT)))
        })
    }

    /// Renders every text of a node of a YAML file; mistakes point into the scalar that they stand in.
    pub fn node(
        &self,
        node: &Node,
        variables: &Arc<dyn Variables>,
    ) -> Result<Value, TemplateError> {
        self.rendering(variables, |rendering| {
            let whole = finish::node(rendering, node)?;
            Ok(whole.unwrap_or_else(|| Value::from(OMIT)))
        })
    }

    /// Evaluates a bare expression.
    pub fn expression<'o>(
        &self,
        expression: &str,
        origin: impl Into<Origin<'o>>,
        variables: &Arc<dyn Variables>,
    ) -> Result<Value, TemplateError> {
        let place = Rc::new(Place::from(origin.into()));
        self.rendering(variables, |rendering| {
            let object = rendering.render_text(expression, Mode::Expression, place, 0)?;
            let value = finish::object(rendering, &object, 0)?;
            Ok(value.unwrap_or_else(|| Value::from(OMIT)))
        })
    }

    /// Evaluates a condition, which must be true or false.
    pub fn condition<'o>(
        &self,
        expression: &str,
        origin: impl Into<Origin<'o>>,
        variables: &Arc<dyn Variables>,
    ) -> Result<bool, TemplateError> {
        let place = Rc::new(Place::from(origin.into()));
        self.rendering(variables, |rendering| {
            rendering.condition(expression, &place)
        })
    }

    /// Calls a lookup, as `query(name, *terms)` does; for `with_*` loops.
    pub fn lookup<'o>(
        &self,
        name: &str,
        terms: &[Value],
        origin: impl Into<Origin<'o>>,
        variables: &Arc<dyn Variables>,
    ) -> Result<Vec<Value>, TemplateError> {
        let place = Rc::new(Place::from(origin.into()));
        self.rendering(variables, |rendering| {
            let objects = terms.iter().map(Object::data).collect();
            let found = lookups::query(rendering, name, objects)
                .map_err(|fault| super::failure::at(fault, || whole_text(name, &place)))?;
            let mut values = Vec::new();
            for item in found {
                values.extend(finish::object(rendering, &item, 0)?);
            }
            Ok(values)
        })
    }

    fn rendering<T>(
        &self,
        variables: &Arc<dyn Variables>,
        work: impl FnOnce(&Rendering) -> Result<T, Fault>,
    ) -> Result<T, TemplateError> {
        let rendering = Rendering::new(self, variables);
        work(&rendering).map_err(|fault| TemplateError::new(&rendering, &fault))
    }

    /// Returns the parsed program of a text.
    pub(crate) fn program(
        &self,
        text: &str,
        mode: Mode,
        place: &Rc<Place>,
    ) -> Result<Arc<Program>, Fault> {
        self.parsed(text, mode).map_err(|issues| {
            let mut issues = issues.iter();
            let issue = issues.find(|issue| issue.is_syntax);
            refused(text, place, issue)
        })
    }

    /// Parses a text, or finds it among those that were parsed before.
    pub(crate) fn parsed(&self, text: &str, mode: Mode) -> Parsed {
        let index = match mode {
            Mode::Value => 0,
            Mode::File => 1,
            Mode::Expression => 2,
            Mode::Condition => 3,
        };
        let Some(kept) = self.0.parsed.get(index) else {
            return compile(text, mode);
        };
        let known = kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = known.get(text) {
            return parsed.clone();
        }
        drop(known);
        let parsed = compile(text, mode);
        let mut kept = kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(Arc::from(text), parsed.clone());
        parsed
    }

    /// Reads another template.
    pub(crate) fn other(&self, name: &str) -> Result<Arc<Source>, String> {
        let text = self.0.outside.read("templates", name)?;
        let path = self.0.outside.find("templates", name);
        Ok(Source::new(path.unwrap_or_else(|| name.to_owned()), text))
    }

    /// Returns what templates may ask of the machine.
    pub(crate) fn outside(&self) -> &dyn Outside {
        self.0.outside.as_ref()
    }

    /// Returns the clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Returns the zone of local time.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.0.zone
    }
}

fn compile(text: &str, mode: Mode) -> Parsed {
    lower::compile(text, mode).map(Arc::new).map_err(Arc::new)
}

/// Makes the failure of a text that is no template.
fn refused(text: &str, place: &Rc<Place>, issue: Option<&Issue>) -> Fault {
    let Some(issue) = issue else {
        return super::failure::failed("the template cannot be read");
    };
    let kind = if issue.message.starts_with("there is no ") {
        ErrorKind::Unknown
    } else {
        ErrorKind::Syntax
    };
    let mut failure = Failure::new(kind, issue.message.clone());
    if let Some(hint) = &issue.hint {
        failure.near = Near::Hint(hint.clone());
    }
    failure.spot = Some(Spot {
        start: issue.span.start,
        end: issue.span.end,
        ..whole_text(text, place)
    });
    failure.fault()
}

/// Returns the spot of a whole text.
pub(crate) fn whole_text(text: &str, place: &Rc<Place>) -> Spot {
    let program = Program {
        text: text.into(),
        ..Program::default()
    };
    Spot {
        program: Arc::new(program),
        place: Rc::clone(place),
        start: 0,
        end: u32::try_from(text.len()).unwrap_or(u32::MAX),
    }
}

impl Rendering {
    /// Renders a template file to text, with further names if there are any.
    pub(crate) fn file(
        &self,
        source: &Arc<Source>,
        names: Option<Vec<(Arc<str>, Object)>>,
    ) -> Result<Arc<str>, Fault> {
        if !syntax::is_template(&source.text) {
            return Ok(source.text.as_str().into());
        }
        let place = Rc::new(Place::File(Arc::clone(source)));
        let program = self.templater.program(&source.text, Mode::File, &place)?;
        let frame = Frame::new(program, place, 0);
        for (name, value) in names.into_iter().flatten() {
            frame.set(&name, value);
        }
        let whole = self.deeper(|| self.whole(&frame))?;
        let mut text = String::new();
        self.write_output(&mut text, &whole)?;
        let newline = frame.program.newline;
        Ok(syntax::with_trailing_newlines(
            &source.text,
            text.into(),
            newline,
        ))
    }
}

/// Tells whether a node's text is never a template.
pub(crate) fn is_unsafe(node: &Node) -> bool {
    let tagged = node.tag.as_deref() == Some("unsafe") || is_vaulted(node);
    tagged && matches!(node.data, Data::Str(_))
}
