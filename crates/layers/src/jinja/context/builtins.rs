//! The functions of every template.

use std::fmt::{self, Display};
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};
use serde::Serialize;
use serde_norway::Value as Yaml;

use super::docs::doc;
use super::macros::{MacroCall, macro_key, returned, takes_key};
use super::messages::{log, print};
use super::references::{reference, source};
use super::warehouse::{load_relation, load_result, run_query, statement};
use super::{frame, overridden};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure, only, with_default};
use crate::jinja::values::{mutable, serialized};

/// A function of the environment.
#[derive(Clone, Copy)]
pub struct Builtin(
    pub &'static str,
    pub fn(&mut State<'_, '_>, &[Value]) -> Result<Value, Error>,
);

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<function {}>", self.0)
    }
}

impl Object for Builtin {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if let Some(instead) = overridden(state, self.0) {
            return Ok(instead);
        }
        (self.1)(state, args)
    }
}

/// The functions that need nothing but the frame.
pub const BUILTINS: &[Builtin] = &[
    Builtin("doc", doc),
    Builtin("ref", reference),
    Builtin("source", source),
    Builtin("is_incremental", |state, _| {
        Ok(Value::from(frame(state)?.incremental))
    }),
    Builtin("return", returned),
    Builtin("env_var", env_var),
    Builtin("log", log),
    Builtin("print", print),
    Builtin("tojson", |_, args| {
        let (value, _): (Value, Kwargs) = from_args(args)?;
        serde_json::to_string(&value)
            .map(Value::from)
            .map_err(|error| failure(error.to_string()))
    }),
    Builtin("fromjson", |_, args| {
        let (text, default): (&str, _) = with_default(args)?;
        parsed(
            "fromjson",
            serde_json::from_str::<serde_json::Value>(text),
            default,
        )
    }),
    Builtin("fromyaml", |_, args| {
        let (text, default): (&str, _) = with_default(args)?;
        parsed("fromyaml", serde_norway::from_str::<Yaml>(text), default)
    }),
    Builtin("toyaml", |_, args| {
        let (value, _): (Value, Kwargs) = from_args(args)?;
        serde_norway::to_string(&value)
            .map(Value::from)
            .map_err(|error| failure(error.to_string()))
    }),
    Builtin("zip", |_, args| {
        let columns = args
            .iter()
            .map(|list| Ok(list.try_iter()?.collect::<Vec<_>>()))
            .collect::<Result<Vec<_>, Error>>()?;
        let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
        Ok((0..rows)
            .map(|row| {
                columns
                    .iter()
                    .map(|column| column[row].clone())
                    .collect::<Value>()
            })
            .collect())
    }),
    Builtin("set", |_, args| {
        let items: Value = only(args)?;
        let mut distinct: Vec<Value> = Vec::new();
        for item in items.try_iter()? {
            if !distinct.contains(&item) {
                distinct.push(item);
            }
        }
        Ok(Value::from(distinct))
    }),
    Builtin("local_md5", |_, args| {
        let text: &str = only(args)?;
        Ok(Value::from(crate::project::md5(text)))
    }),
    Builtin("run_query", run_query),
    Builtin("statement", statement),
    Builtin("load_result", load_result),
    Builtin("load_relation", load_relation),
    Builtin("__macro", |_, args| {
        let name: &str = only(args)?;
        Ok(Value::from_object(MacroCall(name.to_owned())))
    }),
    Builtin("__mutable", |_, args| {
        let value: Value = only(args)?;
        Ok(mutable(&value))
    }),
    Builtin("__capture", |state, args| {
        let value: Value = only(args)?;
        frame(state)?.captured().value = Some(value);
        Ok(Value::from(()))
    }),
    Builtin("__register", |state, args| {
        let (name, callable, takes): (&str, Value, Option<Value>) = from_args(args)?;
        state.set_temp(&macro_key(name), callable);
        if let Some(takes) = takes {
            state.set_temp(&takes_key(name), takes);
        }
        Ok(Value::from(()))
    }),
];

/// What a text says, or the default where it cannot be read.
fn parsed<T: Serialize, E: Display>(
    function: &str,
    read: Result<T, E>,
    default: Option<Value>,
) -> Result<Value, Error> {
    match read {
        Ok(value) => Ok(mutable(&serialized(value))),
        Err(error) => default.ok_or_else(|| failure(format!("{function}: {error}"))),
    }
}

fn env_var(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (name, default): (&str, _) = with_default(args)?;
    let frame = frame(state).ok();
    if let Some(value) = frame.and_then(|frame| frame.overrides.environment.get(name).cloned()) {
        return Ok(value);
    }
    match (std::env::var(name), default) {
        (Ok(value), _) => Ok(Value::from(value)),
        (Err(_), Some(default)) => Ok(default),
        (Err(_), None) => Err(diagnosed(
            Diagnostic::new(format!("the environment variable {name} is not set"))
                .help(format!("set it, or give a default: env_var('{name}', '…')")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::jinja::context::Frame;
    use crate::jinja::{Globals, Jinja};

    use super::*;

    #[test]
    fn a_default_is_given_by_its_place_or_by_its_name() {
        let globals = Globals {
            project: "shop".to_owned(),
            vars: serde_norway::Mapping::new(),
            target: serde_norway::Mapping::new(),
            full_refresh: false,
            store_failures: false,
            dispatch: std::collections::BTreeMap::new(),
        };
        let jinja = Jinja::bare(&globals);
        for call in [
            "var('nowhere', 'x')",
            "var('nowhere', default='x')",
            "env_var('GOLDRECORD_NOWHERE', 'x')",
            "env_var('GOLDRECORD_NOWHERE', default='x')",
            "fromjson('{', default='x')",
            "fromyaml('{', default='x')",
            "config.get('nowhere', default='x')",
        ] {
            let frame = Arc::new(Frame::default());
            let text = jinja.render("a.sql", &format!("{{{{ {call} }}}}"), &frame);
            assert_eq!(text.expect("it renders"), "x", "{call}");
        }
    }
}
