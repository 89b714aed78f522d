//! Unions of columns that have not the same type in every branch.

use super::filled;

#[tokio::test(flavor = "multi_thread")]
async fn a_union_has_the_type_that_holds_the_values_of_all_its_branches() {
    for (sql, rows) in [
        (
            "select cast(1 as integer) as n union all select cast(2 as bigint)",
            ["1", "2"],
        ),
        (
            "select cast(1 as bigint) as n union all select cast(2 as integer)",
            ["1", "2"],
        ),
        ("select 1 as n union all select 2.5", ["1.0", "2.5"]),
        (
            "select cast(1 as real) as n union all select cast(null as double) union all select cast(2 as real)",
            ["", "1.0"],
        ),
        (
            "select cast(null as decimal(28, 6)) as n union all select cast(1e300 as double)",
            ["", "1e300"],
        ),
        (
            "select 1 as n union all select cast(2.5 as decimal(4, 1)) union all select cast(1e300 as double)",
            ["1.0", "1e300"],
        ),
        (
            "select cast(2 as integer) as n union select cast(3 as bigint) union select cast(2 as integer)",
            ["2", "3"],
        ),
        (
            "select n from (select 1 as n union all select 2.5) where n > 0",
            ["1.0", "2.5"],
        ),
    ] {
        let bench = filled(&[
            ("models/mixed.sql", sql),
            ("models/seen.sql", "{{ config(materialized='view') }} select n from (select cast(7 as real) as n union all select 0.5)"),
            ("models/over.sql", "select n from {{ ref('seen') }}"),
        ])
        .await;
        bench.build().await;
        let found = bench.rows("silver/mixed").await;
        assert_eq!(found[..2], rows, "{sql}");
        assert_eq!(bench.rows("silver/over").await, ["0.5", "7.0"]);
    }
}
