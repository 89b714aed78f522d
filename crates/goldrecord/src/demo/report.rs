//! The report's numbers, read from gold as any analyst would.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use goldrecord_lake::Lake;
use goldrecord_reports::{
    self as reports, Cohort, Day, Facts, FunnelStep, HourCell, Kpi, Ledger, Place, Places, Ranked,
    Report, Stage, SubscriptionDay, TopicQuality, Unit,
};

use crate::Result;
use crate::output::thousands;
use crate::rows::{Row, query};
use crate::verify::{Verdict, balance};

/// How many songs, artists and places a ranking shows.
const RANKED: usize = 15;
/// How many places the map shows.
const DOTS: usize = 400;

/// What the report tells beside gold's tables.
pub struct About<'a> {
    /// Where the numbers come from.
    pub facts: Facts,
    /// What each stage of the pipeline did.
    pub stages: Vec<Stage>,
    /// What `verify` found.
    pub verdict: &'a Verdict,
}

/// Read gold into a report; lineage and tests are the build's and added by the caller.
pub async fn read(lake: &Lake, context: &SessionContext, about: About<'_>) -> Result<Report> {
    let days = days(context).await?;
    let subscriptions = subscriptions(context).await?;
    Ok(Report {
        title: title(&days),
        kpis: kpis(context, &days).await?,
        hours: hours(context).await?,
        songs: ranked(context, SONGS).await?,
        artists: ranked(context, ARTISTS).await?,
        places: Places {
            states: ranked(context, STATES).await?,
            cities: ranked(context, CITIES).await?,
            dots: dots(context).await?,
        },
        cohorts: cohorts(context).await?,
        funnel: funnel(context).await?,
        quality: quality(lake, context).await?,
        ledger: ledger(about.verdict),
        days: days.into_iter().map(|(day, _)| day).collect(),
        subscriptions,
        facts: about.facts,
        stages: about.stages,
        ..Report::default()
    })
}

fn title(days: &[(Day, f64)]) -> String {
    match days.len() {
        0 => "No listening yet".into(),
        1 => "One day of listening".into(),
        n => format!("{n} days of listening"),
    }
}

/// `column` of `row` as a count; null is zero.
fn count(row: Row<'_>, column: &str) -> Result<u64> {
    Ok(row.integer(column)?.unwrap_or_default().max(0) as u64)
}

fn text(row: Row<'_>, column: &str) -> Result<String> {
    Ok(row.text(column)?.unwrap_or_default())
}

/// Every day of the period with its listening, and the seconds listened.
async fn days(context: &SessionContext) -> Result<Vec<(Day, f64)>> {
    let rows = query(
        context,
        "select to_char(d.date, '%Y-%m-%d') as date, a.listens, a.active_users, a.seconds
         from silver.dim_dates d left join gold.active_users_daily a on a.date = d.date order by 1",
    )
    .await?;
    rows.iter()
        .map(|row| {
            let day = Day {
                date: text(row, "date")?,
                listens: count(row, "listens")?,
                active_users: count(row, "active_users")?,
            };
            Ok((day, row.number("seconds")?.unwrap_or_default()))
        })
        .collect()
}

