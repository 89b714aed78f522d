//! Properties files: what YAML says about models, seeds, sources and exposures.

mod constraints;
mod keys;

use serde_norway::{Mapping, Value as Yaml};

use self::keys::{COLUMN, EXPOSURE, NODE, NOT_RUN, SOURCE, TABLE, TOP, UNIT_TEST};
use super::config;
use super::generic_tests::TestCall;
use super::macros::{self, MacroProperties};
use super::yaml::{self, File};
use crate::diagnostics::Diagnostic;
use crate::manifest::{Column, Constraint};
use crate::{Error, Result};

/// Everything one file says.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    /// Under `models`, `seeds` and `snapshots`.
    pub nodes: Vec<NodeProperties>,
    /// Tables under `sources`.
    pub tables: Vec<TableProperties>,
    /// Under `exposures`.
    pub exposures: Vec<ExposureProperties>,
    /// Under `macros`.
    pub macros: Vec<MacroProperties>,
    /// Under `unit_tests`.
    pub unit_tests: Vec<UnitProperties>,
    /// Remarks.
    pub warnings: Vec<String>,
}

/// What stands about a model, seed or source table.
#[derive(Clone, Debug)]
pub struct Common {
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// `config`, with `tags` and `meta` that stand beside it.
    pub config: Mapping,
    /// The columns.
    pub columns: Vec<Column>,
    /// The tests of columns and of the whole, with the tags they get from their column.
    pub tests: Vec<PlacedTest>,
}

/// A test under a table or a column of it.
#[derive(Clone, Debug)]
pub struct PlacedTest {
    /// The test.
    pub call: TestCall,
    /// The column, unquoted.
    pub column: Option<String>,
    /// Tags of the column.
    pub tags: Vec<String>,
}

/// A model, seed or snapshot.
#[derive(Clone, Debug)]
pub struct NodeProperties {
    /// `models`, `seeds` or `snapshots`.
    pub section: &'static str,
    /// What a snapshot that YAML alone declares is of: `ref('…')`.
    pub relation: Option<String>,
    /// A model's constraints, those of its columns included.
    pub constraints: Vec<Constraint>,
    /// What stands about it.
    pub common: Common,
}

/// A source's table.
#[derive(Clone, Debug)]
pub struct TableProperties {
    /// The source's name.
    pub source: String,
    /// The source's schema.
    pub schema: String,
    /// The table's name in the lake.
    pub identifier: String,
    /// What stands about it.
    pub common: Common,
}

/// A unit test.
#[derive(Clone, Debug)]
pub struct UnitProperties {
    /// The name.
    pub name: String,
    /// All that stands about it.
    pub content: Mapping,
}

/// An exposure.
#[derive(Clone, Debug)]
pub struct ExposureProperties {
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// `config`, with `tags` and `meta` that stand beside it.
    pub config: Mapping,
    /// `ref(…)` and `source(…)` calls.
    pub depends_on: Vec<String>,
}

