//! How new rows join those of the table: `incremental_strategy` and what belongs to it.

use arrow::datatypes::Schema;
use goldrecord_lake::Snapshot;
use serde_json::Value;

use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::engine::plan::in_node;
use crate::manifest::Node;

/// How new rows join those of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// They are added.
    Append,
    /// Rows with the key of a new one go first.
    DeleteInsert {
        /// The key's columns.
        key: Vec<String>,
        /// Conditions that a row that goes must fulfil besides.
        predicates: Vec<String>,
    },
    /// Rows with the key of a new one take its values; the others are added.
    Merge {
        /// The key's columns.
        key: Vec<String>,
        /// Conditions of a match besides the key.
        predicates: Vec<String>,
        /// Which columns take the new values.
        update: Update,
    },
    /// The partitions that new rows belong to are replaced; without partitions, everything.
    InsertOverwrite,
}

/// Which columns of a matched row a merge changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// All.
    All,
    /// These: `merge_update_columns`.
    Only(Vec<String>),
    /// All but these: `merge_exclude_columns`.
    Except(Vec<String>),
}

/// The strategies by their names in dbt.
const KNOWN: [&str; 4] = ["append", "delete+insert", "merge", "insert_overwrite"];

impl Strategy {
    /// The strategy that the model's configuration names; without a name, the key decides.
    pub fn of(node: &Node) -> Result<Self> {
        Ok(Self::read(node)?)
    }

    fn read(node: &Node) -> Result<Self, Diagnostic> {
        let key = node.config.unique_key.clone();
        let default = if key.is_empty() {
            "append"
        } else {
            "delete+insert"
        };
        let name = node
            .config
            .incremental_strategy
            .as_deref()
            .unwrap_or(default);
        let predicates = || texts(node, &["incremental_predicates", "predicates"]);
        match name {
            "append" => Ok(Self::Append),
            // As in dbt: without a key nothing is found to go or to change.
            "delete+insert" | "merge" | "default" if key.is_empty() => Ok(Self::Append),
            "delete+insert" | "default" => Ok(Self::DeleteInsert {
                key,
                predicates: predicates()?,
            }),
            "merge" => Ok(Self::Merge {
                key,
                predicates: predicates()?,
                update: Update::of(node)?,
            }),
            "insert_overwrite" => Ok(Self::InsertOverwrite),
            other => Err(in_node(
                node,
                format!("{}: there is no incremental strategy `{other}`", node.name),
            )
            .help("append, delete+insert, merge or insert_overwrite")
            .nearest(other, KNOWN)),
        }
    }

    /// As log lines name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::DeleteInsert { .. } => "delete+insert",
            Self::Merge { .. } => "merge",
            Self::InsertOverwrite => "insert_overwrite",
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Append => "append: the new rows are added".to_owned(),
            Self::DeleteInsert { key, .. } => format!(
                "delete+insert: rows with the ({}) of a new one are replaced",
                key.join(", ")
            ),
            Self::Merge { key, .. } => {
                format!(
                    "merge: rows with the ({}) of a new one take its values",
                    key.join(", ")
                )
            }
            Self::InsertOverwrite => {
                "insert_overwrite: the partitions of the new rows are replaced".to_owned()
            }
        }
    }

    /// The columns that it names are there.
    pub fn check(&self, node: &Node, schema: &Schema) -> Result<()> {
        let mut named: Vec<(&str, &String)> = Vec::new();
        if let Self::DeleteInsert { key, .. } | Self::Merge { key, .. } = self {
            named.extend(key.iter().map(|column| ("unique_key", column)));
        }
        match self {
            Self::Merge {
                update: Update::Only(columns),
                ..
            } => {
                named.extend(
                    columns
                        .iter()
                        .map(|column| ("merge_update_columns", column)),
                );
            }
            Self::Merge {
                update: Update::Except(columns),
                ..
            } => {
                named.extend(
                    columns
                        .iter()
                        .map(|column| ("merge_exclude_columns", column)),
                );
            }
            _ => {}
        }
        for (what, column) in named {
            if schema.field_with_name(column).is_err() {
                let known = schema.fields().iter().map(|field| field.name().as_str());
                return Err(in_node(
                    node,
                    format!(
                        "`{what}` names `{column}`, which is no column of {}",
                        node.name
                    ),
                )
                .nearest(column, known)
                .into());
            }
        }
        Ok(())
    }

    /// What is replaced by partition is partitioned as the model says.
    pub fn check_partitions(&self, node: &Node, live: &Snapshot) -> Result<()> {
        if *self != Self::InsertOverwrite || live.partition_columns == node.config.partition_by {
            return Ok(());
        }
        let said = |columns: &[String]| match columns {
            [] => "nothing".to_owned(),
            columns => format!("`{}`", columns.join("`, `")),
        };
        Err(in_node(
            node,
            format!(
                "{} replaces partitions by {}, and its table has them by {}",
                node.name,
                said(&node.config.partition_by),
                said(&live.partition_columns)
            ),
        )
        .help("build the table anew with --full-refresh")
        .into())
    }
}

