//! What a registry remembers: schemas by id, versions by subject, and levels. No I/O.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compatibility::{self, Typed};
use crate::{Compatibility, Schema, SchemaType};

/// A version as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Latest,
    Number(u32),
}

/// Why the store refuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSubject(String),
    NoVersion(String, Which),
    NoSchema(u32),
    NotInSubject(String),
    NoLevel(String),
    Invalid(String),
    Incompatible(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Store {
    /// The schema with id n is at n − 1.
    schemas: Vec<Schema>,
    /// The ids of each subject's versions; version n is at n − 1.
    subjects: BTreeMap<String, Vec<u32>>,
    level: Compatibility,
    levels: BTreeMap<String, Compatibility>,
}

/// One version of a subject: its number, and its schema.
pub(super) type Found<'a> = (u32, &'a Schema);

impl Store {
    pub fn new() -> Self {
        Self {
            schemas: Vec::new(),
            subjects: BTreeMap::new(),
            level: Compatibility::Backward,
            levels: BTreeMap::new(),
        }
    }

    /// Adds a version to `subject`, unless the subject has this schema already, and returns the id.
    pub fn register(
        &mut self,
        subject: &str,
        schema_type: SchemaType,
        text: &str,
    ) -> Result<u32, Refusal> {
        compatibility::validate((schema_type, text)).map_err(Refusal::Invalid)?;
        if let Ok((_, known)) = self.look_up(subject, schema_type, text) {
            return Ok(known.id);
        }
        let objections = self.objections(subject, (schema_type, text));
        if !objections.is_empty() {
            return Err(Refusal::Incompatible(objections));
        }
        let id = self.id_of(schema_type, text);
        self.subjects
            .entry(subject.to_owned())
            .or_default()
            .push(id);
        Ok(id)
    }

    /// The version of `subject` that holds this schema.
    pub fn look_up(
        &self,
        subject: &str,
        schema_type: SchemaType,
        text: &str,
    ) -> Result<Found<'_>, Refusal> {
        compatibility::validate((schema_type, text)).map_err(Refusal::Invalid)?;
        self.found(subject)?
            .find(|(_, known)| is_same(known, schema_type, text))
            .ok_or_else(|| Refusal::NotInSubject(subject.to_owned()))
    }

    pub fn schema(&self, id: u32) -> Result<&Schema, Refusal> {
        let place = (id as usize).checked_sub(1);
        place
            .and_then(|place| self.schemas.get(place))
            .ok_or(Refusal::NoSchema(id))
    }

    pub fn subjects(&self) -> Vec<String> {
        self.subjects.keys().cloned().collect()
    }

    pub fn versions(&self, subject: &str) -> Result<Vec<u32>, Refusal> {
        Ok(self.found(subject)?.map(|(version, _)| version).collect())
    }

    pub fn version(&self, subject: &str, which: Which) -> Result<Found<'_>, Refusal> {
        let mut versions = self.found(subject)?;
        let found = match which {
            Which::Latest => versions.last(),
            Which::Number(number) => versions.find(|(version, _)| *version == number),
        };
        found.ok_or_else(|| Refusal::NoVersion(subject.to_owned(), which))
    }

    /// Why a schema could not follow version `which` of `subject`; empty where it could.
    pub fn check(&self, subject: &str, which: Which, new: Typed) -> Result<Vec<String>, Refusal> {
        compatibility::validate(new).map_err(Refusal::Invalid)?;
        let (_, old) = self.version(subject, which)?;
        let old = (old.schema_type, old.text.as_str());
        Ok(compatibility::objections(
            self.effective_level(subject),
            new,
            &[old],
        ))
    }

    pub fn level(&self) -> Compatibility {
        self.level
    }

    pub fn set_level(&mut self, level: Compatibility) {
        self.level = level;
    }

    /// The level that was set for `subject` itself.
    pub fn subject_level(&self, subject: &str) -> Result<Compatibility, Refusal> {
        let level = self.levels.get(subject).copied();
        level.ok_or_else(|| Refusal::NoLevel(subject.to_owned()))
    }

    pub fn set_subject_level(&mut self, subject: &str, level: Compatibility) {
        self.levels.insert(subject.to_owned(), level);
    }

    fn effective_level(&self, subject: &str) -> Compatibility {
        self.levels.get(subject).copied().unwrap_or(self.level)
    }

    fn objections(&self, subject: &str, new: Typed) -> Vec<String> {
        let Ok(earlier) = self.found(subject) else {
            return Vec::new();
        };
        let earlier: Vec<Typed> = earlier
            .map(|(_, s)| (s.schema_type, s.text.as_str()))
            .collect();
        compatibility::objections(self.effective_level(subject), new, &earlier)
    }

    fn found(&self, subject: &str) -> Result<impl Iterator<Item = Found<'_>>, Refusal> {
        let ids = self
            .subjects
            .get(subject)
            .ok_or_else(|| Refusal::NoSubject(subject.to_owned()))?;
        Ok((1..).zip(ids.iter().map(|id| &self.schemas[*id as usize - 1])))
    }

    /// The id of a schema, which is the same in every subject.
    fn id_of(&mut self, schema_type: SchemaType, text: &str) -> u32 {
        if let Some(known) = self
            .schemas
            .iter()
            .find(|known| is_same(known, schema_type, text))
        {
            return known.id;
        }
        let id =
            u32::try_from(self.schemas.len() + 1).expect("fewer than 2^32 schemas fit in memory");
        self.schemas.push(Schema {
            id,
            schema_type,
            text: text.to_owned(),
        });
        id
    }
}

/// Two texts are one schema when they are the same JSON: spaces and the order of keys do not count.
fn is_same(known: &Schema, schema_type: SchemaType, text: &str) -> bool {
    if known.schema_type != schema_type {
        return false;
    }
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    known.text == text || json(&known.text).is_some_and(|known| Some(known) == json(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
    const B: &str = r#"{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}"#;

    #[test]
    fn one_schema_has_one_id_in_every_subject() {
        let mut store = Store::new();
        let id = store.register("s", SchemaType::Avro, A).expect("new");
        let spaced = A.replace(',', ", ");
        assert_eq!(store.register("s", SchemaType::Avro, &spaced), Ok(id));
        assert_eq!(store.register("t", SchemaType::Avro, A), Ok(id));
        assert_eq!(store.versions("s"), Ok(vec![1]));
        assert_eq!(store.schema(id).map(|s| s.text.as_str()), Ok(A));
    }

    #[test]
    fn backward_is_the_default_and_a_subject_may_differ() {
        let mut store = Store::new();
        store.register("s", SchemaType::Avro, A).expect("new");
        let refused = store
            .register("s", SchemaType::Avro, B)
            .expect_err("b has no default");
        assert!(matches!(refused, Refusal::Incompatible(_)));
        store.set_subject_level("s", Compatibility::None);
        assert_eq!(store.register("s", SchemaType::Avro, B), Ok(2));
        assert_eq!(
            store.version("s", Which::Latest).map(|(v, s)| (v, s.id)),
            Ok((2, 2))
        );
        assert_eq!(store.level(), Compatibility::Backward);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let store = Store::new();
        assert_eq!(store.schema(0), Err(Refusal::NoSchema(0)));
        assert_eq!(store.schema(1), Err(Refusal::NoSchema(1)));
        assert_eq!(store.versions("s"), Err(Refusal::NoSubject("s".into())));
        assert_eq!(store.subject_level("s"), Err(Refusal::NoLevel("s".into())));
    }
}
