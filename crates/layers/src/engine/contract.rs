//! A model's contract: it has the columns and types that its YAML promises, and no others, or nothing is written.

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::introspect::sql_name;
use super::plan;
use crate::Result;
use crate::manifest::{Column, Node};

/// Check a model's plan against what its YAML promises, where that is enforced.
pub async fn check(session: &SessionContext, node: &Node, query: &LogicalPlan) -> Result<()> {
    if !node.config.contract {
        return Ok(());
    }
    let there = plan::table_schema(node, &plan::storable(node, query.clone())?);
    let mut broken = Vec::new();
    for column in &node.columns {
        let name = &column.name;
        let Some(promised) = &column.data_type else {
            broken.push(format!("`{name}` has no `data_type`"));
            continue;
        };
        let wanted = promised_type(session, node, column, promised).await?;
        match there.field_with_name(name) {
            Err(_) => broken.push(format!("`{name}` is promised and not selected")),
            Ok(field) if field.data_type() != wanted.field(0).data_type() => broken.push(format!(
                "`{name}` is {} and is promised to be {promised}",
                sql_name(field.data_type())
            )),
            Ok(_) => {}
        }
    }
    for field in there.fields() {
        if !node
            .columns
            .iter()
            .any(|column| column.name == *field.name())
        {
            broken.push(format!("`{}` is selected and not promised", field.name()));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    let message = format!("{} breaks its contract: {}", node.name, broken.join("; "));
    Err(plan::in_node(node, message)
        .help("mend the `select`, or `columns:` where the contract is written")
        .into())
}

/// The one column of a table that a SQL type makes.
async fn promised_type(
    session: &SessionContext,
    node: &Node,
    column: &Column,
    promised: &str,
) -> Result<arrow::datatypes::SchemaRef> {
    let sql = format!("select cast(null as {promised}) as promised");
    let plan = session.state().create_logical_plan(&sql).await;
    let plan = plan.map_err(|_| {
        let message = format!(
            "the contract of {} promises `{}` the type `{promised}`, which is none",
            node.name, column.name
        );
        plan::in_node(node, message)
            .help("write a type of SQL, such as `bigint`, `varchar` or `decimal(10, 2)`")
    })?;
    Ok(plan::table_schema(node, &plan::storable(node, plan)?))
}
