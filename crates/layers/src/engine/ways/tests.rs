#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;
use crate::engine::lineage::PartitionColumns;

mod merged;

/// `events` and `visits` are partitioned by `date`; `people` has no partitions.
async fn shape(sql: &str, partition_by: &[&str], reach: i32) -> Shape {
    let date = Field::new("date", DataType::Date32, true);
    let events = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("user_id", DataType::Int64, true),
        Field::new("session_id", DataType::Int64, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("page", DataType::Utf8, true),
        date.clone(),
    ]);
    let people = Schema::new(vec![
        Field::new("user_id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let schema = MemorySchemaProvider::new();
    for (name, columns) in [
        ("events", events.clone()),
        ("visits", events),
        ("people", people),
    ] {
        schema
            .register_table(name.into(), Arc::new(EmptyTable::new(Arc::new(columns))))
            .unwrap();
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("s", Arc::new(schema)).unwrap();
    let session = SessionContext::new_with_config(
        SessionConfig::new().with_default_catalog_and_schema("lake", "s"),
    );
    session.register_catalog("lake", Arc::new(catalog));
    // As compiled SQL names relations.
    let sql = ["events", "visits", "people"]
        .iter()
        .fold(sql.to_owned(), |sql, name| {
            sql.replace(&format!("@{name}"), &format!("lake.s.{name}"))
        });
    let plan = session.state().create_logical_plan(&sql).await.unwrap();
    let dates = vec![Arc::new(date)];
    let tables = PartitionColumns::from([
        ("lake.s.events".to_owned(), dates.clone()),
        ("lake.s.visits".to_owned(), dates),
        ("lake.s.people".to_owned(), Vec::new()),
    ]);
    let partition_by: Vec<String> = partition_by.iter().map(ToString::to_string).collect();
    Shape::of(&plan, &partition_by, &tables, Reach::days(reach))
}

fn changed(table: &str, kind: ChangeKind) -> Change {
    Change {
        table: format!("lake.s.{table}"),
        kind,
    }
}

fn added(tables: &[&str]) -> Vec<Change> {
    tables
        .iter()
        .map(|table| changed(table, ChangeKind::Added))
        .collect()
}

/// The way in one line: its name, and by which tables and expressions partitions are found.
fn told(way: &Way) -> String {
    let replaced = |replace: &Replace| {
        let mut tables: Vec<String> = replace
            .restricted
            .iter()
            .map(|(table, exprs)| {
                let exprs: Vec<String> = exprs.iter().map(ToString::to_string).collect();
                format!("{} by {}", short(table), exprs.join(" | "))
            })
            .collect();
        tables.sort();
        format!("{} ({})", replace.column, tables.join(", "))
    };
    match way {
        Way::Unchanged => "unchanged".to_owned(),
        Way::Append => "append".to_owned(),
        Way::AppendNewKeys { keys, .. } => format!("new keys ({})", keys.join(", ")),
        Way::Merge { columns, within } => {
            let columns: Vec<String> = columns
                .iter()
                .map(|(name, part)| format!("{name}: {part:?}"))
                .collect();
            let within = within
                .as_ref()
                .map(|replace| format!(" in {}", replaced(replace)));
            format!("merge {}{}", columns.join(", "), within.unwrap_or_default())
        }
        Way::ReplaceKeys { key, otherwise } => format!("keys {key}, else {}", replaced(otherwise)),
        Way::Replace(replace) => format!("replace {}", replaced(replace)),
        Way::Full { why } => format!("full: {why}"),
    }
}

async fn way_of(sql: &str, partition_by: &[&str], changes: &[Change]) -> String {
    told(&shape(sql, partition_by, 0).await.choose(changes))
}

#[tokio::test]
async fn a_filter_and_a_projection_append() {
    let sql = "select date, user_id, upper(page) as page from @events where page <> 'Home'";
    assert_eq!(way_of(sql, &["date"], &added(&["events"])).await, "append");
    assert_eq!(
        way_of(sql, &["date"], &[changed("events", ChangeKind::Removed)]).await,
        "replace date (s.events by date)",
        "rows that went must go from the output too"
    );
    assert_eq!(
        way_of(sql, &["date"], &[changed("events", ChangeKind::None)]).await,
        "unchanged"
    );
    assert_eq!(
        way_of(
            sql,
            &["date"],
            &[changed(
                "events",
                ChangeKind::Unknown("the log is gone".into())
            )]
        )
        .await,
        "full: what changed in s.events cannot be told: the log is gone"
    );
}

#[tokio::test]
async fn a_union_appends_from_each_of_its_tables() {
    let sql = "select id, date from @events union all select id, date from @visits";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events", "visits"])).await,
        "append"
    );
}

#[tokio::test]
async fn a_lookup_appends_while_what_is_looked_up_stays() {
    let sql =
        "select e.id, e.date, p.name from @events e left join @people p on p.user_id = e.user_id";
    let unchanged = changed("people", ChangeKind::None);
    assert_eq!(
        way_of(
            sql,
            &["date"],
            &[changed("events", ChangeKind::Added), unchanged]
        )
        .await,
        "append"
    );
    assert_eq!(
        way_of(sql, &["date"], &added(&["events", "people"])).await,
        "full: a partition of the table may draw on all of s.people: `e.date` is not among the join's keys on the right side"
    );
}

#[tokio::test]
async fn grouping_by_the_partition_column_replaces_partitions() {
    let sql = "select date, user_id, count(distinct page) as n from @events group by date, user_id";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
}

#[tokio::test]
async fn grouping_by_a_function_of_it_replaces_partitions() {
    let sql = "select cast(date_trunc('month', date) as date) as month, count(distinct page) as n from @events group by 1";
    let way = way_of(sql, &["month"], &added(&["events"])).await;
    assert!(
        way.starts_with("replace month (s.events by CAST(date_trunc("),
        "{way}"
    );
}

#[tokio::test]
async fn grouping_by_anything_else_is_full() {
    let sql = "select cast(ts as date) as day, count(*) as n from @events group by 1";
    assert_eq!(
        way_of(sql, &["day"], &added(&["events"])).await,
        "full: a partition of the table may draw on all of s.events: `ts` is not a partition column of it"
    );
    let sql = "select user_id, min(date) as first_date from @events group by user_id";
    let way = way_of(sql, &["first_date"], &added(&["events"])).await;
    assert!(way.contains("is not a group key"), "{way}");
    let sql = "select user_id, count(distinct date) as dates from @events group by user_id";
    let way = way_of(sql, &[], &added(&["events"])).await;
    assert_eq!(way, "full: the table has no partitions (`partition_by`)");
}

#[tokio::test]
async fn aggregates_of_aggregates_and_distinct_are_followed() {
    let sql = "with a as (select distinct date, user_id from @events),
        b as (select date, user_id, count(*) as n from a group by date, user_id)
        select date, count(*) as users from b as c where n > 0 group by date having count(*) > 1 order by date";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
}

#[tokio::test]
async fn a_union_of_aggregates_replaces_by_every_table() {
    let sql = "select date, sum(n) as n from (
            select date, count(*) as n from @events group by date
            union all select date, 0 as n from @visits) u group by date";
    assert_eq!(
        way_of(
            sql,
            &["date"],
            &[
                changed("events", ChangeKind::Added),
                changed("visits", ChangeKind::None)
            ]
        )
        .await,
        "replace date (s.events by date, s.visits by date)",
        "the unchanged table is read in part as well"
    );
}

#[tokio::test]
async fn a_join_on_the_partition_column_follows_both_sides() {
    let sql = "with a as (select date, count(*) as n from @events group by date),
        b as (select date, count(*) as m from @visits group by date)
        select a.date, n, m from a left join b on a.date = b.date";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events", "visits"])).await,
        "replace date (s.events by date, s.visits by date)"
    );
    // The right side's column is null where nothing matches: no partition of its own.
    let way = way_of(
        &sql.replace("select a.date", "select b.date"),
        &["date"],
        &added(&["events"]),
    )
    .await;
    assert!(way.starts_with("full: "), "{way}");
}

