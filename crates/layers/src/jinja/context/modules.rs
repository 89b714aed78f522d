//! `modules`: the parts of Python's library that templates use.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::value::{Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};
use regex::Regex;

use crate::jinja::calls::{failure, only, unknown_method};

/// `modules.re`, and `modules.datetime.datetime`.
#[derive(Debug)]
pub struct Modules;

#[derive(Debug)]
struct Expressions;

#[derive(Debug)]
struct DateTimes;

/// A moment: what `datetime.now()` gives, without a zone; and, with one, where a batch begins or ends.
#[derive(Debug)]
pub struct Moment {
    at: DateTime<Utc>,
    /// `+00:00`, or nothing.
    zone: &'static str,
}

impl Moment {
    /// A moment of a batch.
    pub fn of_batch(at: DateTime<Utc>) -> Value {
        Value::from_object(Self { at, zone: "+00:00" })
    }

    /// As Python writes it: a whole second of a batch without a fraction.
    fn text(&self, format: &str) -> String {
        let fraction = if self.zone.is_empty() || self.at.timestamp_subsec_micros() > 0 {
            "%.6f"
        } else {
            ""
        };
        let zone = self.zone;
        format!("{}{zone}", self.at.format(&format!("{format}{fraction}")))
    }
}

impl Object for Modules {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "re" => Some(Value::from_object(Expressions)),
            "datetime" => Some(Value::from_pairs([(
                "datetime",
                Value::from_object(DateTimes),
            )])),
            _ => None,
        }
    }
}

impl Object for Expressions {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "sub" => {
                let (pattern, replacement, text): (&str, &str, &str) = from_args(args)?;
                let replaced = expression(pattern)?.replace_all(text, groups(replacement));
                Ok(Value::from(replaced.into_owned()))
            }
            // A text where it fits and none where not: templates ask whether.
            "match" => {
                let (pattern, text): (&str, &str) = from_args(args)?;
                found(&format!("^(?:{pattern})"), text)
            }
            "fullmatch" => {
                let (pattern, text): (&str, &str) = from_args(args)?;
                found(&format!("^(?:{pattern})$"), text)
            }
            "search" => {
                let (pattern, text): (&str, &str) = from_args(args)?;
                found(pattern, text)
            }
            "findall" => {
                let (pattern, text): (&str, &str) = from_args(args)?;
                let all = expression(pattern)?;
                Ok(all
                    .find_iter(text)
                    .map(|hit| Value::from(hit.as_str()))
                    .collect())
            }
            _ => Err(unknown_method()),
        }
    }
}

fn expression(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| failure(error.to_string()))
}

fn found(pattern: &str, text: &str) -> Result<Value, Error> {
    let hit = expression(pattern)?
        .find(text)
        .map(|hit| Value::from(hit.as_str()));
    Ok(hit.unwrap_or(Value::from(())))
}

/// Python's `\1` as this engine writes it.
fn groups(replacement: &str) -> String {
    let mut text = String::new();
    let mut letters = replacement.chars();
    while let Some(letter) = letters.next() {
        match (letter, letters.as_str().chars().next()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                letters.next();
                // Writing to a string cannot fail.
                let _ = write!(text, "${{{digit}}}");
            }
            ('$', _) => text.push_str("$$"),
            _ => text.push(letter),
        }
    }
    text
}

impl Object for DateTimes {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "now" | "utcnow" | "today" => Ok(Value::from_object(Moment {
                at: Utc::now(),
                zone: "",
            })),
            _ => Err(unknown_method()),
        }
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "strftime" => {
                let format: &str = only(args)?;
                let items: Result<Vec<_>, _> = chrono::format::StrftimeItems::new(format).parse();
                let items =
                    items.map_err(|_| failure(format!("`{format}` is no format of a time")))?;
                let text = self.at.format_with_items(items.iter()).to_string();
                Ok(Value::from(text))
            }
            "isoformat" => Ok(Value::from(self.text("%Y-%m-%dT%H:%M:%S"))),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text("%Y-%m-%d %H:%M:%S"))
    }
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_of_a_replacement_keep_their_meaning() {
        assert_eq!(groups(r"\1-$\2"), "${1}-$$${2}");
        assert_eq!(groups("_"), "_");
    }
}
