//! Sending a slice: from the lake's files through Arrow's stream format into `ClickHouse`, summed on the way.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use goldrecord_lake::{AddFile, Snapshot, Table};
use tokio::task::JoinHandle;

use crate::checksum::Sum;
use crate::columns::{Column, SLICE, VERSION};
use crate::error::{Error, Result};
use crate::plan::{SlicePlan, TablePlan};
use crate::store::Store;

/// An insert holds at least so many bytes, unless it is a slice's last.
const INSERT_BYTES: usize = 32 << 20;

/// How many inserts of a slice are on their way at once: the server works on each with one thread.
const AT_ONCE: usize = 2;

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Rows and checksum, as read from the lake.
    pub sum: Sum,
    /// Bytes over the wire.
    pub bytes: u64,
}

/// Sends one slice as `version`. `told` hears of each insert: rows, bytes.
///
/// While [`AT_ONCE`] inserts are on their way, the next is read, summed and encoded; more are never held.
pub async fn send(
    store: &Store,
    table: &Table,
    plan: &TablePlan,
    columns: &[Column],
    slice: &SlicePlan,
    version: u64,
    told: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Sent> {
    let encode = |source: ArrowError| Error::Encode {
        table: plan.name.clone(),
        source,
    };
    let schema = stamped(&plan.snapshot.schema);
    let mut sent = Sent::default();
    let mut held = Sum::default();
    let mut writer: Option<StreamWriter<Vec<u8>>> = None;
    let mut under_way: VecDeque<JoinHandle<Result<()>>> = VecDeque::new();
    let mut batches = read(table.clone(), plan.snapshot.clone(), slice.files.clone());
    loop {
        let batch = batches.try_next().await?;
        let last = batch.is_none();
        if let Some(batch) = batch.filter(|b| b.num_rows() > 0) {
            held.add(&batch);
            let stamped = stamp(&batch, &schema, &slice.name, version).map_err(encode)?;
            let stream = match &mut writer {
                Some(stream) => stream,
                None => writer.insert(
                    StreamWriter::try_new(
                        Vec::with_capacity(INSERT_BYTES + (INSERT_BYTES >> 2)),
                        &schema,
                    )
                    .map_err(encode)?,
                ),
            };
            stream.write(&stamped).map_err(encode)?;
        }
        let full = writer
            .as_ref()
            .is_some_and(|w| last || w.get_ref().len() >= INSERT_BYTES);
        if let Some(stream) = writer.take_if(|_| full) {
            if under_way.len() == AT_ONCE
                && let Some(first) = under_way.pop_front()
            {
                joined(first).await?;
            }
            let data = stream.into_inner().map_err(encode)?;
            told(held.rows, data.len() as u64);
            sent.bytes += data.len() as u64;
            sent.sum = sent.sum.plus(std::mem::take(&mut held));
            let (store, name, columns) = (store.clone(), plan.name.clone(), columns.to_vec());
            under_way.push_back(tokio::spawn(async move {
                store.insert(&name, &columns, &data).await
            }));
        }
        if last {
            break;
        }
    }
    for insert in under_way {
        joined(insert).await?;
    }
    Ok(sent)
}

/// The rows of the files, one after the other.
fn read(
    table: Table,
    snapshot: Snapshot,
    files: Vec<AddFile>,
) -> BoxStream<'static, goldrecord_lake::Result<RecordBatch>> {
    let read = move |file: AddFile| {
        let (table, snapshot) = (table.clone(), snapshot.clone());
        async move { table.read(&file, &snapshot, None).await }
    };
    stream::iter(files).then(read).try_flatten().boxed()
}

async fn joined(insert: JoinHandle<Result<()>>) -> Result<()> {
    insert
        .await
        .unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))
}

/// The table's columns, and the two of ours.
fn stamped(schema: &Schema) -> SchemaRef {
    let ours = [
        Field::new(SLICE, DataType::Utf8, false),
        Field::new(VERSION, DataType::UInt64, false),
    ];
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|f| Field::new(f.name(), f.data_type().clone(), f.is_nullable()))
        .chain(ours)
        .collect();
    Arc::new(Schema::new(fields))
}

fn stamp(
    batch: &RecordBatch,
    schema: &SchemaRef,
    slice: &str,
    version: u64,
) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(StringArray::from_iter_values(
        std::iter::repeat_n(slice, batch.num_rows()),
    )));
    columns.push(Arc::new(UInt64Array::from_value(version, batch.num_rows())));
    RecordBatch::try_new(Arc::clone(schema), columns)
}
