//! What a template sees: `ref`, `source`, `config`, `var`, `this` and the rest of dbt's context.
//!
//! The functions are the same for all templates and stand in the environment. What differs from
//! template to template is one [`Frame`] in the render context, which the functions look up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use serde_norway::{Mapping, Value as Yaml};

use crate::diagnostics::{Diagnostic, nearest};
use crate::manifest::Relation;

/// The name of the adapter, for `target.type` and the prefix of dispatched macros.
pub const ADAPTER: &str = "goldrecord";
/// The render context's key for the [`Frame`].
pub const FRAME: &str = "__frame";
/// The temporary that holds what `return` was given.
const RETURNED: &str = "__returned";
/// The detail of the error by which `return` leaves a macro.
const RETURN: &str = "return() outside of a macro";

/// What is rendered, why, and what was seen on the way.
#[derive(Debug)]
pub struct Frame {
    /// The node's package.
    pub package: String,
    /// The relation that `this` is.
    pub this: Option<Relation>,
    /// Whether the graph is known: `ref` gives real relations and `execute` is true.
    pub graph: Option<Arc<Graph>>,
    /// The node's unique id, for `ref` to itself.
    pub unique_id: String,
    /// Upstream nodes that the parsing pass found; `ref` to others is refused when the graph is known.
    pub depends_on: Vec<String>,
    /// What `is_incremental()` says.
    pub incremental: bool,
    /// The node's configuration as far as known, for `config.get`.
    pub config: Mapping,
    /// What the template asked for.
    pub captured: Mutex<Captured>,
}

/// What a template asked for while it was rendered.
#[derive(Debug, Default)]
pub struct Captured {
    /// `ref` calls, in order.
    pub refs: Vec<Ref>,
    /// `source` calls, in order.
    pub sources: Vec<(String, String)>,
    /// `config` calls, in order.
    pub configs: Vec<Mapping>,
    /// Names of ephemeral models met by `ref`.
    pub ephemeral: Vec<String>,
    /// The value of a `__capture` call.
    pub value: Option<Value>,
}

/// The arguments of a `ref`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// The package, when two arguments were given.
    pub package: Option<String>,
    /// The model's or seed's name.
    pub name: String,
}

/// Where references lead.
#[derive(Debug, Default)]
pub struct Graph {
    /// Models and seeds by name, then by package.
    pub models: BTreeMap<String, BTreeMap<String, Target>>,
    /// Source tables by source and table.
    pub sources: BTreeMap<(String, String), Target>,
    /// Names of models and seeds that are switched off.
    pub disabled: Vec<String>,
}

/// Where one reference leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The node.
    pub unique_id: String,
    /// Its relation; an ephemeral model's is the name of its common table expression.
    pub relation: RelationValue,
}

impl Frame {
    /// What was asked for so far. A panic of another thread left whole values behind.
    pub fn captured(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Frame {}

impl Graph {
    /// The model or seed that a `ref` means: of its package, or of the caller's, or the only one.
    pub fn resolve(&self, reference: &Ref, package: &str) -> Result<&Target, Diagnostic> {
        let found =
            self.models
                .get(&reference.name)
                .and_then(|by_package| match &reference.package {
                    Some(named) => by_package.get(named),
                    None => by_package
                        .get(package)
                        .or_else(|| by_package.values().next()),
                });
        found.ok_or_else(|| {
            let name = &reference.name;
            if self.disabled.contains(name) {
                return Diagnostic::new(format!("ref('{name}') names a node that is disabled"))
                    .help("enable it, or do not read it");
            }
            let message = match &reference.package {
                Some(package) => format!("ref('{package}', '{name}') names no model or seed"),
                None => format!("ref('{name}') names no model or seed"),
            };
            Diagnostic::new(message).nearest(name, self.models.keys().map(String::as_str))
        })
    }

    /// The source's table that a `source` means.
    pub fn resolve_source(&self, source: &str, table: &str) -> Result<&Target, Diagnostic> {
        self.sources
            .get(&(source.to_owned(), table.to_owned()))
            .ok_or_else(|| {
                let diagnostic =
                    Diagnostic::new(format!("source('{source}', '{table}') is not declared"));
                let tables = self.sources.keys().filter(|(known, _)| known == source);
                match nearest(table, tables.map(|(_, table)| table.as_str())) {
                    Some(near) => {
                        diagnostic.help(format!("did you mean source('{source}', '{near}')?"))
                    }
                    None => diagnostic
                        .nearest(source, self.sources.keys().map(|(known, _)| known.as_str())),
                }
            })
    }
}

/// A relation in a template: prints as quoted SQL, with dbt's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationValue {
    /// A table or view of the lake.
    Table(Relation),
    /// The common table expression of an ephemeral model.
    Cte(String),
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(relation) => relation.fmt(f),
            Self::Cte(name) => f.write_str(name),
        }
    }
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Self::Table(relation) = self.as_ref() else {
            return (matches!(key.as_str()?, "identifier" | "name" | "table"))
                .then(|| self.to_string().into());
        };
        Some(match key.as_str()? {
            "database" => Value::from(relation.database.as_str()),
            "schema" => Value::from(relation.schema.as_str()),
            "identifier" | "name" | "table" => Value::from(relation.identifier.as_str()),
            "type" => Value::from("table"),
            "is_table" => Value::from(true),
            "is_view" | "is_cte" => Value::from(false),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "render" => Ok(Value::from(self.to_string())),
            // Every part is always shown and quoted: the engine's names are exact.
            "include" | "quote" | "without_identifier" => Ok(Value::from_dyn_object(self.clone())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), f)
    }
}

