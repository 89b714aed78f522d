//! How a snapshot is configured.

use serde_json::Value;

use crate::diagnostics::Diagnostic;
use crate::engine::plan::in_node;
use crate::manifest::Node;

/// When a row counts as changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Its time is later than the row's that is there.
    Timestamp,
    /// One of these columns differs; `None`: any column.
    Check(Option<Vec<String>>),
}

/// What becomes of rows that the query no longer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HardDeletes {
    /// Nothing.
    Ignore,
    /// They are no longer valid.
    Invalidate,
    /// They are no longer valid, and a row says that they are deleted.
    NewRecord,
}

/// How a snapshot is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// SQL of the key.
    pub key: Vec<String>,
    /// When a row counts as changed.
    pub changed: Changed,
    /// SQL of the time of a row's state.
    pub updated_at: String,
    /// What becomes of rows that are gone.
    pub hard_deletes: HardDeletes,
    /// SQL of `dbt_valid_to` in rows that are valid; `None`: null.
    pub current: Option<String>,
    /// The names of dbt's columns.
    pub names: Names,
}

/// The names of dbt's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `dbt_scd_id`.
    pub scd_id: String,
    /// `dbt_updated_at`.
    pub updated_at: String,
    /// `dbt_valid_from`.
    pub valid_from: String,
    /// `dbt_valid_to`.
    pub valid_to: String,
    /// `dbt_is_deleted`.
    pub is_deleted: String,
}

impl Settings {
    /// What the node's configuration says; `now` is the build's time as SQL.
    pub fn of(node: &Node, now: &str) -> Result<Self, Diagnostic> {
        let key = node.config.unique_key.clone();
        if key.is_empty() {
            return Err(wrong(
                node,
                "has no `unique_key`",
                "name the column, or the list of columns, that tells its rows apart",
            ));
        }
        let (changed, updated_at) = strategy(node, now)?;
        Ok(Self {
            key,
            changed,
            updated_at,
            hard_deletes: hard_deletes(node)?,
            current: text(node, "dbt_valid_to_current"),
            names: Names::of(node),
        })
    }
}

impl Names {
    fn of(node: &Node) -> Self {
        let named = |key: &str| {
            let names = node.config.extra.get("snapshot_meta_column_names");
            let name = names
                .and_then(|names| names.get(key))
                .and_then(Value::as_str);
            name.unwrap_or(key).to_owned()
        };
        Self {
            scd_id: named("dbt_scd_id"),
            updated_at: named("dbt_updated_at"),
            valid_from: named("dbt_valid_from"),
            valid_to: named("dbt_valid_to"),
            is_deleted: named("dbt_is_deleted"),
        }
    }
}

/// When a row counts as changed, and SQL of the time of its state.
fn strategy(node: &Node, now: &str) -> Result<(Changed, String), Diagnostic> {
    let updated_at = text(node, "updated_at");
    let check_cols = node
        .config
        .extra
        .get("check_cols")
        .filter(|value| !value.is_null());
    match text(node, "strategy").as_deref() {
        Some("timestamp") if check_cols.is_some() => Err(wrong(
            node,
            "has the strategy timestamp and `check_cols`",
            "leave `check_cols` out, or use the strategy check",
        )),
        Some("timestamp") => match updated_at {
            Some(updated_at) => Ok((Changed::Timestamp, updated_at)),
            None => Err(wrong(
                node,
                "has the strategy timestamp and no `updated_at`",
                "name the column that says when a row was changed",
            )),
        },
        Some("check") => {
            let changed = checked(check_cols).ok_or_else(|| {
                wrong(
                    node,
                    "has the strategy check, and `check_cols` is neither 'all' nor a list of columns",
                    "name the columns whose change counts",
                )
            })?;
            Ok((changed, updated_at.unwrap_or_else(|| now.to_owned())))
        }
        Some(other) => Err(wrong(
            node,
            &format!("has the strategy `{other}`"),
            "the strategies are timestamp and check",
        )
        .nearest(other, ["timestamp", "check"])),
        None => Err(wrong(
            node,
            "has no `strategy`",
            "set `strategy` to timestamp or check",
        )),
    }
}

/// What `check_cols` says.
fn checked(value: Option<&Value>) -> Option<Changed> {
    match value? {
        Value::String(all) if all == "all" => Some(Changed::Check(None)),
        Value::Array(names) if !names.is_empty() => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names
                .collect::<Option<Vec<String>>>()
                .map(|names| Changed::Check(Some(names)))
        }
        _ => None,
    }
}

fn hard_deletes(node: &Node) -> Result<HardDeletes, Diagnostic> {
    let invalidate = node
        .config
        .extra
        .get("invalidate_hard_deletes")
        .and_then(Value::as_bool);
    match (text(node, "hard_deletes").as_deref(), invalidate) {
        (Some(_), Some(_)) => Err(wrong(
            node,
            "sets both `hard_deletes` and `invalidate_hard_deletes`",
            "leave the latter out",
        )),
        (Some("ignore") | None, None | Some(false)) => Ok(HardDeletes::Ignore),
        (Some("invalidate"), None) | (None, Some(true)) => Ok(HardDeletes::Invalidate),
        (Some("new_record"), None) => Ok(HardDeletes::NewRecord),
        (Some(other), None) => Err(wrong(
            node,
            &format!("has `hard_deletes: {other}`"),
            "it is ignore, invalidate or new_record",
        )
        .nearest(other, ["ignore", "invalidate", "new_record"])),
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.config
        .extra
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn wrong(node: &Node, what: &str, help: &str) -> Diagnostic {
    in_node(node, format!("the snapshot {} {what}", node.name)).help(help.to_owned())
}
