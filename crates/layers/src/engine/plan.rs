//! SQL to plans, before anything is written; errors with the place in the model's file.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::prelude::SessionContext;

use super::introspect::sql_name;
use super::unions::one_type;
use crate::diagnostics::{Diagnostic, nearest};
use crate::manifest::{Node, TestKind};
use crate::{Error, Result};

/// The plan of a node's SQL over the session's relations, checked down to every type: the same
/// plan over the same relations with rows can run.
pub async fn checked(session: &SessionContext, node: &Node, sql: &str) -> Result<LogicalPlan> {
    let plan = logical(session, node, sql).await?;
    each_once(node, &plan)?;
    session
        .state()
        .optimize(&plan)
        .map_err(|error| explain(session, node, sql, &error))?;
    Ok(plan)
}

/// The plan of a node's SQL over the session's relations.
pub async fn logical(session: &SessionContext, node: &Node, sql: &str) -> Result<LogicalPlan> {
    let plan = session
        .state()
        .create_logical_plan(sql)
        .await
        .and_then(|plan| one_type(session, plan))
        .map_err(|error| explain(session, node, sql, &error))?;
    match plan {
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => Err(in_node(node, format!("{} is no query", node.name))
            .help("write one `select`")
            .into()),
        plan => Ok(plan),
    }
}

/// No table has two columns of one name, whatever the case of their letters.
fn each_once(node: &Node, plan: &LogicalPlan) -> Result<()> {
    let mut seen = BTreeSet::new();
    for field in plan.schema().fields() {
        if !seen.insert(field.name().to_lowercase()) {
            let message = format!("{} has two columns named `{}`", node.name, field.name());
            return Err(in_node(node, message)
                .help("give one of them another name with `as`")
                .into());
        }
    }
    Ok(())
}

/// A plan whose columns have types that a table can hold: the same plan under casts.
pub fn storable(node: &Node, plan: LogicalPlan) -> Result<LogicalPlan> {
    storable_with(node, plan, None)
}

/// The same; a column that is null in every row and has no type gets `untyped`, where that is given.
pub fn storable_with(
    node: &Node,
    plan: LogicalPlan,
    untyped: Option<&DataType>,
) -> Result<LogicalPlan> {
    each_once(node, &plan)?;
    let schema = Arc::clone(plan.schema());
    let mut exprs = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let stored = match (untyped, field.data_type()) {
            (Some(untyped), DataType::Null) => Ok(untyped.clone()),
            _ => stored_type(field),
        };
        let wanted = stored.map_err(|kind| unstorable(node, field.name(), &kind))?;
        let column = Expr::Column(Column::from(schema.qualified_field(index)));
        exprs.push(if &wanted == field.data_type() {
            column.alias(field.name())
        } else {
            cast(column, wanted).alias(field.name())
        });
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Error::engine(format!("plan {}", node.name)))
}

