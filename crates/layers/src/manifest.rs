//! The data model of a loaded project: nodes, their configuration, and what they depend on.
//!
//! Terms and unique ids are dbt's, so that `ls` of both lists the same names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

pub use crate::diagnostics::SourceLocation;

/// The one database name of the lake: relations are `"lake"."<schema>"."<identifier>"`.
pub const DATABASE: &str = "lake";

/// A project as loaded: every enabled node by its unique id.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The project's `name`.
    pub project: String,
    /// The folder that holds `dbt_project.yml`.
    pub root: PathBuf,
    /// Where compiled SQL goes, below the root.
    pub target_path: String,
    /// The profile's target that is in use.
    pub target: String,
    /// Whether that target is the profile's own default, so that its builds may be published.
    pub is_default_target: bool,
    /// The target's schema, for models that set none.
    pub schema: String,
    /// Threads of the target, when the profile says so.
    pub threads: Option<usize>,
    /// Enabled nodes by unique id; sources and exposures included.
    pub nodes: BTreeMap<String, Node>,
    /// Remarks that do not stop the load, such as configuration paths that match nothing.
    pub warnings: Vec<String>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    /// A `select` in the model paths.
    Model,
    /// A CSV file in the seed paths.
    Seed,
    /// A table that others write (here: bronze).
    Source,
    /// A query for rows that must not exist.
    Test,
    /// Something outside that reads models.
    Exposure,
    /// A query that is compiled and never run.
    Analysis,
}

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
    /// A test's query.
    Test,
}

/// Where a node's rows lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Relation {
    /// Always [`DATABASE`].
    pub database: String,
    /// `bronze`, `silver`, …
    pub schema: String,
    /// The table's name.
    pub identifier: String,
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
    /// Its description.
    pub description: String,
    /// Where its rows lie. `None` for exposures, analyses and ephemeral models.
    pub relation: Option<Relation>,
    /// For a test: what it tests and how.
    pub test: Option<Test>,
    /// For a source's table: the source's name.
    pub source_name: Option<String>,
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

/// A condition on a test's number of failures, such as `!= 0` or `> 10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How the two are compared.
    pub comparison: Comparison,
    /// With what the failures are compared.
    pub value: i64,
}

/// A comparison of a [`Condition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
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
    /// Tests: whether the failing rows are kept as a table.
    pub store_failures: bool,
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
            store_failures: false,
            extra: BTreeMap::new(),
        }
    }
}

impl Config {
    fn to_json(&self) -> Value {
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
        });
        if let Value::Object(map) = &mut config {
            map.extend(self.extra.clone());
        }
        config
    }
}

impl Manifest {
    /// The node with this unique id.
    pub fn node(&self, unique_id: &str) -> Option<&Node> {
        self.nodes.get(unique_id)
    }

    /// Nodes of one type, by unique id.
    pub fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &Node> {
        self.nodes
            .values()
            .filter(move |node| node.resource_type == resource_type)
    }

    /// The model, seed or source table whose rows lie at `relation`.
    pub fn at(&self, relation: &Relation) -> Option<&Node> {
        self.nodes.values().find(|node| {
            node.resource_type != ResourceType::Test && node.relation.as_ref() == Some(relation)
        })
    }

    /// Tests whose query reads the node, by unique id.
    pub fn tests_of(&self, unique_id: &str) -> impl Iterator<Item = &Node> {
        self.of_type(ResourceType::Test)
            .filter(move |test| test.depends_on.iter().any(|upstream| upstream == unique_id))
    }

    /// The nodes that read each node directly.
    pub fn children(&self) -> BTreeMap<&str, Vec<&Node>> {
        let mut children: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for node in self.nodes.values() {
            for upstream in &node.depends_on {
                children.entry(upstream).or_default().push(node);
            }
        }
        children
    }

    /// `unique_ids` in an order in which every node comes after what it reads; equals by name.
    ///
    /// The manifest has no cycles: loading refuses them.
    pub fn in_order(&self, unique_ids: &BTreeSet<String>) -> Vec<&Node> {
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        for unique_id in unique_ids {
            self.visit(unique_id, &mut done, &mut order);
        }
        order.retain(|node| unique_ids.contains(&node.unique_id));
        order
    }

    fn visit<'a>(
        &'a self,
        unique_id: &str,
        done: &mut BTreeSet<String>,
        order: &mut Vec<&'a Node>,
    ) {
        let Some(node) = self.nodes.get(unique_id) else {
            return;
        };
        if !done.insert(unique_id.to_owned()) {
            return;
        }
        for upstream in &node.depends_on {
            self.visit(upstream, done, order);
        }
        order.push(node);
    }
}

impl Node {
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