/// A function of the environment.
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
        (self.1)(state, args)
    }
}

/// The functions that need nothing but the frame.
pub const BUILTINS: &[Builtin] = &[
    Builtin("ref", reference),
    Builtin("source", source),
    Builtin("is_incremental", |state, _| {
        Ok(Value::from(frame(state)?.incremental))
    }),
    Builtin("should_full_refresh", |state, _| {
        Ok(Value::from(!frame(state)?.incremental))
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
        let (text, default): (&str, Option<Value>) = from_args(args)?;
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => Ok(super::values::mutable(&super::values::serialized(value))),
            Err(error) => default.ok_or_else(|| failure(format!("fromjson: {error}"))),
        }
    }),
    Builtin("fromyaml", |_, args| {
        let (text, default): (&str, Option<Value>) = from_args(args)?;
        match serde_norway::from_str::<Yaml>(text) {
            Ok(value) => Ok(super::values::mutable(&super::values::serialized(value))),
            Err(error) => default.ok_or_else(|| failure(format!("fromyaml: {error}"))),
        }
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
        let (items,): (Value,) = from_args(args)?;
        let mut distinct: Vec<Value> = Vec::new();
        for item in items.try_iter()? {
            if !distinct.contains(&item) {
                distinct.push(item);
            }
        }
        Ok(Value::from(distinct))
    }),
    Builtin("local_md5", |_, args| {
        let (text,): (&str,) = from_args(args)?;
        Ok(Value::from(crate::project::md5(text)))
    }),
    Builtin("run_query", query),
    Builtin("statement", query),
    Builtin("load_result", query),
    Builtin("__mutable", |_, args| {
        let (value,): (Value,) = from_args(args)?;
        Ok(super::values::mutable(&value))
    }),
    Builtin("__capture", |state, args| {
        let (value,): (Value,) = from_args(args)?;
        frame(state)?.captured().value = Some(value);
        Ok(Value::from(()))
    }),
    Builtin("__register", |state, args| {
        let (name, callable): (&str, Value) = from_args(args)?;
        state.set_temp(&macro_key(name), callable);
        Ok(Value::from(()))
    }),
];

fn reference(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (args, kwargs): (&[Value], Kwargs) = from_args(args)?;
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| failure("ref() takes names in quotes".to_owned()))
    };
    let reference = match args {
        [name] => Ref {
            package: None,
            name: text(name)?,
        },
        [package, name] => Ref {
            package: Some(text(package)?),
            name: text(name)?,
        },
        _ => {
            return Err(failure(format!(
                "ref() takes one or two names, not {}",
                args.len()
            )));
        }
    };
    if kwargs.has("version") || kwargs.has("v") {
        return Err(failure(
            "ref(): versions of models are not supported".to_owned(),
        ));
    }
    let frame = frame(state)?;
    frame.captured().refs.push(reference.clone());
    let Some(graph) = &frame.graph else {
        return Ok(Value::from_object(RelationValue::Table(Relation::new(
            "",
            reference.name,
        ))));
    };
    let target = graph
        .resolve(&reference, &frame.package)
        .map_err(diagnosed)?;
    known(&frame, target, &format!("ref('{}')", reference.name))?;
    if let RelationValue::Cte(_) = target.relation {
        frame.captured().ephemeral.push(target.unique_id.clone());
    }
    Ok(Value::from_object(target.relation.clone()))
}

fn source(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (source, table): (&str, &str) = from_args(args).map_err(|_| {
        failure("source() takes two names in quotes: the source and its table".to_owned())
    })?;
    let frame = frame(state)?;
    frame
        .captured()
        .sources
        .push((source.to_owned(), table.to_owned()));
    let Some(graph) = &frame.graph else {
        return Ok(Value::from_object(RelationValue::Table(Relation::new(
            source, table,
        ))));
    };
    let target = graph.resolve_source(source, table).map_err(diagnosed)?;
    known(&frame, target, &format!("source('{source}', '{table}')"))?;
    Ok(Value::from_object(target.relation.clone()))
}

