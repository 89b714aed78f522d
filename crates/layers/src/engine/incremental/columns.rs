//! The columns of an incremental model's query against those of its table: `on_schema_change`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use goldrecord_lake::Snapshot;

use crate::diagnostics::Diagnostic;
use crate::engine::plan::in_node;
use crate::manifest::Node;
use crate::{Error, Result};

/// What a change of columns does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnSchemaChange {
    Ignore,
    Fail,
    AppendNewColumns,
    SyncAllColumns,
}

/// How a query's columns meet those of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// The table's columns afterwards.
    pub schema: SchemaRef,
    /// Those that the query gives.
    pub given: BTreeSet<String>,
    /// Whether every row that is there must be written again, for a column goes or changes its type.
    pub rewrite: bool,
}

impl OnSchemaChange {
    const ALL: [(&'static str, Self); 4] = [
        ("ignore", Self::Ignore),
        ("fail", Self::Fail),
        ("append_new_columns", Self::AppendNewColumns),
        ("sync_all_columns", Self::SyncAllColumns),
    ];

    fn of(node: &Node) -> Result<Self, Diagnostic> {
        let Some(value) = node.config.extra.get("on_schema_change") else {
            return Ok(Self::Ignore);
        };
        let name = value.as_str().unwrap_or_default();
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, policy)| *policy).ok_or_else(|| {
            in_node(
                node,
                format!(
                    "{}: `on_schema_change` is {value}, and should be ignore, fail, append_new_columns or sync_all_columns",
                    node.name
                ),
            )
            .nearest(name, Self::ALL.map(|(known, _)| known))
        })
    }
}

impl Columns {
    /// The table's columns once the query's rows are in it, by the model's `on_schema_change`.
    pub fn of(node: &Node, live: &Snapshot, query: &Schema) -> Result<Self> {
        Self::by(node, live, query, OnSchemaChange::of(node)?)
    }

    /// The table's columns, with those of the query that it lacks.
    pub fn appended(node: &Node, live: &Snapshot, query: &Schema) -> Result<Self> {
        Self::by(node, live, query, OnSchemaChange::AppendNewColumns)
    }

    fn by(node: &Node, live: &Snapshot, query: &Schema, policy: OnSchemaChange) -> Result<Self> {
        Ok(
            Self::merged(node, &live.schema, query, policy).and_then(|columns| {
                let kept = |name: &&String| columns.schema.field_with_name(name).is_err();
                match live.partition_columns.iter().find(kept) {
                    None => Ok(columns),
                    Some(name) => Err(in_node(
                        node,
                        format!(
                            "{} no longer gives `{name}`, by which its table is partitioned",
                            node.name
                        ),
                    )
                    .help("give it again, or build the table anew with --full-refresh")),
                }
            })?,
        )
    }

