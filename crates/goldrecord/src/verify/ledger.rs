//! Silver and gold against the ledger of the truth, key by key.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use goldrecord_eventsim::Truth;

use super::Check;
use crate::Result;
use crate::output::thousands;
use crate::rows::query;

/// How many differing keys are named.
const NAMED: usize = 5;

/// A metric of the ledger and the table that must say the same. `sql` gives a column `key` as the
/// ledger writes it and a column `n`.
struct Metric {
    name: &'static str,
    truth: fn(&Truth) -> &BTreeMap<String, u64>,
    table: &'static str,
    sql: &'static str,
}

const METRICS: [Metric; 5] = [
    Metric {
        name: "listens_by_hour",
        truth: |truth| &truth.metrics.listens_by_hour,
        table: "gold.listening_hourly",
        sql: "select to_char(hour, '%Y-%m-%dT%H') as key, sum(listens) as n from gold.listening_hourly group by 1",
    },
    Metric {
        name: "active_users_by_day",
        truth: |truth| &truth.metrics.active_users_by_day,
        table: "gold.active_users_daily",
        sql: "select to_char(date, '%Y-%m-%d') as key, active_users as n from gold.active_users_daily where active_users > 0",
    },
    Metric {
        name: "listens_by_song",
        truth: |truth| &truth.metrics.listens_by_song,
        table: "gold.top_songs_daily",
        sql: "select coalesce(artist, '') || chr(31) || coalesce(song, '') as key, sum(listens) as n from gold.top_songs_daily group by 1",
    },
    Metric {
        name: "registrations_by_day",
        truth: |truth| &truth.metrics.registrations_by_day,
        table: "gold.subscriptions_daily",
        sql: "select to_char(date, '%Y-%m-%d') as key, registrations as n from gold.subscriptions_daily where registrations > 0",
    },
    Metric {
        name: "cancellations_by_day",
        truth: |truth| &truth.metrics.cancellations_by_day,
        table: "gold.subscriptions_daily",
        sql: "select to_char(date, '%Y-%m-%d') as key, cancellations as n from gold.subscriptions_daily where cancellations > 0",
    },
];

/// The silver fact of each topic.
const FACTS: [(&str, &str); 4] = [
    ("listen_events", "silver.fct_listens"),
    ("page_view_events", "silver.fct_page_views"),
    ("auth_events", "silver.fct_auth"),
    ("status_change_events", "silver.fct_status_changes"),
];

/// Compare every topic and metric that the ledger counted.
pub async fn check(context: &SessionContext, truth: &Truth) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (topic, table) in FACTS {
        let expected = truth
            .topics
            .get(topic)
            .map(|topic| topic.hours.clone())
            .unwrap_or_default();
        let sql = format!(
            "select to_char(ts, '%Y-%m-%dT%H') as key, count(*) as n from {table} group by 1"
        );
        let found = counts(context, &sql).await?;
        checks.push(compare(
            &format!("{table} by hour = ledger {topic}"),
            &expected,
            &found,
        ));
    }
    for metric in METRICS {
        let found = counts(context, metric.sql).await?;
        let name = format!("{} = ledger {}", metric.table, metric.name);
        checks.push(compare(&name, (metric.truth)(truth), &found));
    }
    Ok(checks)
}

async fn counts(context: &SessionContext, sql: &str) -> Result<BTreeMap<String, u64>> {
    let rows = query(context, sql).await?;
    rows.iter()
        .map(|row| {
            let key = row.text("key")?.unwrap_or_else(|| "null".into());
            Ok((key, row.integer("n")?.unwrap_or_default() as u64))
        })
        .collect()
}

/// Whether both say the same of every key, and the first keys of which they do not.
fn compare(name: &str, expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Check {
    let mut differing: Vec<String> = Vec::new();
    let mut differences = 0_usize;
    for key in expected
        .keys()
        .chain(found.keys().filter(|key| !expected.contains_key(*key)))
    {
        let (truth, table) = (expected.get(key), found.get(key));
        if truth != table {
            differences += 1;
            if differing.len() < NAMED {
                let said = |count: Option<&u64>| count.map_or("nothing".into(), |n| thousands(*n));
                differing.push(format!(
                    "{}: {} in the ledger, {} in the table",
                    key.replace('\u{1f}', " – "),
                    said(truth),
                    said(table)
                ));
            }
        }
    }
    let detail = if differences == 0 {
        let sum: u64 = expected.values().sum();
        format!(
            "{} over {} keys",
            thousands(sum),
            thousands(expected.len() as u64)
        )
    } else {
        format!("{differences} keys differ: {}", differing.join("; "))
    };
    Check {
        name: name.to_owned(),
        holds: differences == 0,
        with_ledger: true,
        compared: expected.len() as u64,
        differing: differences as u64,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(key, count)| ((*key).to_owned(), *count))
            .collect()
    }

    #[test]
    fn equal_counts_hold() {
        let check = compare(
            "m",
            &map(&[("a", 1_000), ("b", 2)]),
            &map(&[("a", 1_000), ("b", 2)]),
        );
        assert!(check.holds);
        assert_eq!(check.detail, "1,002 over 2 keys");
    }

    #[test]
    fn a_count_that_differs_is_named_with_both_figures() {
        let check = compare("m", &map(&[("a", 1)]), &map(&[("a", 2)]));
        assert!(!check.holds);
        assert_eq!(
            check.detail,
            "1 keys differ: a: 1 in the ledger, 2 in the table"
        );
    }

    #[test]
    fn a_key_on_one_side_only_differs() {
        let check = compare("m", &map(&[("a", 1)]), &map(&[("b", 1)]));
        assert!(!check.holds);
        assert!(
            check
                .detail
                .contains("a: 1 in the ledger, nothing in the table")
        );
        assert!(
            check
                .detail
                .contains("b: nothing in the ledger, 1 in the table")
        );
    }
}
