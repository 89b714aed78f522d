//! The keys that properties files may have.

/// Of a file.
pub const TOP: &[&str] = &[
    "version",
    "models",
    "seeds",
    "sources",
    "exposures",
    "snapshots",
    "macros",
    "analyses",
    "data_tests",
    "tests",
    "unit_tests",
    "metrics",
    "semantic_models",
    "saved_queries",
    "groups",
    "functions",
    "anchors",
];
/// Kinds of node that are read over, with a warning.
pub const NOT_RUN: &[&str] = &["metrics", "semantic_models", "saved_queries", "functions"];
/// Of a model, seed or snapshot.
pub const NODE: &[&str] = &[
    "name",
    "description",
    "columns",
    "data_tests",
    "tests",
    "config",
    "meta",
    "tags",
    "docs",
    "access",
    "group",
    "constraints",
    "latest_version",
    "versions",
    "deprecation_date",
    "quote_columns",
    "time_spine",
    "primary_entity",
    "agg_time_dimension",
    "semantic_model",
    "metrics",
    "derived_semantics",
    // A snapshot's.
    "relation",
];
/// Of a column.
pub const COLUMN: &[&str] = &[
    "name",
    "description",
    "data_tests",
    "tests",
    "config",
    "meta",
    "tags",
    "docs",
    "quote",
    "data_type",
    "constraints",
    "policy_tags",
    "granularity",
    "entity",
    "dimension",
];
/// Of a source.
pub const SOURCE: &[&str] = &[
    "name",
    "description",
    "tables",
    "schema",
    "database",
    "config",
    "meta",
    "tags",
    "loader",
    "quoting",
    "overrides",
    "freshness",
    "loaded_at_field",
    "loaded_at_query",
];
/// Of a source's table.
pub const TABLE: &[&str] = &[
    "name",
    "description",
    "columns",
    "data_tests",
    "tests",
    "config",
    "meta",
    "tags",
    "identifier",
    "external",
    "loader",
    "quoting",
    "freshness",
    "loaded_at_field",
    "loaded_at_query",
    "docs",
];
/// Of a unit test.
pub const UNIT_TEST: &[&str] = &[
    "name",
    "description",
    "model",
    "given",
    "expect",
    "overrides",
    "config",
];
/// Of an exposure.
pub const EXPOSURE: &[&str] = &[
    "name",
    "label",
    "type",
    "description",
    "url",
    "maturity",
    "owner",
    "depends_on",
    "meta",
    "tags",
    "config",
];
