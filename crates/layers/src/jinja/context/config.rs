//! What templates read of the configuration and set of it: `config` and `var`.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};
use serde_norway::{Mapping, Value as Yaml};

use super::{RelationValue, frame};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure, only, unknown_method, with_default};
use crate::jinja::values::serialized;

/// `config(…)`, `config.get`, `config.require`, `config.meta_get`.
#[derive(Debug)]
pub struct ConfigFunction;

impl Object for ConfigFunction {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (positional, kwargs): (&[Value], Kwargs) = from_args(args)?;
        let mut mapping = Mapping::new();
        match positional {
            [] => {}
            [map] => mapping = to_mapping(map)?,
            _ => {
                return Err(failure("config() takes one map, or keys and values"));
            }
        }
        for key in kwargs.args() {
            let value: Value = kwargs.peek(key)?;
            mapping.insert(key.into(), to_yaml(&value)?);
        }
        frame(state)?.captured().configs.push(mapping);
        Ok(Value::from(""))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let frame = frame(state)?;
        match method {
            "get" | "require" | "meta_get" | "meta_require" => {
                let (key, default): (&str, _) = with_default(args)?;
                let mut found = frame
                    .captured()
                    .configs
                    .iter()
                    .rev()
                    .find_map(|config| config.get(key).cloned());
                found = if method.starts_with("meta") {
                    frame
                        .config
                        .get("meta")
                        .and_then(|meta| meta.get(key))
                        .cloned()
                } else {
                    found.or_else(|| frame.config.get(key).cloned())
                };
                match found {
                    Some(value) if !value.is_null() => Ok(serialized(value)),
                    _ if method.ends_with("require") && frame.graph.is_some() => Err(failure(
                        format!("the configuration `{key}` is required and not set"),
                    )),
                    _ => Ok(default.unwrap_or(Value::from(()))),
                }
            }
            "set" => Ok(Value::from("")),
            "persist_relation_docs" | "persist_column_docs" => Ok(Value::from(false)),
            _ => Err(unknown_method()),
        }
    }
}

/// `var('name', default)` and `var.has_var('name')`.
#[derive(Debug)]
pub struct VarFunction {
    /// The project's variables.
    pub own: Arc<Mapping>,
    /// The variables that each package's templates see.
    pub packages: BTreeMap<String, Mapping>,
}

impl VarFunction {
    /// The variables of the package whose template calls.
    fn seen(&self, state: &State<'_, '_>) -> Result<&Mapping, Error> {
        let package = &frame(state)?.package;
        Ok(self.packages.get(package).unwrap_or(&self.own))
    }
}

impl Object for VarFunction {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (name, default): (&str, _) = with_default(args)?;
        let frame = frame(state)?;
        if let Some(value) = frame.overrides.vars.get(name) {
            return Ok(serialized(value));
        }
        let vars = self.seen(state)?;
        match (vars.get(name), default) {
            (Some(value), _) => Ok(serialized(value)),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(diagnosed(
                Diagnostic::new(format!("var('{name}') is not set and has no default"))
                    .nearest(name, vars.keys().filter_map(Yaml::as_str)),
            )),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let name: &str = only(args)?;
        let of_test = || frame(state).is_ok_and(|frame| frame.overrides.vars.contains_key(name));
        match method {
            "has_var" => Ok(Value::from(
                self.seen(state)?.contains_key(name) || of_test(),
            )),
            _ => Err(unknown_method()),
        }
    }
}

/// A template's value as configuration.
pub fn to_yaml(value: &Value) -> Result<Yaml, Error> {
    if value.downcast_object_ref::<RelationValue>().is_some() {
        return Ok(Yaml::String(value.to_string()));
    }
    serde_norway::to_value(value)
        .map_err(|error| failure(format!("not a value for configuration: {error}")))
}

fn to_mapping(value: &Value) -> Result<Mapping, Error> {
    match to_yaml(value)? {
        Yaml::Mapping(mapping) => Ok(mapping),
        _ => Err(failure("config() takes a map")),
    }
}
