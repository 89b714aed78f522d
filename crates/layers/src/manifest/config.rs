//! A node's configuration, typed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Condition;

/// How a model's rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialized {
    /// A table whose content is always the query's result.
    Table,
    /// A query under a name.
    View,
    /// A table that the model's own `is_incremental()` SQL adds to.
    Incremental,
    /// A query that is put into its readers as a common table expression.
    Ephemeral,
    /// A CSV file's rows.
    Seed,
    /// The states that a query's rows were in.
    Snapshot,
    /// A test's query.
    Test,
}

impl Materialized {
    /// As in configuration and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Materialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a failing test means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run goes on.
    Warn,
    /// The run fails and what reads the model is skipped.
    #[default]
    Error,
}

/// A node's configuration. Keys that are not here are in `extra`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Always true in a manifest: what is disabled is not in it.
    pub enabled: bool,
    /// How it is kept.
    pub materialized: Materialized,
    /// The custom schema, before `generate_schema_name`.
    pub schema: Option<String>,
    /// The custom name, before `generate_alias_name`.
    pub alias: Option<String>,
    /// Tags from all places, without doubles.
    pub tags: Vec<String>,
    /// Free keys, merged from all places.
    pub meta: BTreeMap<String, Value>,
    /// Columns that the table's folders are named by.
    pub partition_by: Vec<String>,
    /// An incremental model's key.
    pub unique_key: Vec<String>,
    /// An incremental model's strategy.
    pub incremental_strategy: Option<String>,
    /// Overrides `--full-refresh` for this node.
    pub full_refresh: Option<bool>,
    /// Seeds: SQL types by column.
    pub column_types: BTreeMap<String, String>,
    /// Seeds: what separates fields.
    pub delimiter: u8,
    /// Tests: what failing means.
    pub severity: Severity,
    /// Tests: the condition on the failures that warns.
    pub warn_if: Condition,
    /// Tests: the condition on the failures that fails.
    pub error_if: Condition,
    /// Tests: how the failures are counted over the query's rows.
    pub fail_calc: String,
    /// Tests: at most so many failing rows are read.
    pub limit: Option<u64>,
    /// Tests: only rows for which this SQL holds are tested (already in the compiled SQL).
    pub where_clause: Option<String>,
    /// Tests: whether the failing rows are kept; `None` where nothing says so, which `--store-failures` decides.
    pub store_failures: Option<bool>,
    /// Tests: as what, in dbt's words. A view is kept as a table, since what it would read may not be committed.
    pub store_failures_as: Option<String>,
    /// Models: whether the columns that the YAML promises are all there, with their types, and no others.
    pub contract: bool,
    /// Every other key, as written.
    pub extra: BTreeMap<String, Value>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            materialized: Materialized::View,
            schema: None,
            alias: None,
            tags: Vec::new(),
            meta: BTreeMap::new(),
            partition_by: Vec::new(),
            unique_key: Vec::new(),
            incremental_strategy: None,
            full_refresh: None,
            column_types: BTreeMap::new(),
            delimiter: b',',
            severity: Severity::Error,
            warn_if: Condition::ANY,
            error_if: Condition::ANY,
            fail_calc: "count(*)".to_owned(),
            limit: None,
            where_clause: None,
            store_failures: None,
            store_failures_as: None,
            contract: false,
            extra: BTreeMap::new(),
        }
    }
}

impl Config {
    /// With keys as templates and selectors name them.
    pub(super) fn to_json(&self) -> Value {
        let mut config = serde_json::json!({
            "enabled": self.enabled,
            "materialized": self.materialized,
            "schema": self.schema,
            "alias": self.alias,
            "tags": self.tags,
            "meta": self.meta,
            "partition_by": self.partition_by,
            "unique_key": self.unique_key,
            "incremental_strategy": self.incremental_strategy,
            "full_refresh": self.full_refresh,
            "column_types": self.column_types,
            "severity": self.severity,
            "warn_if": self.warn_if.to_string(),
            "error_if": self.error_if.to_string(),
            "fail_calc": self.fail_calc,
            "limit": self.limit,
            "where": self.where_clause,
            "store_failures": self.store_failures,
            "store_failures_as": self.store_failures_as,
            "contract": {"enforced": self.contract},
        });
        if let Value::Object(map) = &mut config {
            map.extend(self.extra.clone());
        }
        config
    }
}
