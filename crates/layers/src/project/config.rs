//! Configuration: by folder from `dbt_project.yml`, from properties, from the file; then typed.

use std::collections::BTreeMap;

use serde_norway::{Mapping, Value as Yaml};

use super::yaml;
use crate::diagnostics::{Diagnostic, nearest};
use crate::manifest::{Condition, Config, Materialized, ResourceType, Severity};

/// The configuration that a section of `dbt_project.yml` gives a node, outer folders first.
///
/// A key with `+` is configuration; one without is configuration unless its value is a map, which
/// is a folder.
pub fn of_folders(section: &Mapping, fqn: &[String]) -> Mapping {
    let mut merged = Mapping::new();
    let mut level = Some(section);
    let mut names = fqn.iter();
    while let Some(mapping) = level {
        let mut here = Mapping::new();
        for (key, value) in mapping {
            let Some(key) = key.as_str() else { continue };
            match key.strip_prefix('+') {
                Some(key) => drop(here.insert(key.trim().into(), value.clone())),
                None if !value.is_mapping() => drop(here.insert(key.into(), value.clone())),
                None => {}
            }
        }
        merge(&mut merged, &here);
        level = names
            .next()
            .and_then(|name| mapping.get(name))
            .and_then(Yaml::as_mapping);
    }
    merged
}

