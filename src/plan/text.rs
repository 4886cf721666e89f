//! A plan as people read it.

use super::fold::fold;
use super::{
    Live, Plan, PlannedAround, PlannedBlock, PlannedBracket, PlannedEntry, PlannedGuard,
    PlannedItem, PlannedPlay, PlannedStep,
};
use crate::inventory::HostName;
use crate::playbook::{OnFailure, Order, Per, Strategy};

/// How many batches are shown one by one.
const FEW: usize = 12;

impl Plan {
    /// Shows the plan in plain text.
    pub fn text(&self) -> String {
        self.text_with(None)
    }

    /// Shows the plan with what is so now.
    pub fn text_with(&self, live: Option<&Live>) -> String {
        let mut page = Page {
            live,
            ..Page::default()
        };
        let plays = self.plays().len();
        let short: String = self.digest.chars().take(12).collect();
        page.line(&format!(
            "plan of {}: {}, digest {short}",
            self.playbook,
            counted(plays, "play", "plays")
        ));
        if self.left_out > 0 {
            let tasks = counted(self.left_out, "task is", "tasks are");
            page.line(&format!("{tasks} left out by tags"));
        }
        let points = self.points_of_no_return();
        if !points.is_empty() {
            page.line(&format!("points of no return: {}", points.join(", ")));
        }
        if let Some(live) = live {
            page.line(&format!(
                "as of {}, which may change until the run; the digest does not hold it",
                live.at
            ));
            for member in &live.cluster {
                page.inside(|page| page.line(member));
            }
        }
        page.entries(&self.entries);
        page.text
    }
}

