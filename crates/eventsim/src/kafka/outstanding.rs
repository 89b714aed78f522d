//! How much was sent and not yet read, per partition. Pure: told what happens, says if there is room.

use std::collections::VecDeque;

use goldrecord_contract::Topic;

/// What a record costs a broker beyond its key and value. A record's own header takes less than 30
/// bytes and a batch's header 61; the latter is charged to each, as if every batch held one record.
const OVERHEAD: u64 = 96;

/// The most that may be outstanding in a partition.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes with overhead.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    bytes: u64,
    records: u64,
}

impl Load {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.records += 1;
    }

    fn subtract(&mut self, bytes: u64) {
        assert!(
            self.bytes >= bytes && self.records >= 1,
            "only what was added is subtracted"
        );
        self.bytes -= bytes;
        self.records -= 1;
    }
}

/// One topic's outstanding records.
#[derive(Debug, Default)]
struct TopicWindow {
    /// Sent, and not reported on yet: which partition they are in is not known.
    undelivered: Load,
    partitions: Vec<PartitionWindow>,
}

#[derive(Debug, Default)]
struct PartitionWindow {
    uncommitted: Load,
    /// Offset and bytes of each, in order.
    records: VecDeque<(i64, u64)>,
}

/// All outstanding records. Without limits there is always room, and nothing is kept.
#[derive(Debug)]
pub struct Window {
    limits: Option<Limits>,
    topics: [TopicWindow; 4],
}

impl Window {
    pub fn new(limits: Option<Limits>) -> Self {
        Self {
            limits,
            topics: Default::default(),
        }
    }

    /// How many partitions each topic has, by [`Topic::index`].
    pub fn set_partitions(&mut self, counts: [usize; 4]) {
        for (topic, count) in self.topics.iter_mut().zip(counts) {
            topic
                .partitions
                .resize_with(count, PartitionWindow::default);
        }
    }

    /// How many partitions the topic has.
    pub fn partitions(&self, topic: Topic) -> usize {
        self.topics[topic.index()].partitions.len()
    }

    /// Whether a record of so many bytes (key and value) may be sent: even if it and everything that
    /// is undelivered goes to the fullest partition, the limits hold. A record that alone is too
    /// large may go when nothing else is outstanding.
    pub fn has_room(&self, topic: Topic, bytes: u64) -> bool {
        let Some(limits) = self.limits else {
            return true;
        };
        let topic = &self.topics[topic.index()];
        let full = |bytes_of: fn(&Load) -> u64| {
            topic
                .partitions
                .iter()
                .map(|partition| bytes_of(&partition.uncommitted))
                .max()
                .unwrap_or(0)
                + bytes_of(&topic.undelivered)
        };
        let (held_bytes, held_records) = (full(|load| load.bytes), full(|load| load.records));
        held_records == 0
            || (held_bytes + bytes + OVERHEAD <= limits.bytes && held_records < limits.records)
    }

    /// Count a record as sent, if there is room.
    pub fn try_reserve(&mut self, topic: Topic, bytes: u64) -> bool {
        let room = self.has_room(topic, bytes);
        if room && self.limits.is_some() {
            self.topics[topic.index()].undelivered.add(bytes + OVERHEAD);
        }
        room
    }

    /// A record is in a partition now.
    pub fn delivered(&mut self, topic: Topic, partition: usize, offset: i64, bytes: u64) {
        if self.limits.is_none() {
            return;
        }
        let topic = &mut self.topics[topic.index()];
        topic.undelivered.subtract(bytes + OVERHEAD);
        if topic.partitions.len() <= partition {
            // Partitions may be added to a topic at any time.
            topic
                .partitions
                .resize_with(partition + 1, PartitionWindow::default);
        }
        let partition = &mut topic.partitions[partition];
        partition.uncommitted.add(bytes + OVERHEAD);
        // A broker that sees a record for the second time may not say where the first one is; it lies
        // behind those before it.
        let after = partition.records.back().map_or(0, |(last, _)| last + 1);
        partition
            .records
            .push_back((offset.max(after), bytes + OVERHEAD));
    }