/// Put `more` over `base`: tags and hooks add up, maps of `meta` and `column_types` merge, all else replaces.
pub fn merge(base: &mut Mapping, more: &Mapping) {
    for (key, value) in more {
        let Some(name) = key.as_str() else { continue };
        match name {
            "tags" => {
                let mut tags = base.get("tags").and_then(yaml::texts).unwrap_or_default();
                for tag in yaml::texts(value).unwrap_or_default() {
                    if !tags.contains(&tag) {
                        tags.push(tag);
                    }
                }
                base.insert(
                    "tags".into(),
                    tags.into_iter().map(Yaml::from).collect::<Vec<_>>().into(),
                );
            }
            "meta" | "column_types" | "grants" if base.get(name).is_some_and(Yaml::is_mapping) => {
                if let (Some(Yaml::Mapping(old)), Yaml::Mapping(new)) = (base.get_mut(name), value)
                {
                    old.extend(new.clone());
                }
            }
            _ if is_hook(name) => {
                let key = Yaml::from(name.replace('_', "-"));
                let hooks = base.get(&key).and_then(Yaml::as_sequence);
                let mut hooks = hooks.cloned().unwrap_or_default();
                hooks.extend(hook_maps(value));
                base.insert(key, hooks.into());
            }
            "freshness" if base.get(name).is_some_and(Yaml::is_mapping) && value.is_mapping() => {
                if let (Some(Yaml::Mapping(old)), Yaml::Mapping(new)) = (base.get_mut(name), value)
                {
                    old.extend(new.clone());
                }
            }
            // A level that says one way to tell a row's time leaves the other one.
            "loaded_at_field" | "loaded_at_query" => {
                let other = if name == "loaded_at_field" {
                    "loaded_at_query"
                } else {
                    "loaded_at_field"
                };
                if !more.contains_key(other) {
                    base.shift_remove(other);
                }
                base.insert(key.clone(), value.clone());
            }
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}

/// Whether a key of configuration, without its `+`, holds hooks.
pub fn is_hook(key: &str) -> bool {
    matches!(key, "pre-hook" | "post-hook" | "pre_hook" | "post_hook")
}

/// Hooks in the one form that dbt writes: `{sql, transaction, index}`.
fn hook_maps(value: &Yaml) -> Vec<Yaml> {
    let map = |sql: &str, given: &Mapping| {
        let or = |key: &str, default: Yaml| given.get(key).cloned().unwrap_or(default);
        let entries = [
            ("sql", sql.into()),
            ("transaction", or("transaction", true.into())),
            ("index", or("index", Yaml::Null)),
        ];
        let entries = entries.map(|(key, value)| (Yaml::from(key), value));
        Yaml::Mapping(entries.into_iter().collect())
    };
    match value {
        Yaml::Sequence(items) => items.iter().flat_map(hook_maps).collect(),
        Yaml::Mapping(given) => {
            let sql = yaml::text(given, "sql").unwrap_or_default();
            vec![map(sql, given)]
        }
        // `before_begin` and `after_commit` give the map as text.
        Yaml::String(text) => match serde_norway::from_str(text) {
            Ok(Yaml::Mapping(given))
                if text.trim_start().starts_with('{') && given.contains_key("sql") =>
            {
                hook_maps(&Yaml::Mapping(given))
            }
            _ => vec![map(text, &Mapping::new())],
        },
        _ => Vec::new(),
    }
}

/// Whether the node takes part.
pub fn is_enabled(raw: &Mapping) -> bool {
    match raw.get("enabled") {
        Some(Yaml::Bool(enabled)) => *enabled,
        Some(Yaml::String(text)) => !text.eq_ignore_ascii_case("false"),
        _ => true,
    }
}

/// Give merged configuration its types. Errors have no place yet.
pub fn typed(raw: &Mapping, resource_type: ResourceType) -> Result<Config, Diagnostic> {
    let mut config = Config {
        enabled: is_enabled(raw),
        ..Config::default()
    };
    config.materialized = match resource_type {
        ResourceType::Seed => Materialized::Seed,
        ResourceType::Snapshot => Materialized::Snapshot,
        ResourceType::Test | ResourceType::UnitTest => Materialized::Test,
        _ => materialized(raw)?,
    };
    for (key, value) in raw {
        let Some(key) = key.as_str() else { continue };
        match key {
            "enabled" | "materialized" => {}
            "schema" => config.schema = optional_text(key, value)?,
            "alias" => config.alias = optional_text(key, value)?,
            "tags" => config.tags = texts(key, value)?,
            "meta" => {
                config.meta = map_of(key, value, "a map", |item| Some(yaml::to_json(item)))?;
            }
            "partition_by" => {
                config.partition_by = match value.get("field") {
                    Some(field) => texts(key, field)?,
                    None => texts(key, value)?,
                }
            }
            "unique_key" => config.unique_key = texts(key, value)?,
            "incremental_strategy" => config.incremental_strategy = optional_text(key, value)?,
            "full_refresh" => config.full_refresh = truth(key, value)?,
            "column_types" => {
                config.column_types =
                    map_of(key, value, "a map of columns to types", yaml::scalar)?;
            }
            "delimiter" => match yaml::scalar(value).as_deref().map(str::as_bytes) {
                Some([byte]) => config.delimiter = *byte,
                Some(b"\\t") => config.delimiter = b'\t',
                _ => return Err(wrong(key, "one character")),
            },
            "severity" => {
                config.severity = match yaml::scalar(value)
                    .unwrap_or_default()
                    .to_lowercase()
                    .as_str()
                {
                    "warn" => Severity::Warn,
                    "error" => Severity::Error,
                    _ => return Err(wrong(key, "`warn` or `error`")),
                }
            }
            "warn_if" => config.warn_if = condition(key, value)?,
            "error_if" => config.error_if = condition(key, value)?,
            "fail_calc" => {
                config.fail_calc = optional_text(key, value)?.unwrap_or(config.fail_calc);
            }
            "limit" => {
                config.limit = match value {
                    Yaml::Null => None,
                    value => Some(
                        yaml::scalar(value)
                            .and_then(|text| text.parse().ok())
                            .ok_or_else(|| wrong(key, "a whole number"))?,
                    ),
                }
            }
            "where" => config.where_clause = optional_text(key, value)?,
            "store_failures" => config.store_failures = truth(key, value)?,
            "store_failures_as" => config.store_failures_as = stored_as(key, value)?,
            "contract" => {
                config.contract = match value.get("enforced") {
                    Some(enforced) => truth("contract.enforced", enforced)?.unwrap_or(false),
                    None => return Err(wrong(key, "a map with `enforced: true` or `false`")),
                }
            }
            _ => drop(config.extra.insert(key.to_owned(), yaml::to_json(value))),
        }
    }
    // Each says what the other means; `store_failures_as` has the last word, as in dbt.
    if let Some(kind) = config.store_failures_as.as_deref() {
        config.store_failures = Some(kind != "ephemeral");
    } else {
        let kind = |stored| if stored { "table" } else { "ephemeral" }.to_owned();
        config.store_failures_as = config.store_failures.map(kind);
    }
    Ok(config)
}

fn stored_as(key: &str, value: &Yaml) -> Result<Option<String>, Diagnostic> {
    let kind = optional_text(key, value)?;
    match kind.as_deref() {
        None | Some("table" | "view" | "ephemeral") => Ok(kind),
        Some(_) => Err(wrong(key, "`table`, `view` or `ephemeral`")),
    }
}

fn materialized(raw: &Mapping) -> Result<Materialized, Diagnostic> {
    let Some(value) = raw.get("materialized").filter(|value| !value.is_null()) else {
        return Ok(Materialized::View);
    };
    let name = yaml::scalar(value).unwrap_or_default();
    let known = [
        Materialized::Table,
        Materialized::View,
        Materialized::Incremental,
        Materialized::Ephemeral,
    ];
    known
        .into_iter()
        .find(|known| known.as_str() == name)
        .ok_or_else(|| {
            let diagnostic = Diagnostic::new(format!("there is no materialization `{name}`"));
            match nearest(&name, known.iter().map(|known| known.as_str())) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("a model is a table, view, incremental or ephemeral"),
            }
        })
}

fn wrong(key: &str, expected: &str) -> Diagnostic {
    Diagnostic::new(format!("the configuration `{key}` is not {expected}"))
}

fn optional_text(key: &str, value: &Yaml) -> Result<Option<String>, Diagnostic> {
    match value {
        Yaml::Null => Ok(None),
        value => yaml::scalar(value)
            .map(Some)
            .ok_or_else(|| wrong(key, "a text")),
    }
}

fn texts(key: &str, value: &Yaml) -> Result<Vec<String>, Diagnostic> {
    yaml::texts(value).ok_or_else(|| wrong(key, "a text or a list of texts"))
}

fn map_of<T>(
    key: &str,
    value: &Yaml,
    expected: &str,
    item: impl Fn(&Yaml) -> Option<T>,
) -> Result<BTreeMap<String, T>, Diagnostic> {
    let mapping = value.as_mapping().ok_or_else(|| wrong(key, expected))?;
    Ok(mapping
        .iter()
        .filter_map(|(name, value)| Some((yaml::scalar(name)?, item(value)?)))
        .collect())
}

fn truth(key: &str, value: &Yaml) -> Result<Option<bool>, Diagnostic> {
    match value {
        Yaml::Null => Ok(None),
        Yaml::Bool(value) => Ok(Some(*value)),
        Yaml::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Yaml::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(wrong(key, "true or false")),
    }
}

fn condition(key: &str, value: &Yaml) -> Result<Condition, Diagnostic> {
    yaml::scalar(value)
        .as_deref()
        .and_then(Condition::parse)
        .ok_or_else(|| {
            wrong(
                key,
                "a comparison with a whole number, such as `>10` or `!= 0`",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Mapping {
        serde_norway::from_str(text).expect("valid")
    }

    fn fqn(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn inner_folders_stand_over_outer_ones_and_tags_add_up() {
        let section = yaml(
            "p:\n  +materialized: table\n  +tags: [a]\n  silver:\n    +schema: silver\n    +tags: b\n    +materialized: view\n",
        );
        let config = of_folders(&section, &fqn(&["p", "silver", "m"]));
        assert_eq!(config.get("materialized"), Some(&"view".into()));
        assert_eq!(config.get("schema"), Some(&"silver".into()));
        assert_eq!(
            yaml::texts(&config["tags"]),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(of_folders(&section, &fqn(&["other", "m"])), Mapping::new());
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_right() {
        let error = typed(&yaml("materialized: tabel"), ResourceType::Model).expect_err("wrong");
        assert_eq!(error.help.as_deref(), Some("did you mean `table`?"));
        let error = typed(&yaml("limit: many"), ResourceType::Test).expect_err("wrong");
        assert!(error.message.contains("a whole number"));
    }

    #[test]
    fn how_failures_are_stored_has_the_last_word_on_whether_they_are() {
        let stored = |text: &str| {
            let config = typed(&yaml(text), ResourceType::Test).expect("fine");
            (config.store_failures, config.store_failures_as)
        };
        let kind = |name: &str| Some(name.to_owned());
        assert_eq!(stored("{}"), (None, None));
        assert_eq!(stored("store_failures: true"), (Some(true), kind("table")));
        let told = stored("{store_failures: true, store_failures_as: ephemeral}");
        assert_eq!(told, (Some(false), kind("ephemeral")));
        assert_eq!(
            stored("store_failures_as: view"),
            (Some(true), kind("view"))
        );
        assert!(typed(&yaml("store_failures_as: tabel"), ResourceType::Test).is_err());
    }

    #[test]
    fn keys_that_nobody_knows_are_kept() {
        let config = typed(
            &yaml("partition_by: event_date\nmy_key: [1]"),
            ResourceType::Model,
        )
        .expect("fine");
        assert_eq!(config.partition_by, ["event_date"]);
        assert_eq!(config.extra["my_key"], serde_json::json!([1]));
    }
}
