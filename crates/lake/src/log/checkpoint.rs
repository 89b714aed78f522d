//! Checkpoints: a table's whole state in one Parquet file, so that a reader need not begin at version 0.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::log::actions::{
    Actions, Format, Metadata, Protocol, READER_VERSION, Txn, WRITER_VERSION,
};
use crate::log::schema;
use crate::snapshot::Snapshot;

/// A checkpoint is written after every version divisible by this.
pub(crate) const INTERVAL: i64 = 100;
/// How long a removed file stays named, in milliseconds: seven days.
pub(crate) const TOMBSTONE_RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const BATCH_ROWS: usize = 8192;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A checkpoint's file, and how many actions it holds.
pub(crate) struct Checkpoint {
    pub(crate) bytes: Bytes,
    pub(crate) actions: usize,
}

/// Encodes a snapshot.
pub(crate) fn encode(snapshot: &Snapshot, now_ms: i64) -> Result<Checkpoint, AnyError> {
    let mut tombstones = snapshot.tombstones.clone();
    tombstones.forget_before(now_ms - TOMBSTONE_RETENTION_MS);
    let actions = Actions {
        info: serde_json::Map::new(),
        protocol: Some(Protocol {
            min_reader_version: READER_VERSION,
            min_writer_version: WRITER_VERSION,
        }),
        metadata: Some(Metadata {
            id: snapshot.table_id.clone(),
            name: None,
            description: snapshot.description.clone(),
            format: Format::default(),
            schema_string: schema::to_delta(&snapshot.schema)?,
            partition_columns: snapshot.partition_columns.clone(),
            created_time: snapshot.created_ms,
            configuration: snapshot.properties.clone(),
        }),
        txns: snapshot
            .txns
            .iter()
            .map(|(app_id, version)| Txn {
                app_id: app_id.clone(),
                version: *version,
                last_updated: None,
            })
            .collect(),
        removes: tombstones.removes(),
        adds: snapshot.files.values().cloned().collect(),
    };
    let schema = schema_of_actions();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    // The columns of a checkpoint are the actions' JSON, so the JSON is what it is made from and read into.
    let json = actions.to_json();
    let reader = arrow_json::ReaderBuilder::new(schema)
        .with_batch_size(BATCH_ROWS)
        .build(json.as_slice())?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch?;
        rows += batch.num_rows();
        writer.write(&batch)?;
    }
    Ok(Checkpoint {
        bytes: writer.into_inner()?.into(),
        actions: rows,
    })
}

/// Decodes a checkpoint, also one written by another Delta writer.
pub(crate) fn decode(bytes: Bytes) -> Result<Actions, AnyError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut json = arrow_json::writer::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow_json::writer::LineDelimited>(Vec::new());
    for batch in reader {
        json.write(&only_known(&batch?)?)?;
    }
    json.finish()?;
    Ok(Actions::parse(&json.into_inner())?)
}

/// Drops columns of actions that we do not read; some hold types that JSON lacks.
fn only_known(batch: &RecordBatch) -> Result<RecordBatch, AnyError> {
    let known = schema_of_actions();
    let schema = batch.schema();
    let columns = (0..schema.fields().len())
        .filter(|index| known.field_with_name(schema.field(*index).name()).is_ok())
        .collect::<Vec<_>>();
    Ok(batch.project(&columns)?)
}

fn schema_of_actions() -> SchemaRef {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let group = |name: &str, fields: Vec<Field>| field(name, DataType::Struct(fields.into()));
    let (text, long, int) = (DataType::Utf8, DataType::Int64, DataType::Int32);
    let map = |name: &str| {
        let pair = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Utf8, true),
        ]);
        let entries = Field::new("key_value", DataType::Struct(pair), false);
        field(name, DataType::Map(Arc::new(entries), false))
    };
    let list = |name: &str| {
        let element = Field::new("element", DataType::Utf8, true);
        field(name, DataType::List(Arc::new(element)))
    };
    Arc::new(Schema::new(vec![
        group(
            "txn",
            vec![
                field("appId", text.clone()),
                field("version", long.clone()),
                field("lastUpdated", long.clone()),
            ],
        ),
        group(
            "add",
            vec![
                field("path", text.clone()),
                map("partitionValues"),
                field("size", long.clone()),
                field("modificationTime", long.clone()),
                field("dataChange", DataType::Boolean),
                field("stats", text.clone()),
            ],
        ),
        group(
            "remove",
            vec![
                field("path", text.clone()),
                field("deletionTimestamp", long.clone()),
                field("dataChange", DataType::Boolean),
                field("extendedFileMetadata", DataType::Boolean),
                map("partitionValues"),
                field("size", long.clone()),
                field("stats", text.clone()),
            ],
        ),
        group(
            "metaData",
            vec![
                field("id", text.clone()),
                field("name", text.clone()),
                field("description", text.clone()),
                group(
                    "format",
                    vec![field("provider", text.clone()), map("options")],
                ),
                field("schemaString", text),
                list("partitionColumns"),
                field("createdTime", long),
                map("configuration"),
            ],
        ),
        group(
            "protocol",
            vec![
                field("minReaderVersion", int.clone()),
                field("minWriterVersion", int),
            ],
        ),
    ]))
}
