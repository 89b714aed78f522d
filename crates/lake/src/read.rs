//! Reading a data file with the columns of its table.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderBuilder, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::conform::conform;
use crate::error::{Error, Result};
use crate::snapshot::{AddFile, Snapshot};
use crate::store::Store;
use crate::write::partition;

const BATCH_ROWS: usize = 8192;
/// Up to this size a file is fetched whole: one call to the store instead of several.
const WHOLE_FILE_BYTES: i64 = 32 << 20;

/// Reads a file's rows. `location` is its place from the lake's root.
pub(crate) async fn read(
    store: &Store,
    location: String,
    file: &AddFile,
    snapshot: &Snapshot,
    columns: Option<&[&str]>,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let shape = Shape::new(&location, file, snapshot, columns)?;
    let failed = {
        let location = location.clone();
        move |source: ParquetError| unread(&location, source)
    };
    if file.size <= WHOLE_FILE_BYTES {
        let bytes = store
            .read(&location)
            .await?
            .ok_or_else(|| Error::FileGone {
                path: location.clone(),
            })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(&failed)?;
        let rows = shape.projected(builder).build().map_err(&failed)?;
        let rows = rows.map(move |batch| shape.fill(&batch.map_err(|e| failed(e.into()))?));
        return Ok(stream::iter(rows).boxed());
    }
    let path = Path::parse(&location).map_err(|error| Error::BrokenFile {
        path: location.clone(),
        why: error.to_string(),
    })?;
    let reader = RangeReader {
        objects: Arc::clone(&store.objects),
        path,
        size: file.size as u64,
    };
    let builder = ParquetRecordBatchStreamBuilder::new(reader)
        .await
        .map_err(&failed)?;
    let rows = shape.projected(builder).build().map_err(&failed)?;
    Ok(rows
        .map(move |batch| shape.fill(&batch.map_err(&failed)?))
        .boxed())
}

/// Why a file cannot be read.
fn unread(location: &str, source: ParquetError) -> Error {
    let path = location.to_owned();
    match &source {
        ParquetError::External(inner)
            if matches!(
                inner.downcast_ref(),
                Some(object_store::Error::NotFound { .. })
            ) =>
        {
            Error::FileGone { path }
        }
        _ => Error::Parquet {
            action: "read",
            path,
            source,
        },
    }
}

/// The columns wanted and where each comes from.
struct Shape {
    location: String,
    schema: SchemaRef,
    sources: Vec<Source>,
}

/// Where a column comes from.
enum Source {
    File,
    /// The folder: every row has this value.
    Partition(Option<String>),
}

impl Shape {
    fn new(
        location: &str,
        file: &AddFile,
        snapshot: &Snapshot,
        columns: Option<&[&str]>,
    ) -> Result<Self> {
        let schema = match columns {
            None => Arc::clone(&snapshot.schema),
            Some(names) => {
                let fields = names
                    .iter()
                    .map(|name| {
                        let found = snapshot.schema.index_of(name).map_err(|_| Error::Unfit {
                            table: location.to_owned(),
                            why: format!("column `{name}` is not in the table"),
                        })?;
                        Ok(Arc::clone(&snapshot.schema.fields()[found]))
                    })
                    .collect::<Result<Vec<_>>>()?;
                Arc::new(Schema::new(fields))
            }
        };
        let source = |name: &String| {
            if snapshot.partition_columns.contains(name) {
                Source::Partition(file.partition_values.get(name).cloned().flatten())
            } else {
                Source::File
            }
        };
        Ok(Self {
            location: location.to_owned(),
            sources: schema
                .fields()
                .iter()
                .map(|field| source(field.name()))
                .collect(),
            schema,
        })
    }

    /// Reads only what is wanted of what is there.
    fn projected<T>(&self, builder: ArrowReaderBuilder<T>) -> ArrowReaderBuilder<T> {
        let roots: Vec<usize> = builder
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| {
                self.schema
                    .index_of(field.name())
                    .is_ok_and(|i| matches!(self.sources[i], Source::File))
            })
            .map(|(index, _)| index)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        builder.with_projection(mask).with_batch_size(BATCH_ROWS)
    }

    fn fill(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns: Result<Vec<ArrayRef>, _> = self
            .schema
            .fields()
            .iter()
            .zip(&self.sources)
            .map(
                |(field, source)| match (source, batch.column_by_name(field.name())) {
                    (Source::Partition(value), _) => {
                        partition::column(value.as_deref(), field.data_type(), rows)
                    }
                    (Source::File, Some(column)) => conform(column, field.data_type()),
                    (Source::File, None) => Ok(new_null_array(field.data_type(), rows)),
                },
            )
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        columns
            .and_then(|columns| {
                RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            })
            .map_err(|error| Error::BrokenFile {
                path: self.location.clone(),
                why: error.to_string(),
            })
    }
}

/// Fetches the parts of a large file that are wanted, and no others.
struct RangeReader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl AsyncFileReader for RangeReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.objects.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { Ok(self.objects.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let size = self.size;
        async move {
            let metadata = ParquetMetaDataReader::new()
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