    /// The group has read a partition up to `next` (exclusive).
    pub fn committed(&mut self, topic: Topic, partition: usize, next: i64) {
        let Some(partition) = self.topics[topic.index()].partitions.get_mut(partition) else {
            return;
        };
        while let Some(&(offset, bytes)) = partition.records.front()
            && offset < next
        {
            partition.records.pop_front();
            partition.uncommitted.subtract(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOPIC: Topic = Topic::Listen;

    fn window(bytes: u64, records: u64) -> Window {
        let mut window = Window::new(Some(Limits { bytes, records }));
        window.set_partitions([2, 1, 1, 1]);
        window
    }

    #[test]
    fn the_producer_waits_for_the_group() {
        let mut window = window(1 << 20, 2);
        assert!(window.try_reserve(TOPIC, 10) && window.try_reserve(TOPIC, 10));
        assert!(!window.try_reserve(TOPIC, 10), "two are undelivered");
        assert!(
            window.has_room(Topic::Auth, 10),
            "another topic is not held back"
        );
        window.delivered(TOPIC, 0, 100, 10);
        window.delivered(TOPIC, 1, 7, 10);
        assert!(window.try_reserve(TOPIC, 10), "each partition holds one");
        window.delivered(TOPIC, 0, 101, 10);
        assert!(!window.try_reserve(TOPIC, 10));
        window.committed(TOPIC, 1, 8);
        assert!(
            !window.try_reserve(TOPIC, 10),
            "the other partition is full still"
        );
        window.committed(TOPIC, 0, 101);
        assert!(window.try_reserve(TOPIC, 10));
    }

    #[test]
    fn bytes_count_with_their_overhead() {
        let mut window = window(990, 100);
        assert!(
            window.try_reserve(TOPIC, 5_000),
            "alone even a large record may go"
        );
        assert!(!window.try_reserve(TOPIC, 1));
        window.delivered(TOPIC, 0, 0, 5_000);
        window.committed(TOPIC, 0, 1);
        assert!(window.try_reserve(TOPIC, 400));
        assert!(
            !window.try_reserve(TOPIC, 400),
            "each is 496 bytes with its overhead"
        );
    }

    #[test]
    fn a_group_that_committed_earlier_offsets_frees_nothing() {
        let mut window = window(1 << 20, 1);
        assert!(window.try_reserve(TOPIC, 1));
        window.delivered(TOPIC, 0, 500, 1);
        window.committed(TOPIC, 0, 400);
        assert!(!window.has_room(TOPIC, 1));
    }

    proptest! {
        #[test]
        fn no_partition_ever_holds_more_than_the_limits(steps in prop::collection::vec((0..3u8, 0..2usize, 1..300u64), 1..300)) {
            let mut window = window(4_000, 12);
            let (mut sent, mut ends, mut read) = (VecDeque::new(), [0i64; 2], [0i64; 2]);
            let mut held = [VecDeque::new(), VecDeque::new()];
            for (step, partition, bytes) in steps {
                match step {
                    0 => if window.try_reserve(TOPIC, bytes) { sent.push_back(bytes); },
                    1 => if let Some(bytes) = sent.pop_front() {
                        window.delivered(TOPIC, partition, ends[partition], bytes);
                        held[partition].push_back(bytes + OVERHEAD);
                        ends[partition] += 1;
                    },
                    _ => if read[partition] < ends[partition] {
                        read[partition] += 1;
                        held[partition].pop_front();
                        window.committed(TOPIC, partition, read[partition]);
                    },
                }
                for held in &held {
                    prop_assert!(held.len() <= 12 && held.iter().sum::<u64>() <= 4_000);
                }
            }
        }
    }
}
