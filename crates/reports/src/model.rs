//! The numbers of a report. Days are ISO dates (`2026-10-01`), UTC unless the title says otherwise.

use serde::{Deserialize, Serialize};

/// Everything that the page shows. `Report::default()` is a valid, empty report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The heading, e.g. `Thirty days of listening`.
    pub title: String,
    /// Where the numbers come from.
    pub facts: Facts,
    /// The headline figures, in the order shown; six to eight look best.
    pub kpis: Vec<Kpi>,
    /// One row per day, ascending, without holes.
    pub days: Vec<Day>,
    /// Listens by weekday and hour; missing cells count as zero.
    pub hours: Vec<HourCell>,
    /// The most played songs, best first.
    pub songs: Vec<Ranked>,
    /// The most played artists, best first.
    pub artists: Vec<Ranked>,
    /// Where people listen.
    pub places: Places,
    /// One cohort per first active week, ascending.
    pub cohorts: Vec<Cohort>,
    /// From visitor to paying listener, widest step first.
    pub funnel: Vec<FunnelStep>,
    /// Registrations and changes of subscription by day, ascending.
    pub subscriptions: Vec<SubscriptionDay>,
    /// One row per topic.
    pub quality: Vec<TopicQuality>,
    /// What each stage of the pipeline did, in order.
    pub stages: Vec<Stage>,
    /// The models and what they read.
    pub lineage: Lineage,
    /// The data tests of the build.
    pub tests: TestSummary,
    /// The comparison with the ledger of the truth.
    pub ledger: Ledger,
}

/// Where a report's numbers come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// When the page was made, as it shall be printed, e.g. `2026-11-22 15:04 UTC`.
    pub generated_at: String,
    /// What was read, e.g. `simulated: 10,000 listeners, seed 42` or a file's name.
    pub source: String,
    /// The lake's address.
    pub lake: String,
    /// The number of the published build that was read.
    pub build: Option<i64>,
    /// The release in `ClickHouse`, e.g. `12.0`.
    pub release: Option<String>,
    /// Good events in bronze, all topics.
    pub events: u64,
    /// The version of the program, e.g. `goldrecord 0.1.0`.
    pub program: String,
    /// The machine, e.g. `2 cores, Linux`.
    pub machine: String,
}

/// One headline figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// What it counts, e.g. `Listens`.
    pub label: String,
    /// The figure, in the unit's terms.
    pub value: f64,
    /// How the figure is printed.
    pub unit: Unit,
    /// One short line below it, e.g. `3.4 per listener and day`.
    #[serde(default)]
    pub note: String,
    /// Its course by day, for a sparkline; none when shorter than two.
    #[serde(default)]
    pub trend: Vec<f64>,
}

/// How a figure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A whole number: `1,234,567`.
    Count,
    /// A number with one decimal: `12.3`.
    Decimal,
    /// A share from 0 to 1, printed as per cent.
    Share,
    /// Seconds, printed as the fitting unit of time.
    Seconds,
    /// Bytes, printed as KiB, MiB, GiB.
    Bytes,
    /// Things in a second.
    PerSecond,
}

/// One day of listening.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day.
    pub date: String,
    /// Songs played.
    pub listens: u64,
    /// Users with at least one event.
    pub active_users: u64,
}

/// Listens in one hour of one weekday, summed over the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourCell {
    /// 0 is Monday, 6 is Sunday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// Songs played.
    pub listens: u64,
}

/// One row of a ranking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The song, the artist, the place.
    pub name: String,
    /// What tells two of one name apart: a song's artist, a city's state.
    #[serde(default)]
    pub detail: String,
    /// Songs played.
    pub listens: u64,
    /// Different listeners, where known.
    #[serde(default)]
    pub listeners: Option<u64>,
}

/// Where people listen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    /// By state, best first.
    pub states: Vec<Ranked>,
    /// By city, best first.
    pub cities: Vec<Ranked>,
    /// Every place whose position is known, for the map.
    pub dots: Vec<Place>,
}

