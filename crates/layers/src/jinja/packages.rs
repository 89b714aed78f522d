//! Macros of packages. Each is registered under its package's name; inside its package a macro's
//! plain name means the package's own, elsewhere it takes the package's name before a dot.

use std::fmt::Write as _;

use minijinja::value::Value;
use serde_norway::Mapping;

use super::context::Namespace;
use super::{Jinja, PRELUDE, blocks};
use crate::diagnostics::Diagnostic;

/// The module that imports the macro files of all packages; a template that uses one imports it.
const PACKAGES: &str = "__packages__";
const PACKAGES_PRELUDE: &str = "{% import \"__packages__\" as __packages %}";

/// A package's macro files and variables.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Paths below the project's root, and texts.
    pub files: Vec<(String, String)>,
    /// What `var` gives its templates.
    pub vars: Mapping,
}

impl Jinja {
    /// Take in the packages' macros; their full names.
    ///
    /// A file that this engine cannot read is left out: its macros are missed when they are called.
    pub(super) fn add_packages(
        &mut self,
        packages: &[Package],
        own_files: &[(String, String)],
    ) -> Result<Vec<String>, Vec<Diagnostic>> {
        let mut names = Vec::new();
        let mut imports = String::new();
        for package in packages {
            let scope = format!("{}.", package.name);
            let macros = macros_of(package, &scope);
            for (file, text) in &package.files {
                let prelude = prelude_of(text, &macros, &scope);
                let Ok((module, _)) = blocks::module(file, text, &scope, &prelude) else {
                    continue;
                };
                let added = self
                    .environment
                    .add_template_owned(file.clone(), module.text.clone());
                if added.is_ok() {
                    self.files.insert(file.clone(), (text.clone(), module));
                    // Writing to a string cannot fail.
                    let _ = write!(imports, "{{% import \"{file}\" as __module %}}");
                }
            }
            names.extend(macros.iter().map(|name| format!("{scope}{name}")));
            self.packages.insert(package.name.clone(), macros.clone());
            let namespace = Namespace {
                name: package.name.clone(),
                scope,
                macros,
            };
            self.environment
                .add_global(package.name.clone(), Value::from_object(namespace));
        }
        self.environment
            .add_template_owned(PACKAGES, imports)
            .map_err(|error| vec![self.diagnose(&error, None)])?;
        self.packages_everywhere = own_files.iter().any(|(_, text)| self.names_package(text));
        Ok(names)
    }

    /// What a template of `package` begins with: the imports of the macros that it may call. Macros of its own package
    /// go by their names alone.
    pub(super) fn prelude(&self, source: &str, package: &str) -> String {
        if self.macros.is_empty() {
            return String::new();
        }
        let own = self.packages.get(package);
        let packages = own.is_some() || self.packages_everywhere || self.names_package(source);
        let own = own.map_or_else(String::new, |macros| {
            prelude_of(source, macros, &format!("{package}."))
        });
        let packages = if packages { PACKAGES_PRELUDE } else { "" };
        format!("{PRELUDE}{packages}{own}")
    }

    /// The macro of a generic test that stands in a YAML file of the package `caller`: that package's own before the
    /// project's and dbt's. A namespace that is no package (`dbt`, the project) is none.
    pub fn test_macro(&self, caller: &str, namespace: Option<&str>, name: &str) -> String {
        let test = format!("test_{name}");
        let package = namespace.unwrap_or(caller);
        match self.packages.get(package) {
            Some(macros) if namespace.is_some() || macros.contains(&test) => {
                format!("{package}.{test}")
            }
            _ => test,
        }
    }

    fn names_package(&self, text: &str) -> bool {
        self.packages.keys().any(|package| {
            text.match_indices(package.as_str())
                .any(|(at, _)| text[at + package.len()..].starts_with(['.', '\'', '"']))
        })
    }
}

/// The names of a package's macros and generic tests.
fn macros_of(package: &Package, scope: &str) -> Vec<String> {
    package
        .files
        .iter()
        .filter_map(|(file, text)| blocks::module(file, text, scope, "").ok())
        .flat_map(|(_, definitions)| definitions)
        .map(|definition| definition.name)
        .collect()
}

