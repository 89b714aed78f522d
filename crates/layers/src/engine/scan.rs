//! A table of the lake, or some of its files, as `DataFusion` reads it.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use goldrecord_lake::{AddFile, Snapshot};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;

use super::conform::Conforming;
use super::kept::{Kept, KeptReaders};
use super::session::store_url;

/// A list of files of one table, read as one relation.
#[derive(Debug)]
pub struct LakeScan {
    /// The table's path in the lake.
    table: String,
    /// The table's columns in the table's order.
    schema: SchemaRef,
    /// The same columns as files are scanned: those in the files, then the partition columns.
    scanned: SchemaRef,
    /// For each column of `schema` its place in `scanned`.
    places: Vec<usize>,
    partitions: Vec<FieldRef>,
    files: Vec<AddFile>,
}

impl LakeScan {
    /// Those files, live or not, with the snapshot's columns.
    pub fn over(table: &str, snapshot: &Snapshot, mut files: Vec<AddFile>) -> Self {
        let is_partition = |name: &String| snapshot.partition_columns.contains(name);
        let schema = Arc::new(Schema::new(
            snapshot
                .schema
                .fields()
                .iter()
                .map(viewed)
                .collect::<Vec<_>>(),
        ));
        let partitions: Vec<FieldRef> = snapshot
            .partition_columns
            .iter()
            .filter_map(|name| {
                schema
                    .fields()
                    .iter()
                    .find(|field| field.name() == name)
                    .cloned()
            })
            .collect();
        let in_files = schema
            .fields()
            .iter()
            .filter(|field| !is_partition(field.name()))
            .cloned();
        let scanned = Arc::new(Schema::new(
            in_files
                .chain(partitions.iter().cloned())
                .collect::<Vec<_>>(),
        ));
        let places = schema
            .fields()
            .iter()
            .map(|field| {
                scanned
                    .index_of(field.name())
                    .expect("both have the same columns")
            })
            .collect();
        // Files of one partition stay together, so that rows reach the writer partition by partition.
        files.sort_by(|a, b| (&a.partition_values, &a.path).cmp(&(&b.partition_values, &b.path)));
        Self {
            table: table.to_owned(),
            schema,
            scanned,
            places,
            partitions,
            files,
        }
    }

    fn partition_names(&self) -> Vec<&str> {
        self.partitions
            .iter()
            .map(|field| field.name().as_str())
            .collect()
    }

    /// The files whose partition can hold rows that pass the filters.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&AddFile>> {
        let names = self.partition_names();
        let mut kept: Vec<&AddFile> = self.files.iter().collect();
        for filter in filters.iter().filter(|filter| only_over(filter, &names)) {
            let rows = partition_rows(&self.partitions, &kept.iter().copied())?;
            let schema = DFSchema::try_from(rows.schema())?;
            let filter = state.create_physical_expr(filter.clone(), &schema)?;
            let mask = filter.evaluate(&rows)?.into_array(rows.num_rows())?;
            let mask = mask.as_boolean();
            let mut index = 0;
            kept.retain(|_| {
                let keep = mask.is_valid(index) && mask.value(index);
                index += 1;
                keep
            });
        }
        Ok(kept)
    }

    fn file(&self, file: &AddFile) -> Result<PartitionedFile> {
        let values = self
            .partitions
            .iter()
            .map(|field| partition_value(file, field))
            .collect::<Result<Vec<_>>>()?;
        let location = Path::from_url_path(format!("{}/{}", self.table, file.path))
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let has_null = values.iter().any(ScalarValue::is_null);
        let meta = ObjectMeta {
            location,
            last_modified: chrono::DateTime::from_timestamp_millis(file.modification_time)
                .unwrap_or_default(),
            size: file.size.unsigned_abs(),
            e_tag: None,
            version: None,
        };
        let read = PartitionedFile::new_from_meta(meta).with_partition_values(values);
        // DataFusion takes a partition value for never null, so a null one goes without statistics.
        Ok(if has_null {
            read
        } else {
            read.with_statistics(Arc::new(self.statistics(file)))
        })
    }

    /// What the log says of a file's rows, for the columns in the files.
    fn statistics(&self, file: &AddFile) -> Statistics {
        let count = self.scanned.fields().len() - self.partitions.len();
        let columns = self.scanned.fields()[..count]
            .iter()
            .map(|field| {
                let bound = |values: &serde_json::Map<String, Value>| {
                    values
                        .get(field.name())
                        .and_then(|value| exact_scalar(value, field.data_type()))
                        .map_or(Precision::Absent, Precision::Exact)
                };
                let nulls = file
                    .stats
                    .null_count
                    .get(field.name())
                    .and_then(Value::as_u64);
                ColumnStatistics::new_unknown()
                    .with_null_count(
                        nulls.map_or(Precision::Absent, |nulls| Precision::Exact(nulls as usize)),
                    )
                    .with_min_value(bound(&file.stats.min_values))
                    .with_max_value(bound(&file.stats.max_values))
            })
            .collect();
        Statistics {
            num_rows: Precision::Exact(file.stats.num_records as usize),
            total_byte_size: Precision::Inexact(file.size as usize),
            column_statistics: columns,
        }
    }

    /// What is known of all rows of the files to be scanned.
    fn total(&self, files: &[PartitionedFile]) -> Result<Statistics> {
        if files.iter().any(|file| file.statistics.is_none()) {
            return Ok(Statistics::new_unknown(&self.scanned));
        }
        Statistics::try_merge_iter(
            files.iter().filter_map(|file| file.statistics.as_deref()),
            &self.scanned,
        )
    }
}