/// A place on the map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The city.
    pub name: String,
    /// Degrees north, −90 to 90.
    pub lat: f64,
    /// Degrees east, −180 to 180.
    pub lon: f64,
    /// Songs played there.
    pub listens: u64,
}

/// The users whose first active week is the same, and how many came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// The Monday of that week.
    pub week: String,
    /// How many they are.
    pub users: u64,
    /// Active users by week since: index 0 is that first week. `None`: not known yet.
    pub active: Vec<Option<u64>>,
}

/// One step of the conversion funnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunnelStep {
    /// What is counted and what they did, e.g. `Sessions that saw the upgrade page`.
    pub name: String,
    /// How many users or sessions, as the name says.
    pub users: u64,
}

/// What happened to subscriptions on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionDay {
    /// The day.
    pub date: String,
    /// New accounts.
    pub registrations: u64,
    /// Free to paid.
    pub upgrades: u64,
    /// Paid to free.
    pub downgrades: u64,
    /// Accounts closed.
    pub cancellations: u64,
}

/// What became of one topic's offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicQuality {
    /// The topic.
    pub topic: String,
    /// Events in bronze.
    pub good: u64,
    /// Records in quarantine.
    pub bad: u64,
    /// Second sends of an event, dropped on the way to silver.
    pub duplicates: u64,
    /// Offsets without a record.
    pub gaps: u64,
    /// Offsets read, minus good, bad and gaps: 0 where every offset is accounted for.
    pub balance: i64,
}

/// What one stage of the pipeline did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// E.g. `Kafka → bronze`.
    pub name: String,
    /// Events (or rows) handled.
    pub events: u64,
    /// Bytes handled; 0 is not shown.
    #[serde(default)]
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// The models, and what they read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lineage {
    /// Sources and models.
    pub models: Vec<Model>,
    /// `(from, to)` by model name: `to` reads `from`. Unknown names are ignored.
    pub edges: Vec<(String, String)>,
}

/// One source or model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The table's name, unique in the lineage.
    pub name: String,
    /// `bronze`, `silver`, `gold`, or any other schema.
    pub layer: String,
    /// How its build ended.
    pub status: Status,
    /// How it was rebuilt: `append`, `replace`, `full`, `unchanged`, …; empty for a source.
    #[serde(default)]
    pub way: String,
    /// Rows now in the table.
    #[serde(default)]
    pub rows: Option<u64>,
    /// How long the build took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Tests that passed.
    #[serde(default)]
    pub tests_passed: u32,
    /// Tests that failed.
    #[serde(default)]
    pub tests_failed: u32,
}

/// How a model's build ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not built by us: a source.
    #[default]
    Source,
    /// Built in this run.
    Built,
    /// Nothing had changed.
    Unchanged,
    /// Not built, because something before it failed or it was not selected.
    Skipped,
    /// The build or one of its tests failed.
    Failed,
}

/// The data tests of the build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestSummary {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed with severity `warn`.
    pub warned: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub skipped: u64,
    /// What failed or warned.
    pub failures: Vec<Failure>,
}

/// A test that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The test.
    pub name: String,
    /// The model it watches.
    pub model: String,
    /// How many rows fail it.
    pub rows: u64,
    /// What it says.
    #[serde(default)]
    pub message: String,
}

/// The comparison of silver and gold with the ledger of the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ledger {
    /// The source came with no ledger.
    #[default]
    None,
    /// Every metric of the ledger was compared.
    Compared {
        /// One row per metric.
        checks: Vec<Check>,
    },
}

/// One metric of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// E.g. `listens by hour`.
    pub metric: String,
    /// How many values were compared.
    pub compared: u64,
    /// How many differ.
    pub differing: u64,
    /// The first that differs, in words.
    #[serde(default)]
    pub first: Option<String>,
}
