//! What an operator mends, on the real HDFS: a commit there is a rename that a NameNode answers.

use goldrecord_ingestor::TopicSettings;
use goldrecord_ingestor::mend::{Filter, Fixes, replay};
use goldrecord_lake::Lake;
use goldrecord_registry::SchemaType;
use goldrecord_testkit::{Hdfs, require};

use crate::replays::WIDER;
use crate::rewinds::{set_back, settings, to};
use crate::world::{JUNE, Row, SMALL, World, framed, long, small, without_failpoints};

/// Of eight records of each of two partitions every second is of a schema that nobody has registered yet. Returns
/// that schema's id to be.
fn ingested(hdfs: &Hdfs) -> (World, u32) {
    let mut world = World::new(&[("t", 2)]);
    world.lake = Lake::open(&format!("{}/mended", hdfs.url())).expect("a lake");
    let id = world.register("t", SchemaType::Avro, SMALL);
    for number in 0..16 {
        let mut value = small(JUNE + number % 3 * 86_400_000, Some(number), "x");
        let of = if number % 4 < 2 { id } else { id + 1 };
        if of > id {
            long(3, &mut value);
            value.extend_from_slice(b"red");
        }
        world.produce("t", (number % 2) as i32, Some(&framed(of, &value)));
    }
    world.catch_up(settings(&world)).expect("runs");
    assert_eq!(world.audit("t"), 8);
    (world, id + 1)
}

fn but_when(rows: Vec<Row>) -> Vec<Row> {
    let without = |mut row: Row| {
        row.remove("_ingested_at");
        row
    };
    rows.into_iter().map(without).collect()
}

#[test]
fn a_replay_and_a_rewind_on_hdfs_lose_and_double_nothing() {
    let Some(hdfs) = require(Hdfs::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let (world, later) = ingested(hdfs);
    assert_eq!(world.register("t", SchemaType::Avro, WIDER), later);
    let (own, all, fixes) = (
        TopicSettings::default(),
        Filter::default(),
        Fixes::default(),
    );
    let replay = replay(&world.lake, &world.registry, "t", &own, &all, &fixes, false);
    let replayed = world.runtime.block_on(replay).expect("replays");
    assert_eq!((replayed.tried, replayed.mended), (8, 8));
    assert_eq!(world.audit("t"), 16);
    let mended = but_when(world.rows("t"));

    let rewound = set_back(&world, &to(1, 3)).expect("goes back");
    assert_eq!((rewound.good, rewound.unaccounted), (5, 0));
    assert_eq!(world.audit("t"), 11, "in balance at once");
    world.catch_up(settings(&world)).expect("runs");
    assert_eq!(world.audit("t"), 16);
    assert_eq!(but_when(world.rows("t")), mended, "the very same rows");
}