#[tokio::test]
async fn a_full_join_is_followed_by_the_coalesced_key() {
    let sql = "with a as (select date, count(*) as n from @events group by date),
        b as (select date, count(*) as m from @visits group by date)
        select coalesce(a.date, b.date) as date, n, m from a full join b on a.date = b.date";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events", "visits"])).await,
        "replace date (s.events by date, s.visits by date)"
    );
    let way = way_of(
        &sql.replace("coalesce(a.date, b.date)", "a.date"),
        &["date"],
        &added(&["visits"]),
    )
    .await;
    assert!(way.starts_with("full: "), "{way}");
}

#[tokio::test]
async fn a_join_on_another_column_is_full_for_the_other_side() {
    let sql = "select e.date, v.id from @events e join @visits v on e.user_id = v.user_id";
    let way = way_of(sql, &["date"], &added(&["visits"])).await;
    assert!(way.contains("all of s.visits"), "{way}");
    let way = way_of(
        sql,
        &["date"],
        &[
            changed("visits", ChangeKind::None),
            changed("events", ChangeKind::Removed),
        ],
    )
    .await;
    assert_eq!(way, "replace date (s.events by date)");
}

#[tokio::test]
async fn a_table_joined_with_itself_is_full_unless_both_scans_are_followed() {
    let by_user = "select a.date, b.id from @events a join @events b on a.user_id = b.user_id";
    let way = way_of(by_user, &["date"], &added(&["events"])).await;
    assert!(way.starts_with("full: "), "{way}");
    let by_date = "select a.date, b.id from @events a join @events b on a.date = b.date";
    assert_eq!(
        way_of(by_date, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
}

#[tokio::test]
async fn a_window_within_the_partition_replaces_and_across_it_is_full() {
    let within =
        "select date, id, rank() over (partition by date, user_id order by ts) as r from @events";
    assert_eq!(
        way_of(within, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
    let across =
        "select date, id, lag(page) over (partition by user_id order by ts) as before from @events";
    assert_eq!(
        way_of(across, &["date"], &added(&["events"])).await,
        "full: a partition of the table may draw on all of s.events: the window of `lag` is not partitioned by `lake.s.events.date`"
    );
}

#[tokio::test]
async fn a_limit_is_full() {
    let way = way_of(
        "select date, id from @events order by ts limit 10",
        &["date"],
        &added(&["events"]),
    )
    .await;
    assert!(way.contains("limit"), "{way}");
}

#[tokio::test]
async fn what_a_subquery_reads_may_be_anything() {
    let sql = "select date, id from @events where user_id in (select user_id from @people)";
    let way = way_of(
        sql,
        &["date"],
        &[
            changed("events", ChangeKind::None),
            changed("people", ChangeKind::Added),
        ],
    )
    .await;
    assert!(way.contains("subquery"), "{way}");
    let way = way_of(
        sql,
        &["date"],
        &[
            changed("events", ChangeKind::Added),
            changed("people", ChangeKind::None),
        ],
    )
    .await;
    assert_eq!(way, "replace date (s.events by date)");
}

#[tokio::test]
async fn a_clock_is_always_full() {
    let way = way_of(
        "select date, id, now() as at from @events",
        &["date"],
        &added(&[]),
    )
    .await;
    assert!(way.starts_with("full: `now()`"), "{way}");
}

const ONE_PER_KEY: &str = "select id, date, page from (
        select *, row_number() over (partition by id, date order by ts, page) as copy from @events where page <> ''
    ) as ranked where copy = 1";

#[tokio::test]
async fn one_row_per_key_appends_new_keys() {
    assert_eq!(
        way_of(ONE_PER_KEY, &["date"], &added(&["events"])).await,
        "new keys (id, date)"
    );
    assert_eq!(
        way_of(
            ONE_PER_KEY,
            &["date"],
            &[changed("events", ChangeKind::Removed)]
        )
        .await,
        "replace date (s.events by date)"
    );
}

#[tokio::test]
async fn one_row_per_key_needs_the_key_in_the_result_and_no_other_filter() {
    let renamed = ONE_PER_KEY.replace("select id, date, page", "select id as event_id, date, page");
    assert_eq!(
        way_of(&renamed, &["date"], &added(&["events"])).await,
        "new keys (event_id, date)"
    );
    let without = ONE_PER_KEY.replace("select id, date, page", "select date, page");
    assert_eq!(
        way_of(&without, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
    let filtered = ONE_PER_KEY.replace("copy = 1", "copy = 1 and page = 'Home'");
    assert_eq!(
        way_of(&filtered, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
    let second = ONE_PER_KEY.replace("copy = 1", "copy = 2");
    assert_eq!(
        way_of(&second, &["date"], &added(&["events"])).await,
        "replace date (s.events by date)"
    );
    let not_by_date = ONE_PER_KEY.replace("partition by id, date", "partition by id");
    let way = way_of(&not_by_date, &["date"], &added(&["events"])).await;
    assert!(way.starts_with("full: "), "{way}");
}

#[tokio::test]
async fn reach_declares_what_the_plan_does_not_show() {
    let sql =
        "select session_id, min(date) as date, count(*) as n from @events group by session_id";
    let sessions = shape(sql, &["date"], 1).await;
    assert_eq!(
        told(&sessions.choose(&added(&["events"]))),
        "keys session_id, else date (s.events by date)"
    );
    assert_eq!(
        told(&sessions.choose(&[changed("events", ChangeKind::Removed)])),
        "replace date (s.events by date)"
    );
    // What a group's total decides is not seen from some of its rows.
    let having = format!("{sql} having count(*) > 1");
    assert_eq!(
        told(
            &shape(&having, &["date"], 1)
                .await
                .choose(&added(&["events"]))
        ),
        "replace date (s.events by date)"
    );
    let with_people = "select session_id, min(date) as date, max(name) as name
        from @events e join @people p on p.user_id = e.user_id group by session_id";
    let way = told(
        &shape(with_people, &["date"], 1)
            .await
            .choose(&added(&["people"])),
    );
    assert!(
        way.contains("all of s.people"),
        "a table without days is not covered by reach: {way}"
    );
}
