//! Records on their way from the polling thread to the decoding one.
//!
//! Bytes lie one behind the other in one allocation, so that a message goes back to librdkafka at once
//! and no record costs an allocation. The allocations go round: fresh ones would cost the kernel clean pages.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::memory::{Budget, Charge};

/// A chunk begins with room for so many bytes, and grows.
const FIRST_BYTES: usize = 64 << 10;
/// So many allocations wait to be used again,
const SPARE: usize = 8;
/// none of which is larger than this.
const LARGEST_SPARE: usize = 1 << 20;

/// Where chunks come from.
#[derive(Debug)]
pub(crate) struct Supply {
    budget: Arc<Budget>,
    given_back: Sender<Allocation>,
    spare: Receiver<Allocation>,
}

impl Supply {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let (given_back, spare) = bounded(SPARE);
        Self {
            budget,
            given_back,
            spare,
        }
    }

    /// An empty chunk, with the room of a used one where there is one.
    pub(crate) fn chunk(&self) -> Chunk {
        let used = self.spare.try_recv();
        let mut chunk = Chunk {
            held: used.unwrap_or_else(|_| Allocation::new()),
            home: self.given_back.clone(),
            charge: self.budget.charge(0),
        };
        chunk.account();
        chunk
    }
}

#[derive(Debug, Default)]
struct Allocation {
    bytes: Vec<u8>,
    records: Vec<Entry>,
}

impl Allocation {
    fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(FIRST_BYTES),
            records: Vec::with_capacity(FIRST_BYTES / 256),
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut used = std::mem::take(&mut self.held);
        if used.bytes.capacity() <= LARGEST_SPARE {
            used.bytes.clear();
            used.records.clear();
            // Enough of them wait, or nobody reads any more.
            let _ = self.home.try_send(used);
        }
    }
}

/// Records of one topic.
#[derive(Debug)]
pub(crate) struct Chunk {
    held: Allocation,
    /// Where its allocation goes.
    home: Sender<Allocation>,
    charge: Charge,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    partition: i32,
    timestamp_ms: i64,
    offset: i64,
    /// Where the record's bytes begin: key, value, headers.
    start: usize,
    key: u32,
    value: u32,
    headers: u32,
}

/// The length of what is not there.
const ABSENT: u32 = u32::MAX;

/// One record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// As JSON.
    pub(crate) headers: Option<&'a str>,
}

impl Chunk {
    #[inline]
    pub(crate) fn push(&mut self, record: Record<'_>) {
        let start = self.held.bytes.len();
        let mut add = |part: Option<&[u8]>| match part {
            Some(part) => {
                self.held.bytes.extend_from_slice(part);
                part.len() as u32
            }
            None => ABSENT,
        };
        let key = add(record.key);
        let value = add(record.value);
        let headers = add(record.headers.map(str::as_bytes));
        self.held.records.push(Entry {
            partition: record.partition,
            timestamp_ms: record.timestamp_ms.unwrap_or(i64::MIN),
            offset: record.offset,
            start,
            key,
            value,
            headers,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.held.records.len()
    }

    /// Tells the budget how much it has grown.
    #[inline]
    pub(crate) fn account(&mut self) {
        let held = self.held();
        if held > self.charge.bytes() {
            self.charge.set(held);
        }
    }

    /// Bytes held, the index included.
    fn held(&self) -> usize {
        self.held.bytes.capacity() + self.held.records.capacity() * size_of::<Entry>()
    }

    /// Bytes of keys and values.
    pub(crate) fn payload(&self) -> usize {
        self.held.bytes.len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Record<'_> {
        let entry = self.held.records[index];
        let mut at = entry.start;
        let mut part = |length: u32| {
            (length != ABSENT).then(|| {
                let part = &self.held.bytes[at..at + length as usize];
                at += length as usize;
                part
            })
        };
        let key = part(entry.key);
        let value = part(entry.value);
        let headers = part(entry.headers);
        Record {
            partition: entry.partition,
            offset: entry.offset,
            timestamp_ms: (entry.timestamp_ms != i64::MIN).then_some(entry.timestamp_ms),
            key,
            value,
            headers: headers
                .map(|bytes| std::str::from_utf8(bytes).expect("headers were pushed as text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let budget = Budget::new(1 << 20);
        let supply = Supply::new(Arc::clone(&budget));
        let mut chunk = supply.chunk();
        let records = [
            Record {
                partition: 1,
                offset: 5,
                timestamp_ms: Some(7),
                key: Some(b"k"),
                value: Some(b"value"),
                headers: None,
            },
            Record {
                partition: 2,
                offset: 6,
                timestamp_ms: None,
                key: None,
                value: None,
                headers: Some("[]"),
            },
            Record {
                partition: 1,
                offset: 7,
                timestamp_ms: Some(-1),
                key: Some(b""),
                value: Some(b""),
                headers: None,
            },
        ];
        for record in records {
            chunk.push(record);
        }
        for (index, record) in records.iter().enumerate() {
            assert_eq!(format!("{:?}", chunk.get(index)), format!("{record:?}"));
        }
        assert_eq!(chunk.len(), 3);
        drop(chunk);
        let mut chunk = supply.chunk();
        assert_eq!(
            chunk.len(),
            0,
            "a chunk begins empty, whoever had its bytes before"
        );
        chunk.push(records[0]);
        assert_eq!(chunk.get(0).value, Some(b"value".as_slice()));
        drop((supply, chunk));
        assert_eq!(budget.used(), 0);
    }
}
