//! Nodes: models, seeds, source tables, tests, exposures and analyses.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Config, Constraint, Freshness, Materialized, Relation, UnitTest};
use crate::diagnostics::SourceLocation;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    /// A `select` in the model paths.
    Model,
    /// A CSV file in the seed paths.
    Seed,
    /// A query whose rows are kept in every state they were in.
    Snapshot,
    /// A table that others write (here: bronze).
    Source,
    /// A query for rows that must not exist.
    Test,
    /// Given rows, and those that a model should make of them.
    UnitTest,
    /// Something outside that reads models.
    Exposure,
    /// A query that is compiled and never run.
    Analysis,
}

impl ResourceType {
    /// As in unique ids and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Source => "source",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
            Self::Exposure => "exposure",
            Self::Analysis => "analysis",
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One node of the project.
#[derive(Clone, Debug)]
pub struct Node {
    /// `model.<package>.<name>`, `source.<package>.<source>.<table>`, `test.<package>.<name>.<hash>` …
    pub unique_id: String,
    /// What it is.
    pub resource_type: ResourceType,
    /// The package that defines it.
    pub package: String,
    /// Its name; for a source's table the table's name.
    pub name: String,
    /// The folders and the name that globs and folder configuration match.
    pub fqn: Vec<String>,
    /// Below its resource path: `silver/fct_listens.sql`.
    pub path: String,
    /// Below the project's root: `models/silver/fct_listens.sql`.
    pub original_file_path: String,
    /// Where its package lies below the project's root: empty for the project's own, `dbt_packages/tools`.
    pub package_folder: String,
    /// The YAML file with its description, when there is one (below the root).
    pub patch_path: Option<String>,
    /// The file's text; for a generic test the call of its macro.
    pub raw_code: String,
    /// The SQL that fills it (a model: the whole table; a test: the failing rows). `None` for
    /// seeds, sources and exposures.
    pub compiled_code: Option<String>,
    /// An `incremental` model's SQL for the case that its table is there already.
    pub compiled_incremental: Option<String>,
    /// Its configuration, from all places merged.
    pub config: Config,
    /// Unique ids of the nodes it reads, in order of first mention.
    pub depends_on: Vec<String>,
    /// Columns in the order of the YAML file.
    pub columns: Vec<Column>,
    /// A model's constraints, those of columns included: what a contract that is enforced promises of its rows.
    pub constraints: Vec<Constraint>,
    /// Its description.
    pub description: String,
    /// Where its rows lie. `None` for exposures, analyses and ephemeral models.
    pub relation: Option<Relation>,
    /// For a test: what it tests and how.
    pub test: Option<Test>,
    /// For a unit test: what is given and what is expected.
    pub unit_test: Option<Box<UnitTest>>,
    /// For a source's table: the source's name.
    pub source_name: Option<String>,
    /// For a source's table: how old its newest row may be.
    pub freshness: Option<Freshness>,
    /// SHA-256 (hex) of the compiled SQL and the configuration that changes the rows or their
    /// layout. Two nodes with equal fingerprints write equal tables from equal inputs.
    pub fingerprint: String,
}

/// A column as the YAML describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The SQL type that a contract asks for.
    pub data_type: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Free keys.
    pub meta: BTreeMap<String, Value>,
}

/// What a test tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// How it is written.
    pub kind: TestKind,
    /// The node that the test stands under: its model, seed or source table. Singular: none.
    pub attached: Option<String>,
}

/// A test's form.
#[derive(Clone, Debug, PartialEq)]
pub enum TestKind {
    /// A call of a `{% test %}` block.
    Generic {
        /// `unique`, `not_null` …
        name: String,
        /// The package before the dot, when the YAML names one.
        namespace: Option<String>,
        /// The column it stands under.
        column: Option<String>,
        /// Its arguments, `column_name` included and `model` not.
        arguments: BTreeMap<String, Value>,
    },
    /// A file in the test paths.
    Singular,
}

impl Node {
    /// A node with no more than this: no text, no relation, the default configuration.
    pub(crate) fn new(
        unique_id: impl Into<String>,
        resource_type: ResourceType,
        package: &str,
        name: &str,
    ) -> Self {
        Self {
            unique_id: unique_id.into(),
            resource_type,
            package: package.to_owned(),
            name: name.to_owned(),
            fqn: Vec::new(),
            path: String::new(),
            original_file_path: String::new(),
            package_folder: String::new(),
            patch_path: None,
            raw_code: String::new(),
            compiled_code: None,
            compiled_incremental: None,
            config: Config::default(),
            depends_on: Vec::new(),
            columns: Vec::new(),
            constraints: Vec::new(),
            description: String::new(),
            relation: None,
            test: None,
            unit_test: None,
            source_name: None,
            freshness: None,
            fingerprint: String::new(),
        }
    }

    /// The source line that a place of the compiled SQL came from, as well as can be told.
    /// Lines and columns count from 1.
    pub fn locate(&self, line: usize, column: usize) -> SourceLocation {
        let compiled = self.compiled_code.as_deref().unwrap_or_default();
        crate::diagnostics::locate(
            &self.original_file_path,
            &self.raw_code,
            compiled,
            line,
            column,
        )
    }

    /// Its file below its package's folder, as dbt names it.
    pub fn file_in_package(&self) -> &str {
        self.in_package(&self.original_file_path)
    }

    /// A path of its package, which is one below the project's root, below the package's folder.
    pub fn in_package<'a>(&self, path: &'a str) -> &'a str {
        let below = path.strip_prefix(&self.package_folder);
        below.unwrap_or(path).trim_start_matches('/')
    }

    /// Whether the node is a table or view of the lake that a build writes.
    pub fn is_built(&self) -> bool {
        matches!(
            self.resource_type,
            ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot
        ) && self.config.materialized != Materialized::Ephemeral
    }

    /// Its configuration, with keys as templates and selectors name them.
    pub fn config_json(&self) -> Value {
        let mut config = self.config.to_json();
        // Nobody keeps the rows of these, so most keys mean nothing.
        if let (
            ResourceType::Source | ResourceType::Exposure | ResourceType::UnitTest,
            Value::Object(map),
        ) = (self.resource_type, &mut config)
        {
            map.retain(|key, _| {
                matches!(key.as_str(), "enabled" | "meta" | "tags")
                    || self.config.extra.contains_key(key)
            });
        }
        config
    }

    /// `meta.<key>` of its configuration.
    pub fn meta(&self, key: &str) -> Option<&Value> {
        self.config.meta.get(key)
    }

    /// Its name with the schema, as in log lines: `silver.fct_listens`; a unit test's with its model, `fct_listens::a_test`.
    pub fn display_name(&self) -> String {
        if let Some(unit) = &self.unit_test {
            return format!("{}::{}", unit.model, self.name);
        }
        match (&self.relation, self.resource_type) {
            (Some(_), ResourceType::Test) | (None, _) => self.name.clone(),
            (Some(relation), _) => format!("{}.{}", relation.schema, relation.identifier),
        }
    }
}
