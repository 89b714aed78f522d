//! After any sequence of changes, what was built incrementally equals a full build, row for row.

use proptest::prelude::*;

use super::support::{Bench, Row, ways};

/// A model of every way, and of joins, unions and windows between them.
const MODELS: &[(&str, &str)] = &[
    ("fct", r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, ts, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by ts, page, "userId", "sessionId") as copy
      from {{ source('bronze', 'events') }} where "eventId" is not null)
where copy = 1"#),
    ("visits", r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, ts, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by ts, page, "userId", "sessionId") as copy
      from {{ source('bronze', 'visits') }})
where copy = 1"#),
    ("helps", r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, upper(page) as page, event_date from {{ source('bronze', 'events') }} where page <> 'Home'"#),
    ("all_events", "{{ config(partition_by='event_date') }}
select *, 'event' as kind from {{ ref('fct') }} union all select *, 'visit' as kind from {{ ref('visits') }}"),
    ("user_days", "{{ config(partition_by='event_date') }}
select event_date, user_id, count(*) as n, count(distinct page) as pages, max(kind) as kind
from {{ ref('all_events') }} group by event_date, user_id"),
    ("sessions", "{{ config(partition_by='session_date', meta={'reach': 1}) }}
select session_id, min(event_date) as session_date, max(event_date) as last_date, count(*) as n
from {{ ref('all_events') }} group by session_id"),
    ("months", "{{ config(partition_by='month') }}
select cast(date_trunc('month', event_date) as date) as month, count(*) as days, sum(n) as n
from {{ ref('user_days') }} group by 1"),
    ("ranked", "{{ config(partition_by='event_date') }}
select event_date, user_id, n, rank() over (partition by event_date order by n desc, user_id) as place
from {{ ref('user_days') }}"),
    ("joined", "{{ config(partition_by='event_date') }}
with a as (select event_date, count(*) as n from {{ ref('fct') }} group by event_date),
     b as (select event_date, count(*) as m from {{ ref('visits') }} group by event_date)
select coalesce(a.event_date, b.event_date) as event_date, n, m from a full join b on a.event_date = b.event_date"),
    ("pages", "select page, count(*) as n, min(event_date) as first_date from {{ ref('all_events') }} group by page"),
    ("named", "{{ config(partition_by='event_date') }}
select f.event_id, f.event_date, p.n as page_events from {{ ref('fct') }} f join {{ ref('pages') }} p on p.page = f.page"),
];

/// What happens to bronze between builds.
#[derive(Clone, Debug)]
enum Step {
    /// Rows come: new ones, late ones, second sends, and ids that come again with other values.
    Come(&'static str, Vec<Row>),
    /// The same rows are sent again.
    Again(usize),
    /// All files of a topic go and these rows come: a replay.
    Replay(&'static str, Vec<Row>),
    /// A build, after which everything is compared.
    Build,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Few ids, days and users, so that they meet. A session lasts from its day to the next.
    let row =
        (0..12u8, 58..63i32, 1..4i64, 0..2i32, 0..3u8).prop_map(|(id, day, user, next, page)| {
            Row {
                id: format!("e{id}"),
                day: day + next,
                user,
                session: i64::from(day) * 10 + user,
                page: ["Home", "Help", "(bad)"][usize::from(page)].to_owned(),
            }
        });
    prop::collection::vec(row, 0..8)
}

fn step() -> impl Strategy<Value = Step> {
    let topic = prop_oneof![Just("events"), Just("visits")];
    prop_oneof![
        5 => (topic.clone(), rows()).prop_map(|(topic, rows)| Step::Come(topic, rows)),
        2 => (0..8usize).prop_map(Step::Again),
        1 => (topic, rows()).prop_map(|(topic, rows)| Step::Replay(topic, rows)),
        4 => Just(Step::Build),
    ]
}

fn bench() -> Bench {
    let files: Vec<(String, &str)> = MODELS
        .iter()
        .map(|(name, sql)| (format!("models/{name}.sql"), *sql))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, sql)| (path.as_str(), *sql))
        .collect();
    Bench::new(&files)
}

async fn tables(bench: &Bench) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for (name, _) in MODELS {
        all.push((*name, bench.rows(&format!("silver/{name}")).await));
    }
    all
}

async fn holds(steps: Vec<Step>) {
    let bench = bench();
    bench.events(&[]).await;
    bench.bronze("visits", &[], false).await;
    let mut sent: Vec<(&str, Vec<Row>)> = Vec::new();
    for step in steps.iter().chain([&Step::Build]) {
        match step {
            Step::Come(topic, rows) => {
                bench.bronze(topic, rows, false).await;
                sent.push((topic, rows.clone()));
            }
            Step::Again(index) => {
                if let Some((topic, rows)) = sent.get(*index) {
                    bench.bronze(topic, rows, false).await;
                }
            }
            Step::Replay(topic, rows) => bench.bronze(topic, rows, true).await,
            Step::Build => {
                let report = bench.build().await;
                assert!(report.published, "{report:?}");
            }
        }
    }
    let incremental = tables(&bench).await;
    let report = bench.full_refresh().await;
    assert!(
        ways(&report).values().all(|way| way == "full"),
        "{:?}",
        ways(&report)
    );
    for ((name, ours), (_, full)) in incremental.into_iter().zip(tables(&bench).await) {
        assert_eq!(
            ours, full,
            "{name}, incremental on the left, full on the right"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn incremental_equals_full(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(holds(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_taken() {
    let bench = bench();
    let one = |id: &str, day: i32, page: &str| Row {
        id: id.into(),
        day,
        user: 1,
        session: i64::from(day),
        page: page.into(),
    };
    for topic in ["events", "visits"] {
        bench
            .bronze(topic, &[one("a", 58, "Home"), one("b", 59, "Help")], false)
            .await;
    }
    bench.build().await;
    bench
        .events(&[one("c", 59, "Help"), one("b", 59, "Help")])
        .await;
    let ways = ways(&bench.build().await);
    let way = |name: &str| ways[name].as_str();
    assert_eq!(way("fct"), "append new keys");
    assert_eq!(way("visits"), "unchanged");
    assert_eq!(way("helps"), "append");
    assert_eq!(way("all_events"), "append");
    for name in ["user_days", "sessions", "months", "ranked", "joined"] {
        assert_eq!(way(name), "replace", "{name}");
    }
    assert_eq!(way("pages"), "full");
    assert_eq!(way("named"), "full");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_with_other_values_is_decided_as_a_full_build_does() {
    let bench = bench();
    let one = |page: &str| Row {
        id: "a".into(),
        day: 58,
        user: 1,
        session: 580,
        page: page.into(),
    };
    bench.bronze("visits", &[], false).await;
    bench.events(&[one("Home")]).await;
    bench.build().await;
    bench
        .events(&[
            one("Help"),
            Row {
                day: 59,
                ..one("Home")
            },
        ])
        .await;
    let report = bench.build().await;
    assert_eq!(ways(&report)["fct"], "append new keys, replace");
    let ours = bench.rows("silver/fct").await;
    assert_eq!(ours.len(), 2);
    assert!(
        ours[0].contains("Help"),
        "the order of the window decides: {ours:?}"
    );
    bench.full_refresh().await;
    assert_eq!(bench.rows("silver/fct").await, ours);
}
