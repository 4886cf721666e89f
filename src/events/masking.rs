//! Masking an event by value before anybody sees or stores it.

use serde_json::Value;

use crate::secrets::Masker;

use super::EventKind;

/// The fields whose texts are this program's own words; masking them would make the event unreadable.
const OWN_WORDS: [&str; 5] = ["event", "outcome", "cause", "value", "time"];

/// Returns the event with every known secret replaced in every text.
pub fn mask_event(masker: &Masker, kind: EventKind) -> EventKind {
    if masker.knows_nothing() {
        return kind;
    }
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&kind) else {
        return hidden();
    };
    let mut touched = false;
    for (name, value) in &mut fields {
        if !OWN_WORDS.contains(&name.as_str()) {
            let masked = masker.mask_value(value);
            touched |= masked != *value;
            *value = masked;
        }
    }
    if touched {
        serde_json::from_value(Value::Object(fields)).unwrap_or_else(|_| hidden())
    } else {
        kind
    }
}

/// What is shown when an event cannot be masked: rather nothing than a secret.
fn hidden() -> EventKind {
    EventKind::Warned {
        message: "an event held a secret in a place that cannot be masked, and is not shown"
            .to_owned(),
        host: None,
        at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{StepId, StepOutcome, StepResult};
    use crate::secrets::Secret;

    #[test]
    fn secrets_go_and_own_words_stay() {
        let masker = Masker::new();
        for secret in ["hunter22", "failed", "step_finished"] {
            masker.add(&Secret::new(secret));
        }
        let event = EventKind::StepFinished {
            step: StepId {
                play: "1".to_owned(),
                batch: 1,
                task: "1.tasks.0".to_owned(),
                turn: 0,
                host: "db1".to_owned(),
                item: None,
            },
            name: "set the password hunter22".to_owned(),
            label: None,
            at: String::new(),
            uncounted: false,
            delegated_to: None,
            outcome: StepOutcome::Failed,
            ignored: false,
            attempts: 1,
            took_ms: 3,
            result: StepResult {
                message: "mysql -phunter22 failed".to_owned(),
                ..StepResult::default()
            },
        };
        let masked = mask_event(&masker, event);
        let text = serde_json::to_string(&masked).unwrap();
        assert!(!text.contains("hunter22"), "{text}");
        assert!(text.contains(r#""event":"step_finished""#), "{text}");
        assert!(text.contains(r#""outcome":"failed""#), "{text}");
        assert!(text.contains("mysql -p*** ***"), "{text}");
    }
}
