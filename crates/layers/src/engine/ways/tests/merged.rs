use super::*;

#[tokio::test]
async fn groups_are_merged_where_every_column_can_be_put_together_from_two_parts() {
    let sql = "select page, count(*) as n, cast(coalesce(sum(user_id), 0) as bigint) as users, min(ts) as first_ts, \
               max(user_id * 0.5) as most, bool_or(user_id = 1) as any_one, bool_and(user_id = 1) as all_one \
               from @events where page <> 'Home' group by page";
    assert_eq!(
        way_of(sql, &[], &added(&["events"])).await,
        "merge page: Key, n: Sum, users: Sum, first_ts: Least, most: Greatest, any_one: Any, all_one: All"
    );
    assert_eq!(
        way_of(sql, &[], &[changed("events", ChangeKind::Removed)]).await,
        "full: the table has no partitions (`partition_by`)",
        "what is gone cannot be taken away again"
    );
    let sql = "select count(*) as n, page, date from (select page, date from @events union all select page, date from @visits) e \
               group by date, page order by date";
    assert_eq!(
        way_of(sql, &["date"], &added(&["events"])).await,
        "merge n: Sum, page: Key, date: Key in date (s.events by date, s.visits by date)"
    );
    assert_eq!(
        way_of(
            "select p.name, count(*) as n from @events e join @people p on p.user_id = e.user_id group by p.name",
            &[],
            &added(&["events"])
        )
        .await,
        "merge name: Key, n: Sum"
    );
}

#[tokio::test]
async fn groups_are_not_merged_where_one_column_cannot_be_put_together() {
    for (sql, by) in [
        (
            "select page, count(distinct user_id) as n from @events group by page",
            &[][..],
        ),
        (
            "select page, avg(user_id) as n from @events group by page",
            &[],
        ),
        (
            "select page, sum(user_id * 0.5e0) as n from @events group by page",
            &[],
        ),
        (
            "select page, cast(sum(user_id * 0.5) as bigint) as n from @events group by page",
            &[],
        ),
        (
            "select page, count(*) > 3 as n from @events group by page",
            &[],
        ),
        (
            "select page, coalesce(max(user_id), 0) as n from @events group by page",
            &[],
        ),
        ("select count(*) as n from @events group by page", &[]),
        (
            "select upper(page) as page, count(*) as n from @events group by page",
            &[],
        ),
        (
            "select page, count(*) as n from @events group by page having count(*) > 1",
            &[],
        ),
        (
            "select page, count(*) as n from @events group by page limit 3",
            &[],
        ),
        (
            "select page, n from (select page, count(*) as n from @events group by page) e order by n limit 1",
            &[],
        ),
        ("select count(*) as n from @events", &[]),
        (
            "select page, count(*) as n from @events group by rollup(page)",
            &[],
        ),
        (
            "select page, min(date) as date, count(*) as n from @events group by page",
            &["date"],
        ),
        (
            "select user_id * 0.5e0 as half, count(*) as n from @events group by user_id * 0.5e0",
            &[],
        ),
    ] {
        let way = way_of(sql, by, &added(&["events"])).await;
        assert!(way.starts_with("full: "), "{sql}: {way}");
    }
    let sql = "select p.name, count(*) as n from @events e join @people p on p.user_id = e.user_id group by p.name";
    let way = way_of(sql, &[], &added(&["events", "people"])).await;
    assert!(way.starts_with("full: "), "a lookup that changed: {way}");
    let by_reach = shape(
        "select date, page, count(*) as n from @events group by date, page",
        &["date"],
        1,
    )
    .await
    .choose(&added(&["events"]));
    assert!(
        told(&by_reach).starts_with("keys page, else date"),
        "{}",
        told(&by_reach)
    );
}
