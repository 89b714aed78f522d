//! One release: from the last published build to what readers see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt, stream};
use goldrecord_lake::{Lake, builds};

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::plan::{SlicePlan, TablePlan, refuse_emptied};
use crate::progress::{Progress, Step};
use crate::release::{Listed, Published, Release, Slice};
use crate::send::{Sent, send};
use crate::settings::LoaderSettings;
use crate::store::{Store, new_attempt};

/// How many slices are sent side by side.
const SIDE_BY_SIDE: usize = 2;

/// What a load did.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadReport {
    /// What came of it.
    pub outcome: Outcome,
    /// The release that readers see now.
    pub release: Release,
    /// The last published build in the lake.
    pub build: i64,
    /// The build's gold tables, by name.
    pub tables: Vec<TableLoad>,
    /// Old versions of slices that were dropped.
    pub slices_dropped: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new release was published.
    Published,
    /// The build is what readers see already.
    Unchanged,
    /// The build was published and then rolled back; it stays so until there is a newer one.
    HeldBack,
    /// Readers see a newer build than the lake's: another lake or another loader feeds this database.
    Behind,
}

/// What was done for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLoad {
    /// Its name.
    pub name: String,
    /// Its rows in the release.
    pub rows: u64,
    /// Rows that had to be sent.
    pub rows_sent: u64,
    /// Their bytes over the wire.
    pub bytes_sent: u64,
    /// Slices sent.
    pub slices_sent: usize,
    /// Slices that were there already.
    pub slices_kept: usize,
}

impl LoadReport {
    /// Rows sent, all tables.
    pub fn rows_sent(&self) -> u64 {
        self.tables.iter().map(|t| t.rows_sent).sum()
    }

    /// Bytes sent, all tables.
    pub fn bytes_sent(&self) -> u64 {
        self.tables.iter().map(|t| t.bytes_sent).sum()
    }

    /// Rows of the release, all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|t| t.rows).sum()
    }
}

/// Loads the last published build of the settings' target as a new release, unless readers see it already.
pub async fn load(
    settings: &LoaderSettings,
    lake: &Lake,
    progress: &dyn Progress,
) -> Result<LoadReport> {
    let start = Instant::now();
    let build = builds::published(lake, &settings.target).await?;
    let build = build.ok_or_else(|| Error::NoBuild {
        lake: lake.url().to_owned(),
        target: settings.target.clone(),
    })?;
    let gold: BTreeMap<&str, i64> = build
        .tables
        .iter()
        .filter_map(|(path, version)| Some((path.strip_prefix("gold/")?, *version)))
        .collect();
    if gold.is_empty() {
        return Err(Error::NoGold {
            lake: lake.url().to_owned(),
            build: build.number,
        });
    }

    let store = Store::connect(settings).await?;
    store.prepare().await?;
    progress.step(Step::Prepared);

    let releases = store.releases().await?;
    let parts = store.parts().await?;
    let current = releases.first();
    let report = |outcome, release, tables, slices_dropped| LoadReport {
        outcome,
        release,
        build: build.number,
        tables,
        slices_dropped,
        elapsed: start.elapsed(),
    };
    if let Some(current) = current {
        if current.release.build > build.number {
            return Ok(report(Outcome::Behind, current.release, listed(current), 0));
        }
        if current.release.build == build.number && current.shows != current.release {
            return Ok(report(
                Outcome::HeldBack,
                current.release,
                listed(current),
                0,
            ));
        }
    }

    let mut plans = Vec::with_capacity(gold.len());
    for (name, version) in gold {
        let snapshot = lake.table(&format!("gold/{name}")).at(version).await?;
        let plan = TablePlan::of(name, snapshot, &releases, &parts)?;
        refuse_emptied(name, plan.snapshot.rows(), current, &settings.allow_empty)?;
        plans.push(plan);
    }
    progress.planned(plans.iter().map(TablePlan::rows_to_send).sum());
    progress.step(Step::Planned);
    if let Some(current) = current.filter(|current| is_shown(current, build.number, &plans)) {
        return Ok(report(
            Outcome::Unchanged,
            current.release,
            listed(current),
            0,
        ));
    }

    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as u64);
    let attempt = new_attempt(now_ms);
    let number = Release::next(current.map(|c| c.release), build.number, attempt);
    let sending = Sending {
        store: &store,
        lake,
        attempt,
        progress,
    };
    let tables = sending.all(plans).await?;
    store.parts().await?.refuse_too_many(&store.names)?;
    let (listed, loads): (Vec<Listed>, Vec<TableLoad>) = tables.into_iter().unzip();

    for table in &listed {
        store.view(&table.name, &table.columns).await?;
    }
    progress.step(Step::Viewed);
    store
        .publish(&Published {
            release: number,
            shows: number,
            at_ms: 0,
            tables: listed,
        })
        .await?;
    progress.step(Step::Published);

    let keep = settings.keep_releases.max(2) as usize;
    let dropped = store
        .clean(
            keep,
            now_ms.saturating_sub(settings.orphan_age.as_millis() as u64),
        )
        .await?;
    progress.step(Step::Cleaned);
    Ok(report(Outcome::Published, number, loads, dropped))
}

