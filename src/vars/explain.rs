//! Where a variable's value comes from: the winner, and everything that it wins over.

use super::scope::Found;
use super::{Precedence, Scope};
use crate::template::Value;
use crate::yaml::{Loc, variable_value};

/// One value that a variable was given.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its place in the order of precedence.
    pub precedence: Precedence,
    /// What it belongs to: a group, a host, a role, a file; empty if there is nothing to name.
    pub of: String,
    /// Where it is written, if in a text.
    pub loc: Option<Loc>,
    /// The value as it was written.
    pub value: Value,
}

impl Scope {
    /// Returns every value that a variable was given, the winner first.
    pub fn explain(&self, name: &str) -> Vec<Explained> {
        let mut all = Vec::new();
        let bare = |precedence, value| Explained {
            precedence,
            of: String::new(),
            loc: None,
            value,
        };
        let loops = |place: &Found<'_>| matches!(place, Found::Layer(layer) if layer.precedence == Precedence::Loop);
        let mut places: Vec<Found<'_>> = self.down().collect();
        let rest = places.split_off(places.iter().take_while(|place| loops(place)).count());
        for place in places {
            explain_place(&place, name, &mut all);
        }
        if let Some(value) = self.magic(name) {
            all.push(bare(Precedence::Magic, value.value.clone()));
        }
        for place in rest {
            explain_place(&place, name, &mut all);
        }
        all
    }
}

fn explain_place(place: &Found<'_>, name: &str, all: &mut Vec<Explained>) {
    let Some(raw) = place.find(name) else {
        return;
    };
    let explained = |precedence, of: String, loc| Explained {
        precedence,
        of,
        loc,
        value: raw.value.clone(),
    };
    match place {
        Found::Layer(layer) => {
            all.push(explained(
                layer.precedence,
                layer.of.to_string(),
                layer.loc(name),
            ));
            let replaced = layer.replaced(name).into_iter().rev();
            all.extend(replaced.map(|(key, node)| Explained {
                precedence: layer.precedence,
                of: layer.of.to_string(),
                loc: Some(key.loc),
                value: variable_value(&node),
            }));
        }
        Found::SetFact(_) => all.push(explained(Precedence::SetFact, String::new(), None)),
        Found::Facts(_) => all.push(explained(Precedence::Facts, String::new(), None)),
        Found::BuiltIn(_) => all.push(explained(Precedence::BuiltIn, String::new(), None)),
    }
}
