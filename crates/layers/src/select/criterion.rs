//! One criterion of a selection: `@`, `2+`, a method, a value, `+3`.

use serde_json::Value;

use super::glob;
use crate::artifacts::Previous;
use crate::manifest::{Node, ResourceType, TestKind};
use crate::{Error, Result};

/// Methods, for messages.
const METHODS: &[&str] = &[
    "fqn",
    "tag",
    "path",
    "file",
    "package",
    "config",
    "source",
    "exposure",
    "resource_type",
    "test_type",
    "test_name",
    "unit_test",
    "state",
    "result",
    "source_status",
];

/// What `state:` takes.
const STATES: &[&str] = &[
    "new",
    "old",
    "modified",
    "unmodified",
    "modified.body",
    "modified.relation",
    "modified.persisted_descriptions",
];

/// What `result:` takes.
const RESULTS: &[&str] = &["success", "pass", "warn", "fail", "error", "skipped"];

/// A parsed criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// As it was written.
    pub text: String,
    /// What is looked at.
    method: Method,
    /// What it is compared with.
    pub value: String,
    /// Which neighbours come along.
    pub reach: Reach,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Method {
    Fqn,
    Tag,
    Path,
    File,
    Package,
    /// With the keys after `config.`.
    Config(Vec<String>),
    Source,
    Exposure,
    ResourceType,
    TestType,
    TestName,
    UnitTest,
    State,
    Result,
    SourceStatus,
}

/// Which neighbours of the matching nodes come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `@`: everything downstream, and all that this reads.
    ChildrensParents,
    /// `n+` and `+n`; `None` where the operator is missing.
    Steps {
        /// Upstream.
        parents: Option<Steps>,
        /// Downstream.
        children: Option<Steps>,
    },
}

/// How far; `None` is all the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps(pub Option<usize>);

