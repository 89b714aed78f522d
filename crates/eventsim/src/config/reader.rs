//! Reads keys of a JSON document; every refusal names the file, the key and the mend.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A JSON object of the document and where it stands.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    file: &'a str,
    path: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object at `path` (empty for the whole document), refusing keys not in `known`.
    pub fn new(file: &'a str, path: &'a str, value: &'a Value, known: &[&str]) -> Result<Self> {
        let Some(map) = value.as_object() else {
            let key = if path.is_empty() {
                "the document"
            } else {
                path
            };
            return Err(refuse(
                file,
                key,
                format!("is {}", kind(value)),
                "write an object: { … }",
            ));
        };
        let object = Self { file, path, map };
        if let Some(unknown) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let nearest = known
                .iter()
                .map(|key| (strsim::damerau_levenshtein(key, unknown), *key))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let mend = match nearest {
                Some((_, key)) => format!("did you mean `{key}`?"),
                None => format!("remove it, or use one of {}", known.join(", ")),
            };
            return Err(object.refuse(unknown, "is not a known key", mend));
        }
        Ok(object)
    }

    /// An error at `key` of this object.
    pub fn refuse(&self, key: &str, problem: impl Into<String>, mend: impl Into<String>) -> Error {
        refuse(self.file, &self.path_of(key), problem, mend)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn required<T>(&self, key: &str, found: Option<T>, mend: &str) -> Result<T> {
        found.ok_or_else(|| self.refuse(key, "is missing", mend))
    }

    /// A text, or None.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key, "a text in quotes", Value::as_str)
    }

    /// A text that must be there.
    pub fn need_text(&self, key: &str) -> Result<&'a str> {
        self.required(key, self.text(key)?, "add it, a text in quotes")
    }

    /// A boolean that must be there.
    pub fn need_bool(&self, key: &str) -> Result<bool> {
        self.required(
            key,
            self.get(key, "true or false", Value::as_bool)?,
            "add it, true or false",
        )
    }

    /// A number within `low..=high`, or None.
    pub fn number(&self, key: &str, low: f64, high: f64) -> Result<Option<f64>> {
        let number = self.get(key, "a number", Value::as_f64)?;
        match number {
            Some(number) if !(low..=high).contains(&number) => {
                let range = if high >= f64::MAX {
                    format!("at least {low}")
                } else {
                    format!("from {low} to {high}")
                };
                Err(self.refuse(
                    key,
                    format!("is {number}"),
                    format!("give a number {range}"),
                ))
            }
            number => Ok(number),
        }
    }

    /// A number within `low..=high` that must be there.
    pub fn need_number(&self, key: &str, low: f64, high: f64) -> Result<f64> {
        self.required(key, self.number(key, low, high)?, "add it, a number")
    }

    /// A whole number within `low..=high`, or None. `3.0` is whole too.
    pub fn whole(&self, key: &str, low: i64, high: i64) -> Result<Option<i64>> {
        let whole = |value: &Value| {
            value.as_i64().or_else(|| {
                value
                    .as_f64()
                    .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
                    .map(|number| number as i64)
            })
        };
        match self.get(key, "a whole number", whole)? {
            Some(number) if !(low..=high).contains(&number) => Err(self.refuse(
                key,
                format!("is {number}"),
                format!("give a whole number from {low} to {high}"),
            )),
            number => Ok(number),
        }
    }

    /// A whole number that must be there.
    pub fn need_whole(&self, key: &str, low: i64, high: i64) -> Result<i64> {
        self.required(key, self.whole(key, low, high)?, "add it, a whole number")
    }

    /// The objects of a list, each with its path, in order; an absent list is empty.
    pub fn list(&self, key: &str) -> Result<Vec<(String, &'a Value)>> {
        let list = self.get(key, "a list: [ … ]", Value::as_array)?;
        let items = list.into_iter().flatten().enumerate();
        Ok(items
            .map(|(at, item)| (format!("{}[{at}]", self.path_of(key)), item))
            .collect())
    }

    /// The objects of a list that must have one at least.
    pub fn need_list(&self, key: &str) -> Result<Vec<(String, &'a Value)>> {
        let items = self.list(key)?;
        if items.is_empty() {
            return Err(self.refuse(
                key,
                "is missing or empty",
                "add a list with one entry at least",
            ));
        }
        Ok(items)
    }

    /// Any value that must be there.
    pub fn need_value(&self, key: &str) -> Result<&'a Value> {
        self.required(key, self.map.get(key), "add it, an object: { … }")
    }

    fn get<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.map.get(key) else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| {
            self.refuse(
                key,
                format!("is {}", kind(value)),
                format!("write {wanted}"),
            )
        })
    }
}

/// An error at `key` of `file`.
pub fn refuse(file: &str, key: &str, problem: impl Into<String>, mend: impl Into<String>) -> Error {
    Error::Config {
        file: file.into(),
        key: key.into(),
        problem: problem.into(),
        mend: mend.into(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}
