//! Which of a table's files can hold a row with the key of a new one, by what the log says of them.

use chrono::TimeDelta;
use goldrecord_lake::AddFile;
use serde_json::Value;

use crate::microbatch::{Window, moment};

/// Whether a file can hold a row whose key is in one of the `new` files. Where the log says nothing, it can.
pub fn may_match(file: &AddFile, new: &[AddFile], key: &[String]) -> bool {
    new.iter()
        .any(|new| key.iter().all(|column| overlap(file, new, column)))
}

fn overlap(a: &AddFile, b: &AddFile, column: &str) -> bool {
    if let (Some(a), Some(b)) = (
        a.partition_values.get(column),
        b.partition_values.get(column),
    ) {
        return a == b;
    }
    // All null: no key equals them.
    let only_null = |file: &AddFile| {
        let nulls = file.stats.null_count.get(column).and_then(Value::as_i64);
        nulls == Some(file.stats.num_records)
    };
    if only_null(a) || only_null(b) {
        return false;
    }
    let before = |a: &AddFile, b: &AddFile| {
        let (Some(end), Some(begin)) = (
            a.stats.max_values.get(column),
            b.stats.min_values.get(column),
        ) else {
            return false;
        };
        is_less(end, begin)
    };
    !before(a, b) && !before(b, a)
}

/// Whether a file can hold a row of a batch. Where the log says nothing, it can.
pub fn may_hold(file: &AddFile, column: &str, window: Window) -> bool {
    let moment = |values: &serde_json::Map<String, Value>| moment(values.get(column)?.as_str()?);
    let (min, max) = (
        moment(&file.stats.min_values),
        moment(&file.stats.max_values),
    );
    // What the log says of the greatest value may lack what is below a millisecond.
    let slack = TimeDelta::milliseconds(1);
    let before = max.is_some_and(|max| max + slack < window.start);
    let after = min.is_some_and(|min| min >= window.end);
    !before && !after
}

/// Whether one value is surely less than the other.
fn is_less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a < b,
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a < b,
            _ => matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a < b),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use goldrecord_lake::Stats;
    use serde_json::{Map, json};

    use super::*;

    fn file(day: &str, least: Value, greatest: Value) -> AddFile {
        let one = |value: Value| Map::from_iter([("id".to_owned(), value)]);
        AddFile {
            path: "f".to_owned(),
            partition_values: BTreeMap::from([("day".to_owned(), Some(day.to_owned()))]),
            size: 1,
            modification_time: 0,
            data_change: true,
            stats: Stats {
                num_records: 2,
                min_values: one(least),
                max_values: one(greatest),
                null_count: one(json!(0)),
            },
        }
    }

    #[test]
    fn files_whose_keys_lie_apart_are_passed_over() {
        let keys = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let there = file("1", json!(10), json!(20));
        for (new, hit) in [
            (file("1", json!(20), json!(30)), true),
            (file("1", json!(21), json!(30)), false),
            (file("1", json!("a"), json!("b")), true),
        ] {
            assert_eq!(may_match(&there, &[new], &keys(&["id"])), hit);
        }
        let elsewhere = file("2", json!(10), json!(20));
        assert!(!may_match(
            &there,
            std::slice::from_ref(&elsewhere),
            &keys(&["id", "day"])
        ));
        assert!(may_match(&there, &[elsewhere], &keys(&["id"])));
    }
}
