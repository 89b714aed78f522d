//! `goldrecord verify`: whether what the charts show is what was sent.
//!
//! Two proofs. The [`balance`] of bronze: per Kafka partition and epoch, every offset between the
//! start and the next one to read is there exactly once, as an event, a bad record or a gap. And,
//! where a ledger of the truth exists, silver and gold against it, key by key ([`ledger`]).

pub mod balance;
pub mod ledger;
mod offsets;

use std::path::Path;

use comfy_table::{Cell, Color, Table, presets};
use goldrecord_eventsim::Ledger;
use goldrecord_lake::builds::Published;
use goldrecord_lake::{Lake, builds};
use goldrecord_layers::published;
use serde::Serialize;

use crate::{Error, Result};

/// One thing that must hold, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must hold, such as `balance of listen_events/3`.
    pub name: String,
    /// Whether it does.
    pub holds: bool,
    /// Whether the ledger is what it was compared with.
    pub with_ledger: bool,
    /// How many values were compared: offsets, or keys of a metric.
    pub compared: u64,
    /// How many of them differ.
    pub differing: u64,
    /// The figures when it holds, the first rows that differ when it does not.
    pub detail: String,
}

/// Every check of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In the order they were made.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether all of them hold, and there was something to check.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.holds)
    }

    /// For a terminal.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_header(["", "check", "result"]);
        for check in &self.checks {
            let mark = if check.holds {
                Cell::new("ok").fg(Color::Green)
            } else {
                Cell::new("NO").fg(Color::Red)
            };
            table.add_row([mark, Cell::new(&check.name), Cell::new(&check.detail)]);
        }
        table
    }
}

/// Check the lake, against the ledger at `ledger` if there is one.
pub async fn run(lake: &Lake, target: &str, ledger: Option<&Path>) -> Result<Verdict> {
    match once(lake, target, ledger).await {
        // A table took so long that maintenance has cleaned up behind it.
        Err(error) if error.is_of_an_old_version() => once(lake, target, ledger).await,
        checked => checked,
    }
}

async fn once(lake: &Lake, target: &str, ledger: Option<&Path>) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut topics = 0;
    let there = lake.tables().await?;
    for path in &there {
        let Some(topic) = path.strip_prefix("bronze/") else {
            continue;
        };
        topics += 1;
        verdict.checks.extend(balance::check(lake, topic).await?);
    }
    if topics == 0 {
        return Err(Error::Refused(format!(
            "{} holds no bronze table, so there is nothing to verify: run the ingestor first, or name another lake",
            lake.url()
        )));
    }
    let published = builds::published(lake, target).await?;
    if let Some(build) = &published {
        let lost = lost(build, &there);
        if !lost.is_empty() {
            // Whatever else is asked reads them.
            verdict.checks.extend(lost);
            return Ok(verdict);
        }
    }
    if let Some(path) = ledger {
        let truth = Ledger::read(path)?;
        if published.is_none() {
            verdict.checks.push(unpublished(path));
            return Ok(verdict);
        }
        let context = published::session(lake, target).await?;
        verdict
            .checks
            .extend(ledger::check(&context, &truth).await?);
    }
    Ok(verdict)
}

/// The tables that a published build read or made and that are not there: a table lost whole has no
/// row left that another check would miss.
fn lost(build: &Published, there: &[String]) -> Vec<Check> {
    build
        .tables
        .iter()
        .filter(|(path, _)| !there.contains(path))
        .map(|(path, version)| Check {
            name: format!("{path} is there"),
            holds: false,
            with_ledger: false,
            compared: 1,
            differing: 1,
            detail: format!(
                "build {} saw its version {version}, and the lake has no such table now: bring it back from a snapshot, or read its topic again",
                build.number
            ),
        })
        .collect()
}

/// There is a ledger, and no silver or gold to compare it with.
fn unpublished(ledger: &Path) -> Check {
    Check {
        name: "silver and gold = ledger".into(),
        holds: false,
        with_ledger: true,
        compared: 0,
        differing: 1,
        detail: format!(
            "no build is published yet, so there is nothing to compare {} with: run the demo, or `goldrecord-layers build`, to its end",
            ledger.display()
        ),
    }
}
