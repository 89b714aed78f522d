//! A project and a lake in a temporary folder, and bronze written by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use goldrecord_lake::{
    EXPIRED_BEFORE, Lake, Outcome, Proposal, Snapshot, TableSpec, TxnStep, WriteOptions,
};
use goldrecord_layers::engine::{self, BuildOptions};
use goldrecord_layers::project;
use goldrecord_layers::reporter::{BuildReport, Event, NodeResult, Silent};
use goldrecord_layers::{Manifest, Reporter, Result, published};
use goldrecord_service::Shutdown;

/// One event as bronze holds it. Days count from 1970-01-01.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub day: i32,
    pub user: i64,
    pub session: i64,
    pub page: String,
}

pub fn row(id: &str, day: i32, user: i64, page: &str) -> Row {
    Row {
        id: id.into(),
        day,
        user,
        session: user,
        page: page.into(),
    }
}

/// A project folder and a lake, both gone at the end.
pub struct Bench {
    folder: tempfile::TempDir,
    pub lake: Lake,
}

impl Bench {
    /// Files by their path in the project; `dbt_project.yml` and `profiles.yml` are there already.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake");
        std::fs::create_dir_all(&lake).unwrap();
        let bench = Self {
            lake: Lake::open(lake.to_str().unwrap()).unwrap(),
            folder,
        };
        bench.write(
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nprofile: shop\nmodels:\n  shop:\n    +materialized: table\n",
        );
        bench.write(
            "profiles.yml",
            "shop:\n  target: prod\n  outputs:\n    prod: {type: goldrecord, database: lake, schema: silver}\n",
        );
        bench.write(
            "models/sources.yml",
            "version: 2\nsources:\n  - name: bronze\n    tables: [{name: events}, {name: visits}, {name: 'events$quarantine'}]\n",
        );
        for (path, text) in files {
            bench.write(path, text);
        }
        bench
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn lake_folder(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn manifest(&self) -> Manifest {
        project::load(&self.root(), &project::Options::default()).unwrap()
    }

    /// Build everything.
    pub async fn build(&self) -> BuildReport {
        self.try_build(&Silent, &Shutdown::new(), false)
            .await
            .unwrap()
    }

    pub async fn full_refresh(&self) -> BuildReport {
        self.try_build(&Silent, &Shutdown::new(), true)
            .await
            .unwrap()
    }

    pub async fn try_build(
        &self,
        reporter: &dyn Reporter,
        shutdown: &Shutdown,
        full_refresh: bool,
    ) -> Result<BuildReport> {
        let manifest = self.manifest();
        let options = BuildOptions {
            selected: manifest.nodes.keys().cloned().collect(),
            threads: 2,
            full_refresh,
            ..BuildOptions::default()
        };
        engine::build(&manifest, &options, &self.lake, shutdown, reporter).await
    }

    /// The text of the error with which a build ends.
    pub async fn failure(&self) -> String {
        self.try_build(&Silent, &Shutdown::new(), false)
            .await
            .unwrap_err()
            .to_string()
    }

    /// Events that come to bronze, in one commit.
    pub async fn events(&self, rows: &[Row]) {
        self.bronze("events", rows, false).await;
    }

    /// One commit of bronze: rows that come, and whether those there before go.
    pub async fn bronze(&self, topic: &str, rows: &[Row], replacing: bool) {
        let table = self.lake.table(&format!("bronze/{topic}"));
        let spec = TableSpec {
            schema: bronze_schema(),
            partition_columns: vec!["event_date".into()],
            properties: BTreeMap::new(),
            description: None,
        };
        let mut snapshot = table.create(&spec).await.unwrap();
        let removes = if replacing {
            snapshot.files.keys().cloned().collect()
        } else {
            Vec::new()
        };
        let adds = table
            .write(&snapshot, vec![batch(rows)], &WriteOptions::default())
            .await
            .unwrap();
        let proposal = Proposal {
            operation: "WRITE".into(),
            adds,
            removes,
            data_change: true,
            ..Proposal::default()
        };
        let outcome = table.commit(&mut snapshot, &proposal).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }

    /// What retention does: the days before this one go, and nobody downstream is told to take them away.
    pub async fn expire(&self, topic: &str, before: i32) {
        let table = self.lake.table(&format!("bronze/{topic}"));
        let mut snapshot = self.snapshot(table.path()).await;
        let day = |value: &str| value.parse::<chrono::NaiveDate>().unwrap();
        let first = chrono::NaiveDate::from_epoch_days(before).unwrap();
        let gone = snapshot.files.values().filter(|file| {
            let value = file.partition_values["event_date"].as_deref();
            value.is_some_and(|value| day(value) < first)
        });
        let proposal = Proposal {
            operation: "EXPIRE".into(),
            removes: gone.map(|file| file.path.clone()).collect(),
            txns: vec![TxnStep {
                app_id: EXPIRED_BEFORE.into(),
                expect: snapshot.expired_before(),
                next: before.into(),
            }],
            ..Proposal::default()
        };
        let outcome = table.commit(&mut snapshot, &proposal).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }

    pub async fn snapshot(&self, path: &str) -> Snapshot {
        self.lake
            .table(path)
            .latest()
            .await
            .unwrap()
            .expect("the table is there")
    }

    /// A table's rows at its latest version, each as text, sorted.
    pub async fn rows(&self, path: &str) -> Vec<String> {
        rows_of(&self.lake, path).await
    }

    /// What readers see.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        let session = published::session(&self.lake, "prod").await.unwrap();
        let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
        batches.iter().flat_map(texts).collect()
    }
}

