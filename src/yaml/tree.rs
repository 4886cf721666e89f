//! The meaning of a YAML text, without positions.
//!
//! Reads what `serde_yaml` makes of a text into a tree that keeps everything a map holds: repeated keys, keys that are
//! no text, and `<<` before it is merged. Never looks at lines and columns. Called by `join` only.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// A value as `serde_yaml` reads it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Seq(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Tagged(String, Box<Tree>),
}

impl Tree {
    /// Reads each document of a text; an empty text has none.
    pub(super) fn documents(text: &str) -> Result<Vec<Self>, serde_yaml::Error> {
        // JSON is YAML, but libyaml does not know its pairs of `\ud83d\ude00`, and takes ten times as long.
        if text.trim_start().starts_with(['{', '['])
            && let Ok(tree) = serde_json::from_str(text)
        {
            return Ok(vec![tree]);
        }
        let mut documents = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            documents.push(Self::deserialize(document)?);
        }
        Ok(documents)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        // A number that does not fit stays text: every digit of a server's id counts.
        Ok(i64::try_from(number).map_or_else(|_| Tree::Str(number.to_string()), Tree::Int))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Tree, E> {
        Ok(Tree::Str(number.to_string()))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Tree, E> {
        Ok(Tree::Str(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Str(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Tree, A::Error> {
        let (tag, contents) = access.variant::<String>()?;
        let value = contents.newtype_variant::<Tree>()?;
        Ok(Tree::Tagged(tag, Box::new(value)))
    }
}
