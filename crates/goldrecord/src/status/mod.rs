//! `goldrecord status`: every topic's lag, every table's rows, version, freshness and size.

mod lag;

use std::time::{SystemTime, UNIX_EPOCH};

use comfy_table::{CellAlignment, Table, presets};
use goldrecord_lake::{Lake, builds};
use goldrecord_service::Config;
use serde::Serialize;

use crate::Result;
use crate::output::{size, thousands};

pub use lag::TopicLag;

/// What `status` found; the shape of `--json`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The lake's URL.
    pub lake: String,
    /// The last published build.
    pub published: Option<PublishedBuild>,
    /// Topics, or why their lag is not known.
    pub topics: Topics,
    /// Every table of the lake.
    pub tables: Vec<TableStatus>,
}

/// The build that readers see.
#[derive(Debug, Serialize)]
pub struct PublishedBuild {
    /// Its number in `_builds`.
    pub number: i64,
    /// When it was published, in milliseconds since 1970.
    pub finished_at_ms: i64,
}

/// Every topic's lag, or why it is not known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topics {
    /// The brokers answered.
    Known(Vec<TopicLag>),
    /// They did not.
    Unknown(String),
}

/// A table at its latest version.
#[derive(Debug, Serialize)]
pub struct TableStatus {
    /// Its path in the lake.
    pub table: String,
    /// Its latest version.
    pub version: i64,
    /// The version that the last published build names, which readers see.
    pub published_version: Option<i64>,
    /// Rows, bad records and gaps of bronze included.
    pub rows: i64,
    /// Live files.
    pub files: usize,
    /// Their bytes.
    pub bytes: i64,
    /// Seconds since the last commit.
    pub age_seconds: f64,
}

/// Ask the lake and, unless they ended with a demo, the brokers.
pub async fn ask(lake: &Lake, config: &Config, broker_ended: bool) -> Result<Status> {
    let published = builds::published(lake, &config.layers.target).await?;
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_millis() as i64);
    let mut tables = Vec::new();
    for path in lake.tables().await? {
        let Some(snapshot) = lake.table(&path).latest().await? else {
            continue;
        };
        tables.push(TableStatus {
            published_version: published
                .as_ref()
                .and_then(|build| build.tables.get(&path).copied()),
            version: snapshot.version,
            rows: snapshot.rows(),
            files: snapshot.files.len(),
            bytes: snapshot.bytes(),
            age_seconds: (now_ms - snapshot.timestamp_ms).max(0) as f64 / 1000.0,
            table: path,
        });
    }
    Ok(Status {
        lake: lake.url().to_owned(),
        published: published.map(|build| PublishedBuild {
            number: build.number,
            finished_at_ms: build.finished_at_ms,
        }),
        topics: if broker_ended {
            Topics::Unknown("the demo's embedded broker ended with it".into())
        } else {
            lag::of_topics(lake, config).await?
        },
        tables,
    })
}

impl Status {
    /// For a terminal.
    pub fn text(&self) -> String {
        let build = self.published.as_ref().map_or_else(
            || "no build is published yet".to_owned(),
            |build| format!("published build {}", build.number),
        );
        let lag = match &self.topics {
            Topics::Unknown(why) => format!("lag unknown: {why}"),
            Topics::Known(topics) => format!("\n{}", lag::table(topics)),
        };
        format!(
            "lake {}\n{build}\n{lag}\n\n{}",
            self.lake,
            self.tables_text()
        )
    }

    fn tables_text(&self) -> Table {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_header([
                "table",
                "version",
                "published",
                "rows",
                "files",
                "size",
                "last commit",
            ]);
        for status in &self.tables {
            let published = status
                .published_version
                .map_or("–".into(), |version| version.to_string());
            table.add_row([
                status.table.clone(),
                status.version.to_string(),
                published,
                thousands(status.rows.max(0) as u64),
                thousands(status.files as u64),
                size(status.bytes.max(0) as u64),
                age(status.age_seconds),
            ]);
        }
        for index in 1..6 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// `seconds` as people say it.
fn age(seconds: f64) -> String {
    match seconds as u64 {
        0..=119 => format!("{seconds:.0} s ago"),
        120..=7_199 => format!("{:.0} min ago", seconds / 60.0),
        7_200..=172_799 => format!("{:.0} h ago", seconds / 3_600.0),
        _ => format!("{:.0} days ago", seconds / 86_400.0),
    }
}
