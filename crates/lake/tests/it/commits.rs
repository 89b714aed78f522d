//! Commits: what they change, what refuses them, what races.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_lake::{
    Changes, Error, Fence, Lake, MetadataChange, Outcome, Proposal, Refusal, merge_schema,
};

use crate::lakes::{TestLake, append, committed, local, numbers, rows, schema, spec, step, write};

/// Runs checks on each kind of lake.
macro_rules! on_every_lake {
    ($($name:ident)*) => {
        mod on_a_local_disk {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                let test = crate::lakes::local();
                super::$name(test.lake.clone()).await;
            })*
        }
        mod on_hdfs {
            $(#[test] fn $name() {
                crate::lakes::on_hdfs(super::$name);
            })*
        }
    };
}

on_every_lake! {
    a_table_is_made_once_and_holds_what_is_committed
    a_stale_snapshot_commits_where_nothing_contradicts
    numbers_are_compared_and_set
    a_file_is_removed_only_while_it_is_live
    a_fence_keeps_older_writers_out
    a_table_gains_columns_and_older_files_read_null
    a_definition_that_moved_refuses_files_written_for_the_old_one
    changes_are_told_net_and_without_compaction
    of_two_writers_with_one_number_one_commits
    writers_with_their_own_numbers_all_commit
}

async fn a_table_is_made_once_and_holds_what_is_committed(lake: Lake) {
    let table = lake.table("bronze/t");
    assert_eq!(table.latest().await.expect("reads"), None);
    let mut snapshot = table.create(&spec()).await.expect("creates");
    assert_eq!((snapshot.version, snapshot.rows()), (0, 0));
    assert_eq!(snapshot.schema, schema());
    let again = table.create(&spec()).await.expect("is there");
    assert_eq!(again.table_id, snapshot.table_id);

    let adds = write(&table, &snapshot, rows(Some(20_000), 0..100)).await;
    assert_eq!(adds.len(), 1);
    assert!(
        adds[0].path.starts_with("day=2024-10-04/part-"),
        "{}",
        adds[0].path
    );
    let proposal = append(adds);
    assert_eq!(committed(&table, &mut snapshot, &proposal).await, 1);
    assert_eq!(snapshot.rows(), 100);
    assert_eq!(
        numbers(&table, &snapshot).await,
        (0..100).collect::<Vec<_>>()
    );
    assert_eq!(
        table.latest().await.expect("reads").as_ref(),
        Some(&snapshot)
    );
    assert_eq!(table.at(0).await.expect("reads").rows(), 0);
    assert!(matches!(
        table.at(2).await,
        Err(Error::NoVersion { version: 2, .. })
    ));
    assert_eq!(lake.tables().await.expect("lists"), ["bronze/t"]);
    lake.remove_all("bronze").await.expect("removes");
    assert_eq!(table.latest().await.expect("reads"), None);
}

async fn a_stale_snapshot_commits_where_nothing_contradicts(lake: Lake) {
    let table = lake.table("t");
    let mut fresh = table.create(&spec()).await.expect("creates");
    let mut stale = fresh.clone();
    let one = append(write(&table, &fresh, rows(Some(1), 0..10)).await);
    let two = append(write(&table, &stale, rows(Some(1), 10..20)).await);
    committed(&table, &mut fresh, &one).await;
    assert_eq!(committed(&table, &mut stale, &two).await, 2);
    assert_eq!(numbers(&table, &stale).await, (0..20).collect::<Vec<_>>());
    let fresh = table.refresh(&fresh).await.expect("refreshes");
    assert_eq!(fresh, stale);
    let again = table.commit(&mut stale, &two).await.expect("answers");
    assert!(matches!(again, Outcome::Refused(Refusal::FileLive { .. })));
}

