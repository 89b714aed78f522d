//! What is refused when a topic is opened, in words that say why.

use goldrecord_ingestor::{Error, TopicSettings, bronze};
use goldrecord_lake::{Proposal, TxnStep};
use goldrecord_registry::SchemaType;
use goldrecord_service::config::Format;

use crate::world::{JUNE, SMALL, World, framed, small, without_failpoints};

fn refusal(language: SchemaType, format: Format, schema: &str) -> String {
    let world = World::new(&[("t", 1)]);
    world.register("t", language, schema);
    let own = TopicSettings {
        format,
        ..TopicSettings::default()
    };
    let error = world
        .catch_up(world.settings(&[("t", own)]))
        .expect_err("refused");
    assert!(matches!(error, Error::Schema { .. }), "{error}");
    error.to_string()
}

#[test]
fn schemas_that_no_table_fits_are_refused_by_name() {
    let _guard = without_failpoints();
    let record = |field: &str| format!(r#"{{"type":"record","name":"R","fields":[{field}]}}"#);
    for (field, word) in [
        (r#"{"name":"_mine","type":"long"}"#, "`_mine`"),
        (r#"{"name":"event_date","type":"long"}"#, "`event_date`"),
        (
            r#"{"name":"wide","type":["null","long","string"]}"#,
            "field `wide`: a union of 3 types",
        ),
        (
            r#"{"name":"tree","type":["null","R"]}"#,
            "`R` contains itself",
        ),
    ] {
        let why = refusal(SchemaType::Avro, Format::Avro, &record(field));
        assert!(why.contains(word), "{why}");
    }
    let why = refusal(
        SchemaType::Json,
        Format::Json,
        r#"{"type":"object","properties":{"x":{"type":["string","integer"]}}}"#,
    );
    assert!(
        why.contains("property `x`: a type of string or integer"),
        "{why}"
    );
    let why = refusal(SchemaType::Avro, Format::Json, SMALL);
    assert!(why.contains("the topic's format is JSON"), "{why}");
}

#[test]
fn a_log_that_ends_before_the_table_is_refused() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    world.produce("t", 0, Some(&framed(id, &small(JUNE, None, "x"))));
    let settings = world.settings(&[("t", TopicSettings::default())]);
    world.catch_up(settings.clone()).expect("runs");
    // As if the topic had been made anew with fewer records.
    let table = world.lake.table(&bronze::path("t"));
    let mut snapshot = world.snapshot("t");
    let app_id = snapshot.txns.keys().next().expect("begun").clone();
    let txns = vec![TxnStep {
        app_id,
        expect: Some(1),
        next: 100,
    }];
    let proposal = Proposal {
        operation: "WRITE".into(),
        txns,
        data_change: true,
        ..Proposal::default()
    };
    world
        .runtime
        .block_on(table.commit(&mut snapshot, &proposal))
        .expect("committed");
    let error = world.catch_up(settings).expect_err("refused");
    assert!(
        matches!(
            error,
            Error::LogShorter {
                end: 1,
                stored: 100,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("offsets accept t/0"), "{error}");
}