/// A reference that shows only once `execute` is true would be missing from the graph.
fn known(frame: &Frame, target: &Target, call: &str) -> Result<(), Error> {
    if frame.depends_on.contains(&target.unique_id) || frame.unique_id == target.unique_id {
        return Ok(());
    }
    Err(diagnosed(
        Diagnostic::new(format!(
            "{call} is only reached while the SQL is compiled, so the graph misses it"
        ))
        .help(format!(
            "add a comment to the file: -- depends_on: {{{{ {call} }}}}"
        )),
    ))
}

fn returned(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (value,): (Option<Value>,) = from_args(args)?;
    state.set_temp(RETURNED, value.unwrap_or(Value::from(())));
    Err(Error::new(ErrorKind::InvalidOperation, RETURN))
}

fn env_var(_: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (name, default): (&str, Option<Value>) = from_args(args)?;
    match (std::env::var(name), default) {
        (Ok(value), _) => Ok(Value::from(value)),
        (Err(_), Some(default)) => Ok(default),
        (Err(_), None) => Err(diagnosed(
            Diagnostic::new(format!("the environment variable {name} is not set"))
                .help(format!("set it, or give a default: env_var('{name}', '…')")),
        )),
    }
}

fn log(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (message, info, kwargs): (Value, Option<bool>, Kwargs) = from_args(args)?;
    let info = info
        .or(kwargs.get::<Option<bool>>("info")?)
        .unwrap_or(false);
    if info && frame(state)?.graph.is_some() {
        tracing::info!("{}", super::values::python_str(&message));
    } else {
        tracing::debug!("{}", super::values::python_str(&message));
    }
    Ok(Value::from(""))
}

fn print(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (message,): (Value,) = from_args(args)?;
    if frame(state)?.graph.is_some() {
        tracing::info!("{}", super::values::python_str(&message));
    }
    Ok(Value::from(""))
}

fn query(state: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
    if frame(state)?.graph.is_none() {
        return Ok(Value::from(()));
    }
    Err(diagnosed(
        Diagnostic::new("templates cannot run queries: models are planned before anything runs")
            .help("put the values into a seed, a var or the model's own SQL"),
    ))
}

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
                return Err(failure(
                    "config() takes one map, or keys and values".to_owned(),
                ));
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
                let (key, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
                let default = default.or(kwargs.peek::<Option<Value>>("default").ok().flatten());
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
                    Some(value) if !value.is_null() => Ok(super::values::serialized(value)),
                    _ if method.ends_with("require") && frame.graph.is_some() => Err(failure(
                        format!("the configuration `{key}` is required and not set"),
                    )),
                    _ => Ok(default.unwrap_or(Value::from(()))),
                }
            }
            "set" => Ok(Value::from("")),
            "persist_relation_docs" | "persist_column_docs" => Ok(Value::from(false)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `var('name', default)` and `var.has_var('name')`.
#[derive(Debug)]
pub struct VarFunction(pub Arc<Mapping>);

impl Object for VarFunction {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (name, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
        let default = default.or(kwargs.get::<Option<Value>>("default")?);
        match (self.0.get(name), default) {
            (Some(value), _) => Ok(super::values::serialized(value)),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(diagnosed(
                Diagnostic::new(format!("var('{name}') is not set and has no default"))
                    .nearest(name, self.0.keys().filter_map(Yaml::as_str)),
            )),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let (name,): (&str,) = from_args(args)?;
        match method {
            "has_var" => Ok(Value::from(self.0.contains_key(name))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `exceptions.raise_compiler_error` and `exceptions.warn`.
#[derive(Debug)]
pub struct Exceptions;

impl Object for Exceptions {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let (message,): (Value,) = from_args(&args[..args.len().min(1)])?;
        match method {
            "warn" => {
                tracing::warn!("{}", super::values::python_str(&message));
                Ok(Value::from(""))
            }
            method if method.starts_with("raise_") => Err(diagnosed(Diagnostic::new(
                super::values::python_str(&message),
            ))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
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
                let (name,): (&str,) = from_args(args)?;
                Ok(Value::from(format!("\"{}\"", name.replace('"', "\"\""))))
            }
            "type" => Ok(Value::from(ADAPTER)),
            "get_relation" | "get_columns_in_relation" if frame(state)?.graph.is_none() => {
                Ok(Value::from(()))
            }
            "get_relation" | "get_columns_in_relation" => query(state, args),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn macro_key(name: &str) -> String {
    format!("macro:{name}")
}

fn frame(state: &State<'_, '_>) -> Result<Arc<Frame>, Error> {
    state
        .lookup(FRAME)
        .and_then(|value| value.downcast_object::<Frame>())
        .ok_or_else(|| failure("this function is not available here".to_owned()))
}

fn failure(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn diagnosed(diagnostic: Diagnostic) -> Error {
    Error::new(ErrorKind::InvalidOperation, diagnostic.message.clone()).with_source(diagnostic)
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
        _ => Err(failure("config() takes a map".to_owned())),
    }
}
