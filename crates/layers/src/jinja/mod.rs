//! Jinja as dbt's users write it: the project's macros, dbt's context, and errors at their place.

pub mod blocks;
mod calls;
pub mod context;
mod packages;
mod python;
mod values;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_norway::{Mapping, Value as Yaml};

use crate::diagnostics::{Diagnostic, place};
use context::{
    ADAPTER, Adapter, Api, BUILTINS, ConfigFunction, Exceptions, FRAME, Frame, MacroCall, Modules,
    Namespace, RelationValue, VarFunction,
};

pub use packages::Package;
pub use python::python_str;
pub use values::{mutable, serialized};

/// The module that imports all macro files; every template imports it first.
const MACROS: &str = "__macros__";
const PRELUDE: &str = "{% import \"__macros__\" as __macros %}";
/// Macros that dbt brings along, ours.
const BUILTIN_FILE: &str = "dbt/macros.sql";
const BUILTIN_MACROS: &str = include_str!("macros.sql");

/// The template engine with a project's macros.
pub struct Jinja {
    environment: Environment<'static>,
    files: BTreeMap<String, (String, blocks::Rewritten)>,
    macros: Arc<Vec<String>>,
    /// The packages that a template names when it uses them, and their macros.
    packages: BTreeMap<String, Vec<String>>,
    /// Whether the project's own macros use a package, so that every template may.
    packages_everywhere: bool,
}

impl std::fmt::Debug for Jinja {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jinja")
            .field("macros", &self.macros)
            .finish_non_exhaustive()
    }
}

/// What all templates of a project share.
#[derive(Clone, Debug)]
pub struct Globals {
    /// The project's name.
    pub project: String,
    /// The variables in force.
    pub vars: Mapping,
    /// The target of the profile: `name`, `schema`, `threads` …
    pub target: Mapping,
    /// Whether `--full-refresh` was given.
    pub full_refresh: bool,
    /// Whether `--store-failures` was given.
    pub store_failures: bool,
    /// For `adapter.dispatch`: in which packages a package's macros are looked for, in order, where
    /// the project says so.
    pub dispatch: BTreeMap<String, Vec<String>>,
}

impl Globals {
    /// The same for the files of a package with these variables.
    pub fn of_package(&self, vars: &Mapping) -> Self {
        Self {
            vars: vars.clone(),
            ..self.clone()
        }
    }
}

impl Jinja {
    /// An engine without macros, for YAML files.
    pub fn bare(globals: &Globals) -> Self {
        Self {
            environment: environment(globals),
            files: BTreeMap::new(),
            macros: Arc::default(),
            packages: BTreeMap::new(),
            packages_everywhere: false,
        }
    }