/// Whether readers see exactly this already.
fn is_shown(current: &Published, build: i64, plans: &[TablePlan]) -> bool {
    current.release.build == build
        && current.tables.len() == plans.len()
        && plans.iter().all(|plan| {
            let kept: Option<Vec<&Slice>> = plan.slices.iter().map(|s| s.kept.as_ref()).collect();
            current
                .table(&plan.name)
                .is_some_and(|table| kept.is_some_and(|kept| table.slices.iter().eq(kept)))
        })
}

/// The tables of a release of which nothing had to be sent.
fn listed(release: &Published) -> Vec<TableLoad> {
    let load = |table: &Listed| TableLoad {
        name: table.name.clone(),
        rows: table.rows(),
        rows_sent: 0,
        bytes_sent: 0,
        slices_sent: 0,
        slices_kept: table.slices.len(),
    };
    release.tables.iter().map(load).collect()
}

/// One attempt to send what changed.
struct Sending<'a> {
    store: &'a Store,
    lake: &'a Lake,
    attempt: u64,
    progress: &'a dyn Progress,
}

impl Sending<'_> {
    /// Shapes every table, sends every slice that is not there, then compares what arrived with the lake.
    async fn all(&self, plans: Vec<TablePlan>) -> Result<Vec<(Listed, TableLoad)>> {
        let mut shaped = Vec::with_capacity(plans.len());
        for plan in plans {
            let columns = self.store.shape(&plan).await?;
            shaped.push((Arc::new(plan), Arc::<[Column]>::from(columns)));
        }
        self.progress.step(Step::Shaped);

        let missing: Vec<(usize, usize)> = shaped
            .iter()
            .enumerate()
            .flat_map(|(t, (plan, _))| {
                plan.slices
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| s.kept.is_none())
                    .map(move |(s, _)| (t, s))
            })
            .collect();
        let sends =
            missing.into_iter().map(|(t, s)| {
                let (plan, columns) = &shaped[t];
                async move {
                    Ok::<_, Error>(((t, s), self.slice(plan, columns, &plan.slices[s]).await?))
                }
            });
        let sent: BTreeMap<(usize, usize), Sent> = stream::iter(sends)
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        self.progress.step(Step::Sent);

        let mut tables = Vec::with_capacity(shaped.len());
        for (t, (plan, columns)) in shaped.iter().enumerate() {
            let mut load = TableLoad {
                name: plan.name.clone(),
                rows: 0,
                rows_sent: 0,
                bytes_sent: 0,
                slices_sent: 0,
                slices_kept: 0,
            };
            let mut slices = Vec::with_capacity(plan.slices.len());
            for (s, slice) in plan.slices.iter().enumerate() {
                let listed = if let Some(kept) = &slice.kept {
                    load.slices_kept += 1;
                    kept.clone()
                } else {
                    let sent = sent[&(t, s)];
                    load.slices_sent += 1;
                    load.rows_sent += sent.sum.rows;
                    load.bytes_sent += sent.bytes;
                    self.verified(plan, columns, slice, sent).await?
                };
                load.rows += listed.rows;
                slices.push(listed);
            }
            let names = plan.columns.iter().map(|c| c.name.clone()).collect();
            tables.push((
                Listed {
                    name: plan.name.clone(),
                    lake_version: plan.snapshot.version,
                    columns: names,
                    slices,
                },
                load,
            ));
        }
        self.progress.step(Step::Verified);
        Ok(tables)
    }

    async fn slice(&self, plan: &TablePlan, columns: &[Column], slice: &SlicePlan) -> Result<Sent> {
        let table = self.lake.table(&format!("gold/{}", plan.name));
        let told = |rows, bytes| self.progress.sent(&plan.name, rows, bytes);
        send(
            self.store,
            &table,
            plan,
            columns,
            slice,
            self.attempt,
            &told,
        )
        .await
    }

    /// The slice as a release lists it, once what is in `ClickHouse` equals what was read from the lake.
    async fn verified(
        &self,
        plan: &TablePlan,
        columns: &[Column],
        slice: &SlicePlan,
        sent: Sent,
    ) -> Result<Slice> {
        let found = self
            .store
            .sum(&plan.name, columns, &slice.name, self.attempt)
            .await?;
        let promised: i64 = slice.files.iter().map(|f| f.stats.num_records).sum();
        assert_eq!(
            sent.sum.rows as i64, promised,
            "the files of {} hold the rows that the log says",
            plan.name
        );
        if found != sent.sum {
            return Err(Error::Mismatch {
                table: plan.name.clone(),
                slice: slice.name.clone(),
                sent: sent.sum.rows,
                sent_sum: sent.sum.hashes,
                found: found.rows,
                found_sum: found.hashes,
            });
        }
        Ok(Slice {
            name: slice.name.clone(),
            version: self.attempt,
            rows: found.rows,
            checksum: found.hashes,
            source: slice.source,
        })
    }
}