async fn numbers_are_compared_and_set(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let moved = |expect, next| Proposal {
        txns: vec![step("topic/0", expect, next)],
        ..append(Vec::new())
    };
    committed(&table, &mut snapshot, &moved(None, 100)).await;
    let stale = snapshot.clone();
    committed(&table, &mut snapshot, &moved(Some(100), 250)).await;
    let refused = table.commit(&mut snapshot, &moved(Some(250), 120)).await;
    assert!(
        matches!(refused, Err(Error::BadProposal { .. })),
        "{refused:?}"
    );
    let rewind = Proposal {
        rewinds: true,
        ..moved(Some(250), 120)
    };
    committed(&table, &mut snapshot, &rewind).await;
    assert_eq!(snapshot.txn("topic/0"), Some(120));

    for mut from in [stale, snapshot] {
        let outcome = table
            .commit(&mut from, &moved(Some(100), 300))
            .await
            .expect("answers");
        let Outcome::Refused(Refusal::Txn {
            expected, found, ..
        }) = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!((expected, found), (Some(100), Some(120)));
        assert_eq!((from.version, from.txn("topic/0")), (3, Some(120)));
    }
}

async fn a_file_is_removed_only_while_it_is_live(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let one = append(write(&table, &snapshot, rows(Some(1), 0..10)).await);
    committed(&table, &mut snapshot, &one).await;
    let mut stale = snapshot.clone();
    let removes: Vec<String> = one.adds.iter().map(|add| add.path.clone()).collect();
    let replace = |adds| Proposal {
        operation: "REPLACE".to_owned(),
        removes: removes.clone(),
        ..append(adds)
    };
    let first = replace(write(&table, &snapshot, rows(Some(1), 10..20)).await);
    let second = replace(write(&table, &snapshot, rows(Some(1), 20..30)).await);
    committed(&table, &mut snapshot, &first).await;
    let outcome = table.commit(&mut stale, &second).await.expect("answers");
    assert!(
        matches!(outcome, Outcome::Refused(Refusal::FileGone { .. })),
        "{outcome:?}"
    );
    table.discard(&second.adds).await.expect("deletes");
    assert_eq!(numbers(&table, &stale).await, (10..20).collect::<Vec<_>>());
}

async fn a_fence_keeps_older_writers_out(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let build = |value| Proposal {
        fences: vec![Fence {
            app_id: "layers/build".to_owned(),
            value,
        }],
        ..append(Vec::new())
    };
    for value in [1, 1, 4] {
        committed(&table, &mut snapshot, &build(value)).await;
    }
    let outcome = table
        .commit(&mut snapshot, &build(3))
        .await
        .expect("answers");
    assert!(
        matches!(
            outcome,
            Outcome::Refused(Refusal::Fenced {
                ours: 3,
                found: 4,
                ..
            })
        ),
        "{outcome:?}"
    );
}

async fn a_table_gains_columns_and_older_files_read_null(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let id = snapshot.table_id.clone();
    let old = append(write(&table, &snapshot, rows(Some(1), 0..3)).await);
    committed(&table, &mut snapshot, &old).await;

    let wanted = Schema::new(vec![Field::new("score", DataType::Float64, true)]);
    let merged = merge_schema(&snapshot.schema, &wanted)
        .expect("fits")
        .expect("one is new");
    let change = MetadataChange {
        schema: merged,
        ..MetadataChange::of(&snapshot)
    };
    let new = Proposal {
        adds: write(&table, &snapshot.planned(&change), rows(Some(1), 3..5)).await,
        metadata: Some(change),
        ..append(Vec::new())
    };
    committed(&table, &mut snapshot, &new).await;
    assert_eq!(snapshot.table_id, id);
    assert_eq!(snapshot.schema.fields().len(), 4);
    assert_eq!(
        snapshot.properties.get("owner").map(String::as_str),
        Some("tests")
    );
    for file in snapshot.files.values() {
        for batch in crate::lakes::read(&table, &snapshot, file, None).await {
            assert_eq!(batch.schema(), snapshot.schema);
            assert_eq!(batch.column(3).null_count(), batch.num_rows());
            assert_eq!(batch.column(2).null_count(), 0);
        }
    }
    assert_eq!(table.latest().await.expect("reads"), Some(snapshot));
}

