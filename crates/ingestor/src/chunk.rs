//! Records on their way from the polling thread to the decoding one.
//!
//! Bytes lie one behind the other in one allocation, so that a message goes back to librdkafka at once
//! and no record costs an allocation.

use crate::memory::Charge;

/// Records of one topic.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    records: Vec<Entry>,
    /// What the chunk holds of the memory.
    pub(crate) charge: Charge,
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
    pub(crate) fn new(charge: Charge, capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            records: Vec::with_capacity(capacity / 256),
            charge,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, record: Record<'_>) {
        let start = self.bytes.len();
        let mut add = |part: Option<&[u8]>| match part {
            Some(part) => {
                self.bytes.extend_from_slice(part);
                part.len() as u32
            }
            None => ABSENT,
        };
        let key = add(record.key);
        let value = add(record.value);
        let headers = add(record.headers.map(str::as_bytes));
        self.records.push(Entry {
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
        self.records.len()
    }

    /// Bytes held, the index included.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * size_of::<Entry>()
    }

    /// Bytes of keys and values.
    pub(crate) fn payload(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Record<'_> {
        let entry = self.records[index];
        let mut at = entry.start;
        let mut part = |length: u32| {
            (length != ABSENT).then(|| {
                let part = &self.bytes[at..at + length as usize];
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
    use crate::memory::Budget;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut chunk = Chunk::new(Budget::new(1 << 20).charge(0), 1024);
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
    }
}
