//! Which tasks take part: `--tags` and `--skip-tags`.

use std::collections::BTreeSet;

use crate::modules::spec::is_template;
use crate::playbook::Context;
use crate::yaml::Node;

/// The tags that a run takes and leaves out; nothing said is all but `never`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagSelection {
    only: BTreeSet<String>,
    skip: BTreeSet<String>,
}

/// The tags that mean something to the selection itself.
pub const SPECIAL: [&str; 5] = ["all", "always", "never", "tagged", "untagged"];

impl TagSelection {
    /// Makes a selection of what `--tags` and `--skip-tags` name.
    pub fn new(
        only: impl IntoIterator<Item = String>,
        skip: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut only: BTreeSet<String> = only.into_iter().collect();
        if only.is_empty() {
            only.insert("all".to_owned());
        }
        Self {
            only,
            skip: skip.into_iter().collect(),
        }
    }

    /// Returns the tags that were named.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.only.iter().chain(&self.skip).map(String::as_str)
    }

    /// Says whether all tasks are taken but those tagged `never`.
    pub fn is_everything(&self) -> bool {
        self.skip.is_empty() && (self.only.is_empty() || self.only.iter().eq(["all"]))
    }

    /// Says whether a task with these tags takes part, as ansible-core's `Taggable.evaluate_tags` does.
    pub fn takes(&self, tags: &[String]) -> bool {
        let untagged = ["untagged".to_owned()];
        let tags = if tags.is_empty() { &untagged } else { tags };
        let has = |tag: &str| tags.iter().any(|own| own == tag);
        let named = |set: &BTreeSet<String>| tags.iter().any(|tag| set.contains(tag));
        let (only, skip) = (&self.only, &self.skip);
        let all = only.is_empty() || only.contains("all");
        let is_taken = has("always")
            || (all && !has("never"))
            || named(only)
            || (only.contains("tagged") && !has("untagged") && !has("never"));
        let is_skipped = if skip.contains("all") {
            !has("always") || skip.contains("always")
        } else {
            named(skip) || (skip.contains("tagged") && !has("untagged"))
        };
        is_taken && !is_skipped
    }

    /// Says whether a task in this context takes part, as far as its tags are no templates; what protects a cluster
    /// always does.
    pub fn takes_context(&self, context: &Context) -> bool {
        if context.is_protected() {
            return true;
        }
        let nodes = context.tags();
        let texts: Vec<&str> = nodes.iter().filter_map(|node| node.as_str()).collect();
        if texts.iter().any(|text| is_template(text)) {
            return true;
        }
        let tags: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        self.takes(&tags)
    }
}

/// Returns the tags of a context that are no templates.
pub(super) fn literal(context: &Context) -> impl Iterator<Item = &str> {
    let texts = context.tags().into_iter().filter_map(Node::as_str);
    texts.filter(|text| !is_template(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The last column is what ansible-core 2.19 says: which of the tasks `-`, `a`, `b`, `a b`, `always`, `never`,
    /// `never a` take part.
    #[test]
    fn tags_select_as_ansible_does() {
        let tasks = ["", "a", "b", "a b", "always", "never", "never a"];
        let cases = [
            ("", "", "yyyyynn"),
            ("all", "", "yyyyynn"),
            ("a", "", "nynyyny"),
            ("never", "", "nnnnyyy"),
            ("tagged", "", "nyyyynn"),
            ("untagged", "", "ynnnynn"),
            ("a,b", "", "nyyyyny"),
            ("", "a", "ynynynn"),
            ("", "always", "yyyynnn"),
            ("", "all", "nnnnynn"),
            ("", "all,always", "nnnnnnn"),
            ("", "tagged", "ynnnnnn"),
            ("", "untagged", "nyyyynn"),
            ("a", "b", "nynnyny"),
            ("nothing", "", "nnnnynn"),
        ];
        for (only, skip, expected) in cases {
            let list = |text: &str| words(&text.replace(',', " "));
            let selection = TagSelection::new(list(only), list(skip));
            let found: String = tasks
                .iter()
                .map(|tags| {
                    if selection.takes(&words(tags)) {
                        'y'
                    } else {
                        'n'
                    }
                })
                .collect();
            assert_eq!(found, expected, "--tags {only} --skip-tags {skip}");
        }
    }
}