async fn a_definition_that_moved_refuses_files_written_for_the_old_one(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let mut stale = snapshot.clone();
    let files = append(write(&table, &stale, rows(Some(1), 0..3)).await);
    let fields = Schema::new(vec![Field::new("more", DataType::Utf8, true)]);
    let change = MetadataChange {
        schema: merge_schema(&snapshot.schema, &fields)
            .expect("fits")
            .expect("one is new"),
        ..MetadataChange::of(&snapshot)
    };
    let evolve = Proposal {
        metadata: Some(change),
        ..append(Vec::new())
    };
    committed(&table, &mut snapshot, &evolve).await;
    let outcome = table.commit(&mut stale, &files).await.expect("answers");
    assert_eq!(outcome, Outcome::Refused(Refusal::SchemaMoved));
    // The snapshot is now the newest: the same files fit.
    assert_eq!(committed(&table, &mut stale, &files).await, 2);

    let other = Proposal {
        metadata: Some(MetadataChange {
            schema: Arc::new(Schema::new(vec![
                Field::new("n", DataType::Utf8, true),
                Field::new("day", DataType::Date32, true),
            ])),
            ..MetadataChange::of(&stale)
        }),
        ..append(Vec::new())
    };
    let error = table.commit(&mut stale, &other).await.expect_err("refused");
    assert!(matches!(error, Error::TypeChange { .. }), "{error}");
    let everything = Proposal {
        removes: stale.files.keys().cloned().collect(),
        ..other
    };
    committed(&table, &mut stale, &everything).await;
    assert_eq!((stale.rows(), stale.schema.fields().len()), (0, 2));
}

async fn changes_are_told_net_and_without_compaction(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let mut paths = Vec::new();
    for day in 0..4 {
        let proposal = append(write(&table, &snapshot, rows(Some(day), 0..5)).await);
        paths.push(proposal.adds[0].path.clone());
        committed(&table, &mut snapshot, &proposal).await;
    }
    let compact = Proposal {
        removes: vec![paths[0].clone()],
        data_change: false,
        ..append(write(&table, &snapshot, rows(Some(0), 0..5)).await)
    };
    committed(&table, &mut snapshot, &compact).await;
    let replace = Proposal {
        removes: vec![paths[1].clone(), paths[3].clone()],
        ..append(write(&table, &snapshot, rows(Some(1), 5..10)).await)
    };
    committed(&table, &mut snapshot, &replace).await;

    let Changes::Known {
        added,
        removed,
        schema_changed,
    } = table.changes(2, 6).await.expect("reads")
    else {
        panic!("the log is there");
    };
    let mut expected = vec![paths[2].clone(), replace.adds[0].path.clone()];
    expected.sort();
    assert_eq!(
        added
            .iter()
            .map(|file| file.path.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].path, paths[1]);
    assert_eq!(
        removed[0].partition_values["day"].as_deref(),
        Some("1970-01-02")
    );
    assert_eq!(removed[0].stats.num_records, 5);
    assert!(!schema_changed);
    assert!(matches!(
        table.changes(6, 7).await,
        Err(Error::NoVersion { .. })
    ));
    assert!(matches!(
        table.changes(7, 6).await,
        Ok(Changes::Unknown { .. })
    ));
}

async fn of_two_writers_with_one_number_one_commits(lake: Lake) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    for round in 0..5 {
        let expect = snapshot.txn("topic/0");
        let writers = (0..2).map(|writer| {
            let (table, mut snapshot) = (table.clone(), snapshot.clone());
            tokio::spawn(async move {
                let proposal = Proposal {
                    txns: vec![step("topic/0", expect, round * 10 + writer)],
                    ..append(write(&table, &snapshot, rows(Some(1), round..round + 1)).await)
                };
                table
                    .commit(&mut snapshot, &proposal)
                    .await
                    .expect("answers")
            })
        });
        let outcomes = futures::future::join_all(writers).await;
        let won = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Outcome::Committed { .. })));
        assert_eq!(won.count(), 1, "{outcomes:?}");
        snapshot = table.refresh(&snapshot).await.expect("refreshes");
    }
    assert_eq!(snapshot.version, 5);
    assert_eq!(numbers(&table, &snapshot).await, (0..5).collect::<Vec<_>>());
}

