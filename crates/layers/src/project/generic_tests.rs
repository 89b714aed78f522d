//! Generic tests as YAML writes them: name, arguments, configuration; and the names dbt gives them.

use serde_norway::{Mapping, Value as Yaml};

use super::yaml;
use crate::diagnostics::Diagnostic;

/// Keys that configure a test wherever they stand in it.
const CONFIG_KEYS: &[&str] = &[
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "sql_header",
    "meta",
    "database",
    "schema",
    "alias",
];

/// A test under a column or a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TestCall {
    /// `unique` …
    pub name: String,
    /// The package before the dot.
    pub namespace: Option<String>,
    /// Its arguments, `column_name` included and `model` not.
    pub arguments: Mapping,
    /// Its configuration.
    pub config: Mapping,
    /// The name that the YAML gives it.
    pub given_name: Option<String>,
    /// Its description.
    pub description: String,
}

impl TestCall {
    /// Read a test: a name, or a map of one name to its arguments.
    pub fn read(entry: &Yaml, column: Option<&str>) -> Result<Self, Diagnostic> {
        let (full_name, mut arguments) = match entry {
            Yaml::String(name) => (name.clone(), Mapping::new()),
            Yaml::Mapping(mapping) => match mapping.get("test_name").and_then(Yaml::as_str) {
                Some(name) => {
                    let mut rest = mapping.clone();
                    rest.shift_remove("test_name");
                    (name.to_owned(), rest)
                }
                None => one_entry(mapping)?,
            },
            _ => {
                return Err(Diagnostic::new(
                    "a test is neither a name nor a map of a name to its arguments",
                ));
            }
        };
        let (namespace, name) = match full_name.split_once('.') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, full_name.clone()),
        };
        if let Some(column) = column {
            arguments.insert("column_name".into(), column.into());
        }
        match arguments.shift_remove("arguments") {
            Some(Yaml::Mapping(nested)) => arguments.extend(nested),
            None | Some(Yaml::Null) => {}
            Some(_) => {
                return Err(Diagnostic::new(format!(
                    "`arguments` of the test {full_name} is not a map"
                )));
            }
        }
        if arguments.contains_key("model") {
            let message = format!(
                "the test {full_name} has the argument `model`, which is given by its place"
            );
            return Err(Diagnostic::new(message));
        }
        let mut config = match arguments.shift_remove("config") {
            Some(Yaml::Mapping(config)) => config,
            None | Some(Yaml::Null) => Mapping::new(),
            Some(_) => {
                return Err(Diagnostic::new(format!(
                    "`config` of the test {full_name} is not a map"
                )));
            }
        };
        for key in CONFIG_KEYS {
            if let Some(value) = arguments.shift_remove(*key) {
                if config.contains_key(*key) {
                    let message =
                        format!("the test {full_name} sets `{key}` both in `config` and beside it");
                    return Err(Diagnostic::new(message));
                }
                config.insert((*key).into(), value);
            }
        }
        let mut take = |key: &str| arguments.shift_remove(key).as_ref().and_then(yaml::scalar);
        let description = take("description").unwrap_or_default();
        let given_name = take("name");
        Ok(Self {
            name,
            namespace,
            arguments,
            config,
            given_name,
            description,
        })
    }

    /// The test's short name (for its file) and full name (for its id), below 64 characters or hashed.
    pub fn names(&self, target: &str, is_source: bool) -> (String, String) {
        if let Some(name) = &self.given_name {
            return (name.clone(), name.clone());
        }
        let mut kind = if is_source {
            format!("source_{}", self.name)
        } else {
            self.name.clone()
        };
        if let Some(namespace) = &self.namespace {
            kind = format!("{namespace}_{kind}");
        }
        let mut keys: Vec<&str> = self.arguments.keys().filter_map(Yaml::as_str).collect();
        keys.sort_unstable();
        let mut parts = Vec::new();
        for key in keys {
            match &self.arguments[key] {
                Yaml::Mapping(mapping) => parts.extend(mapping.values().map(python_str)),
                Yaml::Sequence(items) => parts.extend(items.iter().map(python_str)),
                value => parts.push(python_str(value)),
            }
        }
        let clean: Vec<String> = parts.iter().map(|part| clean(part)).collect();
        let identifier = format!("{kind}_{target}");
        let full = format!("{identifier}_{}", clean.join("__"));
        if full.chars().count() < 64 {
            return (full.clone(), full);
        }
        let short: String = identifier.chars().take(30).collect();
        (format!("{short}_{}", super::md5(&full)), full)
    }

    /// The ten characters that tell tests of one name apart in their unique ids.
    pub fn hash(&self, full_name: &str, model: &str) -> String {
        let mut kwargs: Vec<(String, String)> = self
            .arguments
            .iter()
            .filter_map(|(key, value)| Some((yaml::scalar(key)?, hashable(value))))
            .collect();
        kwargs.push(("model".to_owned(), python_repr(model)));
        let namespace = self.namespace.as_deref().unwrap_or("None");
        let metadata = dict(vec![
            ("kwargs".to_owned(), dict(kwargs)),
            ("name".to_owned(), python_repr(&self.name)),
            ("namespace".to_owned(), python_repr(namespace)),
        ]);
        let digest = super::md5(&format!("{full_name}{metadata}"));
        digest[digest.len() - 10..].to_owned()
    }
}

