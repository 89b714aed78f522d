#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;

use super::*;

/// Each column as `=direct` and `~derived` columns, then the influence.
async fn lineage(sql: &str) -> (Vec<String>, String) {
    let session = SessionContext::new();
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let tags = Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true);
    for (name, fields) in [
        ("a", vec![int("id"), int("x"), int("y"), tags]),
        ("b", vec![int("id"), int("z")]),
    ] {
        let table = EmptyTable::new(Arc::new(Schema::new(fields)));
        session.register_table(name, Arc::new(table)).unwrap();
    }
    let plan = session.state().create_logical_plan(sql).await.unwrap();
    let found = column_lineage(&plan);
    let told = |(table, column): &TableColumn| format!("{table}.{column}");
    let columns = found.columns.iter().map(|origins| {
        let marked = origins.iter().map(|(column, nearness)| match nearness {
            Nearness::Direct => format!("={}", told(column)),
            Nearness::Derived => format!("~{}", told(column)),
        });
        marked.collect::<Vec<_>>().join(" ")
    });
    let influence: Vec<String> = found.influence.iter().map(told).collect();
    (columns.collect(), influence.join(" "))
}

async fn check(sql: &str, columns: &[&str], influence: &str) {
    let (found, influenced) = lineage(sql).await;
    assert_eq!(found, columns, "columns of {sql}");
    assert_eq!(influenced, influence, "influence in {sql}");
}

#[tokio::test]
async fn aliases_and_ctes_hand_columns_on() {
    check(
        "select x as p, x + y as q, 1 as one from a",
        &["=a.x", "~a.x ~a.y", ""],
        "",
    )
    .await;
    check(
        "with c as (select id, y * 2 as d from a where x > 0) select t.d, t.id from c as t",
        &["~a.y", "=a.id"],
        "a.x",
    )
    .await;
}

#[tokio::test]
async fn joins_influence_rows_and_not_values() {
    check(
        "select a.x, b.z from a left join b on a.id = b.id and a.y > b.z",
        &["=a.x", "=b.z"],
        "a.id a.y b.id b.z",
    )
    .await;
}

#[tokio::test]
async fn the_sides_of_a_self_join_are_one_table() {
    check(
        "select l.id, l.x, r.x as other, l.y - r.y as gap from a as l join a as r on l.id = r.x",
        &["=a.id", "=a.x", "=a.x", "~a.y"],
        "a.id a.x",
    )
    .await;
}

#[tokio::test]
async fn a_star_is_every_column_by_name() {
    check(
        "with c as (select * from b) select c.*, a.y from a join c using (id)",
        &["=b.id", "=b.z", "=a.y"],
        "a.id b.id",
    )
    .await;
}

#[tokio::test]
async fn a_case_is_derived_from_its_conditions_too() {
    check(
        "select case when x > 0 then y else id end as c, coalesce(x, 0) as d from a",
        &["~a.id ~a.x ~a.y", "~a.x"],
        "",
    )
    .await;
}

#[tokio::test]
async fn distinct_and_set_operations_keep_columns() {
    check(
        "select distinct x from a except select z from b",
        &["=a.x"],
        "a.x b.z",
    )
    .await;
    check(
        "select count(distinct x) filter (where y > 0) as n from a order by n limit 3",
        &["~a.x ~a.y"],
        "a.x a.y",
    )
    .await;
}

#[tokio::test]
async fn unions_merge_columns_by_place() {
    check(
        "select x, y from a union all select z, z + 1 from b",
        &["=a.x =b.z", "=a.y ~b.z"],
        "",
    )
    .await;
}

#[tokio::test]
async fn aggregates_and_windows_are_derived() {
    check(
        "select x, sum(y) as s, count(*) as n from a group by x having max(id) > 1",
        &["=a.x", "~a.y", ""],
        "a.id a.x",
    )
    .await;
    check(
        "select id, row_number() over (partition by x order by y) as n from a",
        &["=a.id", "~a.x ~a.y"],
        "",
    )
    .await;
    check(
        "select x, y, sum(id) as s from a group by grouping sets ((x), (y))",
        &["=a.x", "=a.y", "~a.id"],
        "a.x a.y",
    )
    .await;
}

#[tokio::test]
async fn subqueries_give_values_and_influence() {
    check(
        "select (select max(z) from b where b.id = a.id) as m from a",
        &["~b.z"],
        "a.id b.id",
    )
    .await;
    check(
        "select x from a where id in (select id from b where z > 1)",
        &["=a.x"],
        "a.id b.id b.z",
    )
    .await;
}

#[tokio::test]
async fn unnest_is_derived_from_its_list() {
    check(
        "select id, unnest(tags) as tag from a",
        &["=a.id", "~a.tags"],
        "",
    )
    .await;
}

#[tokio::test]
async fn a_recursive_query_does_not_come_from_itself() {
    check(
        "with recursive r as (select id from a union all select id + 1 from r where id < 3) select id from r",
        &["=a.id"],
        "",
    )
    .await;
}