impl Properties {
    /// Read a file's content. `render` gives strings with Jinja their values.
    pub fn read(file: &File, render: &dyn Fn(&Yaml) -> Result<Yaml>) -> Result<Self> {
        let mut properties = Self::default();
        for unknown in file.check_keys(&file.content, TOP, "this file", None)? {
            properties
                .warnings
                .push(format!("{}: the key `{unknown}` is not read", file.path));
        }
        for key in NOT_RUN {
            if file.content.contains_key(*key) {
                properties
                    .warnings
                    .push(format!("{}: `{key}` are not run by this engine", file.path));
            }
        }
        for section in ["models", "seeds", "snapshots"] {
            for entry in file.list(&file.content, section, None)? {
                let (mapping, name) = file.name_of(entry, section)?;
                properties.unknown(
                    file,
                    file.check_keys(mapping, NODE, &format!("`{name}`"), Some(name))?,
                );
                if mapping.contains_key("versions") {
                    let diagnostic =
                        Diagnostic::new(format!("`{name}` has versions, which are not supported"));
                    return Err(file.at_key(diagnostic, "versions", Some(name)).into());
                }
                let quote = mapping
                    .get("quote_columns")
                    .and_then(Yaml::as_bool)
                    .unwrap_or(false);
                let common =
                    properties.common(file, mapping, name, quote, &Mapping::new(), render)?;
                let (constraints, unknown) = match section {
                    "models" => constraints::of_model(file, mapping, name, render)?,
                    // As in dbt, nothing else has a contract.
                    _ => (Vec::new(), Vec::new()),
                };
                properties.unknown(file, unknown);
                properties.nodes.push(NodeProperties {
                    section,
                    constraints,
                    relation: yaml::text(mapping, "relation").map(str::to_owned),
                    common,
                });
            }
        }
        for entry in file.list(&file.content, "sources", None)? {
            properties.source(file, entry, render)?;
        }
        let (macros, unknown) = macros::properties(file, render)?;
        properties.macros = macros;
        properties.unknown(file, unknown);
        for entry in file.list(&file.content, "unit_tests", None)? {
            let (mapping, name) = file.name_of(entry, "unit_tests")?;
            let what = format!("the unit test `{name}`");
            properties.unknown(
                file,
                file.check_keys(mapping, UNIT_TEST, &what, Some(name))?,
            );
            properties.unit_tests.push(UnitProperties {
                name: name.to_owned(),
                content: mapping.clone(),
            });
        }
        for entry in file.list(&file.content, "exposures", None)? {
            let (mapping, name) = file.name_of(entry, "exposures")?;
            properties.unknown(
                file,
                file.check_keys(mapping, EXPOSURE, &format!("`{name}`"), Some(name))?,
            );
            properties.exposures.push(ExposureProperties {
                name: name.to_owned(),
                description: text_of(render, mapping, "description")?,
                config: configuration(file, mapping, name, render)?,
                depends_on: file
                    .list(mapping, "depends_on", Some(name))?
                    .iter()
                    .filter_map(|call| call.as_str().map(str::to_owned))
                    .collect(),
            });
        }
        Ok(properties)
    }

    fn unknown(&mut self, file: &File, keys: Vec<String>) {
        self.warnings.extend(
            keys.into_iter()
                .map(|key| format!("{}: the key `{key}` is not read", file.path)),
        );
    }

    fn source(
        &mut self,
        file: &File,
        entry: &Yaml,
        render: &dyn Fn(&Yaml) -> Result<Yaml>,
    ) -> Result<()> {
        let (mapping, source) = file.name_of(entry, "sources")?;
        self.unknown(
            file,
            file.check_keys(
                mapping,
                SOURCE,
                &format!("the source `{source}`"),
                Some(source),
            )?,
        );
        let inherited = configuration(file, mapping, source, render)?;
        let schema = text_of(render, mapping, "schema")?;
        for entry in file.list(mapping, "tables", Some(source))? {
            let (table, name) = file.name_of(entry, "tables")?;
            self.unknown(
                file,
                file.check_keys(table, TABLE, &format!("`{source}.{name}`"), Some(name))?,
            );
            let identifier = text_of(render, table, "identifier")?;
            let quote_all = [mapping, table].iter().any(|level| {
                level
                    .get("quoting")
                    .and_then(|quoting| quoting.get("column"))
                    .and_then(Yaml::as_bool)
                    == Some(true)
            });
            let common = self.common(file, table, name, quote_all, &inherited, render)?;
            self.tables.push(TableProperties {
                source: source.to_owned(),
                schema: if schema.is_empty() {
                    source.to_owned()
                } else {
                    schema.clone()
                },
                identifier: if identifier.is_empty() {
                    name.to_owned()
                } else {
                    identifier
                },
                common,
            });
        }
        Ok(())
    }

