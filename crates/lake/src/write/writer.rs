//! Takes batches as they come and makes files of them, folder by folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::errors::ParquetError;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::commit::now_ms;
use crate::error::{Error, Result};
use crate::snapshot::{AddFile, Snapshot};
use crate::store::Store;
use crate::write::encode::{Encoded, Encoder};
use crate::write::held::{Held, Meter};
use crate::write::partition::{self, Key};
use crate::write::{WriteOptions, align};

/// How many folders are encoded at once.
const ENCODERS: usize = 4;
/// How many files are sent at once: closing a file on HDFS is mostly waiting.
const UPLOADS: usize = 16;

/// Is told how long a run of rows took to encode, or a file to close; on the encoder's thread.
pub type Watch = Arc<dyn Fn(Duration) + Send + Sync>;

/// Writes rows that come one batch after the other. Dropped before [`Writer::finish`], it leaves files that no version names.
pub struct Writer {
    target: Arc<Target>,
    /// The table's columns, and which of them are partition columns.
    schema: SchemaRef,
    partition_indexes: Vec<usize>,
    file_indexes: Vec<usize>,
    options: WriteOptions,
    watch: Option<Watch>,
    meter: Option<Meter>,
    folders: BTreeMap<Key, Folder>,
    buffered: usize,
    turn: u64,
    uploads: JoinSet<Result<AddFile>>,
    written: Vec<AddFile>,
}

/// Where the files go.
struct Target {
    store: Arc<Store>,
    table: String,
    partition_columns: Vec<String>,
    file_schema: SchemaRef,
    slots: Semaphore,
}

/// The rows of one partition that wait, and its encoder.
#[derive(Default)]
struct Folder {
    batches: Vec<RecordBatch>,
    bytes: usize,
    held: Held,
    encoder: Option<JoinHandle<Result<Encoder, ParquetError>>>,
    /// When rows were last handed to the encoder.
    turn: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("table", &self.target.table)
            .field("folders", &self.folders.len())
            .field("buffered", &self.buffered)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(
        store: Arc<Store>,
        table: &str,
        snapshot: &Snapshot,
        options: WriteOptions,
    ) -> Self {
        let schema = Arc::clone(&snapshot.schema);
        let partition_indexes: Vec<usize> = snapshot
            .partition_columns
            .iter()
            .map(|column| {
                schema
                    .index_of(column)
                    .expect("a table's partition columns are among its columns")
            })
            .collect();
        let file_indexes: Vec<usize> = (0..schema.fields().len())
            .filter(|index| !partition_indexes.contains(index))
            .collect();
        let fields: Vec<_> = file_indexes
            .iter()
            .map(|i| Arc::clone(&schema.fields()[*i]))
            .collect();
        Self {
            target: Arc::new(Target {
                store,
                table: table.to_owned(),
                partition_columns: snapshot.partition_columns.clone(),
                file_schema: Arc::new(Schema::new(fields)),
                slots: Semaphore::new(UPLOADS),
            }),
            schema,
            partition_indexes,
            file_indexes,
            options,
            watch: None,
            meter: None,
            folders: BTreeMap::new(),
            buffered: 0,
            turn: 0,
            uploads: JoinSet::new(),
            written: Vec::new(),
        }
    }

    /// The same, watched.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The same, and what it holds in memory is told.
    #[must_use]
    pub fn metered(mut self, meter: Meter) -> Self {
        self.meter = Some(meter);
        self
    }

