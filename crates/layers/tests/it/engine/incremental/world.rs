//! A lake and its project to which steps happen, and the full build that they are held against.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::TryStreamExt as _;
use goldrecord_lake::{
    AddFile, Lake, MetadataChange, Outcome, Proposal, Snapshot, Table, WriteOptions,
};
use goldrecord_layers::Error;
use goldrecord_layers::engine::{self, BuildOptions};
use goldrecord_layers::reporter::{BuildReport, Silent};
use goldrecord_service::Shutdown;

use super::super::support::{Bench, Row, batch, rows_of, ways};
use super::models::{PROJECT, TABLES};
use super::steps::Step;

/// The project and lake at hand.
pub struct World {
    pub bench: Bench,
    sent: Vec<(&'static str, Vec<Row>)>,
    /// How often each way was taken.
    pub taken: BTreeMap<String, usize>,
    /// Builds that died before they ended.
    pub died: usize,
}

impl World {
    /// Every file as it is first, and bronze without rows.
    pub async fn new() -> Self {
        let files: Vec<(&str, &str)> = PROJECT
            .iter()
            .map(|file| (file.path, file.texts[0]))
            .collect();
        let bench = Bench::new(&files);
        bench.events(&[]).await;
        bench.bronze("visits", &[], false).await;
        Self {
            bench,
            sent: Vec::new(),
            taken: BTreeMap::new(),
            died: 0,
        }
    }

    pub async fn take(&mut self, step: &Step) {
        match step {
            Step::Come(topic, rows) => {
                self.bronze(topic, rows, |_| Vec::new()).await;
                self.sent.push((topic, rows.clone()));
            }
            Step::Again(index) => {
                if let Some((topic, rows)) = self.sent.get(*index).cloned() {
                    self.bronze(topic, &rows, |_| Vec::new()).await;
                }
            }
            Step::Correct(topic, file, rows) => {
                self.bronze(topic, rows, |live| match file {
                    Some(index) if !live.is_empty() => vec![live[index % live.len()].clone()],
                    _ => live,
                })
                .await;
            }
            Step::Compact(table) => self.compact(table).await,
            Step::Edit(file, text) => {
                let file = &PROJECT[*file];
                self.bench.write(file.path, file.texts[*text]);
            }
            Step::Widen => self.widen().await,
            Step::Crash(polls) => self.crash(*polls).await,
            Step::Build => {
                self.build().await;
                self.compare().await;
            }
        }
    }

    /// One commit of bronze: rows that come, and those of the live files that go.
    async fn bronze(&self, topic: &str, rows: &[Row], going: impl Fn(Vec<String>) -> Vec<String>) {
        let table = self.bench.lake.table(&format!("bronze/{topic}"));
        let mut snapshot = self.bench.snapshot(table.path()).await;
        let mut rows = batch(rows);
        if snapshot.schema.field_with_name("note").is_ok() {
            rows = noted(&rows);
        }
        let adds = table
            .write(&snapshot, vec![rows], &WriteOptions::default())
            .await
            .unwrap();
        let proposal = Proposal {
            operation: "WRITE".into(),
            adds,
            removes: going(snapshot.files.keys().cloned().collect()),
            data_change: true,
            ..Proposal::default()
        };
        committed(&table, &mut snapshot, &proposal).await;
    }

    /// As maintenance does: the files of each partition become one, and no row changes.
    async fn compact(&self, path: &str) {
        let table = self.bench.lake.table(path);
        let Some(mut snapshot) = table.latest().await.unwrap() else {
            return;
        };
        let mut partitions: BTreeMap<String, Vec<AddFile>> = BTreeMap::new();
        for file in snapshot.files.values() {
            let values = format!("{:?}", file.partition_values);
            partitions.entry(values).or_default().push(file.clone());
        }
        partitions.retain(|_, files| files.len() > 1);
        if partitions.is_empty() {
            return;
        }
        let old: Vec<AddFile> = partitions.into_values().flatten().collect();
        let mut rows = Vec::new();
        for file in &old {
            let stream = table.read(file, &snapshot, None).await.unwrap();
            rows.extend(stream.try_collect::<Vec<_>>().await.unwrap());
        }
        let adds = table
            .write(&snapshot, rows, &WriteOptions::default())
            .await
            .unwrap();
        let proposal = Proposal {
            operation: "COMPACT".into(),
            adds,
            removes: old.into_iter().map(|file| file.path).collect(),
            ..Proposal::default()
        };
        // A build that died may still be committing: then compaction gives up.
        table.commit(&mut snapshot, &proposal).await.unwrap();
    }

