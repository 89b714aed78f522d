//! Which output partitions the changes touch, and which input files those partitions come from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::prelude::SessionContext;
use goldrecord_lake::{AddFile, Snapshot};

use super::scan::{partition_rows, partition_value};
use super::state::{Difference, Upstream};
use super::ways::Replace;
use crate::{Error, Result};

/// Values of an output partition column.
pub type Values = HashSet<ScalarValue>;

/// The output partitions that lie so many days from those that changed input files belong to.
pub fn partitions(
    session: &SessionContext,
    replace: &Replace,
    days: RangeInclusive<i32>,
    output: &Field,
    upstreams: &[Upstream],
    differences: &[Difference],
) -> Result<Values> {
    let mut touched = Values::new();
    for (table, exprs) in &replace.restricted {
        let Some(upstream) = upstreams.iter().find(|upstream| upstream.name == *table) else {
            continue;
        };
        for difference in differences
            .iter()
            .filter(|difference| difference.change.table == *table)
        {
            let files: Vec<&AddFile> = difference.added.iter().chain(&difference.removed).collect();
            for of_file in outputs(session, exprs, days.clone(), output, upstream, &files)? {
                touched.extend(of_file);
            }
        }
    }
    Ok(touched)
}

/// For each table that can be read in part: the live files from whose partitions the wanted ones lie
/// so many days.
pub fn inputs(
    session: &SessionContext,
    replace: &Replace,
    days: RangeInclusive<i32>,
    output: &Field,
    upstreams: &[Upstream],
    wanted: &Values,
) -> Result<BTreeMap<String, Vec<AddFile>>> {
    let mut kept = BTreeMap::new();
    for (table, exprs) in &replace.restricted {
        let Some(upstream) = upstreams.iter().find(|upstream| upstream.name == *table) else {
            continue;
        };
        let files = upstream.files();
        let refs: Vec<&AddFile> = files.iter().collect();
        let of_files = outputs(session, exprs, days.clone(), output, upstream, &refs)?;
        let files = files
            .iter()
            .zip(of_files)
            .filter(|(_, outputs)| outputs.iter().any(|value| wanted.contains(value)))
            .map(|(file, _)| file.clone())
            .collect();
        kept.insert(table.clone(), files);
    }
    Ok(kept)
}

/// How many bytes of data files each output partition is computed from.
pub fn weights(
    session: &SessionContext,
    replace: &Replace,
    output: &Field,
    upstreams: &[Upstream],
) -> Result<HashMap<ScalarValue, i64>> {
    let mut weights = HashMap::new();
    for (table, exprs) in &replace.restricted {
        let Some(upstream) = upstreams.iter().find(|upstream| upstream.name == *table) else {
            continue;
        };
        let files = upstream.files();
        let refs: Vec<&AddFile> = files.iter().collect();
        let days = replace.reach.of_partitions();
        let of_files = outputs(session, exprs, days, output, upstream, &refs)?;
        for (file, values) in files.iter().zip(of_files) {
            for value in values {
                *weights.entry(value).or_default() += file.size;
            }
        }
    }
    Ok(weights)
}

/// The live files of the output that hold those partitions.
pub fn live_files(live: &Snapshot, output: &Field, values: &Values) -> Result<Vec<AddFile>> {
    live.files
        .values()
        .filter_map(|file| match partition_value(file, output) {
            Ok(value) if values.contains(&value) => Some(Ok(file.clone())),
            Ok(_) => None,
            Err(error) => Some(Err(Error::engine("read a partition's value")(error))),
        })
        .collect()
}

/// The plan's rows of those partitions alone.
pub fn only(plan: LogicalPlan, output: &Field, values: &Values) -> Result<LogicalPlan> {
    filtered(plan, output, values, false)
}

/// The plan's rows of all other partitions.
pub fn except(plan: LogicalPlan, output: &Field, values: &Values) -> Result<LogicalPlan> {
    filtered(plan, output, values, true)
}

fn filtered(
    plan: LogicalPlan,
    output: &Field,
    values: &Values,
    others: bool,
) -> Result<LogicalPlan> {
    let index = plan
        .schema()
        .fields()
        .iter()
        .position(|field| field.name() == output.name())
        .expect("the output has its partition column");
    let key = super::lineage::column_at(plan.schema(), index);
    let list: Vec<Expr> = values
        .iter()
        .filter(|value| !value.is_null())
        .map(|value| lit(value.clone()))
        .collect();
    let mut wanted = key.clone().in_list(list, false);
    if values.iter().any(ScalarValue::is_null) {
        wanted = wanted.or(key.clone().is_null());
        if output.data_type() == &DataType::Utf8 {
            wanted = wanted.or(key.eq(lit("")));
        }
    }
    if others {
        // Where it cannot be told, the value is null and no partition of these.
        wanted = wanted.is_not_true();
    }
    LogicalPlanBuilder::from(plan)
        .filter(wanted)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Error::engine("filter the touched partitions"))
}

/// For each file the output partitions of its own, so many days later.
fn outputs(
    session: &SessionContext,
    exprs: &[Expr],
    days: RangeInclusive<i32>,
    output: &Field,
    upstream: &Upstream,
    files: &[&AddFile],
) -> Result<Vec<Values>> {
    let wrong = || {
        Error::engine(format!(
            "map partitions of {} to those of the model",
            upstream.name
        ))
    };
    let fields: Vec<FieldRef> = upstream
        .snapshot
        .partition_columns
        .iter()
        .filter_map(|name| upstream.snapshot.schema.field_with_name(name).ok())
        .map(|field| Arc::new(field.clone()))
        .collect();
    let mut found = vec![Values::new(); files.len()];
    if files.is_empty() {
        return Ok(found);
    }
    let rows = partition_rows(&fields, &files.iter().copied()).map_err(wrong())?;
    let schema = DFSchema::try_from(rows.schema()).map_err(wrong())?;
    for expr in exprs {
        let value_of = session
            .create_physical_expr(expr.clone(), &schema)
            .map_err(wrong())?;
        for days in days.clone() {
            let shifted = shift(&rows, days).map_err(|error| wrong()(error.into()))?;
            let values = value_of
                .evaluate(&shifted)
                .and_then(|values| values.into_array(shifted.num_rows()))
                .and_then(|values| Ok(arrow::compute::cast(&values, output.data_type())?))
                .map_err(wrong())?;
            for (index, of_file) in found.iter_mut().enumerate() {
                of_file.insert(value_at(&values, index).map_err(wrong())?);
            }
        }
    }
    Ok(found)
}

/// The partition value in a row; the empty text is null to Delta.
pub fn value_at(values: &ArrayRef, row: usize) -> datafusion::error::Result<ScalarValue> {
    let value = ScalarValue::try_from_array(values, row)?;
    match value.try_as_str() {
        Some(Some("")) => ScalarValue::try_from(values.data_type()),
        _ => Ok(value),
    }
}

/// The same rows with every date so many days later.
fn shift(rows: &RecordBatch, days: i32) -> Result<RecordBatch, arrow::error::ArrowError> {
    if days == 0 {
        return Ok(rows.clone());
    }
    let columns = rows
        .columns()
        .iter()
        .map(|column| -> ArrayRef {
            match column.data_type() {
                DataType::Date32 => Arc::new(
                    column
                        .as_primitive::<Date32Type>()
                        .unary::<_, Date32Type>(|day| day + days),
                ),
                _ => Arc::clone(column),
            }
        })
        .collect();
    RecordBatch::try_new(rows.schema(), columns)
}
