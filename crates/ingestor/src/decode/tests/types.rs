//! What a schema may hold, and what is refused by its path.

use arrow::datatypes::DataType;

use super::{Table, field};
use crate::decode::{Code, Shape};

#[test]
fn names_that_readers_cannot_tell_apart_are_refused() {
    let of = |names: &[&str]| {
        let properties: Vec<String> = names
            .iter()
            .map(|name| format!(r#""{name}":{{"type":"string"}}"#))
            .collect();
        format!(
            r#"{{"type":"object","properties":{{"r":{{"type":"object","properties":{{{}}}}}}}}}"#,
            properties.join(",")
        )
    };
    for (names, path) in [
        (["userId", "userid"].as_slice(), "`r.userid`"),
        (&["first name"], "`r.first name`"),
        (&["a,b"], "`r.a,b`"),
        (&[""], "`r.`"),
    ] {
        let why = Table::new().json(&of(names)).expect_err("refused");
        assert!(why.contains(path), "{why}");
    }
    Table::new()
        .json(&of(&["a.b", "ü", "x-y"]))
        .expect("these are fine");
}

#[test]
fn what_no_column_holds_is_refused_by_its_path() {
    let inside = |type_: &str| {
        let inner = field("f", type_);
        field(
            "outer",
            &format!(
                r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{inner}]}}}}"#
            ),
        )
    };
    for (type_, why) in [
        (
            r#"["null","long","string"]"#,
            "field `outer[].f`: a union of 3 types",
        ),
        (
            r#"["long","string"]"#,
            "field `outer[].f`: a union of 2 types",
        ),
        (
            r#"["null","I"]"#,
            "field `outer[].f`: record `I` contains itself",
        ),
        (
            r#"{"type":"map","values":"R"}"#,
            "field `outer[].f{}`: record `R` contains itself",
        ),
        (
            r#"{"type":"array","items":["null","int","long"]}"#,
            "field `outer[].f[]`: a union of 3 types",
        ),
        (
            r#"{"type":"array","items":"null"}"#,
            "field `outer[].f[]`: nothing but nulls",
        ),
        (
            r#"{"type":"record","name":"E","fields":[]}"#,
            "field `outer[].f`: a record without fields",
        ),
        (
            r#"{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}"#,
            "field `outer[].f`: a record without fields",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":39,"scale":2}"#,
            "field `outer[].f`: a decimal of 39 digits",
        ),
        (
            r#"{"type":"bytes","logicalType":"big-decimal"}"#,
            "field `outer[].f`: a decimal whose scale",
        ),
        (
            r#"{"type":"fixed","name":"Z","size":0}"#,
            "field `outer[].f`: fixed bytes of size 0",
        ),
    ] {
        let found = Table::new().avro(&inside(type_)).expect_err("refused");
        assert!(found.contains(why), "{type_}: {found}");
    }
}

#[test]
fn what_no_column_holds_is_refused_by_its_path_in_json_too() {
    let inside = |schema: &str| {
        format!(
            r##"{{"definitions":{{"tree":{{"type":"object","properties":{{"next":{{"$ref":"#/definitions/tree"}}}}}}}},
            "type":"object","properties":{{"outer":{{"type":"array","items":{{"type":"object","properties":{{"f":{schema}}}}}}}}}}}"##
        )
    };
    for (schema, why) in [
        (
            r#"{"type":["string","integer"]}"#,
            "property `outer[].f`: a type of string or integer",
        ),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}"#,
            "property `outer[].f`: `oneOf` of 2 types",
        ),
        (
            r#"{"allOf":[{"type":"object"},{"type":"object"}]}"#,
            "property `outer[].f`: `allOf` of 2 types",
        ),
        (
            r##"{"$ref":"#/definitions/tree"}"##,
            "property `outer[].f.next`: `$ref` to `#/definitions/tree`, which contains itself",
        ),
        (
            r##"{"$ref":"#"}"##,
            "property `outer[].f`: `$ref` to `#`, which contains itself",
        ),
        (
            r##"{"$ref":"#/definitions/none"}"##,
            "property `outer[].f`: `$ref` to `#/definitions/none`, which is not in this schema",
        ),
        (
            r#"{"$ref":"http://elsewhere/x.json"}"#,
            "property `outer[].f`: `$ref` to `http://elsewhere/x.json`, which is not",
        ),
        (r"{}", "property `outer[].f`: no `type`"),
        ("true", "property `outer[].f`: no `type`"),
        (
            r#"{"type":"null"}"#,
            "property `outer[].f`: nothing but nulls",
        ),
        (
            r#"{"type":"object"}"#,
            "property `outer[].f`: an object of unknown properties",
        ),
        (
            r#"{"type":"array"}"#,
            "property `outer[].f`: an array whose `items`",
        ),
        (
            r#"{"type":"array","items":[{"type":"string"},{"type":"integer"}]}"#,
            "property `outer[].f`: an array whose `items`",
        ),
        (
            r#"{"enum":["a",1]}"#,
            "property `outer[].f`: a type of string or integer",
        ),
    ] {
        let found = Table::new().json(&inside(schema)).expect_err("refused");
        assert!(found.contains(why), "{schema}: {found}");
    }
}

