//! What must be so behind every upgrade: all is on the new version and as it was before, and what is never done was not.

use serde_json::json;

use crate::servers::NEW;
use crate::stack::Stack;

pub(crate) const OLD_ONLINE: &str = "online 5.5.12";
pub(crate) const NEW_ONLINE: &str = "online 5.7.2";

/// I7: what is never done, whatever fails.
pub(crate) fn assert_never(stack: &Stack, what: &str) {
    for effect in [
        "remove",
        "attach-all",
        "clear-orphans",
        "offline-upgrade",
        "ops-started",
        "ops-attached",
        "auto-attach",
        "offline",
        "failover",
    ] {
        assert_eq!(stack.count(effect), 0, "{what}: {effect}");
    }
    let effects = stack.effects();
    let behind = effects
        .iter()
        .find(|one| one["what"] == json!("detach") && one["detail"]["behind"] != json!(0));
    assert_eq!(behind, None, "{what}: I4");
    let forced = effects
        .iter()
        .find(|one| one["detail"]["force"] == json!(true));
    assert_eq!(forced, None, "{what}");
}

/// All is on the new version, and as it was before.
pub(crate) fn assert_done(stack: &Stack, what: &str) {
    assert_upgraded(stack, what);
    assert_never(stack, what);
}

/// The same, whoever else has done what in between.
pub(crate) fn assert_upgraded(stack: &Stack, what: &str) {
    for number in 0..stack.leaves.len() {
        assert_eq!(stack.leaf(number), NEW_ONLINE, "{what}: leaf {number}");
    }
    assert_eq!(
        [stack.version(&stack.master), stack.version(&stack.child)],
        [NEW, NEW],
        "{what}"
    );
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
}
