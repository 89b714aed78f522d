//! JSON Schema: which schema accepts every document that another one accepts.
//!
//! The question is hard in general, so the rules are few and lean to "no". One schema follows
//! another when, at every place,
//! - every `type` of the old one is allowed by the new one (`number` allows `integer`);
//! - `required` names nothing that the old one did not require;
//! - every `enum` value of the old one is in the new one's `enum`, if it has one;
//! - `properties` in both, and `items`, follow these rules in turn. A property may be added or,
//!   unless `additionalProperties` is false, left out;
//! - `additionalProperties` does not become narrower;
//! - every other keyword is the same in both, except for words that only describe.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Words that describe and do not constrain.
const DESCRIBING: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
];
/// Words with a rule of their own.
const RULED: [&str; 6] = [
    "type",
    "required",
    "enum",
    "properties",
    "items",
    "additionalProperties",
];
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// Why `text` is no JSON schema, if it is none: it must be a JSON object (or a boolean) whose
/// words of the rule set have the shapes that JSON Schema gives them.
pub(super) fn validate(text: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    check_shape(&schema, "#")
}

fn check_shape(schema: &Value, at: &str) -> Result<(), String> {
    let words = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(words) => words,
        other => {
            return Err(format!(
                "{at}: a schema is an object or a boolean, not {other}"
            ));
        }
    };
    for name in types(schema).into_iter().flatten() {
        if !TYPES.contains(&name.as_str()) {
            return Err(format!(
                "{at}/type: JSON has no type {name}; there are {}",
                TYPES.join(", ")
            ));
        }
    }
    match words.get("required") {
        None => {}
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {}
        Some(_) => return Err(format!("{at}/required: a list of property names is wanted")),
    }
    if words.get("enum").is_some_and(|values| !values.is_array()) {
        return Err(format!("{at}/enum: a list of values is wanted"));
    }
    match words.get("properties") {
        None => {}
        Some(Value::Object(properties)) => {
            for (name, property) in properties {
                check_shape(property, &format!("{at}/properties/{name}"))?;
            }
        }
        Some(_) => return Err(format!("{at}/properties: an object of schemas is wanted")),
    }
    match words.get("items") {
        None => Ok(()),
        Some(items) => check_shape(items, &format!("{at}/items")),
    }
}

/// Why `reader` may refuse a document that `writer` accepts, if it may. Both are valid schemas.
pub(super) fn can_read(reader: &str, writer: &str) -> Result<(), String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| e.to_string());
    accepts(&parse(reader)?, &parse(writer)?, "#")
}

fn accepts(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    if matches!(reader, Value::Bool(true)) || matches!(writer, Value::Bool(false)) {
        return Ok(());
    }
    if matches!(reader, Value::Bool(false)) {
        return Err(format!("{at}: false accepts no document"));
    }
    types_widen(reader, writer, at)?;
    required_shrinks(reader, writer, at)?;
    enum_widens(reader, writer, at)?;
    properties_follow(reader, writer, at)?;
    items_follow(reader, writer, at)?;
    the_rest_is_the_same(reader, writer, at)
}

/// The types that a schema allows; none where it says nothing.
fn types(schema: &Value) -> Option<BTreeSet<String>> {
    match schema.get("type")? {
        Value::String(name) => Some(BTreeSet::from([name.clone()])),
        Value::Array(names) => Some(
            names
                .iter()
                .map(|n| n.as_str().unwrap_or("?").to_owned())
                .collect(),
        ),
        other => Some(BTreeSet::from([other.to_string()])),
    }
}

fn types_widen(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let Some(allowed) = types(reader) else {
        return Ok(());
    };
    let Some(written) = types(writer) else {
        return Err(format!(
            "{at}/type: any type was written, {} is read",
            list(&allowed)
        ));
    };
    let fits =
        |name: &String| allowed.contains(name) || (name == "integer" && allowed.contains("number"));
    match written.iter().find(|name| !fits(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{at}/type: {name} was written, {} is read",
            list(&allowed)
        )),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" or ")
}

fn strings<'a>(schema: &'a Value, word: &str) -> BTreeSet<&'a str> {
    let names = schema.get(word).and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn required_shrinks(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let written = strings(writer, "required");
    match strings(reader, "required").difference(&written).next() {
        None => Ok(()),
        Some(name) => Err(format!("{at}/required: {name} was not required before")),
    }
}

