//! Memory, large records, and what Kafka no longer has.

use goldrecord_ingestor::{Error, TopicSettings};
use goldrecord_registry::SchemaType;
use goldrecord_service::config::OnOutOfRange;

use crate::world::{JUNE, SMALL, World, framed, small, without_failpoints};

#[test]
fn memory_is_bounded_whatever_waits_in_kafka() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 8)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    let text = "x".repeat(1 << 20);
    // 4 MiB a partition: the mock broker keeps no more than 5.
    for number in 0..32 {
        world.produce(
            "t",
            number % 8,
            Some(&framed(id, &small(JUNE, Some(i64::from(number)), &text))),
        );
    }
    let mut settings = world.settings(&[("t", TopicSettings::default())]);
    settings.memory = 16 << 20;
    settings.flush.bytes = 4 << 20;
    let summary = world.catch_up(settings.clone()).expect("runs");
    assert_eq!(world.audit("t"), 32);
    assert!(
        summary.peak_memory <= settings.memory * 2,
        "{} MiB held of {}",
        summary.peak_memory >> 20,
        settings.memory >> 20
    );
}

#[test]
fn deleted_records_are_refused_or_written_down_as_lost() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    let text = "x".repeat(500 << 10);
    let value = framed(id, &small(JUNE, None, &text));
    world.produce("t", 0, Some(&value));
    let mut settings = world.settings(&[("t", TopicSettings::default())]);
    world.catch_up(settings.clone()).expect("runs");
    // The mock broker keeps 5 MiB: the first ones of these fall out.
    for _ in 0..20 {
        world.produce("t", 0, Some(&value));
    }
    let error = world.catch_up(settings.clone()).expect_err("refused");
    assert!(
        matches!(error, Error::OutOfRange { from: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("record_gap"), "{error}");

    settings.on_out_of_range = OnOutOfRange::RecordGap;
    world.catch_up(settings).expect("runs");
    world.audit("t");
    let gaps = world.rows_of("t", "gap");
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0]["_error"], "out_of_range");
    assert_eq!(gaps[0]["_offset"], "1");
}
