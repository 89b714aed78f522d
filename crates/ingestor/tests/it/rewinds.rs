//! Offsets set back: nothing is lost or doubled when what was read is read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray as _, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use goldrecord_ingestor::mend::{Filter, Fixes, replay};
use goldrecord_ingestor::offsets::{Broker, Position, Rewind, Rewound, positions, rewind};
use goldrecord_ingestor::{Error, Result, Settings, TopicSettings, bronze};
use goldrecord_lake::{Proposal, WriteOptions};
use goldrecord_registry::SchemaType;

use crate::replays::{compact, until_written};
use crate::world::{
    JUNE, JUNE_DAY, Row, SMALL, World, framed, small, with_failpoints, without_failpoints,
};

pub(crate) fn settings(world: &World) -> Settings {
    world.settings(&[("t", TopicSettings::default())])
}

pub(crate) fn to(partition: i32, to: i64) -> Rewind {
    Rewind {
        topic: "t".to_owned(),
        partition,
        to,
        accept_loss: false,
        dry_run: false,
    }
}

pub(crate) fn set_back(world: &World, wanted: &Rewind) -> Result<Rewound> {
    let broker = Broker::new(&settings(world))?;
    world.runtime.block_on(rewind(&world.lake, &broker, wanted))
}

/// Of 20 records of each of two partitions every fifth is bad.
fn produced() -> World {
    let world = World::new(&[("t", 2)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    for number in 0..40 {
        let value = if number % 10 < 2 {
            framed(id, &[])
        } else {
            framed(
                id,
                &small(JUNE + number % 3 * 86_400_000, Some(number), "x"),
            )
        };
        world.produce("t", (number % 2) as i32, Some(&value));
    }
    world.acknowledged();
    world
}

fn ingested() -> World {
    let world = produced();
    world.catch_up(settings(&world)).expect("runs");
    assert_eq!(world.audit("t"), 32);
    world
}

#[test]
fn what_is_at_or_after_the_offset_goes_and_is_read_again() {
    let _guard = without_failpoints();
    let world = ingested();
    let before = world.rows("t");
    let dry = Rewind {
        dry_run: true,
        ..to(1, 7)
    };
    let told = set_back(&world, &dry).expect("says");
    assert_eq!(world.rows("t"), before, "a dry run changes nothing");
    assert_eq!((told.from, told.to, told.version), (20, 7, None));
    assert_eq!((told.good, told.bad, told.unaccounted), (11, 2, 0));

    let done = set_back(&world, &to(1, 7)).expect("goes back");
    assert_eq!(
        done.version,
        Some(world.snapshot("t").version),
        "one commit"
    );
    assert_eq!((done.good, done.bad), (told.good, told.bad));
    assert_eq!(done.rows_rewritten, told.rows_rewritten);
    assert_eq!(world.audit("t"), 21, "in balance at once");
    let found = world
        .runtime
        .block_on(positions(&world.lake, "t"))
        .expect("read");
    let found: Vec<_> = found
        .iter()
        .map(|position| (position.partition, position.start, position.next))
        .collect();
    assert_eq!(found, [(0, Some(0), 20), (1, Some(0), 7)]);

    world.catch_up(settings(&world)).expect("runs");
    assert_eq!(world.audit("t"), 32);
    let but_when = |rows: Vec<Row>| -> Vec<Row> {
        let without = |mut row: Row| {
            row.remove("_ingested_at");
            row
        };
        rows.into_iter().map(without).collect()
    };
    assert_eq!(
        but_when(world.rows("t")),
        but_when(before),
        "the very same rows"
    );
}

#[test]
fn what_cannot_be_read_again_is_refused_in_words() {
    let _guard = without_failpoints();
    let world = ingested();
    let version = world.snapshot("t").version;
    for (wanted, words) in [
        (to(1, 21), "only reading moves it forward"),
        (to(1, -1), "its epoch began at 0"),
        (to(7, 0), "the table has never read it"),
    ] {
        let error = set_back(&world, &wanted).expect_err("refused");
        assert!(matches!(error, Error::CannotMove { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let same = set_back(&world, &to(1, 20)).expect("nothing to do");
    assert_eq!((same.good, same.version), (0, None));
    assert_eq!(world.snapshot("t").version, version);
}

/// Commits rows as another program would: files that go, and a batch of our own columns.
fn commit(world: &World, removes: Vec<String>, rows: RecordBatch) {
    let table = world.lake.table(&bronze::path("t"));
    let mut snapshot = world.snapshot("t");
    let commit = async {
        let options = WriteOptions::default();
        let proposal = Proposal {
            operation: "WRITE".into(),
            adds: table.write(&snapshot, vec![rows], &options).await?,
            removes,
            data_change: true,
            ..Proposal::default()
        };
        table.commit(&mut snapshot, &proposal).await
    };
    world.runtime.block_on(commit).expect("committed");
}

/// Rows that stand for several offsets: partition, first offset, end, text.
fn spans(kind: &str, rows: &[(i32, i64, i64, &str)]) -> RecordBatch {
    let kinds: ArrayRef = Arc::new(StringArray::from(vec![kind; rows.len()]));
    let partitions = Int32Array::from_iter_values(rows.iter().map(|row| row.0));
    let offsets = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
    let ends = Int64Array::from_iter_values(rows.iter().map(|row| row.2));
    let texts = StringArray::from_iter_values(rows.iter().map(|row| row.3));
    RecordBatch::try_from_iter_with_nullable([
        ("_kind", kinds, true),
        ("_partition", Arc::new(partitions) as ArrayRef, true),
        ("_offset", Arc::new(offsets), true),
        ("_offset_end", Arc::new(ends), true),
        (
            "_epoch",
            Arc::new(Int32Array::from(vec![0; rows.len()])),
            true,
        ),
        ("_error_text", Arc::new(texts), true),
    ])
    .expect("a batch")
}

#[test]
fn a_gap_is_cut_where_the_offset_lies_in_it() {
    let _guard = without_failpoints();
    let world = ingested();
    let gaps = [
        (0, 5, 9, "5-8,11-12"),
        (0, 15, 17, "15-17"),
        (1, 5, 9, "5-9"),
    ];
    commit(&world, Vec::new(), spans("gap", &gaps));
    let done = set_back(&world, &to(0, 7)).expect("goes back");
    assert_eq!((done.good + done.bad, done.gaps), (13, 4));
    assert_eq!(done.unaccounted, -4, "the gaps lie where records are");
    let left: Vec<_> = (world.rows_of("t", "gap").into_iter())
        .map(|row| {
            let column = |name: &str| row[name].clone();
            (
                column("_partition"),
                column("_offset_end"),
                column("_error_text"),
            )
        })
        .collect();
    let row = |partition: &str, end: &str, text: &str| (partition.into(), end.into(), text.into());
    assert_eq!(left, [row("0", "7", "5-7"), row("1", "9", "5-9")]);
}

#[test]
fn what_retention_removed_is_counted_for_what_is_left_of_it() {
    let _guard = without_failpoints();
    let world = ingested();
    // Retention removes a day: a row for each partition says how many of its records went.
    let day = JUNE_DAY.to_string();
    let went: Vec<Row> = (world.rows_of("t", "good").into_iter())
        .filter(|row| row["event_date"] == day)
        .collect();
    let of = |partition: i32| -> Vec<i64> {
        let own = went
            .iter()
            .filter(|row| row["_partition"] == partition.to_string());
        own.map(|row| row["_offset"].parse().expect("a number"))
            .collect()
    };
    let snapshot = world.snapshot("t");
    let files = snapshot.files.values();
    let files =
        files.filter(|file| file.partition_values["event_date"].as_deref() == Some("2024-06-01"));
    let files = files.map(|file| file.path.clone()).collect();
    let expired = |partition: i32| {
        let offsets = of(partition);
        (
            partition,
            offsets[0],
            offsets[0] + offsets.len() as i64,
            "2024-06-01",
        )
    };
    commit(&world, files, spans("expired", &[expired(0), expired(1)]));
    assert_eq!(accounted(&world), [20, 20]);
    let after = of(1).into_iter().filter(|offset| *offset >= 7).count() as i64;
    assert!(after > 0 && after < of(1).len() as i64);

    let done = set_back(&world, &to(1, 7)).expect("goes back");
    assert_eq!((done.expired, done.unaccounted), (after, 0));
    assert_eq!(accounted(&world), [20, 7]);
    world.catch_up(settings(&world)).expect("runs");
    assert_eq!(accounted(&world), [20, 20]);
}

/// The offsets that each partition's rows stand for.
fn accounted(world: &World) -> [i64; 2] {
    let mut sums = [0; 2];
    for row in world.rows("t") {
        let number = |name: &str| row[name].parse::<i64>().expect("a number");
        sums[number("_partition") as usize] += match row["_kind"].as_str() {
            "good" | "bad" => 1,
            "start" => 0,
            _ => number("_offset_end") - number("_offset"),
        };
    }
    sums
}

#[test]
fn a_rewind_that_dies_at_any_step_loses_and_doubles_nothing() {
    let _guard = with_failpoints();
    for step in ["ingestor::rewind-written", "ingestor::rewind-committed"] {
        let world = ingested();
        fail::cfg(step, "return").expect("a failpoint");
        let ended = set_back(&world, &to(0, 5));
        fail::remove(step);
        assert!(matches!(ended, Err(Error::Failpoint(at)) if at == step));
        let before = step == "ingestor::rewind-written";
        assert_eq!(world.audit("t"), if before { 32 } else { 20 });
        set_back(&world, &to(0, 5)).expect("goes back, or is there");
        assert_eq!(world.audit("t"), 20);
        world.catch_up(settings(&world)).expect("runs");
        assert_eq!(world.audit("t"), 32);
    }
}

/// What comes first while a rewind has written its files and not yet committed them.
#[derive(Clone, Copy, Debug)]
enum Rival {
    Ingestor,
    Replay,
    Compaction,
}

#[test]
fn whoever_comes_between_a_rewind_and_its_commit_doubles_nothing() {
    let _guard = with_failpoints();
    for rival in [Rival::Ingestor, Rival::Replay, Rival::Compaction] {
        let world = World::new(&[("t", 2)]);
        let mut sent = Sent {
            schema: world.register("t", SchemaType::Avro, SMALL),
            records: [0; 2],
        };
        for number in 0..20 {
            sent.send(&world, 0, if number % 5 == 0 { 1_000 } else { JUNE });
        }
        world.catch_up(settings(&world)).expect("runs");
        fail::cfg("ingestor::rewind-written", "1*pause->off").expect("a failpoint");
        let (lake, own) = (world.lake.clone(), settings(&world));
        let handle = world.runtime.handle().clone();
        let slow = std::thread::spawn(move || {
            let broker = Broker::new(&own).expect("a client");
            handle.block_on(rewind(&lake, &broker, &to(0, 7)))
        });
        // The bad records before 7, and the events before it.
        until_written(&world, 2);
        match rival {
            Rival::Ingestor => {
                sent.send(&world, 0, JUNE);
                world.catch_up(settings(&world)).expect("runs");
            }
            Rival::Replay => {
                let all = Fixes {
                    accept_times: Some(0..=i64::MAX / 4),
                    ..Fixes::default()
                };
                let (own, every) = (TopicSettings::default(), Filter::default());
                let (lake, registry) = (&world.lake, &world.registry);
                let replay = replay(lake, registry, "t", &own, &every, &all, false);
                assert_eq!(world.runtime.block_on(replay).expect("replays").mended, 4);
            }
            Rival::Compaction => compact(&world),
        }
        fail::remove("ingestor::rewind-written");
        let done = slow.join().expect("no panic").expect("goes back");
        assert_eq!(done.from, sent.records[0], "{rival:?}");
        assert_eq!((done.to, done.unaccounted), (7, 0), "{rival:?}");
        balanced(&world, &format!("after {rival:?}"));
        world.catch_up(settings(&world)).expect("runs");
        balanced(
            &world,
            &format!("after {rival:?}, and once all is read again"),
        );
        assert_eq!(nexts(&world)[&0], sent.records[0], "{rival:?}");
    }
}

/// What was produced.
pub(crate) struct Sent {
    pub(crate) schema: u32,
    pub(crate) records: [i64; 2],
}

impl Sent {
    pub(crate) fn send(&mut self, world: &World, partition: usize, ts: i64) {
        let number = self.records[partition];
        let value = framed(self.schema, &small(ts, Some(number), "x"));
        world.produce("t", partition as i32, Some(&value));
        self.records[partition] += 1;
    }

    /// Waits until everything is read. A reader that is idle learns that it was set back from its next flush.
    pub(crate) fn settle(&mut self, world: &World) {
        self.send(world, 0, JUNE);
        self.send(world, 1, JUNE);
        world.acknowledged();
        let wanted = BTreeMap::from([(0, self.records[0]), (1, self.records[1])]);
        until(|| nexts(world) == wanted, "everything is read again");
    }
}

pub(crate) fn until(holds: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn nexts(world: &World) -> BTreeMap<i32, i64> {
    let found = world
        .runtime
        .block_on(positions(&world.lake, "t"))
        .expect("read");
    let of = |position: &Position| (position.partition, position.next);
    found.iter().map(of).collect()
}

/// Of one version of the table, since the reader is at work.
pub(crate) fn balanced(world: &World, when: &str) {
    let table = world.lake.table(&bronze::path("t"));
    let snapshot = world.snapshot("t");
    let mut held: BTreeMap<(i32, i64), u32> = BTreeMap::new();
    for file in snapshot.files.values() {
        let rows = async {
            let columns = ["_kind", "_partition", "_offset"];
            let batches = table.read(file, &snapshot, Some(&columns)).await?;
            futures::TryStreamExt::try_collect::<Vec<_>>(batches).await
        };
        for batch in world.runtime.block_on(rows).expect("read") {
            let kinds = batch.column(0).as_string::<i32>();
            let partitions = batch.column(1).as_primitive::<Int32Type>();
            let offsets = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                if matches!(kinds.value(row), "good" | "bad") {
                    *held
                        .entry((partitions.value(row), offsets.value(row)))
                        .or_default() += 1;
                }
            }
        }
    }
    for (id, next) in snapshot.txns.iter() {
        let partition: i32 = id
            .split('/')
            .nth(2)
            .and_then(|part| part.parse().ok())
            .expect("a partition");
        for offset in 0..*next {
            let times = held.remove(&(partition, offset)).unwrap_or(0);
            assert_eq!(
                times, 1,
                "{when}: {partition}/{offset} is there {times} times"
            );
        }
    }
    assert!(held.is_empty(), "{when}: rows beyond the numbers: {held:?}");
}
