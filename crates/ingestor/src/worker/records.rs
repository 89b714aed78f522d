//! Taking records: which are next, what each is, and when it happened.

use std::time::Instant;

use goldrecord_service::config::Gaps;

use super::{Turn, Worker};
use crate::bronze::{Cause, Origin, Raw};
use crate::chunk::Chunk;
use crate::judge::{accepted, event_time, split};
use crate::keeper::now;
use crate::protocol::{Offered, Range};
use crate::schemas::Known;

/// A batch goes to the encoder when it has this many rows or bytes.
const BATCH_ROWS: usize = 16 << 10;
const BATCH_BYTES: usize = 16 << 20;

impl Worker<'_> {
    pub(super) fn take(&mut self, chunk: Chunk) -> Turn {
        let (began, waited) = (Instant::now(), self.waited);
        let accepted = accepted(&self.settings, now());
        // Records come in runs of one schema.
        let mut last: Option<(u32, usize)> = None;
        for index in 0..chunk.len() {
            let record = chunk.get(index);
            let Some(partition) = self.topic.partition(record.partition) else {
                continue;
            };
            let Offered::Next { gap } = partition.offer(record.offset) else {
                continue;
            };
            let epoch = partition
                .epoch()
                .expect("a partition being read is of an epoch");
            let origin = Origin {
                partition: record.partition,
                epoch,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
            };
            if !gap.is_empty() {
                self.note_gap(origin, gap);
            }
            let (id, outcome) = match split(record.value, self.settings.format, self.unframed) {
                Err(fault) => (None, Err(fault)),
                Ok((id, payload)) => {
                    let place = match last {
                        Some((same, place)) if same == id => place,
                        _ => {
                            let place = self.schema(id)?;
                            last = Some((id, place));
                            place
                        }
                    };
                    let outcome = match self.schemas.get(place) {
                        Known::Bad(fault, _) => Err(fault.clone()),
                        Known::Ready(plan) => plan
                            .decode(payload, &mut self.events.columns)
                            .and_then(|items| {
                                self.items += items;
                                let columns = &self.events.columns;
                                event_time(self.time, columns, record.timestamp_ms, &accepted)
                            }),
                    };
                    (Some(id), outcome)
                }
            };
            let good = outcome.is_ok();
            match outcome {
                Ok(time) => {
                    self.events
                        .close(origin, id.expect("a decoded record has a schema"), time);
                }
                Err(fault) => {
                    self.events.take_back();
                    self.digest.bad(|| {
                        let (code, text) = (fault.code.name(), &fault.text);
                        let (partition, offset) = (record.partition, record.offset);
                        format!("partition {partition} offset {offset}: {code}: {text}")
                    });
                    let raw = Raw {
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    };
                    self.others.bad(origin, id, &fault, raw);
                }
            }
            let partition = self
                .topic
                .partition(record.partition)
                .expect("it was there when the record was offered");
            partition.count(good);
            self.filling.records += 1;
            self.filling.bytes +=
                (record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len)) as u64;
            // Lists may take much more than the bytes that they came in.
            if self.events.len() >= BATCH_ROWS || self.items >= BATCH_BYTES {
                self.send_events()?;
            }
        }
        drop(chunk);
        if self.filling.records > 0 {
            self.filling.since.get_or_insert_with(Instant::now);
        }
        if self.events.bytes() >= BATCH_BYTES {
            self.send_events()?;
        }
        if self.others.bytes() >= BATCH_BYTES {
            self.send_others()?;
        }
        self.held.set(self.events.bytes() + self.others.bytes());
        let took = began
            .elapsed()
            .saturating_sub(self.waited.saturating_sub(waited));
        self.shared.metrics.decoded(&self.name, took);
        Ok(())
    }

    fn note_gap(&mut self, origin: Origin, gap: Range) {
        match self.settings.gaps {
            Gaps::Alarm => {
                if self.digest.gap() {
                    tracing::error!(
                        topic = self.name,
                        partition = origin.partition,
                        ?gap,
                        "offsets hold no record"
                    );
                }
                self.others
                    .gap(origin.partition, origin.epoch, gap, Cause::Skipped);
            }
            Gaps::Expected => self.listed.entry(origin.partition).or_default().push(gap),
        }
    }
}