/// Lines with their indent.
#[derive(Debug, Default)]
struct Page<'a> {
    live: Option<&'a Live>,
    text: String,
    indent: usize,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.push_str(&"  ".repeat(self.indent));
            self.text.push_str(line.trim_end());
        }
        self.text.push('\n');
    }

    fn inside(&mut self, write: impl FnOnce(&mut Self)) {
        self.indent += 1;
        write(self);
        self.indent -= 1;
    }

    fn entries(&mut self, entries: &[PlannedEntry]) {
        for entry in entries {
            self.line("");
            match entry {
                PlannedEntry::Play(play) => self.play(play),
                PlannedEntry::Bracket(around) => self.around(around),
            }
        }
    }

    fn around(&mut self, around: &PlannedAround) {
        self.enter(&around.bracket);
        self.inside(|page| {
            page.guards(&around.guards);
            page.entries(&around.entries);
        });
        self.line("");
        self.leave(&around.bracket);
    }

    fn play(&mut self, play: &PlannedPlay) {
        self.line(&format!(
            "play {}: {}  ({})",
            play.id, play.title, play.place
        ));
        self.inside(|page| {
            page.fact("only when", &play.when.join(" and "));
            page.hosts(play);
            page.guards(&play.guards);
            if play.on_failure == OnFailure::Continue {
                page.line("a failed host does not stop the batches that follow");
            }
            page.point(play.point_of_no_return.as_ref());
            if !play.gate.is_empty() {
                page.line("gate, before the first batch, between batches and after the last:");
                page.inside(|page| page.items(&play.gate));
            }
            for bracket in &play.brackets {
                page.enter(bracket);
            }
            page.steps(play);
            for bracket in play.brackets.iter().rev() {
                page.leave(bracket);
            }
            if !play.handlers.is_empty() {
                page.line(&format!(
                    "handlers, if notified: {}",
                    play.handlers.join(", ")
                ));
            }
        });
    }

    fn steps(&mut self, play: &PlannedPlay) {
        if play.hosts.is_empty() && play.hosts_note.is_none() {
            return;
        }
        let each = if play.batches.len() > 1 {
            "each batch"
        } else {
            "the hosts"
        };
        self.line(&format!("on {each}:"));
        self.inside(|page| {
            if play.gather_facts {
                page.line("- gather facts");
            }
            if play.items.is_empty() && !play.gather_facts {
                page.line("- nothing");
            }
            page.items(&play.items);
        });
        let divided = has_indivisible(&play.items);
        let between = if play.batches.len() > 1 {
            ", and between batches"
        } else {
            ""
        };
        if divided {
            self.line(&format!(
                "rest points: before and after each indivisible block and between other steps{between}"
            ));
        } else {
            self.line(&format!("rest points: between any two steps{between}"));
        }
    }

    fn hosts(&mut self, play: &PlannedPlay) {
        if let Some(note) = &play.hosts_note {
            self.line(note);
            return;
        }
        if play.hosts.is_empty() {
            self.line("no hosts within the limit");
            return;
        }
        let count = play.hosts.len();
        let how = match (play.batches.as_slice(), play.strategy) {
            ([1], _) => "alone".to_owned(),
            ([_], Strategy::Linear) => "all at once".to_owned(),
            ([_], Strategy::Free) => "all at once, each at its own pace".to_owned(),
            (batches, Strategy::Linear) => format!("in {} batches", batches.len()),
            (batches, Strategy::Free) => {
                format!("in {} batches, each host at its own pace", batches.len())
            }
        };
        let hosts = counted(count, "host", "hosts");
        self.line(&format!("{hosts}, {how}: {}", fold(&play.hosts)));
        match play.order {
            Order::Inventory => {}
            Order::ReverseInventory => self.line("order: the inventory's, from its end"),
            Order::Sorted => self.line("order: by name"),
            Order::ReverseSorted => self.line("order: by name, from the end"),
            Order::Shuffle => self.line("order: by chance"),
        }
        if let Some(rule) = &play.order_by {
            self.line(&format!(
                "order before each batch, worked out then, low first: {rule}"
            ));
        }
        if let Some(order) = self.live.and_then(|live| live.of_play(play.id.as_str())) {
            self.line(&order);
        }
        if play.batches.len() > 1 {
            self.batches(play);
        }
    }

    fn batches(&mut self, play: &PlannedPlay) {
        let batches: Vec<&[HostName]> = play.batches().collect();
        let shown = if batches.len() > FEW {
            FEW - 1
        } else {
            batches.len()
        };
        for (batch, number) in batches.iter().zip(1..).take(shown) {
            self.line(&format!("batch {number}: {}", fold(batch)));
        }
        if batches.len() > shown {
            let rest = batches.len() - shown;
            let last = batches.last().map_or(0, |batch| batch.len());
            self.line(&format!(
                "{} more, the last of {}",
                counted(rest, "batch", "batches"),
                counted(last, "host", "hosts")
            ));
        }
    }

    fn guards(&mut self, guards: &[PlannedGuard]) {
        for guard in guards {
            self.line(&format!(
                "guard: {} (every {}, may be false for {})",
                guard.name, guard.every, guard.grace
            ));
        }
    }

    fn point(&mut self, name: Option<&String>) {
        if let Some(name) = name {
            self.line(&format!("POINT OF NO RETURN: {name} (asked for here)"));
        }
    }

    fn enter(&mut self, bracket: &PlannedBracket) {
        let per = match bracket.per {
            Per::Run => "once in the run",
            Per::Play => "once in the play",
            Per::Batch => "for each batch",
            Per::Host => "for each host",
        };
        let expect = bracket.expect.as_ref();
        let expect = expect.map(|value| format!(", expected to find: {value}"));
        let expect = expect.unwrap_or_default();
        self.line(&format!("bracket: {} ({per}{expect})", bracket.name));
        self.inside(|page| {
            for (what, items) in [("read", &bracket.read), ("enter", &bracket.enter)] {
                page.part(what, items);
            }
            for renewal in &bracket.renew {
                page.line(&format!(
                    "renewed while it lasts: {} (every {})",
                    renewal.name, renewal.every
                ));
            }
        });
    }

    fn leave(&mut self, bracket: &PlannedBracket) {
        self.line(&format!(
            "end of bracket: {} (on every way out)",
            bracket.name
        ));
        self.inside(|page| {
            for (what, items) in [
                ("settle", &bracket.settle),
                ("leave", &bracket.leave),
                ("after", &bracket.after),
            ] {
                page.part(what, items);
            }
        });
    }

    fn part(&mut self, what: &str, items: &[PlannedItem]) {
        if !items.is_empty() {
            self.line(&format!("{what}:"));
            self.inside(|page| page.items(items));
        }
    }

    fn items(&mut self, items: &[PlannedItem]) {
        for item in items {
            match item {
                PlannedItem::Step(step) => self.step(step),
                PlannedItem::Block(block) => self.block(block),
            }
        }
    }

    fn step(&mut self, step: &PlannedStep) {
        self.point(step.point_of_no_return.as_ref());
        let what = match step.detail.as_str() {
            "" => step.action.clone(),
            detail => format!("{}: {detail}", step.action),
        };
        if step.title == step.action {
            self.line(&format!("- {what}"));
        } else {
            self.line(&format!("- {}  [{what}]", step.title));
        }
        self.inside(|page| {
            page.fact("only when", &step.when.join(" and "));
            page.fact("for each of", step.repeated.as_deref().unwrap_or_default());
            page.fact("waits until", step.waits.as_deref().unwrap_or_default());
            page.fact("takes down", step.takes_down.as_deref().unwrap_or_default());
            page.fact("on", step.delegated.as_deref().unwrap_or_default());
            page.fact(
                "once",
                if step.once {
                    "for all hosts of the batch"
                } else {
                    ""
                },
            );
            for line in page
                .live
                .map(|live| live.of_step(&step.id))
                .unwrap_or_default()
            {
                page.line(&line);
            }
            page.items(&step.items);
        });
    }

    fn fact(&mut self, what: &str, text: &str) {
        if !text.is_empty() {
            self.line(&format!("{what} {text}"));
        }
    }

    fn block(&mut self, block: &PlannedBlock) {
        self.point(block.point_of_no_return.as_ref());
        let title = match (&block.title, &block.role) {
            (Some(title), _) => Some(title.clone()),
            (None, Some(role)) => Some(format!("role {role}")),
            (None, None) => None,
        };
        let is_plain = !block.indivisible
            && block.takes_down.is_none()
            && block.when.is_empty()
            && block.guards.is_empty()
            && block.brackets.is_empty()
            && block.rescue.is_empty()
            && block.always.is_empty();
        if is_plain && block.title.is_none() {
            self.items(&block.items);
            return;
        }
        let indivisible = if block.indivisible {
            "indivisible: "
        } else {
            ""
        };
        self.line(&format!(
            "+ {indivisible}{}",
            title.unwrap_or_else(|| "block".to_owned())
        ));
        self.inside(|page| {
            page.fact("only when", &block.when.join(" and "));
            page.fact(
                "takes down",
                block.takes_down.as_deref().unwrap_or_default(),
            );
            page.guards(&block.guards);
            for bracket in &block.brackets {
                page.enter(bracket);
            }
            page.items(&block.items);
            page.part("if that fails", &block.rescue);
            page.part("in any case", &block.always);
            for bracket in block.brackets.iter().rev() {
                page.leave(bracket);
            }
        });
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn has_indivisible(items: &[PlannedItem]) -> bool {
    items.iter().any(|item| match item {
        PlannedItem::Step(step) => has_indivisible(&step.items),
        PlannedItem::Block(block) => block.indivisible || has_indivisible(&block.items),
    })
}