async fn kpis(context: &SessionContext, days: &[(Day, f64)]) -> Result<Vec<Kpi>> {
    let rows = query(
        context,
        "select (select count(distinct user_id) from silver.user_days) as users,
                (select count(distinct song_id) from gold.top_songs_daily) as songs,
                (select sum(registrations) from gold.subscriptions_daily) as registrations,
                (select sum(cancellations) from gold.subscriptions_daily) as cancellations,
                (select sum(upgrades) from gold.subscriptions_daily) as upgrades,
                (select sum(sessions) from gold.session_shape_daily) as sessions,
                (select sum(seconds) from gold.session_shape_daily) as session_seconds",
    )
    .await?;
    let Some(row) = rows.iter().next() else {
        return Ok(Vec::new());
    };
    let listens: u64 = days.iter().map(|(day, _)| day.listens).sum();
    let seconds: f64 = days.iter().map(|(_, seconds)| seconds).sum();
    let users = count(row, "users")?;
    let sessions = count(row, "sessions")?;
    let per = |whole: f64, parts: u64| {
        if parts == 0 {
            0.0
        } else {
            whole / parts as f64
        }
    };
    let trend = |of: fn(&Day) -> u64| days.iter().map(|(day, _)| of(day) as f64).collect();
    let active_days: u64 = days.iter().map(|(day, _)| day.active_users).sum();
    let upgrades = count(row, "upgrades")?;
    let kpi = |label: &str, value: f64, unit, note: String, trend| Kpi {
        label: label.into(),
        value,
        unit,
        note,
        trend,
    };
    Ok(vec![
        kpi(
            "Listens",
            listens as f64,
            Unit::Count,
            format!(
                "{:.1} per active listener and day",
                per(listens as f64, active_days)
            ),
            trend(|day| day.listens),
        ),
        kpi(
            "Listeners",
            users as f64,
            Unit::Count,
            format!(
                "{} active on an average day",
                thousands(per(active_days as f64, days.len() as u64).round() as u64)
            ),
            trend(|day| day.active_users),
        ),
        kpi(
            "Time listened",
            seconds,
            Unit::Seconds,
            format!("{} different songs", thousands(count(row, "songs")?)),
            days.iter().map(|(_, seconds)| *seconds).collect(),
        ),
        kpi(
            "Average session",
            per(row.number("session_seconds")?.unwrap_or_default(), sessions),
            Unit::Seconds,
            format!("{} sessions", thousands(sessions)),
            Vec::new(),
        ),
        kpi(
            "Registrations",
            count(row, "registrations")? as f64,
            Unit::Count,
            format!("{} went from free to paid", thousands(upgrades)),
            Vec::new(),
        ),
        kpi(
            "Cancellations",
            count(row, "cancellations")? as f64,
            Unit::Count,
            format!(
                "{:.1} in 1,000 listeners",
                1000.0 * per(count(row, "cancellations")? as f64, users)
            ),
            Vec::new(),
        ),
    ])
}

async fn hours(context: &SessionContext) -> Result<Vec<HourCell>> {
    let rows = query(
        context,
        "select (cast(date_part('dow', hour) as bigint) + 6) % 7 as weekday,
                cast(date_part('hour', hour) as bigint) as hour, sum(listens) as listens
         from gold.listening_hourly group by 1, 2 order by 1, 2",
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(HourCell {
                weekday: count(row, "weekday")? as u8,
                hour: count(row, "hour")? as u8,
                listens: count(row, "listens")?,
            })
        })
        .collect()
}

const SONGS: &str = "select song as name, artist as detail, sum(listens) as listens
    from gold.top_songs_daily group by song_id, song, artist order by listens desc, name";
const ARTISTS: &str = "select artist as name, '' as detail, sum(listens) as listens
    from gold.top_artists_daily group by artist_id, artist order by listens desc, name";
const STATES: &str = "select state as name, '' as detail, sum(listens) as listens
    from gold.listening_places_daily where state is not null group by state order by listens desc, name";
const CITIES: &str = "select city as name, state as detail, sum(listens) as listens
    from gold.listening_places_daily where city is not null group by city, state order by listens desc, name, detail";

async fn ranked(context: &SessionContext, sql: &str) -> Result<Vec<Ranked>> {
    let rows = query(context, &format!("{sql} limit {RANKED}")).await?;
    rows.iter()
        .map(|row| {
            Ok(Ranked {
                name: text(row, "name")?,
                detail: text(row, "detail")?,
                listens: count(row, "listens")?,
                listeners: None,
            })
        })
        .collect()
}

async fn dots(context: &SessionContext) -> Result<Vec<Place>> {
    let rows = query(
        context,
        &format!(
            "select p.city, l.lat, l.lon, sum(p.listens) as listens
             from gold.listening_places_daily p join silver.dim_locations l on l.location_id = p.location_id
             where l.lat is not null and l.lon is not null
             group by p.city, l.lat, l.lon order by listens desc limit {DOTS}"
        ),
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Place {
                name: text(row, "city")?,
                lat: row.number("lat")?.unwrap_or_default(),
                lon: row.number("lon")?.unwrap_or_default(),
                listens: count(row, "listens")?,
            })
        })
        .collect()
}