    /// Takes rows; returns once there is room for more.
    pub async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = align::align(&self.target.table, &batch, &self.schema)?;
        let parts = partition::split(&batch, &self.partition_indexes)
            .map_err(|error| self.target.unfit(&error))?;
        for (key, rows) in parts {
            let rows = rows
                .project(&self.file_indexes)
                .map_err(|error| self.target.unfit(&error))?;
            let bytes = memory_of(&rows);
            let folder = self.folders.entry(key.clone()).or_default();
            folder.batches.push(rows);
            folder.bytes += bytes;
            if folder.batches.len() == 1 {
                folder.held = Held::new(self.meter.as_ref());
            }
            folder.held.set(folder.bytes);
            self.buffered += bytes;
            if folder.bytes >= self.options.folder_buffer_bytes {
                self.hand_over(&key).await?;
            }
        }
        while self.buffered > self.options.total_buffer_bytes {
            let largest = self.folders.iter().max_by_key(|(_, folder)| folder.bytes);
            let Some(key) = largest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.hand_over(&key).await?;
        }
        Ok(())
    }

    /// Gives a folder's rows to its encoder, and its finished files to be sent.
    async fn hand_over(&mut self, key: &Key) -> Result<()> {
        let folder = self
            .folders
            .get_mut(key)
            .expect("only folders that exist are handed over");
        let running = folder.encoder.take();
        let batches = std::mem::take(&mut folder.batches);
        let bytes = std::mem::take(&mut folder.bytes);
        let held = std::mem::take(&mut folder.held);
        self.buffered -= bytes;
        self.turn += 1;
        folder.turn = self.turn;
        let mut encoder = if let Some(running) = running {
            self.target.joined(running.await)?
        } else {
            self.make_room().await?;
            let schema = Arc::clone(&self.target.file_schema);
            Encoder::new(schema, &self.options, Held::new(self.meter.as_ref()))
                .map_err(|error| self.target.not_encoded(error))?
        };
        self.send(key, encoder.take_closed());
        let task = self.encoding(move || {
            encoder.encode(&batches, bytes)?;
            drop((batches, held));
            Ok(encoder)
        });
        if let Some(folder) = self.folders.get_mut(key) {
            folder.encoder = Some(task);
        }
        Ok(())
    }

    /// Runs an encoder's work where it may take long.
    fn encoding(
        &self,
        work: impl FnOnce() -> Result<Encoder, ParquetError> + Send + 'static,
    ) -> JoinHandle<Result<Encoder, ParquetError>> {
        let watch = self.watch.clone();
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let done = work();
            if let Some(watch) = watch {
                watch(began.elapsed());
            }
            done
        })
    }

    /// Closes the file of the folder that has waited longest, where as many are open as may be.
    async fn make_room(&mut self) -> Result<()> {
        let open = self
            .folders
            .iter()
            .filter(|(_, folder)| folder.encoder.is_some());
        if open.clone().count() < ENCODERS {
            return Ok(());
        }
        let oldest = open
            .min_by_key(|(_, folder)| folder.turn)
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.close(&key).await?;
        }
        Ok(())
    }

    async fn close(&mut self, key: &Key) -> Result<()> {
        let folder = self
            .folders
            .get_mut(key)
            .expect("only folders that exist are closed");
        let Some(running) = folder.encoder.take() else {
            return Ok(());
        };
        let mut encoder = self.target.joined(running.await)?;
        let closing = self.encoding(move || {
            encoder.finish()?;
            Ok(encoder)
        });
        let mut encoder = self.target.joined(closing.await)?;
        self.send(key, encoder.take_closed());
        Ok(())
    }

    /// Sends encoded files, side by side.
    fn send(&mut self, key: &Key, files: Vec<Encoded>) {
        for file in files {
            let (target, key) = (Arc::clone(&self.target), key.clone());
            self.uploads
                .spawn(async move { target.upload(&key, file).await });
        }
    }

    /// Closes the files and tells which they are, in the order of their paths.
    pub async fn finish(mut self) -> Result<Vec<AddFile>> {
        match self.finish_all().await {
            Ok(()) => {
                self.written.sort_by(|a, b| a.path.cmp(&b.path));
                Ok(self.written)
            }
            Err(error) => {
                // The first error is what counts; maintenance finds what stays behind.
                let _ = self.abort().await;
                Err(error)
            }
        }
    }

    async fn finish_all(&mut self) -> Result<()> {
        let keys: Vec<Key> = self.folders.keys().cloned().collect();
        for key in &keys {
            if !self.folders[key].batches.is_empty() {
                self.hand_over(key).await?;
            }
        }
        for key in &keys {
            self.close(key).await?;
        }
        while let Some(uploaded) = self.uploads.join_next().await {
            self.written.push(self.target.joined_upload(uploaded)?);
        }
        Ok(())
    }

    /// Deletes what was written.
    pub async fn abort(mut self) -> Result<()> {
        // Encoders hold nothing outside of memory; what is being sent must end before it can be deleted.
        while let Some(uploaded) = self.uploads.join_next().await {
            if let Ok(Ok(file)) = uploaded {
                self.written.push(file);
            }
        }
        discard(&self.target.store, &self.target.table, &self.written).await
    }
}

/// Deletes files that no version names.
pub(crate) async fn discard(store: &Store, table: &str, files: &[AddFile]) -> Result<()> {
    for file in files {
        store.delete(&location(table, file)?).await?;
    }
    Ok(())
}

/// Where a file lies, from the lake's root.
pub(crate) fn location(table: &str, file: &AddFile) -> Result<String> {
    let physical = partition::physical(&file.path).map_err(|error| Error::BrokenFile {
        path: format!("{table}/{}", file.path),
        why: format!("its path is not UTF-8: {error}"),
    })?;
    let leaves = physical.starts_with('/')
        || physical.contains("://")
        || physical.split('/').any(|part| part == "..");
    if leaves {
        return Err(Error::BrokenFile {
            path: physical,
            why: format!("it lies outside of its table `{table}`"),
        });
    }
    Ok(format!("{table}/{physical}"))
}

impl Target {
    async fn upload(&self, key: &Key, file: Encoded) -> Result<AddFile> {
        let _slot = self
            .slots
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let folder = partition::folder(&self.partition_columns, key);
        let physical = format!("{folder}part-{}.parquet", Uuid::new_v4());
        let size = file.bytes.len() as i64;
        // Until it is there.
        let _held = file.held;
        self.store
            .write_new(
                &format!("{}/{physical}", self.table),
                file.bytes.into_pieces(),
            )
            .await?;
        Ok(AddFile {
            path: partition::logged(&physical),
            partition_values: self
                .partition_columns
                .iter()
                .cloned()
                .zip(key.iter().cloned())
                .collect(),
            size,
            modification_time: now_ms(),
            data_change: true,
            stats: file.stats,
        })
    }

    fn joined(
        &self,
        result: Result<Result<Encoder, ParquetError>, tokio::task::JoinError>,
    ) -> Result<Encoder> {
        result
            .map_err(|error| self.lost(&error))?
            .map_err(|error| self.not_encoded(error))
    }

    fn joined_upload(
        &self,
        result: Result<Result<AddFile>, tokio::task::JoinError>,
    ) -> Result<AddFile> {
        result.map_err(|error| self.lost(&error))?
    }

    fn lost(&self, error: &tokio::task::JoinError) -> Error {
        Error::Thread {
            table: self.table.clone(),
            why: error.to_string(),
        }
    }

    fn not_encoded(&self, source: ParquetError) -> Error {
        Error::Parquet {
            action: "encode rows for",
            path: self.table.clone(),
            source,
        }
    }

    fn unfit(&self, error: &arrow::error::ArrowError) -> Error {
        Error::Unfit {
            table: self.table.clone(),
            why: error.to_string(),
        }
    }
}

/// What the rows themselves take, whatever buffers they share.
fn memory_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| {
            let data = column.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
}
