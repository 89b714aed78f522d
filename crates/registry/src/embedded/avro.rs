//! Avro: what is a schema, and which schema reads what another one wrote.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

/// Why `text` is no Avro schema, if it is none.
pub(super) fn validate(text: &str) -> Result<(), String> {
    Schema::parse_str(text).map(drop).map_err(|e| e.to_string())
}

/// Why `reader` cannot read what `writer` wrote, if it cannot. Both are valid schemas.
pub(super) fn can_read(reader: &str, writer: &str) -> Result<(), String> {
    let reader = Schema::parse_str(reader).map_err(|e| e.to_string())?;
    let writer = Schema::parse_str(writer).map_err(|e| e.to_string())?;
    match SchemaCompatibility::can_read(&writer, &reader) {
        Ok(Compatibility::Full) => Ok(()),
        Ok(Compatibility::Partial) => Err("a union lost one of its branches".to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    const A: &str = r#"{"name":"a","type":"string"}"#;

    #[test]
    fn a_new_field_needs_a_default() {
        let old = record(A);
        let bare = record(&format!(r#"{A},{{"name":"b","type":"long"}}"#));
        let defaulted = record(&format!(
            r#"{A},{{"name":"b","type":["null","long"],"default":null}}"#
        ));
        let why = can_read(&bare, &old).expect_err("no default");
        assert!(why.contains('b'), "{why}");
        assert_eq!(can_read(&defaulted, &old), Ok(()));
        assert_eq!(can_read(&old, &bare), Ok(()));
    }

    #[test]
    fn a_type_may_be_promoted_and_not_narrowed() {
        let int = record(r#"{"name":"a","type":"int"}"#);
        let long = record(r#"{"name":"a","type":"long"}"#);
        assert_eq!(can_read(&long, &int), Ok(()));
        assert!(can_read(&int, &long).is_err());
    }

    #[test]
    fn a_required_field_may_become_nullable_and_not_the_reverse() {
        let required = record(A);
        let nullable = record(r#"{"name":"a","type":["null","string"],"default":null}"#);
        assert_eq!(can_read(&nullable, &required), Ok(()));
        assert!(can_read(&required, &nullable).is_err());
    }

    #[test]
    fn broken_schemas_are_told_why() {
        assert!(validate(r#"{"type":"recor"}"#).is_err());
        assert!(validate("{").is_err());
        assert_eq!(validate(&record(A)), Ok(()));
    }
}