    fn merged(
        node: &Node,
        live: &Schema,
        query: &Schema,
        policy: OnSchemaChange,
    ) -> Result<Self, Diagnostic> {
        let has = |schema: &Schema, field: &Field| schema.field_with_name(field.name()).is_ok();
        let names = |fields: Vec<&Arc<Field>>| {
            let names: Vec<String> = fields
                .iter()
                .map(|field| format!("`{}`", field.name()))
                .collect();
            names.join(", ")
        };
        let added: Vec<&Arc<Field>> = query
            .fields()
            .iter()
            .filter(|field| !has(live, field))
            .collect();
        let gone: Vec<&Arc<Field>> = live
            .fields()
            .iter()
            .filter(|field| !has(query, field))
            .collect();
        let retyped = |field: &Field| {
            let new = query.field_with_name(field.name()).ok()?;
            (!new.data_type().equals_datatype(field.data_type())).then(|| new.clone())
        };
        let changed: Vec<&Arc<Field>> = live
            .fields()
            .iter()
            .filter(|field| retyped(field).is_some())
            .collect();
        let any = !(added.is_empty() && gone.is_empty() && changed.is_empty());
        if policy == OnSchemaChange::Fail && any {
            let mut told = Vec::new();
            for (what, fields) in [
                ("new columns", added),
                ("columns that the query no longer gives", gone),
                ("columns of another type", changed),
            ] {
                if !fields.is_empty() {
                    told.push(format!("{what}: {}", names(fields)));
                }
            }
            return Err(in_node(
                node,
                format!("{} and its table have different columns; {}", node.name, told.join("; ")),
            )
            .help("set `on_schema_change` to append_new_columns or sync_all_columns, or build the table anew with --full-refresh"));
        }
        if policy == OnSchemaChange::Ignore && !gone.is_empty() {
            return Err(in_node(
                node,
                format!("{} no longer gives {}, which its table has", node.name, names(gone)),
            )
            .help("give them again, set `on_schema_change` to append_new_columns or sync_all_columns, or build the table anew with --full-refresh"));
        }
        let given = query
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let mut fields: Vec<Arc<Field>> = live.fields().iter().cloned().collect();
        let rewrite =
            policy == OnSchemaChange::SyncAllColumns && !(gone.is_empty() && changed.is_empty());
        if policy == OnSchemaChange::SyncAllColumns {
            fields.retain(|field| has(query, field));
            for field in &mut fields {
                if let Some(new) = retyped(field) {
                    *field = Arc::new(new);
                }
            }
        }
        if matches!(
            policy,
            OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns
        ) {
            fields.extend(added.into_iter().cloned());
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            given,
            rewrite,
        })
    }
}

/// A plan's rows under these columns: cast where the type is another, null where the plan has none.
pub fn conform(node: &Node, plan: LogicalPlan, schema: &Schema) -> Result<LogicalPlan> {
    let failed = || Error::engine(format!("plan {}", node.name));
    let given = Arc::clone(plan.schema());
    let mut exprs = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let found =
            (0..given.fields().len()).find(|index| given.field(*index).name() == field.name());
        let expr = match found {
            None => cast(lit(ScalarValue::Null), field.data_type().clone()),
            Some(index) => {
                let column = Expr::Column(Column::from(given.qualified_field(index)));
                if given.field(index).data_type() == field.data_type() {
                    column
                } else {
                    cast(column, field.data_type().clone())
                }
            }
        };
        exprs.push(expr.alias(field.name()));
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::manifest::tests::node;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        let fields = fields
            .iter()
            .map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    fn merged(policy: OnSchemaChange) -> Result<Columns, Diagnostic> {
        let live = schema(&[
            ("id", DataType::Int64),
            ("old", DataType::Utf8),
            ("n", DataType::Int32),
        ]);
        let query = schema(&[
            ("new", DataType::Utf8),
            ("n", DataType::Int64),
            ("id", DataType::Int64),
        ]);
        Columns::merged(&node("model.p.m", &[]), &live, &query, policy)
    }

    fn names(columns: &Columns) -> Vec<String> {
        let fields = columns.schema.fields().iter();
        fields
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect()
    }

    #[test]
    fn each_policy_leaves_its_own_columns() {
        let appended = merged(OnSchemaChange::AppendNewColumns).expect("fine");
        assert_eq!(
            names(&appended),
            ["id Int64", "old Utf8", "n Int32", "new Utf8"]
        );
        assert!(
            !appended.rewrite,
            "old files lack the new column, which reads as null"
        );
        let synced = merged(OnSchemaChange::SyncAllColumns).expect("fine");
        assert_eq!(names(&synced), ["id Int64", "n Int64", "new Utf8"]);
        assert!(
            synced.rewrite,
            "a column that comes again must not show what it held"
        );
    }

    #[test]
    fn what_cannot_be_put_in_is_told_by_column() {
        let error = merged(OnSchemaChange::Ignore).expect_err("`old` is missing");
        assert_eq!(
            error.message,
            "m no longer gives `old`, which its table has"
        );
        let error = merged(OnSchemaChange::Fail).expect_err("all three");
        assert_eq!(
            error.message,
            "m and its table have different columns; new columns: `new`; columns that the query no longer gives: `old`; \
             columns of another type: `n`"
        );
    }
}
