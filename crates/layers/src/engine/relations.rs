//! What each relation of a query is: files of the lake, a view, or the rows a plan will have.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col, lit};
use goldrecord_lake::{AddFile, Snapshot};

use super::scan::LakeScan;
use crate::manifest::{DATABASE, Relation};
use crate::{Error, Result};

/// The column that says what a row of bronze is.
const KIND: &str = "_kind";
/// The partition column of bronze; null exactly in files without good rows.
const EVENT_DATE: &str = "event_date";
/// What a relation's name ends with when it stands for a topic's bad records.
const QUARANTINE: &str = "$quarantine";

/// Which rows of a table a relation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// A bronze table's events.
    Good,
    /// A bronze table's bad records.
    Bad,
}

/// The table's path in the lake and the rows of it that a source's relation stands for.
pub fn of_source(relation: &Relation) -> (String, Rows) {
    let path = relation.table_path();
    match path.strip_suffix(QUARANTINE) {
        Some(topic) => (topic.to_owned(), Rows::Bad),
        None => (path, Rows::Good),
    }
}

impl Rows {
    /// `Good` and `Bad` are told apart in bronze alone; any other table's rows are all the same.
    pub fn in_table(self, snapshot: &Snapshot) -> Self {
        let is_bronze = snapshot.partition_columns == [EVENT_DATE]
            && snapshot.schema.field_with_name(KIND).is_ok();
        if is_bronze { self } else { Self::All }
    }

    /// Whether a file can hold such rows.
    pub fn are_in(self, file: &AddFile) -> bool {
        let has_date = file
            .partition_values
            .get(EVENT_DATE)
            .is_some_and(Option::is_some);
        match self {
            Self::All => true,
            Self::Good => has_date,
            Self::Bad => !has_date,
        }
    }
}

/// Those rows of a snapshot's files (or of `files`, when given) as a relation.
pub fn table(
    name: &Relation,
    path: &str,
    snapshot: &Snapshot,
    rows: Rows,
    files: Option<Vec<AddFile>>,
) -> Result<Arc<dyn TableProvider>> {
    let rows = rows.in_table(snapshot);
    let mut files = files.unwrap_or_else(|| snapshot.files.values().cloned().collect());
    files.retain(|file| rows.are_in(file));
    let scan: Arc<dyn TableProvider> = Arc::new(LakeScan::over(path, snapshot, files));
    if rows != Rows::Bad {
        return Ok(scan);
    }
    let view = LogicalPlanBuilder::scan(reference(name), provider_as_source(scan), None)
        .and_then(|plan| plan.filter(col(KIND).eq(lit("bad"))))
        .and_then(LogicalPlanBuilder::build)
        .map_err(Error::engine(format!("read {name}")))?;
    Ok(Arc::new(ViewTable::new(view, None)))
}

/// A relation that is planned and not there yet.
pub fn planned(schema: &SchemaRef) -> Arc<dyn TableProvider> {
    // As the scan of the table will show it.
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(EmptyTable::new(Arc::new(Schema::new(fields))))
}

/// A query under a name.
pub fn view(plan: LogicalPlan, sql: &str) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(plan, Some(sql.to_owned())))
}

/// The name of a relation as plans have it.
pub fn reference(relation: &Relation) -> TableReference {
    TableReference::full(
        DATABASE,
        relation.schema.as_str(),
        relation.identifier.as_str(),
    )
}
