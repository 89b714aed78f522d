//! How new rows join those of the table: `incremental_strategy` and what belongs to it.

use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_lake::Snapshot;
use serde_json::Value;

use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::engine::plan::in_node;
use crate::manifest::Node;
use crate::microbatch::{BatchSize, STRATEGY, Settings, Window};

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
    /// The rows of a batch's window go first, and only new rows in it come.
    Microbatch {
        /// The column that tells a row's time.
        event_time: String,
        /// The batch.
        window: Window,
        /// Conditions that a row that goes must fulfil besides.
        predicates: Vec<String>,
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
const KNOWN: [&str; 5] = [
    "append",
    "delete+insert",
    "merge",
    "insert_overwrite",
    STRATEGY,
];

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
            STRATEGY => {
                let settings = Settings::of(node)?
                    .expect("an incremental model of this strategy has settings");
                Ok(Self::Microbatch {
                    window: settings.first(),
                    event_time: settings.event_time,
                    predicates: predicates()?,
                })
            }
            other => Err(in_node(
                node,
                format!("{}: there is no incremental strategy `{other}`", node.name),
            )
            .help("append, delete+insert, merge, insert_overwrite or microbatch")
            .nearest(other, KNOWN)),
        }
    }

    /// As log lines name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::DeleteInsert { .. } => "delete+insert",
            Self::Merge { .. } => "merge",
            Self::Microbatch { .. } => STRATEGY,
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
            Self::Microbatch { event_time, .. } => {
                format!("microbatch: the rows of each batch, by {event_time}, are replaced")
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
        if let Self::Microbatch { event_time, .. } = self {
            named.push(("event_time", event_time));
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
        if let Self::Microbatch { event_time, .. } = self {
            return tells_time(node, event_time, schema);
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

/// The column by which rows belong to a batch is a time.
fn tells_time(node: &Node, column: &str, schema: &Schema) -> Result<()> {
    let kind = schema.field_with_name(column).map(Field::data_type);
    let Ok(kind) = kind else { return Ok(()) };
    let by_hour = Settings::of(node)?.is_some_and(|settings| settings.size == BatchSize::Hour);
    let (what, mend) = match kind {
        DataType::Timestamp(..) => return Ok(()),
        DataType::Date32 if !by_hour => return Ok(()),
        DataType::Date32 => (
            "a date, and its batches are hours".to_owned(),
            "take a timestamp, or `batch_size='day'`".to_owned(),
        ),
        other => (
            format!("no time: its type is {other}"),
            format!("cast it in the model's SQL: cast({column} as timestamp) as {column}"),
        ),
    };
    let message = format!("{}: `event_time` is `{column}`, which is {what}", node.name);
    Err(in_node(node, message).help(mend).into())
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