#[async_trait]
impl TableProvider for LakeScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let names = self.partition_names();
        Ok(filters
            .iter()
            .map(|filter| {
                if only_over(filter, &names) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let places: Vec<usize> = match projection {
            Some(wanted) => wanted.iter().map(|index| self.places[*index]).collect(),
            None => self.places.clone(),
        };
        let files = self
            .pruned(state, filters)?
            .into_iter()
            .map(|file| self.file(file))
            .collect::<Result<Vec<_>>>()?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(
                self.scanned.project(&places)?,
            ))));
        }
        let statistics = self.total(&files)?;
        let in_files = Schema::new(
            self.scanned.fields()[..self.scanned.fields().len() - self.partitions.len()].to_vec(),
        );
        let url = store_url();
        let kept = state
            .config()
            .get_extension::<Kept>()
            .expect("an engine's sessions keep what they read");
        let readers = KeptReaders::new(state.runtime_env().object_store(&url)?, kept);
        let columns = TableSchema::builder(Arc::new(in_files))
            .with_table_partition_cols(self.partitions.clone())
            .build();
        let source = ParquetSource::new(columns)
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        // A filter that the files cannot decide alone is applied above the scan, and so is the limit.
        let only_partitions = {
            let names = self.partition_names();
            filters.iter().all(|filter| only_over(filter, &names))
        };
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_expr_adapter(Some(Arc::new(Conforming)))
            .with_projection_indices(Some(places))?
            .with_limit(limit.filter(|_| only_partitions))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// A file's value of a partition column.
pub fn partition_value(file: &AddFile, field: &Field) -> Result<ScalarValue> {
    match file
        .partition_values
        .get(field.name())
        .and_then(Option::as_ref)
    {
        Some(text) => ScalarValue::try_from_string(text.clone(), field.data_type()),
        None => ScalarValue::try_from(field.data_type()),
    }
}

/// One row per file with its partition values.
pub fn partition_rows<'a>(
    partitions: &[FieldRef],
    files: &(impl Iterator<Item = &'a AddFile> + Clone),
) -> Result<RecordBatch> {
    let count = files.clone().count();
    let schema = Arc::new(Schema::new(
        partitions
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect::<Vec<_>>(),
    ));
    let columns = partitions
        .iter()
        .map(|field| {
            let values = files
                .clone()
                .map(|file| partition_value(file, field))
                .collect::<Result<Vec<_>>>()?;
            if values.is_empty() {
                return Ok(arrow::array::new_empty_array(field.data_type()));
            }
            ScalarValue::iter_to_array(values)
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// Strings are read as views, which group and compare faster; everything else as it is stored.
fn viewed(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    }
}

/// Whether an expression reads these columns and nothing else.
fn only_over(expr: &Expr, names: &[&str]) -> bool {
    let columns = expr.column_refs();
    let known: HashSet<&str> = names.iter().copied().collect();
    !columns.is_empty()
        && columns
            .iter()
            .all(|column| known.contains(column.name.as_str()))
        && !expr.is_volatile()
}

/// A bound of the log as a value, for those types whose bounds the log keeps without rounding.
fn exact_scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Int64 => value.as_i64().map(|value| ScalarValue::Int64(Some(value))),
        DataType::Int32 => value
            .as_i64()
            .and_then(|value| i32::try_from(value).ok())
            .map(|value| ScalarValue::Int32(Some(value))),
        DataType::Date32 => value
            .as_str()
            .and_then(|text| ScalarValue::try_from_string(text.to_owned(), data_type).ok()),
        _ => None,
    }
}
