//! Macros: called by name, by package, through `adapter.dispatch`; and `return`, which leaves one.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};

use super::warehouse::{columns_in, get_relation};
use super::{ADAPTER, overridden};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure, only, unknown_method};
use crate::manifest::quoted;

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
        if let Some(instead) = overridden(state, &self.0) {
            return Ok(instead);
        }
        let callable = state.get_temp(&macro_key(&self.0)).ok_or_else(|| {
            failure(format!(
                "the macro `{}` is called before it is defined",
                self.0
            ))
        })?;
        let args = match state.get_temp(&takes_key(&self.0)) {
            Some(takes) => &gathered(&takes, args)?,
            None => args,
        };
        match callable.call(state, args) {
            Err(error) if error.detail() == Some(RETURN) => Ok(state
                .set_temp(RETURNED, Value::UNDEFINED)
                .unwrap_or_default()),
            other => other,
        }
    }
}

/// The arguments of a macro that asks for `varargs` and `kwargs`: those that its own parameters (`takes`) take, and the
/// rest under these names.
fn gathered(takes: &Value, args: &[Value]) -> Result<Vec<Value>, Error> {
    let (positional, named): (&[Value], Kwargs) = from_args(args)?;
    let takes: Vec<String> = takes.try_iter()?.map(|name| name.to_string()).collect();
    let (own, more) = positional.split_at(takes.len().min(positional.len()));
    let (mut given, mut rest) = (Vec::new(), Vec::new());
    for name in named.args() {
        let value: Value = named.peek(name)?;
        if name == "caller" || takes.iter().any(|known| known == name) {
            given.push((name.to_owned(), value));
        } else {
            rest.push((name.to_owned(), value));
        }
    }
    given.push(("varargs".to_owned(), Value::from(more.to_vec())));
    given.push(("kwargs".to_owned(), Value::from_pairs(rest)));
    let mut args = own.to_vec();
    args.push(given.into_iter().collect::<Kwargs>().into());
    Ok(args)
}

/// A package's macros: `dbt.date_trunc(…)`, `<project>.<macro>(…)`.
#[derive(Debug)]
pub struct Namespace {
    /// The package.
    pub name: String,
    /// What stands before its macros' names where they are registered.
    pub scope: String,
    /// Its macros.
    pub macros: Vec<String>,
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.macros
            .iter()
            .any(|name| name == key)
            .then(|| Value::from_object(MacroCall(format!("{}{key}", self.scope))))
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
pub struct Adapter {
    /// Every macro: those of packages with the package's name and a dot before theirs.
    pub macros: Arc<Vec<String>>,
    /// In which packages a package's macros are looked for, where the project says so.
    pub search: BTreeMap<String, Vec<String>>,
    /// The `type` of the profile, whose macros stand between this adapter's and the default.
    pub dialect: String,
}

impl Adapter {
    /// The macros that a dispatched name may mean, the first that exists first: the project's stand
    /// before the package's, this adapter's before the default.
    fn candidates(&self, name: &str, package: Option<&str>) -> Vec<String> {
        let plain = [
            format!("{ADAPTER}__{name}"),
            format!("{}__{name}", self.dialect),
            format!("default__{name}"),
        ];
        let Some(package) = package else {
            return plain.to_vec();
        };
        let default = [String::new(), package.to_owned()];
        let packages = self.search.get(package).map_or(&default[..], Vec::as_slice);
        packages
            .iter()
            .flat_map(|searched| {
                let scoped = format!("{searched}.");
                let is_package = self.macros.iter().any(|known| known.starts_with(&scoped));
                // The project's macros and dbt's go by their names alone.
                let scope = if is_package { scoped } else { String::new() };
                plain.clone().map(|name| format!("{scope}{name}"))
            })
            .collect()
    }
}

impl Object for Adapter {
    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "dispatch" => {
                let (name, package, named): (&str, Option<&str>, Kwargs) = from_args(args)?;
                let named: Option<String> = named.get("macro_namespace")?;
                let candidates = self.candidates(name, package.or(named.as_deref()));
                match candidates
                    .iter()
                    .find(|candidate| self.macros.contains(candidate))
                {
                    Some(found) => Ok(Value::from_object(MacroCall(found.clone()))),
                    None => Err(diagnosed(
                        Diagnostic::new(format!("no macro `{}`", candidates.join("` or `")))
                            .help(format!("define one of them for adapter.dispatch('{name}')")),
                    )),
                }
            }
            "quote" => {
                let name: &str = only(args)?;
                Ok(Value::from(quoted(name)))
            }
            "type" => Ok(Value::from(self.dialect.as_str())),
            "get_relation" => get_relation(state, args),
            "get_columns_in_relation" => columns_in(state, args),
            // A schema of the lake is there as soon as one of its tables is.
            "check_schema_exists" => Ok(Value::from(true)),
            "create_schema" => Ok(Value::from("")),
            _ => Err(unknown_method()),
        }
    }
}

/// The temporary that holds a macro while a template is rendered.
pub(super) fn macro_key(name: &str) -> String {
    format!("macro:{name}")
}

/// The temporary that holds the parameters of a macro that asks for `varargs` or `kwargs`.
pub(super) fn takes_key(name: &str) -> String {
    format!("takes:{name}")
}