/// The columns of the table that a plan fills: all of them may be null, as bronze's may.
pub fn table_schema(node: &Node, plan: &LogicalPlan) -> SchemaRef {
    let described = |name: &str| {
        node.columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| column.description.trim())
    };
    let fields: Vec<Field> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let stored = Field::new(field.name(), field.data_type().clone(), true);
            match described(field.name()) {
                Some(text) if !text.is_empty() => {
                    stored.with_metadata([("comment".to_owned(), text.to_owned())].into())
                }
                _ => stored,
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// Check that a table's partition columns are there and can name folders.
pub fn check_partitions(node: &Node, schema: &Schema) -> Result<()> {
    for name in &node.config.partition_by {
        let Ok(field) = schema.field_with_name(name) else {
            let wrong = in_node(
                node,
                format!(
                    "`partition_by` names `{name}`, which is no column of {}",
                    node.name
                ),
            );
            let known: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            return Err(wrong
                .help(format!("known: {}", known.join(", ")))
                .nearest(name, known.iter().copied())
                .into());
        };
        if !matches!(
            field.data_type(),
            DataType::Date32
                | DataType::Utf8
                | DataType::Boolean
                | DataType::Timestamp(..)
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
        ) {
            return Err(in_node(
                node,
                format!(
                    "`partition_by` names `{name}`, which is {}",
                    sql_name(field.data_type())
                ),
            )
            .help("partition by a date, a time, text or a whole number")
            .into());
        }
    }
    if !schema.fields().is_empty() && schema.fields().len() == node.config.partition_by.len() {
        return Err(in_node(
            node,
            format!("all columns of {} are partition columns", node.name),
        )
        .help("leave one out of `partition_by`")
        .into());
    }
    Ok(())
}

/// An error in a node's file.
pub fn in_node(node: &Node, message: String) -> Diagnostic {
    Diagnostic::new(message).in_file(&node.original_file_path)
}

/// A column of a type that no table has; `kind` is the type, or one within it.
fn unstorable(node: &Node, column: &str, kind: &DataType) -> Error {
    let (what, into) = match kind {
        DataType::Null => (
            "is null in every row and has no type".to_owned(),
            "the type that it should have, or to text",
        ),
        DataType::Time32(_) | DataType::Time64(_) => (
            "is a time of day, for which Delta tables have no type".to_owned(),
            "text",
        ),
        DataType::Interval(_) | DataType::Duration(_) => (
            "is an interval, for which Delta tables have no type".to_owned(),
            "text, or to a number of seconds",
        ),
        other => (
            format!("is {other}, for which Delta tables have no type"),
            "text",
        ),
    };
    let message = format!(
        "{}: column `{column}` cannot be stored: it {what}",
        node.name
    );
    in_node(node, message)
        .help(format!(
            "cast it in the model's `select` to {into}: `cast({column} as varchar) as {column}`"
        ))
        .into()
}

/// The type under which a column is stored: what every Delta reader can read. Of one that cannot be, the type that stands
/// in the way.
fn stored_type(field: &Field) -> Result<DataType, DataType> {
    Ok(match field.data_type() {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => {
            stored_type(&Field::new(field.name(), value.as_ref().clone(), true))?
        }
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) if *precision <= 38 => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item) | DataType::LargeList(item) => {
            let inner = stored_type(item)?;
            DataType::List(Arc::new(Field::new("element", inner, true)))
        }
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Ok(Field::new(field.name(), stored_type(field)?, true)))
                .collect::<Result<_, DataType>>()?,
        ),
        same @ (DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Decimal128(..)) => same.clone(),
        other => return Err(other.clone()),
    })
}

/// An error of planning as the author of the SQL should read it.
pub(super) fn explain(
    session: &SessionContext,
    node: &Node,
    sql: &str,
    error: &DataFusionError,
) -> Error {
    let (message, help) = said(session, error);
    let place = place_in(sql, error).or_else(|| missing_column_place(sql, error.find_root()));
    let mut diagnostic = in_node(node, format!("{}: {message}", node.name));
    // The text of a generic test is a call that stands in no file.
    let is_call = node
        .test
        .as_ref()
        .is_some_and(|test| matches!(test.kind, TestKind::Generic { .. }));
    if let Some((line, column)) = place.filter(|_| !is_call) {
        let place = node.locate(line, column);
        if !place.text.trim().is_empty() {
            diagnostic = diagnostic.at(place);
        }
    }
    if let Some(help) = help {
        diagnostic = diagnostic.help(help);
    }
    diagnostic.into()
}

