//! Rows read, replayed, compacted and read again, in any order: each record stays in the table once.

use std::time::Duration;

use goldrecord_ingestor::mend::{Filter, Fixes, replay};
use goldrecord_ingestor::offsets::positions;
use goldrecord_ingestor::{Ingestor, Silent, TopicSettings, Until, bronze};
use goldrecord_registry::SchemaType;
use goldrecord_service::Shutdown;
use goldrecord_testkit::Dice;

use crate::replays::compact;
use crate::rewinds::{Sent, balanced, set_back, to, until};
use crate::world::{JUNE, SMALL, World, without_failpoints};

/// Everything that moves rows about, in any order, beside an ingestor that never stops.
#[test]
fn any_order_of_reading_rewinding_replaying_and_compacting_keeps_each_record_once() {
    const STEPS: usize = 80;
    let _guard = without_failpoints();
    let seed = std::env::var("REWINDS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(7);
    let mut dice = Dice::new(seed);
    let world = World::new(&[("t", 2)]);
    let own = TopicSettings::default();
    let mut reading = world.settings(&[("t", own.clone())]);
    reading.flush.interval = Duration::from_millis(10);
    let shutdown = Shutdown::new();
    let (lake, registry) = (world.lake.clone(), world.registry.clone());
    let handle = world.runtime.handle().clone();
    let mut sent = Sent {
        schema: world.register("t", SchemaType::Avro, SMALL),
        records: [0; 2],
    };
    let mut mended = 0;
    std::thread::scope(|scope| {
        let _stop = Stop(shutdown.clone());
        let run = scope.spawn({
            let (lake, registry, handle) = (lake.clone(), registry.clone(), handle.clone());
            let shutdown = shutdown.clone();
            move || {
                let ingestor = Ingestor::new(reading, lake, registry);
                ingestor.run(&handle, Until::Shutdown, &shutdown, &Silent)
            }
        });
        until(|| has_begun(&world), "both partitions begin");
        for step in 0..STEPS {
            let partition = dice.below(2);
            match dice.below(10) {
                0..4 => {
                    for _ in 0..=dice.below(20) {
                        // Times before 2000 are bad, until a replay accepts them.
                        let ts = if dice.chance(30) { 1_000 } else { JUNE };
                        sent.send(&world, partition, ts);
                    }
                    world.acknowledged();
                }
                4..6 => sent.settle(&world),
                6..8 => {
                    let found = handle.block_on(positions(&lake, "t")).expect("read");
                    let at = dice.below(found[partition].next as usize + 1) as i64;
                    set_back(&world, &to(partition as i32, at)).expect("goes back");
                }
                8 => {
                    let all = Fixes {
                        accept_times: Some(0..=i64::MAX / 4),
                        ..Fixes::default()
                    };
                    let some = Filter {
                        place: dice.chance(30).then_some((partition as i32, 3)),
                        ..Filter::default()
                    };
                    let replay = replay(&lake, &registry, "t", &own, &some, &all, false);
                    mended += handle.block_on(replay).expect("replays").mended;
                }
                _ => compact(&world),
            }
            balanced(&world, &format!("seed {seed}, step {step}"));
        }
        sent.settle(&world);
        shutdown.request();
        run.join().expect("no panic").expect("runs");
    });
    balanced(&world, &format!("seed {seed}, at the end"));
    let (good, bad) = (world.rows_of("t", "good"), world.rows_of("t", "bad"));
    let records: i64 = sent.records.iter().sum();
    assert_eq!((good.len() + bad.len()) as i64, records, "seed {seed}");
    for row in good {
        assert_eq!(
            row["number"], row["_offset"],
            "seed {seed}: a record is at its own offset"
        );
    }
    assert!(mended > 0, "seed {seed}: something was mended");
}

/// Ends the ingestor when the test does, however that ends.
struct Stop(Shutdown);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.request();
    }
}

fn has_begun(world: &World) -> bool {
    let table = world.lake.table(&bronze::path("t"));
    let latest = world.runtime.block_on(table.latest()).expect("read");
    latest.is_some_and(|snapshot| snapshot.txns.len() == 2)
}
