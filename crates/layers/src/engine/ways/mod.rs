//! Which way is safe to bring a table up to date: decided from its plan and from what changed.
//!
//! [`Shape::of`] reads the plan once; [`Shape::choose`] then decides, for the changes at hand. Both
//! are pure. Whatever cannot be shown safe is built in full, with the reason in words.

mod grouped;
mod merged;
mod one_per_key;
mod reach;
mod row_wise;
mod shape;

use datafusion::logical_expr::Expr;

pub use merged::Part;
pub use reach::Reach;
pub(crate) use row_wise::has_subquery;
pub use shape::{Shape, keys_of};

/// What changed in one upstream table since it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table's full name.
    pub table: String,
    /// What.
    pub kind: ChangeKind,
}

/// What changed in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Nothing.
    None,
    /// Files came; none went.
    Added,
    /// Files went, and others may have come.
    Removed,
    /// It cannot be told.
    Unknown(String),
}

/// How a table is brought up to date.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// It is as it should be.
    Unchanged,
    /// The query over the added files; its rows are added.
    Append,
    /// The query over the added files; rows whose key is not there yet are added.
    AppendNewKeys {
        /// The output columns that make the key.
        keys: Vec<String>,
        /// The way for partitions where a new row contradicts one that is there.
        otherwise: Replace,
    },
    /// The query over the added files; its rows and those that are there are put together, group by group.
    Merge {
        /// The output columns, and what each is to a group.
        columns: Vec<(String, Part)>,
        /// How the touched output partitions are found, where there are any.
        within: Option<Replace>,
    },
    /// The rows of the keys that the added files have rows of are computed anew.
    ReplaceKeys {
        /// The output column that holds the key.
        key: String,
        /// The way where there are many keys.
        otherwise: Replace,
    },
    /// The touched output partitions are computed anew.
    Replace(Replace),
    /// Everything is computed anew.
    Full {
        /// Why nothing less will do.
        why: String,
    },
}

/// What it takes to compute some output partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Replace {
    /// The output partition column.
    pub column: String,
    /// For each table that can be read in part: the output's value as an expression over the
    /// table's partition columns. Several when the plan scans the table several times.
    pub restricted: Vec<(String, Vec<Expr>)>,
    /// The days that partitions draw on.
    pub reach: Reach,
}

/// What it takes to build a table some partitions at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct InParts {
    /// How a partition is computed.
    pub replace: Replace,
    /// Whether the partitions of the tables read in part are all that the output can have.
    pub covers: bool,
}

/// `silver.fct_listens` of `lake.silver.fct_listens`.
pub fn short(table: &str) -> String {
    let mut parts: Vec<&str> = table.rsplitn(3, '.').take(2).collect();
    parts.reverse();
    parts.join(".")
}

#[cfg(test)]
mod tests;