    fn common(
        &mut self,
        file: &File,
        mapping: &Mapping,
        name: &str,
        quote_columns: bool,
        inherited: &Mapping,
        render: &dyn Fn(&Yaml) -> Result<Yaml>,
    ) -> Result<Common> {
        let mut config = inherited.clone();
        config::merge(&mut config, &configuration(file, mapping, name, render)?);
        let inherited_tags = inherited
            .get("tags")
            .and_then(yaml::texts)
            .unwrap_or_default();
        let mut common = Common {
            name: name.to_owned(),
            description: text_of(render, mapping, "description")?,
            config,
            columns: Vec::new(),
            tests: Vec::new(),
        };
        for entry in file.list(mapping, "columns", Some(name))? {
            let (column, column_name) = file.name_of(entry, "columns")?;
            let what = format!("the column `{column_name}` of `{name}`");
            self.unknown(file, file.check_keys(column, COLUMN, &what, Some(name))?);
            let settings = configuration(file, column, column_name, render)?;
            let tags = settings
                .get("tags")
                .and_then(yaml::texts)
                .unwrap_or_default();
            let quoted = column
                .get("quote")
                .and_then(Yaml::as_bool)
                .unwrap_or(quote_columns);
            let argument = if quoted {
                format!("\"{column_name}\"")
            } else {
                column_name.to_owned()
            };
            let mut test_tags = inherited_tags.clone();
            test_tags.extend(tags.iter().cloned());
            for call in tests(file, column, name, Some(&argument), render)? {
                common.tests.push(PlacedTest {
                    call,
                    column: Some(column_name.to_owned()),
                    tags: test_tags.clone(),
                });
            }
            common.columns.push(Column {
                name: column_name.to_owned(),
                description: text_of(render, column, "description")?,
                data_type: yaml::text(column, "data_type").map(str::to_owned),
                tags,
                meta: settings
                    .get("meta")
                    .and_then(Yaml::as_mapping)
                    .map(|meta| {
                        meta.iter()
                            .filter_map(|(key, item)| {
                                Some((yaml::scalar(key)?, yaml::to_json(item)))
                            })
                            .collect()
                    })
                    .unwrap_or_default(),
            });
        }
        for call in tests(file, mapping, name, None, render)? {
            common.tests.push(PlacedTest {
                call,
                column: None,
                tags: inherited_tags.clone(),
            });
        }
        Ok(common)
    }
}

fn tests(
    file: &File,
    mapping: &Mapping,
    name: &str,
    column: Option<&str>,
    render: &dyn Fn(&Yaml) -> Result<Yaml>,
) -> Result<Vec<TestCall>> {
    let mut calls = Vec::new();
    for key in ["data_tests", "tests"] {
        for entry in file.list(mapping, key, Some(name))? {
            let mut call = TestCall::read(entry, column)
                .map_err(|diagnostic| Error::from(file.at_key(diagnostic, key, Some(name))))?;
            let description = render(&Yaml::from(call.description.as_str()))?;
            call.description = yaml::scalar(&description).unwrap_or_default();
            calls.push(call);
        }
    }
    Ok(calls)
}

/// `config` of an entry, with the `tags` and `meta` that may stand beside it, rendered.
fn configuration(
    file: &File,
    mapping: &Mapping,
    name: &str,
    render: &dyn Fn(&Yaml) -> Result<Yaml>,
) -> Result<Mapping> {
    let mut config = Mapping::new();
    for key in [
        "tags",
        "meta",
        "group",
        "access",
        "freshness",
        "loaded_at_field",
    ] {
        if let Some(value) = mapping.get(key) {
            config.insert(key.into(), value.clone());
        }
    }
    config::merge(&mut config, &file.map(mapping, "config", Some(name))?);
    if let Some(query) = mapping.get("loaded_at_query") {
        config.insert("loaded_at_query".into(), query.clone());
    }
    // Templates for when the table is known.
    let mut later = Mapping::new();
    for key in ["loaded_at_query", "pre-hook", "post-hook"] {
        if let Some(value) = config.shift_remove(key) {
            later.insert(key.into(), value);
        }
    }
    let rendered = render(&Yaml::Mapping(config))?;
    let mut config = rendered.as_mapping().cloned().unwrap_or_default();
    config.extend(later);
    Ok(config)
}

/// The text under a key, rendered; empty where there is none.
pub(super) fn text_of(
    render: &dyn Fn(&Yaml) -> Result<Yaml>,
    mapping: &Mapping,
    key: &str,
) -> Result<String> {
    match mapping.get(key) {
        Some(value) => Ok(yaml::scalar(&render(value)?).unwrap_or_default()),
        None => Ok(String::new()),
    }
}
