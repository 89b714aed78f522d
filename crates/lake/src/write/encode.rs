//! Rows of one partition, encoded as Parquet in memory; runs on a blocking thread.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::snapshot::Stats;
use crate::write::{WriteOptions, dictionary, stats};

/// Batches are cut to this many rows, so that a file is closed near its target.
const STEP_ROWS: usize = 1 << 16;

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) stats: Stats,
}

/// Encodes one partition's rows into files near the target size.
pub(crate) struct Encoder {
    schema: SchemaRef,
    properties: WriterPropertiesBuilder,
    target_file_bytes: usize,
    open: Option<ArrowWriter<Vec<u8>>>,
    closed: Vec<Encoded>,
}

impl Encoder {
    pub(crate) fn new(schema: SchemaRef, options: &WriteOptions) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
            .set_max_row_group_row_count(Some(options.row_group_rows))
            .set_statistics_truncate_length(Some(stats::TEXT_BYTES))
            .set_created_by(concat!("goldrecord ", env!("CARGO_PKG_VERSION")).to_owned());
        Ok(Self {
            schema,
            properties,
            target_file_bytes: options.target_file_bytes,
            open: None,
            closed: Vec::new(),
        })
    }

    pub(crate) fn encode(&mut self, batches: &[RecordBatch]) -> Result<(), ParquetError> {
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(STEP_ROWS) {
                self.step(&batch.slice(start, STEP_ROWS.min(batch.num_rows() - start)))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let mut writer = if let Some(writer) = self.open.take() {
            writer
        } else {
            let options = ArrowWriterOptions::new()
                .with_properties(dictionary::choose(self.properties.clone(), rows)?.build())
                // The log holds the schema; Arrow's own copy would be of use to nobody.
                .with_skip_arrow_metadata(true);
            ArrowWriter::try_new_with_options(Vec::new(), self.schema.clone(), options)?
        };
        writer.write(rows)?;
        if writer.bytes_written() + writer.in_progress_size() >= self.target_file_bytes {
            self.close(writer)
        } else {
            self.open = Some(writer);
            Ok(())
        }
    }

    fn close(&mut self, mut writer: ArrowWriter<Vec<u8>>) -> Result<(), ParquetError> {
        let metadata = writer.finish()?;
        self.closed.push(Encoded {
            bytes: std::mem::take(writer.inner_mut()).into(),
            stats: stats::gather(&metadata, &self.schema),
        });
        Ok(())
    }

    /// Closes the file that is open.
    pub(crate) fn finish(&mut self) -> Result<(), ParquetError> {
        match self.open.take() {
            Some(writer) => self.close(writer),
            None => Ok(()),
        }
    }

    /// The files closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<Encoded> {
        std::mem::take(&mut self.closed)
    }
}
