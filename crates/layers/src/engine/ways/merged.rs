//! Plans whose groups are added to: what new rows give is put together with what there is, and no old row is read.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable as _, LogicalPlan};

use super::grouped::{Groups, is_compared};

/// What a column of the output is to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of its keys.
    Key,
    /// A number or a sum: two parts add up.
    Sum,
    /// The least value: of two, the lesser.
    Least,
    /// The greatest value: of two, the greater.
    Greatest,
    /// Whether any row is so: either part.
    Any,
    /// Whether all rows are so: both parts.
    All,
}

/// What two rows of one group are put together by.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The output's columns.
    pub columns: Vec<(String, Part)>,
    /// The tables of which new rows may be read alone.
    pub linear: Vec<String>,
}

/// How rows of one group are put together, where each column of
/// `select keys, count(…), sum(…), min(…), max(…), … from <row-wise> group by keys` is one of these, and all keys are
/// there.
pub(super) fn merged(plan: &LogicalPlan) -> Result<Merged, String> {
    let groups = Groups::of(plan)?;
    if groups.keys() == 0 {
        return Err("all rows make one".to_owned());
    }
    let mut columns = Vec::with_capacity(groups.columns.len());
    let mut is_there = vec![false; groups.keys()];
    for (expr, field) in groups.columns.iter().zip(plan.schema().fields()) {
        let unknown = || format!("two parts of `{}` cannot be put together", field.name());
        let (expr, is_zeroed) = unwrapped(expr, &groups.aggregate.schema);
        let place = groups.place(expr).ok_or_else(unknown)?;
        let part = if place < groups.keys() {
            is_there[place] = true;
            (!is_zeroed && is_told_apart(field.data_type())).then_some(Part::Key)
        } else {
            let function = &groups.aggregate.aggr_expr[place - groups.keys()];
            part_of(function, field.data_type(), is_zeroed)
        };
        columns.push((field.name().clone(), part.ok_or_else(unknown)?));
    }
    if is_there.contains(&false) {
        return Err("not all keys of the groups are in the result".to_owned());
    }
    Ok(Merged {
        columns,
        linear: groups.rows.linear,
    })
}

/// An expression without what leaves its value as it is, and whether it is 0 where it would be null.
fn unwrapped<'a>(expr: &'a Expr, schema: &DFSchema) -> (&'a Expr, bool) {
    let mut expr = expr;
    let mut is_zeroed = false;
    loop {
        expr = match expr {
            Expr::Alias(alias) => &alias.expr,
            Expr::Cast(Cast { expr: inner, field }) if keeps(inner, field.data_type(), schema) => {
                inner
            }
            Expr::ScalarFunction(function) if function.func.name() == "coalesce" => {
                match function.args.as_slice() {
                    [inner, zero] if is_zero(zero) => {
                        is_zeroed = true;
                        inner
                    }
                    _ => return (expr, is_zeroed),
                }
            }
            _ => return (expr, is_zeroed),
        };
    }
}

/// Whether a value is the same in another type: fractions that are cut off, say, add up to something else.
fn keeps(expr: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    let is_text = |of: &DataType| {
        matches!(
            of,
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
        )
    };
    expr.get_type(schema).is_ok_and(|from| {
        from == *to
            || (is_text(&from) && is_text(to))
            || (from.is_integer() && *to == DataType::Int64)
    })
}

fn is_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_zero(&alias.expr),
        Expr::Cast(cast) => is_zero(&cast.expr),
        Expr::Literal(value, _) => value
            .cast_to(&DataType::Float64)
            .is_ok_and(|zero| zero == ScalarValue::Float64(Some(0.0))),
        _ => false,
    }
}

/// What a function makes of a group, for values of this type; `is_zeroed` where it is 0 instead of null.
fn part_of(function: &Expr, data_type: &DataType, is_zeroed: bool) -> Option<Part> {
    let function = match function {
        Expr::Alias(alias) => return part_of(&alias.expr, data_type, is_zeroed),
        Expr::AggregateFunction(function) => function,
        _ => return None,
    };
    if function.params.distinct || !function.params.order_by.is_empty() {
        return None;
    }
    // A sum of floating-point numbers depends on their order.
    let adds_up = matches!(data_type, DataType::Int64 | DataType::Decimal128(..));
    match function.func.name() {
        "count" | "sum" if adds_up => Some(Part::Sum),
        _ if is_zeroed => None,
        "min" if is_ordered(data_type) => Some(Part::Least),
        "max" if is_ordered(data_type) => Some(Part::Greatest),
        "bool_or" => Some(Part::Any),
        "bool_and" => Some(Part::All),
        _ => None,
    }
}

/// Whether values of a type are equal exactly where they fall into one group.
fn is_told_apart(data_type: &DataType) -> bool {
    is_compared(data_type)
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Decimal128(..)
        )
}

/// Whether of two values of a type one is the lesser, or both are the same.
fn is_ordered(data_type: &DataType) -> bool {
    is_told_apart(data_type) || data_type.is_floating()
}