fn one_entry(mapping: &Mapping) -> Result<(String, Mapping), Diagnostic> {
    let mut entries = mapping.iter();
    let (Some((name, arguments)), None) = (entries.next(), entries.next()) else {
        let names: Vec<_> = mapping.keys().filter_map(yaml::scalar).collect();
        return Err(Diagnostic::new(format!(
            "a test has {} names: {}",
            names.len(),
            names.join(", ")
        ))
        .help("indent its arguments below its name"));
    };
    let Some(name) = name.as_str() else {
        return Err(Diagnostic::new("a test's name is not a text"));
    };
    match arguments {
        Yaml::Mapping(arguments) => Ok((name.to_owned(), arguments.clone())),
        Yaml::Null => Ok((name.to_owned(), Mapping::new())),
        _ => Err(Diagnostic::new(format!(
            "the arguments of the test {name} are not a map"
        ))),
    }
}

/// Runs of other characters than letters, digits and underscores become one underscore.
fn clean(text: &str) -> String {
    let mut out = String::new();
    let mut in_run = false;
    for c in text.chars() {
        let keep = c.is_ascii_alphanumeric() || c == '_';
        if keep {
            out.push(c);
        } else if !in_run {
            out.push('_');
        }
        in_run = !keep;
    }
    out
}

fn python_str(value: &Yaml) -> String {
    crate::jinja::python_str(&crate::jinja::serialized(value))
}

fn python_repr(text: &str) -> String {
    // The list around it makes `str` show the text as Python's `repr` does.
    let list = crate::jinja::python_str(&minijinja::Value::from(vec![text.to_owned()]));
    list[1..list.len() - 1].to_owned()
}

/// Python's `repr` of the value with every leaf as a text and maps in order of keys.
fn hashable(value: &Yaml) -> String {
    match value {
        Yaml::Mapping(mapping) => dict(
            mapping
                .iter()
                .filter_map(|(key, item)| Some((yaml::scalar(key)?, hashable(item))))
                .collect(),
        ),
        Yaml::Sequence(items) => {
            let items: Vec<String> = items.iter().map(hashable).collect();
            format!("[{}]", items.join(", "))
        }
        leaf => python_repr(&python_str(leaf)),
    }
}

fn dict(mut entries: Vec<(String, String)>) -> String {
    entries.sort();
    let entries: Vec<String> = entries
        .into_iter()
        .map(|(key, item)| format!("{}: {item}", python_repr(&key)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, column: Option<&str>) -> TestCall {
        TestCall::read(&serde_norway::from_str(text).expect("valid YAML"), column).expect("a test")
    }

    #[test]
    fn a_short_name_is_spelled_out_and_a_long_one_hashed() {
        let test = read("not_null", Some("id"));
        assert_eq!(test.names("orders", false).0, "not_null_orders_id");
        assert_eq!(test.names("orders", true).0, "source_not_null_orders_id");
        let test = read(
            "accepted_values: {arguments: {values: [placed, 'ship ped', 1, true]}}",
            Some("status"),
        );
        let (short, full) = test.names("orders_with_a_long_name", false);
        assert_eq!(
            full,
            "accepted_values_orders_with_a_long_name_status__placed__ship_ped__1__True"
        );
        assert_eq!(
            short,
            format!(
                "accepted_values_orders_with_a__{}",
                crate::project::md5(&full)
            )
        );
    }

    #[test]
    fn configuration_may_stand_beside_the_arguments() {
        let test = read(
            "unique: {severity: warn, config: {where: a > 1}, name: mine}",
            Some("id"),
        );
        assert_eq!(test.config.get("severity"), Some(&"warn".into()));
        assert_eq!(test.config.get("where"), Some(&"a > 1".into()));
        assert_eq!(test.names("t", false).0, "mine");
    }

    #[test]
    fn two_names_in_one_test_are_refused() {
        let entry: Yaml = serde_norway::from_str("{unique: , not_null: }").expect("valid YAML");
        assert!(
            TestCall::read(&entry, None)
                .expect_err("two")
                .message
                .contains("unique, not_null")
        );
    }
}