impl Criterion {
    /// Read a criterion.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Usage(format!("the selection criterion '{text}' {why}"));
        let (mut rest, childrens_parents) = match text.strip_prefix('@') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let mut steps = [None, None];
        if let Some((before, after)) = rest.split_once('+')
            && before.chars().all(|c| c.is_ascii_digit())
        {
            steps[0] = Some(depth(before).ok_or_else(|| invalid("has too large a number"))?);
            rest = after;
        }
        if let Some((before, after)) = rest.rsplit_once('+')
            && after.chars().all(|c| c.is_ascii_digit())
        {
            steps[1] = Some(depth(after).ok_or_else(|| invalid("has too large a number"))?);
            rest = before;
        }
        if childrens_parents && steps.iter().any(Option::is_some) {
            return Err(invalid("has both @ and +"));
        }
        let (method, value) = match rest.split_once(':') {
            Some((method, value)) => (Self::method(method, &invalid)?, value),
            None if rest.contains('/') => (Method::Path, rest),
            None if [".sql", ".csv", ".py"]
                .iter()
                .any(|extension| rest.ends_with(extension)) =>
            {
                (Method::File, rest)
            }
            None => (Method::Fqn, rest),
        };
        if value.is_empty() {
            return Err(invalid("is empty"));
        }
        let [parents, children] = steps;
        let reach = if childrens_parents {
            Reach::ChildrensParents
        } else {
            Reach::Steps { parents, children }
        };
        Ok(Self {
            text: text.to_owned(),
            method,
            value: value.to_owned(),
            reach,
        })
    }

    fn method(name: &str, invalid: &dyn Fn(&str) -> Error) -> Result<Method> {
        Ok(match name {
            "fqn" => Method::Fqn,
            "tag" => Method::Tag,
            "path" => Method::Path,
            "file" => Method::File,
            "package" => Method::Package,
            "source" => Method::Source,
            "exposure" => Method::Exposure,
            "resource_type" => Method::ResourceType,
            "test_type" => Method::TestType,
            "test_name" => Method::TestName,
            "unit_test" => Method::UnitTest,
            "state" => Method::State,
            "result" => Method::Result,
            "source_status" => Method::SourceStatus,
            name if name.starts_with("config.") => {
                Method::Config(name.split('.').skip(1).map(str::to_owned).collect())
            }
            name => {
                let near = crate::diagnostics::nearest(name, METHODS.iter().copied());
                return Err(invalid(&match near {
                    Some(near) => format!("has no known method: did you mean `{near}:`?"),
                    None => format!("has no known method: they are {}", METHODS.join(", ")),
                }));
            }
        })
    }

    /// Whether a node fits, neighbours aside. `previous` is what an earlier command left, for `state:` and `result:`.
    pub fn matches(&self, node: &Node, previous: Option<&Previous>) -> Result<bool> {
        let value = self.value.as_str();
        let is_source = node.resource_type == ResourceType::Source;
        Ok(match &self.method {
            Method::Fqn => !is_source && (fits(&node.fqn, value) || fits(&node.fqn[1..], value)),
            Method::Tag => node.config.tags.iter().any(|tag| glob::matches(value, tag)),
            Method::Path => {
                glob::path_or_parent(value.trim_end_matches('/'), node.file_in_package())
                    || (node.resource_type != ResourceType::Test
                        && node
                            .patch_path
                            .as_deref()
                            .is_some_and(|patch| glob::path(value, patch)))
            }
            Method::File => {
                let path = std::path::Path::new(&node.original_file_path);
                [path.file_name(), path.file_stem()]
                    .into_iter()
                    .flatten()
                    .any(|name| glob::matches(value, &name.to_string_lossy()))
            }
            Method::Package => value == "this" || glob::matches(value, &node.package),
            Method::Config(keys) => config_fits(node, keys, value),
            Method::Source => {
                let parts: Vec<&str> = value.split('.').collect();
                let (package, source, table) = match parts.as_slice() {
                    [source] => ("*", *source, "*"),
                    [source, table] => ("*", *source, *table),
                    [package, source, table] => (*package, *source, *table),
                    _ => {
                        return Err(Error::Usage(format!(
                            "'source:{value}' has more than three parts"
                        )));
                    }
                };
                is_source
                    && glob::matches(package, &node.package)
                    && glob::matches(source, node.source_name.as_deref().unwrap_or_default())
                    && glob::matches(table, &node.name)
            }
            Method::Exposure => {
                let (package, name) = value.split_once('.').unwrap_or(("*", value));
                node.resource_type == ResourceType::Exposure
                    && glob::matches(package, &node.package)
                    && glob::matches(name, &node.name)
            }
            Method::UnitTest => {
                let (package, name) = value.split_once('.').unwrap_or(("*", value));
                node.resource_type == ResourceType::UnitTest
                    && glob::matches(package, &node.package)
                    && glob::matches(name, &node.name)
            }
            Method::ResourceType => node.resource_type.as_str() == value,
            Method::TestType => match (value, node.test.as_ref().map(|test| &test.kind)) {
                ("generic" | "schema" | "data", Some(TestKind::Generic { .. }))
                | ("singular" | "data", Some(TestKind::Singular)) => true,
                ("unit", None) => node.resource_type == ResourceType::UnitTest,
                ("generic" | "schema" | "singular" | "data" | "unit", _) => false,
                _ => {
                    let message = format!(
                        "there is no test type '{value}': they are generic, singular, data and unit"
                    );
                    return Err(Error::Usage(message));
                }
            },
            Method::TestName => match node.test.as_ref().map(|test| &test.kind) {
                Some(TestKind::Generic { name, .. }) => glob::matches(value, name),
                _ => {
                    node.resource_type == ResourceType::UnitTest && glob::matches(value, &node.name)
                }
            },
            Method::State => state_fits(node, value, self.previous(previous, "state")?)?,
            Method::SourceStatus => {
                known(value, &["fresher"], "source_status")?;
                let previous = self.previous(previous, "source_status")?;
                is_source && previous.is_fresher(node)?
            }
            Method::Result => {
                known(value, RESULTS, "result")?;
                self.previous(previous, "result")?.result(node) == Some(value)
            }
        })
    }

    fn previous<'a>(&self, previous: Option<&'a Previous>, method: &str) -> Result<&'a Previous> {
        previous.ok_or_else(|| {
            Error::Usage(format!(
                "'{method}:{}' compares with an earlier command: name the folder of its files with --state",
                self.value
            ))
        })
    }
}