async fn writers_with_their_own_numbers_all_commit(lake: Lake) {
    let table = lake.table("t");
    let snapshot = table.create(&spec()).await.expect("creates");
    let writers = (0..4i64).map(|writer| {
        let (table, mut snapshot) = (table.clone(), snapshot.clone());
        tokio::spawn(async move {
            for round in 0..5 {
                let first = writer * 100 + round * 10;
                let proposal = Proposal {
                    txns: vec![step(
                        &format!("topic/{writer}"),
                        (round > 0).then_some(round),
                        round + 1,
                    )],
                    ..append(write(&table, &snapshot, rows(Some(1), first..first + 10)).await)
                };
                committed(&table, &mut snapshot, &proposal).await;
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.expect("no writer fails");
    }
    let snapshot = table.refresh(&snapshot).await.expect("refreshes");
    assert_eq!((snapshot.version, snapshot.rows()), (20, 200));
    assert_eq!(snapshot.txns.values().copied().collect::<Vec<_>>(), [5; 4]);
}

#[tokio::test]
async fn checkpoints_are_written_and_a_lost_hint_is_survived() {
    let TestLake { lake, .. } = &local();
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let first = append(write(&table, &snapshot, rows(None, 0..5)).await);
    committed(&table, &mut snapshot, &first).await;
    let replace = Proposal {
        removes: vec![first.adds[0].path.clone()],
        ..append(write(&table, &snapshot, rows(Some(3), 5..9)).await)
    };
    committed(&table, &mut snapshot, &replace).await;
    let mut proposal = append(Vec::new());
    for number in 2..103 {
        proposal.txns = vec![step("topic/0", (number > 2).then_some(number - 1), number)];
        committed(&table, &mut snapshot, &proposal).await;
    }
    assert_eq!(snapshot.version, 103);
    let objects = lake.object_store();
    let hint = object_store::path::Path::from("t/_delta_log/_last_checkpoint");
    let checkpoint =
        object_store::path::Path::from("t/_delta_log/00000000000000000100.checkpoint.parquet");
    for lost in [&hint, &checkpoint] {
        let latest = table.latest().await.expect("reads").expect("is there");
        assert_eq!(latest, snapshot, "without {lost}");
        assert_eq!(table.at(100).await.expect("reads").version, 100);
        object_store::ObjectStoreExt::delete(&objects, lost)
            .await
            .expect("deletes");
    }
    assert_eq!(table.latest().await.expect("reads"), Some(snapshot));
}

#[tokio::test]
async fn a_table_of_a_newer_program_is_refused_by_name() {
    let TestLake { lake, .. } = &local();
    let table = lake.table("t");
    let newer = goldrecord_lake::TableSpec {
        properties: [("delta.x".to_owned(), "y".to_owned())].into(),
        ..spec()
    };
    table.create(&newer).await.expect("creates");
    let path = lake.url().trim_start_matches("file://").to_owned()
        + "/t/_delta_log/00000000000000000000.json";
    let log = std::fs::read_to_string(&path).expect("reads");
    for (ours, theirs) in [
        ("\"goldrecord.format\":\"1\"", "\"goldrecord.format\":\"2\""),
        ("\"minReaderVersion\":1", "\"minReaderVersion\":3"),
    ] {
        std::fs::write(&path, log.replace(ours, theirs)).expect("writes");
        let error = table.latest().await.expect_err("refused").to_string();
        assert!(
            error.contains("`t`") && error.contains("a lake written by a newer version"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_path_that_is_no_tables_is_refused() {
    let TestLake { lake, .. } = &local();
    assert!(matches!(
        lake.table("../t").create(&spec()).await,
        Err(Error::BadTablePath { .. })
    ));
    assert!(matches!(
        lake.table("t").at(0).await,
        Err(Error::NoTable { .. })
    ));
}