/// In a package's file its own macros go by their plain names, before the project's and dbt's.
fn prelude_of(text: &str, macros: &[String], scope: &str) -> String {
    let mut prelude = String::new();
    for name in macros.iter().filter(|name| text.contains(name.as_str())) {
        let _ = write!(prelude, "{{% set {name} = __macro(\"{scope}{name}\") %}}");
    }
    prelude
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::jinja::Globals;
    use crate::jinja::context::Frame;

    fn jinja(own: &str, dispatch: &[(&str, &[&str])]) -> Jinja {
        let globals = Globals {
            project: "shop".to_owned(),
            vars: serde_norway::Mapping::new(),
            target: serde_norway::Mapping::new(),
            full_refresh: false,
            store_failures: false,
            dispatch: dispatch
                .iter()
                .map(|(name, order)| {
                    let order = order.iter().map(|name| (*name).to_owned()).collect();
                    ((*name).to_owned(), order)
                })
                .collect::<BTreeMap<_, _>>(),
        };
        let package = Package {
            name: "tools".to_owned(),
            vars: Mapping::new(),
            files: vec![
                (
                    "dbt_packages/tools/macros/a.sql".to_owned(),
                    "{% macro twice(x) %}{{ return(adapter.dispatch('twice', 'tools')(x)) }}{% endmacro %}
{% macro default__twice(x) %}{{ once(x) }}{{ once(x) }}{% endmacro %}
{% macro once(x) %}tools:{{ x }};{% endmacro %}"
                        .to_owned(),
                ),
                (
                    "dbt_packages/tools/macros/broken.sql".to_owned(),
                    "{% macro broken(x) %}{{ x + }}{% endmacro %}".to_owned(),
                ),
            ],
        };
        Jinja::new(
            &globals,
            &[("macros/own.sql".to_owned(), own.to_owned())],
            &[package],
        )
        .expect("the macros are valid")
    }

    fn rendered(jinja: &Jinja, text: &str) -> Result<String, Diagnostic> {
        jinja.render("models/a.sql", text, &Arc::new(Frame::default()))
    }

    #[test]
    fn a_packages_macro_calls_its_own_and_is_called_by_its_full_name() {
        let jinja = jinja("{% macro once(x) %}shop:{{ x }};{% endmacro %}", &[]);
        let text = rendered(&jinja, "{{ tools.twice(1) }}{{ once(2) }}").expect("renders");
        assert_eq!(text, "tools:1;tools:1;shop:2;");
        assert!(rendered(&jinja, "{{ twice(1) }}").is_err());
    }

    #[test]
    fn a_macro_gets_what_its_parameters_do_not_take() {
        let jinja = jinja(
            "{% macro m(a, b='x, y') %}{{ a }};{{ b }};{{ varargs }};{{ kwargs.get('c', 'none') }}{% endmacro %}
{% macro by_way() %}{{ return(m(*varargs, **kwargs)) }}{% endmacro %}",
            &[],
        );
        for (call, expected) in [
            ("m(1)", "1;x, y;[];none"),
            ("m(1, 2, 3, 4)", "1;2;[3, 4];none"),
            ("by_way(1, b=2, c=3)", "1;2;[];3"),
        ] {
            let text = rendered(&jinja, &format!("{{{{ {call} }}}}")).expect("renders");
            assert_eq!(text, expected, "{call}");
        }
    }

    #[test]
    fn the_project_stands_before_a_package_that_dispatches() {
        let own = "{% macro default__twice(x) %}shop:{{ x }}{% endmacro %}
{% macro by_way(x) %}{{ tools.twice(x) }}{% endmacro %}";
        let first = jinja(own, &[]);
        assert_eq!(
            rendered(&first, "{{ by_way(1) }}").expect("renders"),
            "shop:1"
        );
        let last = jinja(own, &[("tools", &["tools", "shop"])]);
        let text = rendered(&last, "{{ by_way(1) }}").expect("renders");
        assert_eq!(text, "tools:1;tools:1;");
    }
}
