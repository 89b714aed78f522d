//! Bad records are replayed once what was wrong is mended, each once, whatever happens beside it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goldrecord_ingestor::decode::Code;
use goldrecord_ingestor::mend::{Bytes, Filter, Fixes, Quarantine, Replayed, replay};
use goldrecord_ingestor::{Error, EventTime, Result, TopicSettings, bronze};
use goldrecord_lake::{AddFile, Outcome, Proposal, WriteOptions};
use goldrecord_registry::{Client, SchemaType};

use crate::world::{
    JUNE, Row, SMALL, World, framed, hex, long, small, with_failpoints, without_failpoints,
};

/// [`SMALL`] with one more field.
pub(crate) const WIDER: &str = r#"{"type":"record","name":"Small","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"number","type":["null","long"]},
    {"name":"text","type":"string"},
    {"name":"colour","type":"string","default":""}]}"#;

/// A replay of everything, on a thread of its own.
fn replay_all(world: &World, settings: &TopicSettings, dry_run: bool) -> Result<Replayed> {
    replay_with(
        world,
        settings,
        &Filter::default(),
        &Fixes::default(),
        dry_run,
    )
}

fn replay_with(
    world: &World,
    settings: &TopicSettings,
    filter: &Filter,
    fixes: &Fixes,
    dry_run: bool,
) -> Result<Replayed> {
    let (lake, registry) = (&world.lake, &world.registry);
    let replay = replay(lake, registry, "t", settings, filter, fixes, dry_run);
    world.runtime.block_on(replay)
}

