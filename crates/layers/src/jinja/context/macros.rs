//! Macros: called by name, by package, through `adapter.dispatch`; and `return`, which leaves one.

use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};

use super::ADAPTER;
use super::builtins::query;
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure, only, unknown_method};

/// The temporary that holds what `return` was given.
const RETURNED: &str = "__returned";
/// The detail of the error by which `return` leaves a macro.
const RETURN: &str = "return() outside of a macro";

/// `return(value)`.
pub(super) fn returned(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let value: Option<Value> = only(args)?;
    state.set_temp(RETURNED, value.unwrap_or(Value::from(())));
    Err(failure(RETURN))
}

/// A macro of the project, by name. Its module was evaluated at the top of the same render.
#[derive(Debug)]
pub struct MacroCall(pub String);

impl Object for MacroCall {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let callable = state.get_temp(&macro_key(&self.0)).ok_or_else(|| {
            failure(format!(
                "the macro `{}` is called before it is defined",
                self.0
            ))
        })?;
        match callable.call(state, args) {
            Err(error) if error.detail() == Some(RETURN) => Ok(state
                .set_temp(RETURNED, Value::UNDEFINED)
                .unwrap_or_default()),
            other => other,
        }
    }
}

/// A package's macros: `dbt.date_trunc(…)`, `<project>.<macro>(…)`.
#[derive(Debug)]
pub struct Namespace {
    /// The package.
    pub name: String,
    /// Its macros.
    pub macros: Vec<String>,
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.macros
            .iter()
            .any(|name| name == key)
            .then(|| Value::from_object(MacroCall(key.to_owned())))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.get_value(&Value::from(method)) {
            Some(callable) => callable.call(state, args),
            None => Err(diagnosed(
                Diagnostic::new(format!(
                    "the package `{}` has no macro `{method}`",
                    self.name
                ))
                .nearest(method, self.macros.iter().map(String::as_str)),
            )),
        }
    }
}

/// `adapter.dispatch` and what else templates ask the adapter.
#[derive(Debug)]
pub struct Adapter(pub Arc<Vec<String>>);

impl Object for Adapter {
    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "dispatch" => {
                let (name, _, _): (&str, Option<Value>, Kwargs) = from_args(args)?;
                let candidates = [format!("{ADAPTER}__{name}"), format!("default__{name}")];
                match candidates
                    .iter()
                    .find(|candidate| self.0.contains(candidate))
                {
                    Some(found) => Ok(Value::from_object(MacroCall(found.clone()))),
                    None => Err(diagnosed(
                        Diagnostic::new(format!(
                            "no macro `{}` or `{}`",
                            candidates[0], candidates[1]
                        ))
                        .help(format!("define one of them for adapter.dispatch('{name}')")),
                    )),
                }
            }
            "quote" => {
                let name: &str = only(args)?;
                Ok(Value::from(format!("\"{}\"", name.replace('"', "\"\""))))
            }
            "type" => Ok(Value::from(ADAPTER)),
            "get_relation" | "get_columns_in_relation" => query(state, args),
            _ => Err(unknown_method()),
        }
    }
}

/// The temporary that holds a macro while a template is rendered.
pub(super) fn macro_key(name: &str) -> String {
    format!("macro:{name}")
}