#[test]
fn a_schema_of_a_few_lines_cannot_ask_for_a_million_columns() {
    let record = |level: usize| {
        let (left, right) = if level == 20 {
            (r#""long""#.to_owned(), r#""long""#.to_owned())
        } else {
            let next = level + 1;
            (format!("\"L{next}\""), format!("\"L{next}\""))
        };
        (left, right)
    };
    let mut schema = r#"{"type":"record","name":"L20","fields":[{"name":"a","type":"long"},{"name":"b","type":"long"}]}"#.to_owned();
    for level in (1..20).rev() {
        let (_, right) = record(level);
        schema = format!(
            r#"{{"type":"record","name":"L{level}","fields":[{{"name":"a","type":{schema}}},{{"name":"b","type":{right}}}]}}"#
        );
    }
    let why = Table::new()
        .avro(&field("f", &schema))
        .expect_err("refused");
    assert!(why.contains("more than 10000 fields"), "{why}");
    let definitions: Vec<String> = (0..20)
        .map(|level| {
            let next = level + 1;
            format!(r##""l{level}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/l{next}"}},"b":{{"$ref":"#/$defs/l{next}"}}}}}}"##)
        })
        .chain([r#""l20":{"type":"string"}"#.to_owned()])
        .collect();
    let schema = format!(
        r##"{{"$ref":"#/$defs/l0","$defs":{{{}}}}}"##,
        definitions.join(",")
    );
    let why = Table::new().json(&schema).expect_err("refused");
    assert!(why.contains("more than 10000 properties"), "{why}");
}

#[test]
fn json_schemas_as_generators_write_them_become_columns() {
    let mut table = Table::new();
    let plan = table
        .json(
            r##"{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object","additionalProperties":false,
            "properties":{
                "id":{"oneOf":[{"type":"null","title":"Not included"},{"type":"string","format":"uuid"}]},
                "customer":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/Customer"}]},
                "lines":{"type":"array","items":{"$ref":"#/definitions/Line"}},
                "state":{"enum":["open","paid",null]},
                "kind":{"const":"order"},
                "count":{"type":["integer","number"]},
                "tags":{"type":"object","additionalProperties":{"type":"array","items":{"type":"string"}}},
                "either":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}},
            "definitions":{
                "Customer":{"type":"object","properties":{"name":{"type":"string"},"address":{"allOf":[{"$ref":"#/definitions/Address"}]}},"required":["name"]},
                "Address":{"type":"object","properties":{"city":{"type":"string"}}},
                "Line":{"type":"object","properties":{"price":{"type":"number"},"paid":{"type":"boolean"}}}}}"##,
        )
        .expect("fits");
    let row = table.row(
        plan,
        br#"{"id":"7b0e","customer":{"name":"n","address":{"city":"c"}},"lines":[{"price":1.5,"paid":true}],"state":"paid","kind":"order","count":2,"tags":{"t":["u"]},"either":{"b":"x"}}"#,
    );
    assert_eq!(
        row.expect("good"),
        "id=7b0e customer={address: {city: c}, name: n} lines=[{paid: true, price: 1.5}] state=paid kind=order count=2.0 tags={t: [u]} either={a: , b: x}"
    );
    assert_eq!(
        table
            .row(plan, br#"{"id":null,"customer":null,"state":null}"#)
            .expect("good"),
        ""
    );
    let fault = table
        .row(plan, br#"{"state":"lost"}"#)
        .expect_err("no such state");
    assert_eq!(fault.code, Code::TypeMismatch);
}

#[test]
fn named_types_are_found_wherever_they_were_defined() {
    let mut table = Table::new();
    let fields = r#"
        {"name":"a","type":{"type":"fixed","name":"Money","size":4,"logicalType":"decimal","precision":6,"scale":2}},
        {"name":"b","type":["null","Money"]},
        {"name":"c","type":{"type":"fixed","name":"Id","size":16,"logicalType":"uuid"}},
        {"name":"d","type":"Id"},
        {"name":"e","type":{"type":"fixed","name":"Wait","size":12,"logicalType":"duration"}},
        {"name":"f","type":["Wait","null"]},
        {"name":"g","type":{"type":"record","name":"Inner","namespace":"other","fields":[{"name":"x","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"y","type":"E"}]}},
        {"name":"h","type":"other.E"},
        {"name":"i","type":"other.Inner"}"#;
    let plan = table.avro(fields).expect("fits");
    let mut record = vec![0, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0xff];
    record.extend([0x12; 32]);
    record.extend([14, 0, 0, 0, 3, 0, 0, 0, 0x8a, 0x14, 0, 0]);
    record.push(0);
    record.extend([0xff; 12]);
    record.extend([0; 5]);
    let id = "12121212-1212-1212-1212-121212121212";
    assert_eq!(
        table.row(plan, &record).expect("good"),
        format!(
            "a=2.56 b=-0.01 c={id} d={id} e=P14M3DT5.258S f=P4294967295M4294967295DT4294967.295S g={{x: A, y: A}} h=A i={{x: A, y: A}}"
        )
    );
}

#[test]
fn every_shape_is_read_back_from_its_column() {
    let shapes = [
        Shape::List(Box::new(Shape::Map(Box::new(Shape::Decimal(10, 2))))),
        Shape::Timestamp,
        Shape::Map(Box::new(Shape::List(Box::new(Shape::Date)))),
    ];
    for shape in shapes {
        assert_eq!(Shape::of(&shape.arrow()), Some(shape));
    }
    assert_eq!(Shape::of(&DataType::Float32), None);
}