fn enum_widens(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let Some(allowed) = reader.get("enum").and_then(Value::as_array) else {
        return Ok(());
    };
    let Some(written) = writer.get("enum").and_then(Value::as_array) else {
        return Err(format!(
            "{at}/enum: any value was written, {} values are read",
            allowed.len()
        ));
    };
    match written.iter().find(|value| !allowed.contains(value)) {
        None => Ok(()),
        Some(value) => Err(format!("{at}/enum: {value} was written and is not read")),
    }
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

fn properties_follow(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let absent = Value::Bool(true);
    let others_read = reader.get("additionalProperties").unwrap_or(&absent);
    let others_written = writer.get("additionalProperties").unwrap_or(&absent);
    let written = writer.get("properties").and_then(Value::as_object);
    for (name, written) in written.into_iter().flatten() {
        let at = format!("{at}/properties/{name}");
        match (property(reader, name), others_read) {
            (Some(read), _) => accepts(read, written, &at)?,
            (None, Value::Bool(true)) => {}
            (None, _) => return Err(format!("{at}: was written and is not read")),
        }
    }
    accepts(
        others_read,
        others_written,
        &format!("{at}/additionalProperties"),
    )
}

fn items_follow(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let any = Value::Bool(true);
    let read = reader.get("items").unwrap_or(&any);
    let written = writer.get("items").unwrap_or(&any);
    accepts(read, written, &format!("{at}/items"))
}

fn the_rest_is_the_same(reader: &Value, writer: &Value, at: &str) -> Result<(), String> {
    let words = |schema: &Value| -> Map<String, Value> {
        let words = schema.as_object().into_iter().flatten();
        words
            .filter(|(word, _)| {
                !DESCRIBING.contains(&word.as_str()) && !RULED.contains(&word.as_str())
            })
            .map(|(word, value)| (word.clone(), value.clone()))
            .collect()
    };
    let (read, written) = (words(reader), words(writer));
    let differs = read
        .iter()
        .find(|(word, value)| written.get(*word) != Some(value));
    match differs.or_else(|| written.iter().find(|(word, _)| !read.contains_key(*word))) {
        None => Ok(()),
        Some((word, _)) => Err(format!(
            "{at}/{word}: is another than before, which is not judged further"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"type":"object","title":"old","properties":{"a":{"type":"integer"},"b":{"type":["string","null"]}},"required":["a"]}"#;

    #[track_caller]
    fn follows(new: &str) {
        assert_eq!(can_read(new, OLD), Ok(()));
    }

    #[track_caller]
    fn breaks(new: &str, place: &str) {
        let why = can_read(new, OLD).expect_err(new);
        assert!(why.starts_with(place), "{why}");
    }

    #[test]
    fn the_same_schema_follows_whatever_it_says_about_itself() {
        follows(OLD);
        follows(&OLD.replace("old", "new"));
    }

    #[test]
    fn an_optional_property_may_come_and_any_may_go() {
        follows(
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":["string","null"]},"c":{"type":"string"}},"required":["a"]}"#,
        );
        follows(r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#);
        breaks(
            r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}"#,
            "#/properties/b",
        );
    }

    #[test]
    fn nothing_new_may_be_required() {
        breaks(
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":["string","null"]}},"required":["a","b"]}"#,
            "#/required",
        );
    }

    #[test]
    fn types_widen_and_do_not_narrow() {
        follows(
            r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":["string","null"]}},"required":["a"]}"#,
        );
        breaks(
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]}"#,
            "#/properties/b/type",
        );
        breaks(
            r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["string","null"]}},"required":["a"]}"#,
            "#/properties/a/type",
        );
    }

    #[test]
    fn words_without_a_rule_must_stay_as_they_are() {
        breaks(
            r#"{"type":"object","properties":{"a":{"type":"integer","format":"timestamp-millis"},"b":{"type":["string","null"]}},"required":["a"]}"#,
            "#/properties/a/format",
        );
    }

    #[test]
    fn enums_grow() {
        assert_eq!(
            can_read(r#"{"enum":["a","b"]}"#, r#"{"enum":["a"]}"#),
            Ok(())
        );
        assert!(can_read(r#"{"enum":["a"]}"#, r#"{"enum":["a","b"]}"#).is_err());
        assert!(can_read(r#"{"enum":["a"]}"#, "{}").is_err());
    }

    #[test]
    fn broken_schemas_are_told_where() {
        for (broken, place) in [
            ("{", "not JSON"),
            ("7", "#"),
            (r#"{"type":"long"}"#, "#/type"),
            (
                r#"{"properties":{"a":{"type":"int"}}}"#,
                "#/properties/a/type",
            ),
            (r#"{"required":"a"}"#, "#/required"),
            (r#"{"enum":{}}"#, "#/enum"),
            (r#"{"items":[]}"#, "#/items"),
        ] {
            let why = validate(broken).expect_err(broken);
            assert!(why.starts_with(place), "{broken}: {why}");
        }
        assert_eq!(validate(OLD), Ok(()));
    }
}