async fn cohorts(context: &SessionContext) -> Result<Vec<Cohort>> {
    let rows = query(
        context,
        "select to_char(cohort_week, '%Y-%m-%d') as week, week_number, users, cohort_users
         from gold.retention_cohorts order by 1, 2",
    )
    .await?;
    let mut cohorts: BTreeMap<String, (u64, BTreeMap<usize, u64>)> = BTreeMap::new();
    for row in rows.iter() {
        let cohort = cohorts.entry(text(row, "week")?).or_default();
        cohort.0 = count(row, "cohort_users")?;
        cohort
            .1
            .insert(count(row, "week_number")? as usize, count(row, "users")?);
    }
    // A later cohort has had fewer weeks: what has not come yet is unknown, what came and has no
    // row is zero.
    let weeks: BTreeSet<String> = cohorts.keys().cloned().collect();
    let last = weeks.len();
    Ok(cohorts
        .into_iter()
        .enumerate()
        .map(|(index, (week, (users, active)))| {
            let known = (last - index).max(active.keys().max().map_or(0, |week| week + 1));
            let active = (0..known).map(|week| Some(active.get(&week).copied().unwrap_or(0)));
            Cohort {
                week,
                users,
                active: active.collect(),
            }
        })
        .collect())
}

async fn funnel(context: &SessionContext) -> Result<Vec<FunnelStep>> {
    let rows = query(
        context,
        "select sum(free_sessions) as free, sum(upgrade_sessions) as upgrade, sum(upgraded_sessions) as upgraded
         from gold.conversion_funnel_daily",
    )
    .await?;
    let Some(row) = rows.iter().next() else {
        return Ok(Vec::new());
    };
    [
        ("Sessions on the free plan", "free"),
        ("… that saw the upgrade page", "upgrade"),
        ("… that upgraded", "upgraded"),
    ]
    .into_iter()
    .map(|(name, column)| {
        Ok(FunnelStep {
            name: name.into(),
            users: count(row, column)?,
        })
    })
    .collect()
}

async fn subscriptions(context: &SessionContext) -> Result<Vec<SubscriptionDay>> {
    let rows = query(
        context,
        "select to_char(date, '%Y-%m-%d') as date, registrations, upgrades, downgrades, cancellations
         from gold.subscriptions_daily order by 1",
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SubscriptionDay {
                date: text(row, "date")?,
                registrations: count(row, "registrations")?,
                upgrades: count(row, "upgrades")?,
                downgrades: count(row, "downgrades")?,
                cancellations: count(row, "cancellations")?,
            })
        })
        .collect()
}

async fn quality(lake: &Lake, context: &SessionContext) -> Result<Vec<TopicQuality>> {
    let dropped = query(
        context,
        "select topic, sum(duplicates_dropped) as duplicates from gold.data_quality_daily group by 1 order by 1",
    )
    .await?;
    let mut topics = Vec::new();
    for row in dropped.iter() {
        let topic = text(row, "topic")?;
        let totals = balance::totals(lake, &topic).await?;
        topics.push(TopicQuality {
            duplicates: count(row, "duplicates")?,
            good: totals.good as u64,
            bad: totals.bad as u64,
            gaps: totals.gaps as u64,
            balance: totals.unaccounted,
            topic,
        });
    }
    Ok(topics)
}

fn ledger(verdict: &Verdict) -> Ledger {
    let checks: Vec<reports::Check> = verdict
        .checks
        .iter()
        .filter(|check| check.with_ledger)
        .map(|check| reports::Check {
            metric: check.name.clone(),
            compared: check.compared,
            differing: check.differing,
            first: (!check.holds).then(|| check.detail.clone()),
        })
        .collect();
    if checks.is_empty() {
        Ledger::None
    } else {
        Ledger::Compared { checks }
    }
}
