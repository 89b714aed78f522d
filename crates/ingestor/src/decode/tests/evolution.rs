//! What later schemas do to the columns of earlier ones.

use apache_avro::types::Value;
use arrow::datatypes::{DataType, Fields};
use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

use super::{Table, field, number, written};
use crate::decode::evolve::place;
use crate::decode::{Code, Field, NAMES, Shape};

#[test]
fn fields_are_added_removed_and_reordered_also_inside() {
    let inner = |fields: &str| {
        format!(r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{fields}]}}}}"#)
    };
    let old = [
        field("a", r#""long""#),
        field(
            "r",
            &inner(&[field("x", r#""long""#), field("y", r#""string""#)].join(",")),
        ),
        field("gone", r#""long""#),
    ]
    .join(",");
    let new = [
        field(
            "r",
            &inner(
                &[
                    field("y", r#""string""#),
                    field("z", r#""boolean""#),
                    field("x", r#""long""#),
                ]
                .join(","),
            ),
        ),
        field("b", r#""string""#),
        field("a", r#""long""#),
    ]
    .join(",");
    let mut table = Table::new();
    table.avro(&old).expect("the first fits");
    table.avro(&new).expect("the second does, too");
    assert_eq!(table.names(), ["a", "r", "gone", "b"]);
    let text = |text: &str| Value::String(text.to_owned());
    let item = |fields: Vec<(&str, Value)>| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Array(vec![Value::Record(fields.collect())])
    };
    let before = written(
        &old,
        vec![
            ("a", number(1)),
            ("r", item(vec![("x", number(2)), ("y", text("t"))])),
            ("gone", number(3)),
        ],
    );
    assert_eq!(
        table.row(0, &before).expect("good"),
        "a=1 r=[{x: 2, y: t, z: }] gone=3"
    );
    let after = written(
        &new,
        vec![
            (
                "r",
                item(vec![
                    ("y", text("u")),
                    ("z", Value::Boolean(true)),
                    ("x", number(4)),
                ]),
            ),
            ("b", text("v")),
            ("a", number(5)),
        ],
    );
    assert_eq!(
        table.row(1, &after).expect("good"),
        "a=5 r=[{x: 4, y: u, z: true}] b=v"
    );
}

#[test]
fn a_column_takes_what_avro_promotes_to_its_type_and_refuses_the_rest_by_path() {
    let decimal = |digits: u8| {
        format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{digits},"scale":2}}"#)
    };
    let long = r#""long""#;
    let (int, float, double, bytes, string) = (
        r#""int""#,
        r#""float""#,
        r#""double""#,
        r#""bytes""#,
        r#""string""#,
    );
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let micros = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
    let date = r#"{"type":"int","logicalType":"date"}"#;
    let enumeration = r#"{"type":"enum","name":"E","symbols":["A"]}"#;
    let fixed = r#"{"type":"fixed","name":"F","size":2}"#;
    let (wide, narrow) = (decimal(12), decimal(10));
    let second = |value: Value, type_: &str| written(&field("f", type_), vec![("f", value)]);
    // What was first, what came then, a value of that, and how the table shows it.
    for (first, then, value, shown) in [
        (int, long, number(1 << 40), "1099511627776"),
        (long, int, Value::Int(7), "7"),
        (float, double, Value::Double(0.1), "0.1"),
        (double, float, Value::Float(0.5), "0.5"),
        (double, int, Value::Int(7), "7.0"),
        (float, long, number(-7), "-7.0"),
        (bytes, string, Value::String("ab".into()), "6162"),
        (string, bytes, Value::Bytes(b"ab".to_vec()), "ab"),
        (bytes, enumeration, Value::Enum(0, "A".into()), "41"),
        (string, enumeration, Value::Enum(0, "A".into()), "A"),
        (enumeration, string, Value::String("B".into()), "B"),
        (bytes, fixed, Value::Fixed(2, vec![1, 2]), "0102"),
        (
            millis,
            micros,
            Value::TimestampMicros(1),
            "1970-01-01T00:00:00.000001Z",
        ),
        (
            micros,
            millis,
            Value::TimestampMillis(1),
            "1970-01-01T00:00:00.001Z",
        ),
        (long, millis, Value::TimestampMillis(9), "9"),
        (int, date, Value::Date(9), "9"),
        (&wide, &narrow, Value::Decimal(vec![1, 0].into()), "2.56"),
    ] {
        let mut table = Table::new();
        table.avro(&field("f", first)).expect("the first fits");
        let plan = table
            .avro(&field("f", then))
            .unwrap_or_else(|why| panic!("{first} takes {then}: {why}"));
        let row = table.row(plan, &second(value, then)).expect("good");
        assert_eq!(row, format!("f={shown}"), "{then} in {first}");
    }
    for (first, then) in [
        (long, double),
        (long, string),
        (string, long),
        (millis, long),
        (date, int),
        (date, millis),
        (string, fixed),
        (long, r#""boolean""#),
        (&narrow, &wide),
        (long, r#"{"type":"array","items":"long"}"#),
        (
            r#"{"type":"map","values":"long"}"#,
            r#"{"type":"record","name":"X","fields":[{"name":"a","type":"long"}]}"#,
        ),
    ] {
        let inside = |type_: &str| {
            let inner = field("f", type_);
            field(
                "r",
                &format!(
                    r#"{{"type":"map","values":{{"type":"record","name":"I","fields":[{inner}]}}}}"#
                ),
            )
        };
        let mut table = Table::new();
        table.avro(&inside(first)).expect("the first fits");
        let before = table.fields.clone();
        let why = table.avro(&inside(then)).expect_err("does not fit");
        assert!(
            why.contains("`r{}.f`") || why.contains("`f`"),
            "{then} in {first}: {why}"
        );
        assert_eq!(table.fields, before, "the table stays as it was");
    }
    // Bytes into text are text, or bad.
    let mut table = Table::new();
    table.avro(&field("f", string)).expect("fits");
    table.avro(&field("f", bytes)).expect("fits");
    let fault = table
        .row(1, &second(Value::Bytes(vec![0xff]), bytes))
        .expect_err("no text");
    assert_eq!(fault.code, Code::BadUtf8);
}

#[test]
fn a_renamed_field_keeps_its_first_column_whatever_comes_first() {
    let old = field("old", r#""long""#);
    let new = r#"{"name":"new","aliases":["old"],"type":"long"}"#;
    // The alias is gone, the name stays.
    let later = field("new", r#""long""#);
    let newest = r#"{"name":"newest","aliases":["new"],"type":"long"}"#;
    let orders = [
        ([old.as_str(), new, &later, newest], "old"),
        ([new, &old, newest, &later], "new"),
        ([newest, &later, new, &old], "newest"),
    ];
    let inside = |fields: &str| {
        let record = format!(r#"{{"type":"record","name":"I","fields":[{fields}]}}"#);
        field("r", &format!(r#"{{"type":"map","values":{record}}}"#))
    };
    for (order, column) in orders {
        let (mut table, mut nested) = (Table::new(), Table::new());
        for (index, fields) in order.into_iter().enumerate() {
            table.avro(fields).expect("fits");
            nested.avro(&inside(fields)).expect("fits");
            assert_eq!(table.names(), [column]);
            for plan in 0..=index {
                let row = table.row(plan, &[14]).expect("good");
                assert_eq!(row, format!("{column}=7"));
                let row = nested.row(plan, &[2, 2, b'k', 14, 0]).expect("good");
                assert_eq!(row, format!("r={{k: {{{column}: 7}}}}"));
            }
        }
    }
    let names = |table: &Table| table.fields[0].metadata().get(NAMES).cloned();
    let mut table = Table::new();
    table.avro(&old).expect("fits");
    assert_eq!(names(&table), None);
    table.avro(new).expect("fits");
    assert_eq!(names(&table).as_deref(), Some("new"));
}

#[test]
fn two_fields_of_one_column_are_refused() {
    let both = format!(
        r#"{},{{"name":"new","aliases":["old"],"type":"long"}}"#,
        field("old", r#""long""#)
    );
    let why = Table::new()
        .avro(&both)
        .expect_err("one column for two fields");
    assert!(
        why.contains("field `new`") && why.contains("`old`"),
        "{why}"
    );
    let mut table = Table::new();
    table
        .avro(r#"{"name":"new","aliases":["old"],"type":"long"}"#)
        .expect("fits");
    let why = table
        .avro(&[field("old", r#""long""#), field("new", r#""long""#)].join(","))
        .expect_err("they were one");
    assert!(why.contains("field `new`"), "{why}");
    assert_eq!(table.names(), ["new"]);
}

#[test]
fn json_schemas_evolve_as_avros_do() {
    let of = |properties: &str| format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
    let mut table = Table::new();
    let first = table.json(&of(r#""n":{"type":"number"},"i":{"type":"integer"},"o":{"type":"object","properties":{"x":{"type":"string"}}}"#)).expect("fits");
    let second = table.json(&of(r#""o":{"type":"object","properties":{"y":{"type":"string"},"x":{"type":"string"}}},"n":{"type":"integer"},"i":{"type":"integer","format":"timestamp-millis"},"new":{"type":"boolean"}"#)).expect("fits");
    assert_eq!(
        table
            .row(first, br#"{"n":1.5,"i":2,"o":{"x":"a"}}"#)
            .expect("good"),
        "n=1.5 i=2 o={x: a, y: }"
    );
    assert_eq!(
        table
            .row(second, br#"{"n":1,"i":2,"o":{"x":"a","y":"b"},"new":true}"#)
            .expect("good"),
        "n=1.0 i=2 o={x: a, y: b} new=true"
    );
    let why = table
        .json(&of(
            r#""o":{"type":"object","properties":{"x":{"type":"integer"}}}"#,
        ))
        .expect_err("does not fit");
    assert!(why.contains("field `o.x`"), "{why}");
}

/// The columns of fields, and behind each those of the fields of its record.
fn places_of(columns: &Fields, fields: &[Field]) -> Vec<Option<usize>> {
    let of = |field: &Field| {
        let index = place(columns, field);
        let inner = match (index.map(|index| columns[index].data_type()), &field.shape) {
            (Some(DataType::Struct(columns)), Shape::Record(fields)) => places_of(columns, fields),
            _ => Vec::new(),
        };
        std::iter::once(index).chain(inner).collect::<Vec<_>>()
    };
    fields.iter().flat_map(of).collect()
}

#[test]
fn columns_that_schemas_were_learnt_into_never_move() {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let kind = prop::sample::select(vec![
        r#""long""#,
        r#""double""#,
        r#""string""#,
        r#""bytes""#,
        r#"{"type":"record","name":"NAME","fields":[{"name":"x","type":"long"}]}"#,
        r#"{"type":"record","name":"NAME","fields":[{"name":"y","aliases":["x"],"type":"long"}]}"#,
        r#"{"type":"record","name":"NAME","fields":[{"name":"z","aliases":["y"],"type":"long"},{"name":"w","type":"long"}]}"#,
        r#"{"type":"record","name":"NAME","fields":[{"name":"w","aliases":["z"],"type":"long"},{"name":"y","type":"long"}]}"#,
    ]);
    let aliases = prop::collection::vec(name.clone(), 0..2);
    let fields = prop::collection::btree_map(name, (kind, aliases), 1..4);
    let schemas = prop::collection::vec(fields, 1..6);
    proptest!(ProptestConfig::with_cases(500), |(schemas in schemas)| {
        let mut table = Table::new();
        // The columns of the fields of each schema that fits.
        let mut places: Vec<(Vec<Field>, Vec<Option<usize>>)> = Vec::new();
        for schema in &schemas {
            let fields: Vec<String> = schema.iter().map(|(name, (kind, aliases))| {
                let aliases: Vec<String> = aliases.iter().filter(|alias| *alias != name).map(|alias| format!("\"{alias}\"")).collect();
                format!(r#"{{"name":"{name}","aliases":[{}],"type":{}}}"#, aliases.join(","), kind.replace("NAME", &format!("N{name}")))
            }).collect();
            // Binds all former ones again, and panics where that fails.
            if let Ok(plan) = table.avro(&fields.join(",")) {
                let fields = table.plans[plan].fields();
                let places_now = places_of(&table.fields, &fields);
                places.push((fields, places_now));
            }
            for (fields, before) in &places {
                prop_assert_eq!(&places_of(&table.fields, fields), before);
            }
        }
    });
}