/// The rows of a lake's table at its latest version, each as text, sorted.
pub async fn rows_of(lake: &Lake, path: &str) -> Vec<String> {
    use futures::TryStreamExt;
    let table = lake.table(path);
    let snapshot = table.latest().await.unwrap().expect("the table is there");
    let mut rows = Vec::new();
    for file in snapshot.files.values() {
        let stream = table.read(file, &snapshot, None).await.unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        rows.extend(batches.iter().flat_map(texts));
    }
    rows.sort();
    rows
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| array_value_to_string(column, row).unwrap())
                .collect();
            cells.join("|")
        })
        .collect()
}

fn bronze_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_kind", DataType::Utf8, true),
        Field::new("eventId", DataType::Utf8, true),
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("userId", DataType::Int64, true),
        Field::new("sessionId", DataType::Int64, true),
        Field::new("page", DataType::Utf8, true),
        Field::new("event_date", DataType::Date32, true),
    ]))
}

/// Rows whose page is `(bad)` are bad records: all else is null.
pub fn batch(rows: &[Row]) -> RecordBatch {
    let kinds = rows.iter().map(|row| match row.page.as_str() {
        "(bad)" => "bad",
        _ => "good",
    });
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(kinds)),
        Arc::new(good(rows, |row| row.id.clone()).collect::<StringArray>()),
        Arc::new(
            good(rows, |row| i64::from(row.day) * 86_400_000_000 + row.user)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        Arc::new(good(rows, |row| row.user).collect::<Int64Array>()),
        Arc::new(good(rows, |row| row.session).collect::<Int64Array>()),
        Arc::new(good(rows, |row| row.page.clone()).collect::<StringArray>()),
        Arc::new(good(rows, |row| row.day).collect::<Date32Array>()),
    ];
    RecordBatch::try_new(bronze_schema(), columns).unwrap()
}

fn good<T>(rows: &[Row], cell: impl Fn(&Row) -> T) -> impl Iterator<Item = Option<T>> {
    rows.iter()
        .map(move |row| (row.page != "(bad)").then(|| cell(row)))
}

/// How a node of the report ended.
pub fn of<'a>(report: &'a BuildReport, name: &str) -> &'a NodeResult {
    report
        .results
        .iter()
        .find(|result| result.unique_id.split('.').nth(2) == Some(name))
        .unwrap_or_else(|| panic!("no result of {name} in {:?}", report.results))
}

/// Each model's way, by name.
pub fn ways(report: &BuildReport) -> BTreeMap<String, String> {
    report
        .results
        .iter()
        .filter_map(|result| {
            Some((
                result.unique_id.split('.').nth(2)?.to_owned(),
                result.way.clone()?,
            ))
        })
        .collect()
}

/// Calls a function at every event.
pub struct Hook<F>(pub F);

impl<F: Fn(&Event<'_>) + Send + Sync> Reporter for Hook<F> {
    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}
