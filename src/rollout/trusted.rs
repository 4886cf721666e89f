//! Brackets that a resumed run takes as still entered: nobody can be asked, and the run goes on in the middle of them.
//!
//! Such as: the server through which they are switched is the one that the run has stopped to upgrade. To enter them again
//! would wait for that server, and give up before the step that starts it. At the first place where the run may stop they
//! are entered again, as all others are before the run goes on.

use std::sync::PoisonError;

use crate::events::StopCause;

use super::engine::Engine;
use super::open::Open;
use super::place::{ASK, Left, Place};

impl Engine {
    /// Tells whether a bracket must be taken as still entered: an earlier part of the run was stopped in the middle of what
    /// it stands around, and what it switches cannot be read now.
    pub(super) fn must_be_trusted(&self, open: &Open) -> bool {
        let known = self.outside.previously.bracket(&open.reference);
        let inside = known.is_some_and(|known| known.open && known.inside);
        if !inside || open.bracket.read.is_empty() || open.place.way_out {
            return false;
        }
        let place = self.bracket_place(open, ASK, true);
        !self.somewhere(open, &place, &open.bracket.read).is_good()
    }

    /// Goes on inside of a bracket without switching anything.
    pub(super) fn trust(&self, open: &Open) -> Result<(), Left> {
        self.begin_to_enter(open)?;
        let message = format!(
            "`{}` is taken as still entered, as the run goes on in the middle of it and nobody can be asked: {}",
            open.reference.name,
            self.last_message(&open.hosts)
        );
        self.warn(message, None);
        self.state().trusted.insert(open.reference.clone());
        Ok(())
    }

    /// Enters again what was only taken as entered, once the stretch is over in which the run went on; tells whether the
    /// run goes on.
    pub(super) fn trusts_no_more(&self, place: &Place, before: &str) -> bool {
        if place.gate || !self.state().stretch_over {
            return true;
        }
        let again = &self.brackets.again;
        let _one = again.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted = std::mem::take(&mut self.state().trusted);
        if trusted.is_empty() {
            return true;
        }
        for open in self.brackets.all() {
            if !trusted.contains(&open.reference) {
                continue;
            }
            let place = self.bracket_place(&open, "bracket enter", false);
            if !self.somewhere(&open, &place, &open.bracket.enter).is_good() {
                let name = &open.bracket.name;
                let saw = self.last_message(&open.hosts);
                let message = format!("the bracket `{name}` could not be entered again: {saw}");
                self.halt(StopCause::Failed, message, before);
                return false;
            }
            self.is_entered(&open);
        }
        true
    }
}
