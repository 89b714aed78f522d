//! Whatever bytes come, the decoders make one row of each record, and of a bad one keep what came.

use goldrecord_ingestor::TopicSettings;
use goldrecord_registry::SchemaType;
use goldrecord_service::config::Format;
use proptest::prelude::*;

use crate::corpus::{Case, Ids, avro, json};
use crate::outside::Outside;
use crate::trial::Trial;
use crate::world::without_failpoints;

const IDS: Ids = Ids {
    own: 1,
    foreign: 9,
    unknown: 7,
};

/// How long the corpus's large records are.
const LARGE: usize = 10_000_000;

/// What a batch may hold however large its records: one record's lists, and what its bytes are copied to.
const MOST: usize = 100 << 20;

fn each_as_said(trial: &Trial, cases: &[Case]) {
    let values: Vec<_> = cases.iter().map(|case| case.value.as_deref()).collect();
    let decoded = trial.decode(&values);
    for (case, code) in cases.iter().zip(&decoded.codes) {
        assert_eq!(
            *code,
            case.code,
            "{}: {:?}",
            case.name,
            case.value.as_ref().map(|value| value
                .escape_ascii()
                .take(400)
                .map(char::from)
                .collect::<String>())
        );
    }
    assert!(decoded.held < MOST, "{} bytes", decoded.held);
}

#[test]
fn every_record_of_the_corpus_is_good_or_bad_as_said() {
    each_as_said(&Trial::avro(), &avro::cases(IDS));
    each_as_said(&Trial::json(), &json::cases(IDS, true));
    each_as_said(&Trial::json_unframed(), &json::cases(IDS, false));
}

#[test]
fn records_of_ten_megabytes_take_bounded_memory() {
    // One at a time, as the ingestor sends a batch on once its lists take much.
    let large = [
        (Trial::avro(), avro::large(IDS, LARGE)),
        (Trial::json(), json::large(IDS, true, LARGE)),
        (Trial::json_unframed(), json::large(IDS, false, LARGE)),
        (Trial::json(), vec![json::too_many(IDS)]),
    ];
    for (trial, cases) in large {
        for case in cases {
            each_as_said(&trial, &[case]);
        }
    }
}

#[test]
fn a_record_of_the_corpus_is_decoded_alone_as_among_others() {
    let trials = [
        (Trial::avro(), avro::cases(IDS)),
        (Trial::json(), json::cases(IDS, true)),
        (Trial::json_unframed(), json::cases(IDS, false)),
    ];
    for (trial, cases) in trials {
        for value in cases.iter().filter_map(|case| case.value.as_deref()) {
            trial.holds(value);
        }
    }
}

/// A record of the corpus with some of its bytes changed, cut out or put in, by another version's schema or not.
fn changed(cases: Vec<Case>) -> impl Strategy<Value = Vec<u8>> {
    let values: Vec<_> = cases.into_iter().filter_map(|case| case.value).collect();
    let change = (any::<prop::sample::Index>(), 0..3_u8, any::<u8>());
    let changes = prop::collection::vec(change, 0..6);
    (prop::sample::select(values), changes, any::<bool>()).prop_map(
        |(mut value, changes, later)| {
            for (index, kind, byte) in changes {
                if value.is_empty() {
                    break;
                }
                let index = index.index(value.len());
                match kind {
                    0 => value[index] = byte,
                    1 => drop(value.remove(index)),
                    _ => value.insert(index, byte),
                }
            }
            if let (true, Some(id)) = (later, value.get_mut(4)) {
                *id = 2;
            }
            value
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn avro_that_was_changed_becomes_one_row(value in changed(avro::cases(IDS))) {
        Trial::avro().holds(&value);
    }

    #[test]
    fn json_that_was_changed_becomes_one_row(value in changed(json::cases(IDS, true))) {
        Trial::json().holds(&value);
    }

    #[test]
    fn unframed_json_that_was_changed_becomes_one_row(value in changed(json::cases(IDS, false))) {
        Trial::json_unframed().holds(&value);
    }
}

/// What the table must say of each record, on the real Kafka, with the ids of the real registry.
#[test]
fn the_corpus_is_in_the_table_once_and_the_bad_ones_with_their_bytes() {
    let Some(outside) = Outside::new() else {
        return;
    };
    let _guard = without_failpoints();
    let process = std::process::id();
    let topic = |kind: &str| format!("corpus_{kind}_{process}");
    let (avro_topic, json_topic, plain_topic) = (topic("avro"), topic("json"), topic("plain"));
    for topic in [&avro_topic, &json_topic, &plain_topic] {
        outside.topic(topic);
    }
    let avro_id = outside.register(
        &format!("{avro_topic}-value"),
        SchemaType::Avro,
        avro::SCHEMA,
    );
    let json_id = outside.register(
        &format!("{json_topic}-value"),
        SchemaType::Json,
        json::SCHEMA,
    );
    let plain_id = outside.register(
        &format!("{plain_topic}-value"),
        SchemaType::Json,
        json::SCHEMA,
    );
    let ids = |own, foreign| Ids {
        own,
        foreign,
        unknown: 4_000_000,
    };
    let with = |mut cases: Vec<Case>, large: Vec<Case>| {
        cases.extend(large);
        cases
    };
    let own = ids(avro_id, json_id);
    let avro_cases = with(avro::cases(own), avro::large(own, LARGE));
    let own = ids(json_id, avro_id);
    let json_cases = with(json::cases(own, true), json::large(own, true, LARGE));
    let own = ids(plain_id, avro_id);
    let plain_cases = with(json::cases(own, false), json::large(own, false, LARGE));
    let of = |format| TopicSettings {
        format,
        ..TopicSettings::default()
    };
    let topics = [
        (&avro_topic, Format::Avro, avro_cases),
        (&json_topic, Format::Json, json_cases),
        (&plain_topic, Format::JsonUnframed, plain_cases),
    ];
    for (topic, _, cases) in &topics {
        outside.produce(topic, cases.iter().map(|case| case.value.as_deref()));
    }
    let settings: Vec<_> = topics
        .iter()
        .map(|(topic, format, _)| (topic.as_str(), of(*format)))
        .collect();
    outside.catch_up(&settings);
    for (topic, _, cases) in &topics {
        let rows = outside.rows(topic);
        let rows: Vec<_> = rows.iter().filter(|row| row["_kind"] != "start").collect();
        assert_eq!(rows.len(), cases.len(), "one row a record");
        for (offset, (case, row)) in cases.iter().zip(rows).enumerate() {
            let name = case.name;
            assert_eq!(row["_offset"], offset, "{name}");
            assert_eq!(
                row.get("_error").and_then(|code| code.as_str()),
                case.code,
                "{name}: {row}"
            );
            if case.code.is_none() {
                assert_eq!(
                    (&row["_kind"], row.get("_raw_value")),
                    (&"good".into(), None),
                    "{name}"
                );
                continue;
            }
            assert_eq!(row["_kind"], "bad", "{name}");
            assert_eq!(row["_raw_key"], "6b6579", "{name}");
            assert_eq!(row["_raw_headers"], r#"[["header","ff00"]]"#, "{name}");
            let raw = row.get("_raw_value").map(Outside::bytes);
            assert!(raw == case.value, "{name}: other bytes");
        }
    }
}
