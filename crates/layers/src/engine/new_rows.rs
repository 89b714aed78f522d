//! Tests that new rows decide, by themselves or with the partitions they lie in: where a query found nothing before,
//! can rows that came make it find something, and over which rows must it run to see it?

use arrow::datatypes::FieldRef;
use datafusion::common::JoinType;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::lineage::{self, On, PartitionColumns};
use super::ways::has_subquery;

/// Whether a query that finds nothing over some rows of `table`, and nothing over others, finds nothing over all of
/// them. `plan` is optimized: what filters groups by their keys stands below the grouping.
///
/// It holds where every row that is found stems from one row of the table, or from a group of such rows that is found
/// whatever is in it; other tables may be looked up.
pub fn suffice(plan: &LogicalPlan, table: &str) -> bool {
    let mut node = plan;
    // Once a filter looks at groups, how many rows a group has may decide.
    let mut is_filtered = false;
    loop {
        if node.expressions().iter().any(has_subquery) {
            return false;
        }
        node = match node {
            LogicalPlan::TableScan(scan) => return scan.table_name.to_string() == table,
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Filter(filter) => {
                is_filtered = true;
                &filter.input
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => &sort.input,
            LogicalPlan::Distinct(distinct) => distinct.input(),
            LogicalPlan::Aggregate(aggregate)
                if !is_filtered && !aggregate.group_expr.is_empty() =>
            {
                &aggregate.input
            }
            LogicalPlan::Join(join) => {
                let (kept, looked_up) = match join.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti => (&join.left, &join.right),
                    JoinType::RightSemi | JoinType::RightAnti => (&join.right, &join.left),
                    _ => return false,
                };
                if lineage::scanned(looked_up).iter().any(|name| name == table) {
                    return false;
                }
                // What is looked up chooses among groups as a filter does.
                is_filtered = true;
                kept
            }
            _ => return false,
        };
    }
}

/// The partition column of `table` by which a query falls apart: what it finds over the whole table is what it finds
/// over each partition. `plan` is as it was written: its result shows the column.
pub fn within(plan: &LogicalPlan, table: &str, partitions: &[FieldRef]) -> Option<String> {
    if lineage::scanned(plan) != [table] || !lineage::from_tables(plan) {
        return None;
    }
    let tables = PartitionColumns::from([(table.to_owned(), partitions.to_vec())]);
    (0..plan.schema().fields().len()).find_map(|index| {
        let mut columns = lineage::trace(plan, index, &tables)
            .into_iter()
            .map(|dependence| match dependence.on {
                On::Partitions(Expr::Column(column)) => Some(column.name),
                _ => None,
            });
        let first = columns.next()??;
        columns
            .all(|column| column.as_ref() == Some(&first))
            .then_some(first)
    })
}

/// What makes a query's answer depend on more than its rows.
const CLOCKS: [&str; 8] = [
    "now(",
    "today(",
    "current_date",
    "current_time",
    "localtime",
    "random(",
    "uuid(",
    "getdate(",
];

/// Whether a query may answer otherwise later. Words in texts and comments count too: that costs a run, and no more.
pub fn tells_time(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    CLOCKS.iter().any(|clock| sql.contains(clock))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::prelude::SessionContext;

    use super::*;

    /// Whether new rows of `t` suffice, and by which partition column the query falls apart otherwise.
    async fn decided(sql: &str) -> (bool, Option<String>) {
        let session = SessionContext::new();
        for name in ["t", "u"] {
            let schema = Schema::new(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Utf8, true),
            ]);
            session
                .register_table(name, Arc::new(EmptyTable::new(Arc::new(schema))))
                .expect("the name is free");
        }
        let state = session.state();
        let plan = state.create_logical_plan(sql).await.expect("it is SQL");
        let optimized = state.optimize(&plan).expect("it can be optimized");
        let partition = Arc::new(Field::new("b", DataType::Utf8, true));
        (suffice(&optimized, "t"), within(&plan, "t", &[partition]))
    }

    async fn suffices(sql: &str) -> bool {
        decided(sql).await.0
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_row_by_itself_is_seen_in_the_new_rows() {
        for sql in [
            "select * from t where a is null",
            "select a as value, count(*) as n from t where a not in (1, 2) group by a",
            "with v as (select a, count(*) as n from t group by a) select * from v where a not in (1, 2)",
            "select a from t where a is not null and not exists (select 1 from u where u.a = t.a)",
            "select distinct b from (select * from t where b <> '') x where a < 0 order by b",
        ] {
            assert!(suffices(sql).await, "{sql}");
        }
    }

    #[test]
    fn a_query_with_a_clock_may_answer_otherwise_later() {
        assert!(tells_time(
            "select * from t where ts < NOW() - interval '1 day'"
        ));
        assert!(tells_time("select * from t where day > current_date"));
        assert!(!tells_time("select * from t where day > date '2026-01-01'"));
    }

    #[tokio::test]
    async fn what_shows_only_beside_other_rows_is_not() {
        for sql in [
            "select a, count(*) as n from t group by a having count(*) > 1",
            "select count(*) as n from t",
            "select sum(a) as s from t where b = 'x' having sum(a) > 3",
            "select * from (select a, row_number() over (partition by b order by a) as n from t) x where n > 1",
            "select t.a from t join t as other on t.b = other.b where t.a <> other.a",
            "select a from u where not exists (select 1 from t where t.a = u.a)",
            "select t.a from t where t.a > (select max(a) from u)",
            "select t.a from t left join u on t.a = u.a where u.a is null",
            "select a from t union all select a from u",
            "select a from t where b = 'x' order by a limit 1 offset 1",
        ] {
            assert!(!suffices(sql).await, "{sql}");
        }
    }

    #[tokio::test]
    async fn what_is_looked_for_in_each_partition_is_looked_for_in_those_that_got_rows() {
        for sql in [
            "select a, b, count(*) as n from t group by a, b having count(*) > 1",
            "select * from (select a, b, row_number() over (partition by b, a order by a) as n from t) x where n > 1",
            "select b, count(*) as n from t group by b having count(*) > 9",
            "select x.a, x.b from t x join t y on x.b = y.b where x.a < y.a",
        ] {
            assert_eq!(decided(sql).await, (false, Some("b".to_owned())), "{sql}");
        }
        for sql in [
            "select a, count(*) as n from t group by a having count(*) > 1",
            "select upper(b) as b, count(*) as n from t group by upper(b) having count(*) > 1",
            "select x.a, x.b from t x join t y on x.a = y.a where x.b < y.b",
            "select a, b from t union all select a, b from u",
            "select t.a, t.b from t left join u on t.b = u.b where u.a < 3",
            "select b, count(*) as n from (select b from t union all select 'x' as b) x group by b having count(*) < 2",
        ] {
            assert_eq!(decided(sql).await.1, None, "{sql}");
        }
    }
}