/// A topic with eight events and, in one file, four records of a schema that nobody has registered yet and two that
/// are cut short. Returns the schema's id to be.
fn with_an_unknown_schema() -> (World, u32) {
    let world = World::new(&[("t", 2)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    let later = id + 1;
    for number in 0..8 {
        let partition = (number % 2) as i32;
        world.produce(
            "t",
            partition,
            Some(&framed(id, &small(JUNE, Some(number), "x"))),
        );
        if number % 2 == 0 {
            let mut value = small(JUNE + 86_400_000, Some(100 + number), "y");
            long(3, &mut value);
            value.extend_from_slice(b"red");
            world.produce("t", partition, Some(&framed(later, &value)));
        }
        if number > 5 {
            world.produce("t", partition, Some(&framed(id, &[2])));
        }
    }
    let settings = world.settings(&[("t", TopicSettings::default())]);
    world.catch_up(settings).expect("runs");
    assert_eq!(world.audit("t"), 8);
    assert_eq!(world.rows_of("t", "bad").len(), 6);
    (world, later)
}

fn numbers(world: &World) -> Vec<i64> {
    let good = world.rows_of("t", "good");
    let mut numbers: Vec<i64> = good
        .iter()
        .map(|row| row["number"].parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// What [`with_an_unknown_schema`] holds once its schema is known.
const MENDED: [i64; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 100, 102, 104, 106];

#[test]
fn records_of_a_schema_that_was_registered_later_become_events_once() {
    let _guard = without_failpoints();
    let (world, later) = with_an_unknown_schema();
    let own = TopicSettings::default();
    let still = replay_all(&world, &own, false).expect("replays");
    assert_eq!((still.tried, still.mended, still.version), (6, 0, None));
    assert_eq!(
        still.still_bad,
        [("truncated", 2), ("unknown_schema", 4)].into()
    );

    assert_eq!(world.register("t", SchemaType::Avro, WIDER), later);
    let before = world.rows("t");
    let dry = replay_all(&world, &own, true).expect("says");
    assert_eq!(
        (dry.mended, dry.version, dry.columns.as_slice()),
        (4, None, &["colour".to_owned()][..])
    );
    assert_eq!(world.rows("t"), before, "a dry run changes nothing");

    let offsets = world.snapshot("t").txns;
    let bad: Vec<Row> = world.rows_of("t", "bad");
    let done = replay_all(&world, &own, false).expect("replays");
    assert_eq!(done.mended, dry.mended);
    assert_eq!(done.files_removed, dry.files_removed);
    assert_eq!(done.rows_rewritten, dry.rows_rewritten);
    assert_eq!(
        done.version,
        Some(world.snapshot("t").version),
        "one commit"
    );
    assert_eq!(world.snapshot("t").txns, offsets, "no offset moves");
    assert_eq!(world.audit("t"), 12);
    assert_eq!(numbers(&world), MENDED);
    let left = world.rows_of("t", "bad");
    let truncated: Vec<Row> = bad
        .into_iter()
        .filter(|row| row["_error"] == "truncated")
        .collect();
    assert_eq!(
        left, truncated,
        "what stays bad is as it was, with its bytes"
    );
    let red: Vec<Row> = (world.rows_of("t", "good").into_iter())
        .filter(|row| row.contains_key("colour"))
        .collect();
    assert_eq!(red.len(), 4);
    assert!(
        red.iter()
            .all(|row| row["colour"] == "red" && row["_schema_id"] == later.to_string())
    );

    let again = replay_all(&world, &own, false).expect("replays");
    assert_eq!((again.mended, again.version), (0, None));
}

#[test]
fn what_is_replayed_and_shown_is_what_was_asked_for() {
    let _guard = without_failpoints();
    let (world, later) = with_an_unknown_schema();
    world.register("t", SchemaType::Avro, WIDER);
    let own = TopicSettings::default();
    let (none, of_schema) = (Fixes::default(), |id: u32| Filter {
        schema_id: Some(id as i32),
        ..Filter::default()
    });
    let cut: BTreeSet<Code> = [Code::Truncated].into();
    let only = Filter {
        reasons: cut,
        ..Filter::default()
    };
    let done = replay_with(&world, &own, &only, &none, false).expect("replays");
    assert_eq!((done.tried, done.mended), (2, 0));
    let first = world.rows_of("t", "bad")[0].clone();
    let place = Filter {
        place: Some((
            first["_partition"].parse().expect("a number"),
            first["_offset"].parse().expect("a number"),
        )),
        ..of_schema(later)
    };
    let mut shown = Vec::new();
    let quarantine = world
        .runtime
        .block_on(Quarantine::open(&world.lake, "t"))
        .expect("opened");
    let each = quarantine.each(&place, Bytes::Read, |bad| {
        shown.push((
            hex(bad.key.expect("a key")),
            hex(bad.value.expect("a value")),
        ));
        ControlFlow::Continue(())
    });
    world.runtime.block_on(each).expect("read");
    assert_eq!(shown, [("6b6579".to_owned(), first["_raw_value"].clone())]);
    let done = replay_with(&world, &own, &place, &none, false).expect("replays");
    assert_eq!((done.tried, done.mended), (1, 1));
    assert_eq!(world.audit("t"), 9);
    let done = replay_with(&world, &own, &of_schema(later), &none, false).expect("replays");
    assert_eq!((done.tried, done.mended), (3, 3));
    assert_eq!(numbers(&world), MENDED);
}

#[test]
fn an_event_time_can_be_taken_from_kafka_or_accepted_as_it_is() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    // 1970, and a year that is far off.
    for ts in [1_000, JUNE * 3, JUNE] {
        world.produce("t", 0, Some(&framed(id, &small(ts, Some(ts), ""))));
    }
    let own = TopicSettings::default();
    world
        .catch_up(world.settings(&[("t", own.clone())]))
        .expect("runs");
    assert_eq!(world.rows_of("t", "bad").len(), 2);

    let early = Fixes {
        accept_times: Some(0..=i64::MAX / 4),
        ..Fixes::default()
    };
    let only_1970 = Fixes {
        accept_times: Some(0..=86_400_000_000),
        ..early.clone()
    };
    let all = Filter::default();
    let dry = replay_with(&world, &own, &all, &early, true).expect("says");
    assert_eq!(dry.mended, 2);
    let done = replay_with(&world, &own, &all, &only_1970, false).expect("replays");
    assert_eq!((done.mended, world.audit("t")), (1, 2));
    let row = &world.rows_of("t", "good")[0];
    assert_eq!(
        (row["_offset"].as_str(), row["event_date"].as_str()),
        ("0", "0")
    );

    let from_kafka = Fixes {
        event_time_from_kafka: true,
        ..Fixes::default()
    };
    let done = replay_with(&world, &own, &all, &from_kafka, false).expect("replays");
    assert_eq!((done.mended, world.audit("t")), (1, 3));
    let row = world
        .rows_of("t", "good")
        .into_iter()
        .find(|row| row["_offset"] == "1");
    let row = row.expect("is good now");
    let day = row["_timestamp"].parse::<i64>().expect("a time") / 86_400_000_000;
    assert_eq!(row["event_date"], day.to_string(), "Kafka's day");
    assert_eq!(
        row["number"],
        (JUNE * 3).to_string(),
        "the event is as it was sent"
    );
    // A setting is a fix as well.
    assert_eq!(own.event_time, EventTime::Field("ts".into()));
}

#[test]
fn a_replay_that_dies_at_any_step_loses_and_doubles_nothing() {
    let _guard = with_failpoints();
    for step in ["ingestor::replay-written", "ingestor::replay-committed"] {
        let (world, _) = with_an_unknown_schema();
        world.register("t", SchemaType::Avro, WIDER);
        fail::cfg(step, "return").expect("a failpoint");
        let ended = replay_all(&world, &TopicSettings::default(), false);
        fail::remove(step);
        assert!(matches!(ended, Err(Error::Failpoint(at)) if at == step));
        let before = step == "ingestor::replay-written";
        assert_eq!(world.audit("t"), if before { 8 } else { 12 });
        let again = replay_all(&world, &TopicSettings::default(), false).expect("replays");
        assert_eq!(again.mended, if before { 4 } else { 0 });
        assert_eq!(world.audit("t"), 12);
        assert_eq!(numbers(&world), MENDED);
    }
}

/// What comes first while a replay has written its files and not yet committed them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rival {
    Replay,
    Compaction,
    Ingestor,
}

#[test]
fn whoever_comes_between_a_replay_and_its_commit_doubles_nothing() {
    let _guard = with_failpoints();
    for rival in [Rival::Replay, Rival::Compaction, Rival::Ingestor] {
        let (world, _) = with_an_unknown_schema();
        let id = world.register("t", SchemaType::Avro, SMALL);
        world.register("t", SchemaType::Avro, WIDER);
        // The first replay stops there, its rival passes.
        fail::cfg("ingestor::replay-written", "1*pause->off").expect("a failpoint");
        let (lake, registry) = (world.lake.clone(), world.registry.clone());
        let handle = world.runtime.handle().clone();
        let slow = std::thread::spawn(move || {
            let (own, all, none) = (
                TopicSettings::default(),
                Filter::default(),
                Fixes::default(),
            );
            handle.block_on(replay(&lake, &registry, "t", &own, &all, &none, false))
        });
        // The rest of the file of bad records, and the events of the day that they belong to.
        until_written(&world, 2);
        match rival {
            Rival::Replay => {
                let done = replay_all(&world, &TopicSettings::default(), false).expect("replays");
                assert_eq!(done.mended, 4);
            }
            Rival::Compaction => compact(&world),
            Rival::Ingestor => {
                world.produce("t", 0, Some(&framed(id, &small(JUNE, Some(8), "x"))));
                let settings = world.settings(&[("t", TopicSettings::default())]);
                world.catch_up(settings).expect("runs");
            }
        }
        let expected = if rival == Rival::Ingestor { 13 } else { 12 };
        fail::remove("ingestor::replay-written");
        let done = slow.join().expect("no panic").expect("replays");
        assert_eq!(
            done.mended,
            if rival == Rival::Replay { 0 } else { 4 },
            "{rival:?}"
        );
        assert_eq!(world.audit("t"), expected, "{rival:?}");
        assert_eq!(numbers(&world)[..8], MENDED[..8]);
        assert_eq!(world.rows_of("t", "bad").len(), 2, "{rival:?}");
    }
}

/// Waits until there are `more` data files that no version names: who stops there has written them.
pub(crate) fn until_written(world: &World, more: usize) {
    let lake = world.lake.url().trim_start_matches("file://");
    let table = Path::new(lake).join("bronze/t");
    let live = world.snapshot("t").files.len();
    let deadline = Instant::now() + Duration::from_mins(1);
    while data_files(&table) < live + more {
        assert!(Instant::now() < deadline, "the files are written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn data_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let count = |path: PathBuf| {
        if path.ends_with("_delta_log") {
            0
        } else if path.is_dir() {
            data_files(&path)
        } else {
            usize::from(path.extension().is_some_and(|end| end == "parquet"))
        }
    };
    entries
        .map(|entry| count(entry.expect("an entry").path()))
        .sum()
}

/// Puts all rows without a day into one file, as maintenance does.
pub(crate) fn compact(world: &World) {
    let table = world.lake.table(&bronze::path("t"));
    let mut snapshot = world.snapshot("t");
    let files: Vec<AddFile> = (snapshot.files.values())
        .filter(|file| file.partition_values["event_date"].is_none())
        .cloned()
        .collect();
    let compact = async {
        let mut writer = table.writer(&snapshot, WriteOptions::default());
        for file in &files {
            let mut batches = table.read(file, &snapshot, None).await?;
            while let Some(batch) = futures::StreamExt::next(&mut batches).await {
                writer.push(batch?).await?;
            }
        }
        let proposal = Proposal {
            operation: "COMPACT".into(),
            adds: writer.finish().await?,
            removes: files.iter().map(|file| file.path.clone()).collect(),
            ..Proposal::default()
        };
        table.commit(&mut snapshot, &proposal).await
    };
    let outcome: goldrecord_lake::Result<Outcome> = world.runtime.block_on(compact);
    assert!(
        matches!(outcome, Ok(Outcome::Committed { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_registry_that_is_away_changes_nothing() {
    let _guard = without_failpoints();
    let (mut world, _) = with_an_unknown_schema();
    world.registry = Client::new("http://127.0.0.1:9").expect("a client");
    let before = world.rows("t");
    let ended = replay_all(&world, &TopicSettings::default(), false);
    assert!(matches!(ended, Err(Error::Registry { .. })), "{ended:?}");
    assert_eq!(world.rows("t"), before);
}