    /// Whether the node is a table or view of the lake that a build writes.
    pub fn is_built(&self) -> bool {
        matches!(self.resource_type, ResourceType::Model | ResourceType::Seed)
            && self.config.materialized != Materialized::Ephemeral
    }

    /// Its configuration, with keys as templates and selectors name them.
    pub fn config_json(&self) -> Value {
        let mut config = self.config.to_json();
        // Nobody keeps the rows of these, so most keys mean nothing.
        if let (ResourceType::Source | ResourceType::Exposure, Value::Object(map)) =
            (self.resource_type, &mut config)
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

    /// Its name with the schema, as in log lines: `silver.fct_listens`.
    pub fn display_name(&self) -> String {
        match (&self.relation, self.resource_type) {
            (Some(relation), ResourceType::Model | ResourceType::Seed | ResourceType::Source) => {
                format!("{}.{}", relation.schema, relation.identifier)
            }
            _ => self.name.clone(),
        }
    }
}

impl Relation {
    /// A relation of the lake.
    pub fn new(schema: impl Into<String>, identifier: impl Into<String>) -> Self {
        Self {
            database: DATABASE.to_owned(),
            schema: schema.into(),
            identifier: identifier.into(),
        }
    }

    /// The table's folder in the lake: `silver/fct_listens`.
    pub fn table_path(&self) -> String {
        format!("{}/{}", self.schema, self.identifier)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        write!(
            f,
            "{}.{}.{}",
            quoted(&self.database),
            quoted(&self.schema),
            quoted(&self.identifier)
        )
    }
}

impl ResourceType {
    /// As in unique ids and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Source => "source",
            Self::Test => "test",
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

impl Materialized {
    /// As in configuration and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
            Self::Seed => "seed",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Materialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Condition {
    /// `!= 0`
    pub const ANY: Self = Self {
        comparison: Comparison::NotEqual,
        value: 0,
    };

    /// Read a condition such as `>10` or `!= 0`: a comparison with a whole number.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (comparison, rest) = [
            ("!=", Comparison::NotEqual),
            ("<>", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))?;
        Some(Self {
            comparison,
            value: rest.trim().parse().ok()?,
        })
    }

    /// Whether it holds for so many failures.
    pub const fn holds(self, failures: i64) -> bool {
        match self.comparison {
            Comparison::Equal => failures == self.value,
            Comparison::NotEqual => failures != self.value,
            Comparison::Less => failures < self.value,
            Comparison::LessOrEqual => failures <= self.value,
            Comparison::Greater => failures > self.value,
            Comparison::GreaterOrEqual => failures >= self.value,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        };
        write!(f, "{sign} {}", self.value)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A node with this unique id that reads those.
    pub(crate) fn node(unique_id: &str, depends_on: &[&str]) -> Node {
        let name = unique_id.rsplit('.').next().unwrap_or(unique_id);
        let resource_type = match unique_id.split('.').next() {
            Some("test") => ResourceType::Test,
            Some("source") => ResourceType::Source,
            Some("seed") => ResourceType::Seed,
            _ => ResourceType::Model,
        };
        Node {
            unique_id: unique_id.to_owned(),
            resource_type,
            package: "p".to_owned(),
            name: name.to_owned(),
            fqn: vec!["p".to_owned(), name.to_owned()],
            path: format!("{name}.sql"),
            original_file_path: format!("models/{name}.sql"),
            patch_path: None,
            raw_code: String::new(),
            compiled_code: None,
            compiled_incremental: None,
            config: Config::default(),
            depends_on: depends_on.iter().map(|id| (*id).to_owned()).collect(),
            columns: Vec::new(),
            description: String::new(),
            relation: Some(Relation::new("silver", name)),
            test: None,
            source_name: None,
            fingerprint: String::new(),
        }
    }

    /// A manifest of these nodes.
    pub(crate) fn manifest(nodes: impl IntoIterator<Item = Node>) -> Manifest {
        Manifest {
            project: "p".to_owned(),
            root: PathBuf::new(),
            target_path: "target".to_owned(),
            target: "prod".to_owned(),
            is_default_target: true,
            schema: "main".to_owned(),
            threads: None,
            nodes: nodes
                .into_iter()
                .map(|node| (node.unique_id.clone(), node))
                .collect(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_condition_reads_as_dbt_writes_it() {
        let condition = Condition::parse(">10").expect("valid");
        assert!(condition.holds(11) && !condition.holds(10));
        assert_eq!(Condition::parse(" != 0 "), Some(Condition::ANY));
        assert_eq!(Condition::parse("ten"), None);
    }

    #[test]
    fn a_relation_is_quoted() {
        assert_eq!(
            Relation::new("silver", "a\"b").to_string(),
            r#""lake"."silver"."a""b""#
        );
        assert_eq!(Relation::new("silver", "t").table_path(), "silver/t");
    }
}