fn state_fits(node: &Node, value: &str, previous: &Previous) -> Result<bool> {
    known(value, STATES, "state")?;
    let had = previous.had(node);
    let body = !had || previous.differs_in_body(node);
    let relation = !had || previous.differs_in_relation(node);
    let described = !had || previous.differs_in_description(node);
    Ok(match value {
        "new" => !had,
        "old" => had,
        "modified.body" => body,
        "modified.relation" => relation,
        "modified.persisted_descriptions" => described,
        "unmodified" => !body && !relation,
        _ => body || relation,
    })
}

/// Refuse a value that a method does not take.
fn known(value: &str, values: &[&str], method: &str) -> Result<()> {
    if values.contains(&value) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "there is no `{method}:{value}`: they are {}",
        values.join(", ")
    )))
}

/// The number before or after a `+`; none is all the way. `None` if it is too large.
fn depth(digits: &str) -> Option<Steps> {
    if digits.is_empty() {
        return Some(Steps(None));
    }
    digits.parse().ok().map(|steps| Steps(Some(steps)))
}

/// Whether a qualified name fits: the leaf, a prefix of whole parts, or parts and then a glob.
fn fits(fqn: &[String], value: &str) -> bool {
    if fqn.last().is_some_and(|leaf| leaf == value) {
        return true;
    }
    let names: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    let wanted: Vec<&str> = value.split('.').collect();
    if names.len() < wanted.len() {
        return false;
    }
    for (index, (name, part)) in names.iter().zip(&wanted).enumerate() {
        if part.contains(['*', '?', '[', ']']) {
            return glob::matches(&wanted[index..].join("."), &names[index..].join("."));
        }
        if name != part {
            return false;
        }
    }
    true
}

fn config_fits(node: &Node, keys: &[String], wanted: &str) -> bool {
    let config = node.config_json();
    let Some(found) = keys.iter().try_fold(&config, |value, key| value.get(key)) else {
        return false;
    };
    let is = |value: &Value| match value {
        Value::String(text) => {
            text == wanted || (keys == ["severity"] && text.eq_ignore_ascii_case(wanted))
        }
        Value::Bool(truth) => wanted.eq_ignore_ascii_case(if *truth { "true" } else { "false" }),
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    };
    match found {
        Value::Array(items) => items.iter().any(is),
        Value::Object(map) => map.contains_key(wanted),
        value => is(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fqn(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn qualified_names_fit_by_leaf_prefix_and_glob() {
        let fqn = fqn("p/silver/dim_users");
        for value in [
            "dim_users",
            "p.silver",
            "p.silver.*",
            "p.*",
            "p.silver.dim_*",
            "*",
            "p",
        ] {
            assert!(fits(&fqn, value), "{value}");
        }
        for value in ["dim_user", "silver.p", "p.gold.*", "p.silver.dim_users.x"] {
            assert!(!fits(&fqn, value), "{value}");
        }
    }

    #[test]
    fn operators_and_methods_are_read() {
        let criterion = Criterion::parse("2+tag:nightly+").expect("valid");
        assert_eq!(criterion.method, Method::Tag);
        assert_eq!(
            criterion.reach,
            Reach::Steps {
                parents: Some(Steps(Some(2))),
                children: Some(Steps(None))
            }
        );
        assert_eq!(
            Criterion::parse("models/gold").expect("valid").method,
            Method::Path
        );
        assert_eq!(
            Criterion::parse("@a").expect("valid").reach,
            Reach::ChildrensParents
        );
        let error = Criterion::parse("tags:x")
            .expect_err("no such method")
            .to_string();
        assert!(error.contains("did you mean `tag:`?"), "{error}");
    }
}
