//! How far the table is behind Kafka.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::consumer::Probe;
use crate::keeper::now;
use crate::metrics::Metrics;

/// How long the answer is waited for: the thread that asks watches over the others as well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for the ends of all partitions of ours, in one request to each broker, and tells the metrics. Returns how
/// many records the table lacks. `None`: no broker answers now.
pub(crate) fn measure(metrics: &Metrics, probe: &Probe) -> Option<u64> {
    let ours = metrics.next_offsets();
    if ours.is_empty() {
        return Some(0);
    }
    let mut asked = TopicPartitionList::with_capacity(ours.len());
    for (topic, partition, _) in &ours {
        // Where librdkafka expects a time, the end is the latest one.
        asked
            .add_partition_offset(topic, *partition, Offset::End)
            .expect("the end is an offset that can be named");
    }
    let answer = probe.offsets_for_times(asked, PATIENCE).ok()?;
    let mut lag = 0;
    for element in answer.elements() {
        if let (Offset::Offset(end), Ok(())) = (element.offset(), element.error()) {
            lag += metrics.ends_at(element.topic(), element.partition(), end, now());
        }
    }
    Some(lag)
}
