//! Lists and maps that templates change in place, and values printed as Python prints them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};

/// A list that `append`, `extend`, `insert`, `remove`, `pop` and `clear` change.
#[derive(Debug, Default)]
pub struct List(Mutex<Vec<Value>>);

/// A map, in order of insertion, that `update`, `setdefault`, `pop` and `clear` change.
#[derive(Debug, Default)]
pub struct Map(Mutex<Vec<(Value, Value)>>);

/// Anything serde knows as a template's value.
pub fn serialized<T: serde::Serialize>(value: T) -> Value {
    Value::from(Serde(value))
}

/// A literal's lists and maps, all the way down, as ones that can be changed.
pub fn mutable(value: &Value) -> Value {
    match value.kind() {
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => {
                Value::from_object(List(Mutex::new(items.map(|item| mutable(&item)).collect())))
            }
            Err(_) => value.clone(),
        },
        ValueKind::Map
            if value
                .as_object()
                .is_none_or(|object| object.downcast_ref::<Map>().is_none()) =>
        {
            Value::from_object(Map(Mutex::new(
                pairs(value)
                    .into_iter()
                    .map(|(key, item)| (key, mutable(&item)))
                    .collect(),
            )))
        }
        _ => value.clone(),
    }
}

fn pairs(map: &Value) -> Vec<(Value, Value)> {
    let Ok(keys) = map.try_iter() else {
        return Vec::new();
    };
    keys.map(|key| {
        let item = map.get_item(&key).unwrap_or_default();
        (key, item)
    })
    .collect()
}

/// A panic while the lock was held left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = lock(&self.0);
        let index = key.as_i64()?;
        let index = if index < 0 {
            index + items.len() as i64
        } else {
            index
        };
        items.get(usize::try_from(index).ok()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "append" => {
                let (item,): (Value,) = from_args(args)?;
                lock(&self.0).push(item);
            }
            "extend" => {
                let (more,): (Value,) = from_args(args)?;
                let more: Vec<Value> = more.try_iter()?.collect();
                lock(&self.0).extend(more);
            }
            "insert" => {
                let (at, item): (usize, Value) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = at.min(items.len());
                items.insert(at, item);
            }
            "remove" => {
                let (item,): (Value,) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = items
                    .iter()
                    .position(|other| *other == item)
                    .ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidOperation,
                            format!("the list does not hold {item}"),
                        )
                    })?;
                items.remove(at);
            }
            "pop" => {
                let (at,): (Option<i64>,) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = at.unwrap_or(-1);
                let at = if at < 0 { at + items.len() as i64 } else { at };
                return match usize::try_from(at) {
                    Ok(at) if at < items.len() => Ok(items.remove(at)),
                    _ => Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "pop from a list without that item",
                    )),
                };
            }
            "index" => {
                let (item,): (Value,) = from_args(args)?;
                return lock(&self.0)
                    .iter()
                    .position(|other| *other == item)
                    .map(Value::from)
                    .ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidOperation,
                            format!("the list does not hold {item}"),
                        )
                    });
            }
            "clear" => lock(&self.0).clear(),
            "reverse" => lock(&self.0).reverse(),
            "sort" => lock(&self.0).sort(),
            "copy" => return Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from(()))
    }
}

impl Object for Map {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0)
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, item)| item.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).iter().map(|(key, _)| key.clone()).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "update" => {
                let (more,): (Value,) = from_args(args)?;
                let more = pairs(&more);
                for (key, item) in more {
                    self.put(key, item);
                }
                Ok(Value::from(()))
            }
            "setdefault" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                if let Some(found) = self.get_value(&key) {
                    return Ok(found);
                }
                let default = default.unwrap_or(Value::from(()));
                self.put(key, default.clone());
                Ok(default)
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let mut entries = lock(&self.0);
                match entries.iter().position(|(other, _)| *other == key) {
                    Some(at) => Ok(entries.remove(at).1),
                    None => default.ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidOperation,
                            format!("the map has no key {key}"),
                        )
                    }),
                }
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(Value::from(()))
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

impl Map {
    fn put(&self, key: Value, item: Value) {
        let mut entries = lock(&self.0);
        match entries.iter_mut().find(|(other, _)| *other == key) {
            Some(entry) => entry.1 = item,
            None => entries.push((key, item)),
        }
    }
}

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
            if value
                .as_object()
                .is_none_or(|object| object.repr() == ObjectRepr::Map) =>
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