    async fn widen(&self) {
        let table = self.bench.lake.table("bronze/events");
        let mut snapshot = self.bench.snapshot(table.path()).await;
        if snapshot.schema.field_with_name("note").is_ok() {
            return;
        }
        let mut change = MetadataChange::of(&snapshot);
        let mut fields = change.schema.fields().to_vec();
        fields.push(Arc::new(Field::new("note", DataType::Utf8, true)));
        change.schema = Arc::new(Schema::new(fields));
        let proposal = Proposal {
            operation: "EVOLVE".into(),
            metadata: Some(change),
            data_change: true,
            ..Proposal::default()
        };
        committed(&table, &mut snapshot, &proposal).await;
    }

    /// A build that is dropped at one of its waits, as if the process had died there.
    async fn crash(&mut self, mut polls: u32) {
        let shutdown = Shutdown::new();
        let mut build = pin!(self.bench.try_build(&Silent, &shutdown, false));
        let ended = poll_fn(|context| {
            if polls == 0 {
                return Poll::Ready(None);
            }
            polls -= 1;
            build.as_mut().poll(context).map(Some)
        })
        .await;
        match ended {
            None => self.died += 1,
            Some(Ok(report)) => assert!(report.published, "{report:?}"),
            Some(Err(error)) => panic!("the build that was to die: {error}"),
        }
    }

    async fn build(&mut self) {
        let mut tries = 0;
        let report = loop {
            tries += 1;
            match self.bench.try_build(&Silent, &Shutdown::new(), false).await {
                Ok(report) => break report,
                // A build that died has opened itself all the same, late.
                Err(Error::Busy { .. }) if tries < 3 => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert!(report.published, "{report:?}");
        for way in ways(&report).into_values() {
            *self.taken.entry(way).or_default() += 1;
        }
    }

    /// Hold every table against a full build of a copy of the lake.
    pub async fn compare(&self) {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.bench.lake_folder(), folder.path());
        let lake = Lake::open(folder.path().to_str().unwrap()).unwrap();
        let report = full_build(&self.bench, &lake).await;
        assert!(report.published, "{report:?}");
        for (node, way) in ways(&report) {
            let expected = ["full", "insert", "create"].contains(&way.as_str());
            assert!(expected, "{node} took the way `{way}` in a full build");
        }
        for name in TABLES {
            let path = format!("silver/{name}");
            assert_eq!(
                rows_of(&self.bench.lake, &path).await,
                rows_of(&lake, &path).await,
                "{name}, incremental on the left, full on the right"
            );
        }
    }
}

async fn full_build(bench: &Bench, lake: &Lake) -> BuildReport {
    let manifest = bench.manifest();
    let options = BuildOptions {
        selected: manifest.nodes.keys().cloned().collect(),
        threads: 2,
        full_refresh: true,
        ..BuildOptions::default()
    };
    engine::build(&manifest, &options, lake, &Shutdown::new(), &Silent)
        .await
        .unwrap()
}

async fn committed(table: &Table, snapshot: &mut Snapshot, proposal: &Proposal) {
    let outcome = table.commit(snapshot, proposal).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
}

/// The same rows with the column that bronze got: it says the same as the page.
fn noted(rows: &RecordBatch) -> RecordBatch {
    let notes: ArrayRef = rows.column_by_name("page").unwrap().clone();
    assert!(notes.as_any().is::<StringArray>(), "pages are texts");
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("note", DataType::Utf8, true)));
    let columns = rows.columns().iter().cloned().chain([notes]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if let Err(error) = std::fs::copy(entry.path(), to) {
            // What a build that died still writes has a temporary name first.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}
