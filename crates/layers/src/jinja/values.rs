//! Lists and maps that templates change in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value, ValueKind, from_args};
use minijinja::{Error, State};

use super::calls::{failure, only, unknown_method, with_default};

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
        ValueKind::Seq if is::<List>(value) => value.clone(),
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => {
                Value::from_object(List(Mutex::new(items.map(|item| mutable(&item)).collect())))
            }
            Err(_) => value.clone(),
        },
        // A relation is a map that does not tell its keys.
        ValueKind::Map if !is::<Map>(value) && value.len().is_some() => {
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

fn is<T: Object + 'static>(value: &Value) -> bool {
    value.downcast_object_ref::<T>().is_some()
}

/// What Python's values know and the engine's do not: the methods of texts, lists and maps.
pub fn python_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if method == "index" && value.kind() == ValueKind::Seq {
        let item: Value = only(args)?;
        let items: Vec<Value> = value.try_iter()?.collect();
        return place_of(&item, &items).map(Value::from);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// A map's keys and values.
pub fn pairs(map: &Value) -> Vec<(Value, Value)> {
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

/// An index that may count from the end, counted from the start.
fn from_start(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok()
}

fn place_of(item: &Value, items: &[Value]) -> Result<usize, Error> {
    items
        .iter()
        .position(|other| other == item)
        .ok_or_else(|| failure(format!("the list does not hold {item}")))
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = lock(&self.0);
        let at = from_start(key.as_i64()?, items.len())?;
        items.get(at).cloned()
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
                let item: Value = only(args)?;
                lock(&self.0).push(mutable(&item));
            }
            "extend" => {
                let more: Value = only(args)?;
                let more: Vec<Value> = more.try_iter()?.map(|item| mutable(&item)).collect();
                lock(&self.0).extend(more);
            }
            "insert" => {
                let (at, item): (usize, Value) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = at.min(items.len());
                items.insert(at, mutable(&item));
            }
            "remove" => {
                let item: Value = only(args)?;
                let mut items = lock(&self.0);
                let at = place_of(&item, &items)?;
                items.remove(at);
            }
            "pop" => {
                let at: Option<i64> = only(args)?;
                let mut items = lock(&self.0);
                return from_start(at.unwrap_or(-1), items.len())
                    .filter(|at| *at < items.len())
                    .map(|at| items.remove(at))
                    .ok_or_else(|| failure("pop from a list without that item"));
            }
            "index" => {
                let item: Value = only(args)?;
                return place_of(&item, &lock(&self.0)).map(Value::from);
            }
            "clear" => lock(&self.0).clear(),
            "reverse" => lock(&self.0).reverse(),
            "sort" => lock(&self.0).sort(),
            "copy" => return Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => return Err(unknown_method()),
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
                let more: Value = only(args)?;
                let more = pairs(&more);
                for (key, item) in more {
                    self.put(key, &item);
                }
                Ok(Value::from(()))
            }
            "setdefault" => {
                let (key, default): (Value, _) = with_default(args)?;
                if let Some(found) = self.get_value(&key) {
                    return Ok(found);
                }
                let default = mutable(&default.unwrap_or(Value::from(())));
                self.put(key, &default);
                Ok(default)
            }
            "pop" => {
                let (key, default): (Value, _) = with_default(args)?;
                let mut entries = lock(&self.0);
                match entries.iter().position(|(other, _)| *other == key) {
                    Some(at) => Ok(entries.remove(at).1),
                    None => default.ok_or_else(|| failure(format!("the map has no key {key}"))),
                }
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(Value::from(()))
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(unknown_method()),
        }
    }
}

impl Map {
    fn put(&self, key: Value, item: &Value) {
        // `d.update({k: []})`, then `d[k].append(…)`: a literal can be changed wherever it went.
        let item = mutable(item);
        let mut entries = lock(&self.0);
        match entries.iter_mut().find(|(other, _)| *other == key) {
            Some(entry) => entry.1 = item,
            None => entries.push((key, item)),
        }
    }
}
