//! What was read of files is kept for the next query that asks for it.
//!
//! A build reads the same columns many times, most of all in tests, and on HDFS each read costs a round trip or three.
//! Files of a lake never change, so what was read of one holds for as long as it is kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileMetrics, ParquetFileReaderFactory,
};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

/// Of a query's memory so much is kept besides, as a divisor.
const PART_OF_MEMORY: usize = 16;
/// No more than this.
const MOST: usize = 128 << 20;
/// So much of files' footers, once read.
const FOOTERS: usize = 32 << 20;
/// A single read may take this part of all, as a divisor.
const PART_OF_ALL: usize = 8;
/// A file of at most so many bytes is read whole.
const SMALL: u64 = 256 << 10;

/// What was read of files, the latest used first, up to a number of bytes.
pub struct Kept {
    capacity: usize,
    pieces: Mutex<Pieces>,
    footers: Arc<FileMetadataCache>,
}

/// A part of a file.
type Key = (Path, u64, u64);

#[derive(Default)]
struct Pieces {
    bytes: usize,
    uses: u64,
    by_key: HashMap<Key, (Bytes, u64)>,
    by_use: BTreeMap<u64, Key>,
}

impl Kept {
    /// Nothing yet; room beside queries that have so much memory together.
    pub fn beside(memory: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity: (memory / PART_OF_MEMORY).min(MOST),
            pieces: Mutex::default(),
            footers: Arc::new(DefaultCache::new(FOOTERS)),
        })
    }

    /// The files' footers.
    pub fn footers(&self) -> Arc<FileMetadataCache> {
        Arc::clone(&self.footers)
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        // Every change is whole before anything can panic.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, file: &Path, range: &Range<u64>) -> Option<Bytes> {
        let key = (file.clone(), range.start, range.end);
        let mut pieces = self.pieces();
        pieces.uses += 1;
        let now = pieces.uses;
        let (bytes, used) = pieces.by_key.get_mut(&key)?;
        let bytes = bytes.clone();
        let before = std::mem::replace(used, now);
        pieces.by_use.remove(&before);
        pieces.by_use.insert(now, key);
        Some(bytes)
    }

    fn put(&self, file: &Path, range: &Range<u64>, bytes: &Bytes) {
        if bytes.len() > self.capacity / PART_OF_ALL {
            return;
        }
        let key = (file.clone(), range.start, range.end);
        let mut pieces = self.pieces();
        if pieces.by_key.contains_key(&key) {
            return;
        }
        pieces.uses += 1;
        let now = pieces.uses;
        pieces.bytes += bytes.len();
        // A copy: what came may be a part of something larger, which it would hold on to.
        pieces
            .by_key
            .insert(key.clone(), (Bytes::copy_from_slice(bytes), now));
        pieces.by_use.insert(now, key);
        while pieces.bytes > self.capacity {
            let (_, oldest) = pieces
                .by_use
                .pop_first()
                .expect("what is kept has a last use");
            let (gone, _) = pieces
                .by_key
                .remove(&oldest)
                .expect("what has a last use is kept");
            pieces.bytes -= gone.len();
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("capacity", &self.capacity)
            .field("bytes", &self.pieces().bytes)
            .finish_non_exhaustive()
    }
}

/// Readers of files that look into what is kept first.
#[derive(Debug)]
pub struct KeptReaders {
    store: Arc<dyn ObjectStore>,
    kept: Arc<Kept>,
    below: CachedParquetFileReaderFactory,
}

impl KeptReaders {
    /// Readers over a store.
    pub fn new(store: Arc<dyn ObjectStore>, kept: Arc<Kept>) -> Self {
        Self {
            below: CachedParquetFileReaderFactory::new(Arc::clone(&store), kept.footers()),
            store,
            kept,
        }
    }
}

impl ParquetFileReaderFactory for KeptReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location.clone();
        let size = file.object_meta.size;
        let scanned = ParquetFileMetrics::new(partition, location.as_ref(), metrics).bytes_scanned;
        let below = self
            .below
            .create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(KeptReader {
            location,
            size,
            store: Arc::clone(&self.store),
            kept: Arc::clone(&self.kept),
            scanned,
            below,
        }))
    }
}

struct KeptReader {
    location: Path,
    size: u64,
    store: Arc<dyn ObjectStore>,
    kept: Arc<Kept>,
    /// What was asked for, wherever it came from.
    scanned: Count,
    /// Reads the footer.
    below: Box<dyn AsyncFileReader + Send>,
}

impl KeptReader {
    /// These parts of the file.
    async fn parts(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.size <= SMALL {
            let all = 0..self.size;
            let whole = match self.kept.get(&self.location, &all) {
                Some(whole) => whole,
                None => self.fetched(&[all]).await?.remove(0),
            };
            return Ok(ranges
                .iter()
                .map(|range| whole.slice(range.start as usize..range.end as usize))
                .collect());
        }
        let found: Vec<Option<Bytes>> = ranges
            .iter()
            .map(|range| self.kept.get(&self.location, range))
            .collect();
        let missing: Vec<Range<u64>> = ranges
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(range, _)| range.clone())
            .collect();
        let mut fetched = if missing.is_empty() {
            Vec::new()
        } else {
            self.fetched(&missing).await?
        }
        .into_iter();
        Ok(found
            .into_iter()
            .map(|found| {
                found
                    .or_else(|| fetched.next())
                    .expect("what was not found was fetched")
            })
            .collect())
    }

    async fn fetched(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = self
            .store
            .get_ranges(&self.location, ranges)
            .await
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        for (range, part) in ranges.iter().zip(&parts) {
            self.kept.put(&self.location, range, part);
        }
        Ok(parts)
    }
}

impl AsyncFileReader for KeptReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.scanned.add((range.end - range.start) as usize);
        async move { Ok(self.parts(&[range]).await?.remove(0)) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.scanned.add(bytes as usize);
        async move { self.parts(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.below.get_metadata(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(length: usize) -> Bytes {
        Bytes::from(vec![7; length])
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_large_is_not_kept() {
        let kept = Kept::beside(16 * 100);
        let file = Path::from("t/a.parquet");
        for start in 0..10 {
            kept.put(&file, &(start * 10..start * 10 + 10), &piece(10));
        }
        assert!(kept.get(&file, &(0..10)).is_some(), "all ten fit");
        kept.put(&file, &(100..110), &piece(10));
        assert!(kept.get(&file, &(0..10)).is_some(), "it was just used");
        assert!(
            kept.get(&file, &(10..20)).is_none(),
            "it was used longest ago"
        );
        assert_eq!(kept.pieces().bytes, 100);
        kept.put(&file, &(200..213), &piece(13));
        assert!(
            kept.get(&file, &(200..213)).is_none(),
            "it is more than an eighth"
        );
        assert!(
            kept.get(&Path::from("t/b.parquet"), &(0..10)).is_none(),
            "it is of another file"
        );
    }
}
