//! Rows of one partition, encoded as Parquet in memory; runs on a blocking thread.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::snapshot::Stats;
use crate::write::held::Held;
use crate::write::segments::Segments;
use crate::write::{WriteOptions, dictionary, stats};

/// Batches are cut to this many rows, so that a file is closed near its target,
const STEP_ROWS: usize = 1 << 16;
/// and to this many bytes, for which many rows may be needed, or one.
const STEP_BYTES: usize = 32 << 20;
/// A page is closed at the first look after so many bytes,
const PAGE_BYTES: usize = 1 << 20;
/// and is looked at every so many rows at most.
const LOOK_ROWS: usize = 1 << 10;

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Segments,
    pub(crate) stats: Stats,
    /// Its bytes, until they are sent.
    pub(crate) held: Held,
}

/// Encodes one partition's rows into files near the target size.
pub(crate) struct Encoder {
    schema: SchemaRef,
    properties: WriterPropertiesBuilder,
    target_file_bytes: usize,
    open: Option<ArrowWriter<Segments>>,
    closed: Vec<Encoded>,
    /// What the open file holds.
    held: Held,
}

impl Encoder {
    pub(crate) fn new(
        schema: SchemaRef,
        options: &WriteOptions,
        held: Held,
    ) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
            .set_data_page_size_limit(PAGE_BYTES)
            .set_max_row_group_row_count(Some(options.row_group_rows))
            .set_statistics_truncate_length(Some(stats::TEXT_BYTES))
            .set_created_by(concat!("goldrecord ", env!("CARGO_PKG_VERSION")).to_owned());
        Ok(Self {
            schema,
            properties,
            target_file_bytes: options.target_file_bytes,
            open: None,
            closed: Vec::new(),
            held,
        })
    }

    /// Encodes rows that take so many bytes together.
    pub(crate) fn encode(
        &mut self,
        batches: &[RecordBatch],
        bytes: usize,
    ) -> Result<(), ParquetError> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let row_bytes = (bytes / rows.max(1)).max(1);
        let step = (STEP_BYTES / row_bytes).clamp(1, STEP_ROWS);
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(step) {
                let rows = batch.slice(start, step.min(batch.num_rows() - start));
                self.step(&rows, row_bytes)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, rows: &RecordBatch, row_bytes: usize) -> Result<(), ParquetError> {
        let mut writer = if let Some(writer) = self.open.take() {
            writer
        } else {
            let look = (PAGE_BYTES / row_bytes).clamp(1, LOOK_ROWS);
            let properties = self.properties.clone().set_write_batch_size(look);
            let options = ArrowWriterOptions::new()
                .with_properties(dictionary::choose(properties, rows)?.build())
                // The log holds the schema; Arrow's own copy would be of use to nobody.
                .with_skip_arrow_metadata(true);
            ArrowWriter::try_new_with_options(Segments::default(), self.schema.clone(), options)?
        };
        writer.write(rows)?;
        if writer.bytes_written() + writer.in_progress_size() >= self.target_file_bytes {
            self.close(writer)
        } else {
            self.held.set(writer.memory_size() + writer.inner().len());
            self.open = Some(writer);
            Ok(())
        }
    }

    fn close(&mut self, mut writer: ArrowWriter<Segments>) -> Result<(), ParquetError> {
        let metadata = writer.finish()?;
        let bytes = std::mem::take(writer.inner_mut());
        let mut held = self.held.another();
        held.set(bytes.len());
        self.held.set(0);
        self.closed.push(Encoded {
            bytes,
            stats: stats::gather(&metadata, &self.schema),
            held,
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
