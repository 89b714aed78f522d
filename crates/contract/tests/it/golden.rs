//! The schemas as files, so that a change of the contract is seen in review.

use std::fmt::Write as _;
use std::path::PathBuf;

use goldrecord_contract::{Topic, arrow_schema, avro_schema, json_schema};

/// Compares with the file, or rewrites it when `GOLDRECORD_BLESS` is set.
fn check(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    let text = format!("{text}\n");
    if std::env::var_os("GOLDRECORD_BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden, text,
        "{file} differs: run the tests with GOLDRECORD_BLESS=1 and review the change"
    );
}

#[test]
fn the_avro_schemas_are_the_reviewed_ones() {
    for topic in Topic::ALL {
        check(&format!("{topic}.avsc"), &avro_schema(topic));
    }
}

#[test]
fn the_json_schemas_are_the_reviewed_ones() {
    for topic in Topic::ALL {
        check(&format!("{topic}.schema.json"), &json_schema(topic));
    }
}

#[test]
fn the_bronze_columns_are_the_reviewed_ones() {
    for topic in Topic::ALL {
        let mut text = String::new();
        for column in arrow_schema(topic).fields() {
            assert!(column.is_nullable(), "every column of bronze may be null");
            writeln!(text, "{}: {}", column.name(), column.data_type())
                .expect("a String takes all text");
        }
        check(&format!("{topic}.arrow.txt"), text.trim_end());
    }
}
