//! Whether a schema may be a subject's next version.

use super::{avro, json};
use crate::{Compatibility, SchemaType};

/// A schema's language and text.
pub(super) type Typed<'a> = (SchemaType, &'a str);

/// Why `text` is no schema of its type, if it is none.
pub(super) fn validate((schema_type, text): Typed) -> Result<(), String> {
    match schema_type {
        SchemaType::Avro => avro::validate(text),
        SchemaType::Json => json::validate(text),
    }
}

/// Every reason why `new` may not follow `earlier` (oldest first) at `level`; none if it may.
pub(super) fn objections(level: Compatibility, new: Typed, earlier: &[Typed]) -> Vec<String> {
    let against = if level.is_transitive() {
        earlier
    } else {
        &earlier[earlier.len().saturating_sub(1)..]
    };
    let mut objections = Vec::new();
    for old in against {
        if level.new_reads_old()
            && let Err(why) = can_read(new, *old)
        {
            objections.push(format!(
                "the new schema cannot read what an earlier one wrote: {why}"
            ));
        }
        if level.old_reads_new()
            && let Err(why) = can_read(*old, new)
        {
            objections.push(format!(
                "an earlier schema cannot read what the new one writes: {why}"
            ));
        }
    }
    objections
}

fn can_read(reader: Typed, writer: Typed) -> Result<(), String> {
    match (reader, writer) {
        ((SchemaType::Avro, reader), (SchemaType::Avro, writer)) => avro::can_read(reader, writer),
        ((SchemaType::Json, reader), (SchemaType::Json, writer)) => json::can_read(reader, writer),
        ((reader, _), (writer, _)) => Err(format!("{reader} does not read {writer}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
    const AB: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":"string"}]}"#;
    const NONE: &str = r#"{"type":"record","name":"R","fields":[]}"#;

    fn may_follow(level: Compatibility, new: &str, earlier: &[&str]) -> bool {
        let earlier: Vec<Typed> = earlier
            .iter()
            .map(|text| (SchemaType::Avro, *text))
            .collect();
        objections(level, (SchemaType::Avro, new), &earlier).is_empty()
    }

    #[test]
    fn each_level_looks_its_own_way() {
        use Compatibility::{Backward, Forward, Full, None};
        // A field more: the old schema reads it, the new one cannot read what lacks it.
        assert!(!may_follow(Backward, AB, &[A]));
        assert!(may_follow(Forward, AB, &[A]));
        assert!(!may_follow(Full, AB, &[A]));
        assert!(may_follow(None, AB, &[A]));
        // A field less: the other way about.
        assert!(may_follow(Backward, A, &[AB]));
        assert!(!may_follow(Forward, A, &[AB]));
        assert!(!may_follow(Full, A, &[AB]));
    }

    #[test]
    fn transitive_levels_look_at_every_version() {
        use Compatibility::{Backward, BackwardTransitive};
        assert!(may_follow(Backward, A, &[NONE, A]));
        assert!(!may_follow(BackwardTransitive, A, &[NONE, A]));
    }

    #[test]
    fn the_first_version_follows_nothing() {
        assert!(
            Compatibility::ALL
                .into_iter()
                .all(|level| may_follow(level, A, &[]))
        );
    }

    #[test]
    fn languages_do_not_follow_each_other() {
        let found = objections(
            Compatibility::Backward,
            (SchemaType::Json, "{}"),
            &[(SchemaType::Avro, A)],
        );
        assert_eq!(found.len(), 1);
    }
}