impl Update {
    fn of(node: &Node) -> Result<Self, Diagnostic> {
        let only = texts(node, &["merge_update_columns"])?;
        let except = texts(node, &["merge_exclude_columns"])?;
        match (only.is_empty(), except.is_empty()) {
            (true, true) => Ok(Self::All),
            (false, true) => Ok(Self::Only(only)),
            (true, false) => Ok(Self::Except(except)),
            (false, false) => Err(in_node(
                node,
                format!(
                    "{} sets both `merge_update_columns` and `merge_exclude_columns`",
                    node.name
                ),
            )
            .help("leave one of them out")),
        }
    }

    /// Whether a matched row takes the new value of this column.
    pub fn takes(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(columns) => columns.iter().any(|named| named == column),
            Self::Except(columns) => !columns.iter().any(|named| named == column),
        }
    }
}

/// A text or list of texts under the first of these keys that is set.
fn texts(node: &Node, keys: &[&str]) -> Result<Vec<String>, Diagnostic> {
    let set = keys
        .iter()
        .find_map(|key| Some((key, node.config.extra.get(*key)?)));
    let Some((key, value)) = set else {
        return Ok(Vec::new());
    };
    let wrong = || {
        in_node(
            node,
            format!("{}: `{key}` is not a text or a list of texts", node.name),
        )
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::node;

    fn model(strategy: Option<&str>, key: &[&str]) -> Node {
        let mut model = node("model.p.m", &[]);
        model.config.incremental_strategy = strategy.map(str::to_owned);
        model.config.unique_key = key.iter().map(|name| (*name).to_owned()).collect();
        model
    }

    #[test]
    fn a_strategy_without_a_name_goes_by_the_key() {
        assert_eq!(Strategy::read(&model(None, &[])), Ok(Strategy::Append));
        let keyed = Strategy::read(&model(None, &["id"])).expect("fine");
        assert_eq!(keyed.name(), "delete+insert");
        assert_eq!(
            Strategy::read(&model(Some("merge"), &[])),
            Ok(Strategy::Append)
        );
        let wrong = Strategy::read(&model(Some("mergee"), &["id"])).expect_err("no such strategy");
        assert_eq!(
            wrong.message,
            "m: there is no incremental strategy `mergee`"
        );
    }

    #[test]
    fn a_merge_changes_the_columns_it_names() {
        let mut model = model(Some("merge"), &["id"]);
        model
            .config
            .extra
            .insert("merge_exclude_columns".into(), serde_json::json!(["a"]));
        let Ok(Strategy::Merge { update, .. }) = Strategy::read(&model) else {
            panic!("a merge");
        };
        assert!(update.takes("b") && !update.takes("a"));
        model
            .config
            .extra
            .insert("merge_update_columns".into(), serde_json::json!("b"));
        assert!(Strategy::read(&model).is_err(), "both at once say nothing");
    }
}
