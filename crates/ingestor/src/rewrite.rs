//! Files of a table written anew without some of their rows.

use arrow::array::{Array, RecordBatch};
use futures::StreamExt as _;
use goldrecord_lake::{AddFile, Snapshot, Table, WriteOptions, Writer};

use crate::error::{Error, Result};

/// Wraps what the lake said with the table's name.
pub(crate) fn failed(table: &Table) -> impl Fn(goldrecord_lake::Error) -> Error + use<> {
    let table = table.path().to_owned();
    move |source| Error::Lake {
        table: table.clone(),
        source: Box::new(source),
    }
}

/// Writes a file anew, each batch as `edit` leaves it. `None`: no row is left. `dropped` is how many rows `edit`
/// takes away; another number is an error, and nothing is committed by it.
pub(crate) async fn rewrite(
    table: &Table,
    read: &Snapshot,
    write: &Snapshot,
    file: &AddFile,
    dropped: u64,
    edit: impl FnMut(RecordBatch) -> Result<RecordBatch>,
) -> Result<Option<AddFile>> {
    let options = WriteOptions {
        target_file_bytes: usize::MAX,
        ..WriteOptions::default()
    };
    let mut writer = table.writer(write, options);
    if let Err(error) = copy(table, read, file, &mut writer, edit).await {
        // The first error is what counts; what stays behind is cleaned up in time.
        let _ = writer.abort().await;
        return Err(error);
    }
    let written = writer.finish().await.map_err(failed(table))?;
    let rows = rows_of(&written);
    let expected = file.stats.num_records - dropped as i64;
    if rows != expected || written.len() > 1 {
        table.discard(&written).await.map_err(failed(table))?;
        return Err(Error::RowsDiffer {
            table: table.path().to_owned(),
            why: format!(
                "file `{}` should keep {expected} of its rows and keeps {rows} in {} files",
                file.path,
                written.len()
            ),
        });
    }
    Ok(written.into_iter().next())
}

async fn copy(
    table: &Table,
    read: &Snapshot,
    file: &AddFile,
    writer: &mut Writer,
    mut edit: impl FnMut(RecordBatch) -> Result<RecordBatch>,
) -> Result<()> {
    let failed = failed(table);
    let mut batches = table.read(file, read, None).await.map_err(&failed)?;
    while let Some(batch) = batches.next().await {
        let left = edit(batch.map_err(&failed)?)?;
        if left.num_rows() > 0 {
            writer.push(left).await.map_err(&failed)?;
        }
    }
    Ok(())
}

/// How many rows files have together.
pub(crate) fn rows_of<'a>(files: impl IntoIterator<Item = &'a AddFile>) -> i64 {
    files.into_iter().map(|file| file.stats.num_records).sum()
}

/// How many bytes files have together.
pub(crate) fn bytes_of<'a>(files: impl IntoIterator<Item = &'a AddFile>) -> u64 {
    files.into_iter().map(|file| file.size as u64).sum()
}

/// A column of a batch by name; the error is the name, where it is not of that type.
pub(crate) fn column<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a A, &'static str> {
    let found = batch.column_by_name(name);
    found
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or(name)
}
