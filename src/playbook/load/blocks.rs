//! Blocks, and what goes around them.

use std::sync::Arc;

use super::place::Place;
use super::protection::Around;
use super::{Load, words};
use crate::playbook::{Block, BlockKind, Bracket, Guard, Item, Level};
use crate::yaml::{Fields, Problem};

/// What may go around a block, or around what is imported.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) indivisible: bool,
    pub(super) guards: Vec<Arc<Guard>>,
    pub(super) brackets: Vec<Arc<Bracket>>,
}

impl Load<'_> {
    /// Takes what goes around a block.
    pub(super) fn taken_scope(&mut self, fields: &mut Fields<'_>, place: &Place) -> Scope {
        Scope {
            indivisible: self.literal_flag(fields.take("indivisible"), false),
            guards: self.guards(fields.take("guards"), place),
            brackets: self.brackets(fields, place, Around::Block),
        }
    }

    /// Reads a block.
    pub(super) fn block(&mut self, mut fields: Fields<'_>, place: &Place) -> Option<Item> {
        let fields = &mut fields;
        let loc = fields.node().loc.clone();
        if place.handlers {
            let problem = Problem::at(&loc, "a block cannot be a handler");
            self.problem(problem.hint("use `import_tasks` or `include_tasks`"));
            return None;
        }
        let name = self.text(fields.take("name"));
        let context = place.level(Level::Block, self.keywords(fields));
        let inner = place.within(&context);
        let scope = self.taken_scope(fields, &inner);
        let takes_down = self.takes_down(fields.take("takes_down"));
        let point_of_no_return = self.text(fields.take("point_of_no_return"));
        let mut part = |load: &mut Self, name: &'static str| {
            let list = load.list(fields.take(name));
            load.items(list, &inner.child(name))
        };
        let block = part(self, "block");
        let rescue = part(self, "rescue");
        let always = part(self, "always");
        let known = [words::SHARED, words::NARROWER, words::BLOCK];
        self.unknown_keywords(fields.left(), "a block", &known);
        Some(Item::Block(Arc::new(Block {
            id: place.id.clone(),
            loc,
            name,
            kind: BlockKind::Written,
            context,
            block,
            rescue,
            always,
            indivisible: scope.indivisible,
            takes_down,
            guards: scope.guards,
            brackets: scope.brackets,
            point_of_no_return,
        })))
    }
}
