//! A lake in a folder, whose gold tables are written build by build, and a database of the test's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use goldrecord_lake::{Lake, Outcome as Committed, Proposal, TableSpec, WriteOptions, builds};
use goldrecord_loader::{LoadReport, LoaderSettings, Result, Silent, load};
use goldrecord_testkit::{ClickHouse, require};

/// 2026-10-01, in days since 1970.
pub const OCTOBER: i32 = 20_727;

pub struct Bench {
    pub lake: Lake,
    pub settings: LoaderSettings,
    tables: BTreeMap<String, i64>,
    _folder: tempfile::TempDir,
}

/// A lake and a database that are empty; `None` where there is no `ClickHouse` and tests may go without.
pub fn bench(database: &str) -> Option<Bench> {
    let server = require(ClickHouse::shared())?;
    let folder = tempfile::tempdir().unwrap();
    Some(Bench {
        lake: Lake::open(folder.path().to_str().unwrap()).unwrap(),
        settings: LoaderSettings {
            url: server.url(),
            database: database.to_owned(),
            ..LoaderSettings::default()
        },
        tables: BTreeMap::new(),
        _folder: folder,
    })
}

/// `days` rows for the days since October 1st, each with `n` and a name.
pub fn rows(days: std::ops::Range<i32>, n: i64) -> RecordBatch {
    let dates: Date32Array = days.clone().map(|d| Some(OCTOBER + d)).collect();
    let names: StringArray = days
        .clone()
        .map(|d| (d % 3 != 0).then(|| format!("it's «{d}»")))
        .collect();
    let numbers = Int64Array::from_value(n, days.len());
    batch(&[
        ("date", Arc::new(dates), true),
        ("name", Arc::new(names), true),
        ("n", Arc::new(numbers), false),
    ])
}

/// A batch of named columns; the flag says whether one may be null.
pub fn batch(columns: &[(&str, ArrayRef, bool)]) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, a, null)| Field::new(*name, a.data_type().clone(), *null))
        .collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.iter().map(|(_, a, _)| Arc::clone(a)).collect(),
    )
    .unwrap()
}

impl Bench {
    /// Writes `batch` as all of `gold/<name>`; the table is made anew where its columns changed.
    pub async fn replace(&mut self, name: &str, batch: &RecordBatch) {
        self.commit(name, batch, true).await;
    }

    /// Adds `batch` to `gold/<name>`.
    pub async fn append(&mut self, name: &str, batch: &RecordBatch) {
        self.commit(name, batch, false).await;
    }

    async fn commit(&mut self, name: &str, batch: &RecordBatch, replace: bool) {
        let path = format!("gold/{name}");
        let table = self.lake.table(&path);
        if let Some(there) = table
            .latest()
            .await
            .unwrap()
            .filter(|there| !same(&there.schema, &batch.schema()))
        {
            drop(there);
            self.lake.remove_all(&path).await.unwrap();
        }
        let partition_columns = if batch.schema().field_with_name("date").is_ok() {
            vec!["date".to_owned()]
        } else {
            vec![]
        };
        let spec = TableSpec {
            schema: batch.schema(),
            partition_columns,
            properties: BTreeMap::new(),
            description: None,
        };
        let mut snapshot = table.create(&spec).await.unwrap();
        let removes = if replace {
            snapshot.files.keys().cloned().collect()
        } else {
            vec![]
        };
        let adds = if batch.num_rows() == 0 {
            vec![]
        } else {
            table
                .write(&snapshot, vec![batch.clone()], &WriteOptions::default())
                .await
                .unwrap()
        };
        let proposal = Proposal {
            operation: "WRITE".to_owned(),
            adds,
            removes,
            data_change: true,
            ..Proposal::default()
        };
        let Committed::Committed { version } =
            table.commit(&mut snapshot, &proposal).await.unwrap()
        else {
            panic!("refused")
        };
        self.tables.insert(path, version);
    }

    /// Takes a table out of the project.
    pub fn forget(&mut self, name: &str) {
        self.tables.remove(&format!("gold/{name}"));
    }

    /// Publishes a build of the tables as they are now. Returns its number.
    pub async fn publish(&self) -> i64 {
        let builds::Opened::Ours { build, .. } = builds::open(&self.lake, &self.settings.target)
            .await
            .unwrap()
        else {
            panic!("taken")
        };
        builds::close(
            &self.lake,
            &build,
            builds::Status::Published,
            self.tables.clone(),
            BTreeMap::new(),
        )
        .await
        .unwrap();
        build.number
    }

    pub async fn load(&self) -> Result<LoadReport> {
        load(&self.settings, &self.lake, &Silent).await
    }

    /// The answer to a query, in tab-separated lines; `DB` stands for the test's database.
    pub async fn query(&self, sql: &str) -> String {
        query(&self.settings, sql).await
    }
}

/// The same, for a reader of its own.
pub async fn query(settings: &LoaderSettings, sql: &str) -> String {
    let sql = sql.replace("DB", &settings.database);
    let answer = reqwest::Client::new()
        .post(&settings.url)
        .body(sql)
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    text.trim_end().to_owned()
}

fn same(a: &SchemaRef, b: &SchemaRef) -> bool {
    let columns = |schema: &SchemaRef| {
        schema
            .fields()
            .iter()
            .map(|f| (f.name().clone(), f.data_type().clone()))
            .collect::<Vec<(String, DataType)>>()
    };
    columns(a) == columns(b)
}
