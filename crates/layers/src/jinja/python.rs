//! Values printed as Python prints them.

use std::fmt::Write as _;

use minijinja::value::{ObjectRepr, Value, ValueKind};

use super::context::RelationValue;
use super::values::pairs;

/// A value as Python's `str()` shows it: `None`, `True`, `['a', 1]`.
pub fn python_str(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let mut out = String::new();
    repr(value, &mut out);
    out
}

fn repr(value: &Value, out: &mut String) {
    if let Some(text) = value.as_str() {
        let quote = if text.contains('\'') && !text.contains('"') {
            '"'
        } else {
            '\''
        };
        out.push(quote);
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c == quote => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        out.push(quote);
        return;
    }
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Seq => {
            let items: Vec<Value> = value.try_iter().map(Iterator::collect).unwrap_or_default();
            let (open, close) = if value.is_tuple() {
                ('(', ')')
            } else {
                ('[', ']')
            };
            out.push(open);
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(item, out);
            }
            if value.is_tuple() && items.len() == 1 {
                out.push(',');
            }
            out.push(close);
        }
        ValueKind::Map
            if value.as_object().is_none_or(|object| {
                object.repr() == ObjectRepr::Map && !object.is::<RelationValue>()
            }) =>
        {
            out.push('{');
            for (index, (key, item)) in pairs(value).iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(key, out);
                out.push_str(": ");
                repr(item, out);
            }
            out.push('}');
        }
        // Numbers, relations and whatever else shows itself.
        _ => drop(write!(out, "{value}")),
    }
}