    /// An engine with dbt's macros, the project's and those of packages: `files` are paths below
    /// the root and texts.
    pub fn new(
        globals: &Globals,
        files: &[(String, String)],
        packages: &[Package],
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut jinja = Self::bare(globals);
        let mut errors = Vec::new();
        let mut defined: BTreeMap<String, String> = BTreeMap::new();
        let mut namespaces = [("dbt", Vec::new()), (globals.project.as_str(), Vec::new())];
        let builtin = [(BUILTIN_FILE.to_owned(), BUILTIN_MACROS.to_owned())];
        let mut imports = String::new();
        for (file, text) in builtin.iter().chain(files) {
            let (module, definitions) = match blocks::module(file, text, "", "") {
                Ok(parsed) => parsed,
                Err(diagnostic) => {
                    errors.push(diagnostic);
                    continue;
                }
            };
            let is_builtin = file == BUILTIN_FILE;
            for definition in definitions {
                // The project's macros stand before dbt's of the same name.
                if let Some(other) = defined.get(&definition.name)
                    && other != BUILTIN_FILE
                {
                    errors.push(
                        Diagnostic::new(format!(
                            "the macro `{}` is defined twice",
                            definition.name
                        ))
                        .at(place(file, text, definition.line, None))
                        .help(format!("the other one is in {other}")),
                    );
                }
                namespaces[usize::from(!is_builtin)]
                    .1
                    .push(definition.name.clone());
                defined.insert(definition.name, file.clone());
            }
            let name = file.clone();
            if let Err(error) = jinja
                .environment
                .add_template_owned(name, module.text.clone())
            {
                jinja.files.insert(file.clone(), (text.clone(), module));
                errors.push(jinja.diagnose(&error, None));
                continue;
            }
            jinja.files.insert(file.clone(), (text.clone(), module));
            imports.push_str("{% import \"");
            imports.push_str(file);
            imports.push_str("\" as __module %}");
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut names: Vec<String> = defined.into_keys().collect();
        for name in &names {
            jinja
                .environment
                .add_global(name.clone(), Value::from_object(MacroCall(name.clone())));
        }
        for (name, macros) in namespaces {
            let namespace = Namespace {
                name: name.to_owned(),
                scope: String::new(),
                macros,
            };
            jinja
                .environment
                .add_global(name.to_owned(), Value::from_object(namespace));
        }
        names.extend(jinja.add_packages(packages, files)?);
        let var = VarFunction {
            own: Arc::new(globals.vars.clone()),
            packages: packages
                .iter()
                .map(|package| (package.name.clone(), package.vars.clone()))
                .collect(),
        };
        jinja.environment.add_global("var", Value::from_object(var));
        jinja.macros = Arc::new(names);
        let adapter = Value::from_object(Adapter {
            macros: jinja.macros.clone(),
            search: globals.dispatch.clone(),
            dialect: dialect(globals),
        });
        jinja.environment.add_global("adapter", adapter);
        if let Err(error) = jinja.environment.add_template_owned(MACROS, imports) {
            return Err(vec![jinja.diagnose(&error, None)]);
        }
        Ok(jinja)
    }

    /// Whether the project (or dbt) defines this macro.
    pub fn has_macro(&self, name: &str) -> bool {
        self.macros.iter().any(|known| known == name)
    }

    /// The names of the generic tests, without `test_`.
    pub fn generic_tests(&self) -> impl Iterator<Item = &str> {
        self.macros
            .iter()
            .filter_map(|name| name.strip_prefix("test_"))
    }

    /// A template's text. `file` and `source` are what messages show.
    pub fn render(
        &self,
        file: &str,
        source: &str,
        frame: &Arc<Frame>,
    ) -> Result<String, Diagnostic> {
        self.render_with(file, source, frame, &[])
    }

    /// As [`Self::render`], with more names in the context.
    pub fn render_with(
        &self,
        file: &str,
        source: &str,
        frame: &Arc<Frame>,
        extra: &[(&str, Value)],
    ) -> Result<String, Diagnostic> {
        if !blocks::has_jinja(source) {
            return Ok(source.to_owned());
        }
        let rewritten = blocks::template(source, &self.prelude(source, &frame.package));
        let mut context: BTreeMap<&str, Value> = extra
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        context.insert(FRAME, Value::from_dyn_object(frame.clone()));
        context.insert("execute", Value::from(frame.graph.is_some()));
        let this = frame.this.clone().map_or(Value::from(()), |this| {
            Value::from_object(RelationValue::Table(this))
        });
        context.insert("this", this);
        if let Some(this) = &frame.this {
            context.insert("schema", Value::from(this.schema.as_str()));
            context.insert("database", Value::from(this.database.as_str()));
        }
        let rendered = self
            .environment
            .template_from_named_str(file, &rewritten.text)
            .and_then(|template| template.render(Value::from_pairs(context)));
        rendered.map_err(|error| self.diagnose(&error, Some((file, source, &rewritten))))
    }

    /// The value of a Jinja expression.
    pub fn evaluate(
        &self,
        file: &str,
        expression: &str,
        frame: &Arc<Frame>,
        extra: &[(&str, Value)],
    ) -> Result<Value, Diagnostic> {
        self.render_with(
            file,
            &format!("{{% do __capture({expression}) %}}"),
            frame,
            extra,
        )?;
        Ok(frame.captured().value.take().unwrap_or_default())
    }

    /// A string of a YAML file: text as it is, one `{{ … }}` as its value, anything else rendered.
    pub fn native(&self, file: &str, text: &str, frame: &Arc<Frame>) -> Result<Value, Diagnostic> {
        if !blocks::has_jinja(text) {
            return Ok(Value::from(text));
        }
        let value = match blocks::single_expression(text) {
            Some(expression) => self.evaluate(file, expression, frame, &[]),
            None => self.render(file, text, frame).map(Value::from),
        };
        value.map_err(|mut diagnostic| {
            // A place in the string is none in the file that it stands in.
            if diagnostic.file.as_deref() == Some(file) {
                diagnostic.location = None;
            }
            diagnostic
        })
    }

    /// Every string of a YAML value through [`Self::native`].
    pub fn native_yaml(
        &self,
        file: &str,
        value: &Yaml,
        frame: &Arc<Frame>,
    ) -> Result<Yaml, Diagnostic> {
        Ok(match value {
            Yaml::String(text) if blocks::has_jinja(text) => {
                let value = self.native(file, text, frame)?;
                context::to_yaml(&value).map_err(|error| self.diagnose(&error, None))?
            }
            Yaml::Sequence(items) => items
                .iter()
                .map(|item| self.native_yaml(file, item, frame))
                .collect::<Result<_, _>>()?,
            Yaml::Mapping(mapping) => Yaml::Mapping(
                mapping
                    .iter()
                    .map(|(key, item)| Ok((key.clone(), self.native_yaml(file, item, frame)?)))
                    .collect::<Result<_, Diagnostic>>()?,
            ),
            other => other.clone(),
        })
    }

    /// An engine's error as a message at its place: the innermost one that names a file.
    fn diagnose(
        &self,
        error: &Error,
        rendered: Option<(&str, &str, &blocks::Rewritten)>,
    ) -> Diagnostic {
        let mut located = error;
        let mut inner = None;
        let mut cause = error.source();
        while let Some(next) = cause {
            if let Some(template) = next.downcast_ref::<Error>() {
                located = template;
            } else if let Some(diagnostic) = next.downcast_ref::<Diagnostic>() {
                inner = Some(diagnostic.clone());
            }
            cause = next.source();
        }
        // What is wrong in another file is shown there, not where it was asked for.
        if let Some(diagnostic) = inner.take_if(|diagnostic| diagnostic.file.is_some()) {
            return diagnostic;
        }
        let mut diagnostic = inner.unwrap_or_else(|| self.explain(located));
        let name = located.name().unwrap_or_default();
        let file = match (self.files.get(name), rendered) {
            (Some((text, rewritten)), _) => Some((name, text.as_str(), rewritten)),
            (None, Some((file, text, rewritten))) if file == name => Some((file, text, rewritten)),
            _ => None,
        };
        if let (Some((name, text, rewritten)), Some(line)) = (file, located.line()) {
            // The range of a multi-line expression may begin on an earlier line than the fault.
            let column = located.range().and_then(|range| {
                let at = rewritten.original_offset(range.start).min(text.len());
                let begin = text.get(..at)?.rfind('\n').map_or(0, |at| at + 1);
                (text[..at].matches('\n').count() + 1 == line)
                    .then(|| text[begin..at].chars().count() + 1)
            });
            diagnostic = diagnostic.at(place(name, text, line, column));
        } else if diagnostic.file.is_none()
            && let Some((file, ..)) = rendered
        {
            diagnostic = diagnostic.in_file(file);
        }
        // A macro's error says who called it.
        if let Some((caller, ..)) = rendered
            && file.is_some_and(|(name, ..)| name != caller)
            && diagnostic.help.is_none()
        {
            diagnostic = diagnostic.help(format!("called from {caller}"));
        }
        diagnostic
    }

    fn explain(&self, error: &Error) -> Diagnostic {
        let detail = error.detail().unwrap_or_default();
        if error.kind() == ErrorKind::UnknownFunction {
            let name = detail
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_matches('`');
            let known = self
                .macros
                .iter()
                .map(String::as_str)
                .chain(BUILTINS.iter().map(|builtin| builtin.0));
            return Diagnostic::new(format!("`{name}` is no macro or function"))
                .nearest(name, known);
        }
        // A package that is not there is an undefined value with methods.
        if error.kind() == ErrorKind::UnknownMethod
            && let Some((_, rest)) = detail.split_once("(`")
            && let Some((name, _)) = rest.split_once("` is undefined)")
        {
            return Diagnostic::new(format!("there is no package or value `{name}`")).help(
                "packages are read from dbt_packages/: `dbt deps` puts them there, as packages.yml says",
            );
        }
        // What the functions of templates say is a sentence of its own.
        if error.kind() == ErrorKind::InvalidOperation && !detail.is_empty() {
            return Diagnostic::new(detail);
        }
        let kind = error.kind().to_string();
        Diagnostic::new(if detail.is_empty() {
            kind
        } else {
            format!("{kind}: {detail}")
        })
    }
}

/// The `type` of the profile: whose macros are taken where there are none for this adapter.
fn dialect(globals: &Globals) -> String {
    let named = globals.target.get("type").and_then(Yaml::as_str);
    named.unwrap_or(ADAPTER).to_owned()
}

fn environment(globals: &Globals) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(values::python_method);
    environment.set_formatter(|out, _, value| {
        out.write_str(&python_str(value))
            .map_err(|_| Error::from(ErrorKind::WriteFailure))
    });
    for filter in ["as_native", "as_text", "as_number", "as_bool"] {
        environment.add_filter(filter, |value: Value| value);
    }
    for builtin in BUILTINS {
        environment.add_global(builtin.0, Value::from_object(*builtin));
    }
    let functions = ["ref", "source"].map(|name| {
        let builtin = BUILTINS
            .iter()
            .find(|builtin| builtin.0 == name)
            .expect("the list above holds both");
        (name, Value::from_object(*builtin))
    });
    environment.add_global("builtins", Value::from_pairs(functions));
    environment.add_global("config", Value::from_object(ConfigFunction));
    environment.add_global(
        "var",
        Value::from_object(VarFunction {
            own: Arc::new(globals.vars.clone()),
            packages: BTreeMap::new(),
        }),
    );
    environment.add_global("api", Value::from_object(Api));
    environment.add_global("modules", Value::from_object(Modules));
    environment.add_global("exceptions", Value::from_object(Exceptions));
    environment.add_global("target", values::serialized(&globals.target));
    environment.add_global("project_name", Value::from(globals.project.as_str()));
    environment.add_global("dbt_version", Value::from("1.12.0"));
    environment.add_global(
        "flags",
        Value::from_pairs([
            ("FULL_REFRESH", Value::from(globals.full_refresh)),
            ("STORE_FAILURES", Value::from(globals.store_failures)),
            ("WHICH", Value::from("build")),
        ]),
    );
    environment.add_global("adapter_type", Value::from(dialect(globals)));
    environment.add_global("none", Value::from(()));
    environment
}