/// What is wrong with SQL, and what would mend it.
pub(super) fn said(session: &SessionContext, error: &DataFusionError) -> (String, Option<String>) {
    let root = error.find_root();
    let mut message = first_line(&root.strip_backtrace());
    let mut help = None;
    let mut known: Vec<String> = Vec::new();
    match root {
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                message = format!("no column `{}`", field.name());
                known = valid_fields
                    .iter()
                    .map(|field| field.name().to_owned())
                    .collect();
                known.sort();
                known.dedup();
                help = suggestion(field.name(), &known);
            }
            SchemaError::AmbiguousReference { field } => {
                message = format!("`{}` is a column of several relations", field.name());
                help = Some("write the relation's name before it".to_owned());
            }
            _ => {}
        },
        DataFusionError::SQL(..) => {
            message = message
                .replace("sql parser error: ", "")
                .replace("ParserError(\"", "")
                .replace("\")", "")
                .replace("found: EOF", "and the SQL ends");
            // The place is shown below.
            if let Some(at) = message.find(" at Line: ") {
                message.truncate(at);
            }
        }
        DataFusionError::Plan(text) if text.contains("Invalid function") => {
            let mut lines = text.lines().map(|line| line.replace('\'', "`"));
            let what = lines.next().unwrap_or_default();
            message = what.replace("Invalid function", "no function");
            message.truncate(message.trim_end_matches('.').len());
            help = lines.next().map(|line| line.replace("Did you", "did you"));
        }
        DataFusionError::Plan(text) if text.starts_with("table '") => {
            let name = text.split('\'').nth(1).unwrap_or_default();
            message = format!("no relation `{}`", name.trim_start_matches("lake."));
            known = relations(session);
            help = suggestion(name.trim_start_matches("lake."), &known);
        }
        _ if message.contains("only supports a single SQL statement") => {
            "more than one statement".clone_into(&mut message);
            help = Some("write one `select`, without `;` within".to_owned());
        }
        _ if message.contains("No SQL statements") => {
            "there is no SQL in it".clone_into(&mut message);
            help = Some("write a `select`, or disable the node".to_owned());
        }
        _ => {}
    }
    if help.is_none() && !known.is_empty() {
        help = Some(format!("known: {}", known.join(", ")));
    }
    (message, help)
}

/// Line and column in the compiled SQL, from the diagnostic's span or the parser's words.
fn place_in(sql: &str, error: &DataFusionError) -> Option<(usize, usize)> {
    let span = error.diagnostic().and_then(|diagnostic| {
        diagnostic
            .span
            .or_else(|| diagnostic.notes.iter().find_map(|note| note.span))
            .or_else(|| diagnostic.helps.iter().find_map(|help| help.span))
    });
    if let Some(span) = span {
        return Some((span.start.line as usize, span.start.column as usize));
    }
    let text = error.strip_backtrace();
    let (_, rest) = text.split_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let place = (line.parse().ok()?, column.parse().ok()?);
    // Past the end of the text the parser says 0.
    Some(if place.0 == 0 {
        (sql.lines().count().max(1), 1)
    } else {
        place
    })
}

/// Where a column that is not found stands as a word, for errors that come without a span.
fn missing_column_place(sql: &str, error: &DataFusionError) -> Option<(usize, usize)> {
    let DataFusionError::SchemaError(error, _) = error else {
        return None;
    };
    let (SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field }) =
        error.as_ref()
    else {
        return None;
    };
    sql.lines().enumerate().find_map(|(index, line)| {
        line.find(field.name())
            .map(|at| (index + 1, line[..at].chars().count() + 1))
    })
}

fn suggestion(name: &str, known: &[String]) -> Option<String> {
    nearest(name, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
}

fn first_line(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Internal error: ",
    ]
    .iter()
    .fold(text.to_owned(), |text, prefix| text.replace(prefix, ""))
}

/// The relations that a session sees, as `schema.name`.
fn relations(session: &SessionContext) -> Vec<String> {
    let Some(catalog) = session.catalog(crate::manifest::DATABASE) else {
        return Vec::new();
    };
    catalog
        .schema_names()
        .into_iter()
        .filter_map(|name| Some((catalog.schema(&name)?, name)))
        .flat_map(|(schema, name)| {
            schema
                .table_names()
                .into_iter()
                .map(move |table| format!("{name}.{table}"))
        })
        .collect()
}
