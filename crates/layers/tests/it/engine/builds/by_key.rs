//! A table with one row a key, whose rows draw on the day after their own.

use super::row;
use crate::engine::support::{Bench, Row, ways};

const SESSIONS: &str = r#"{{ config(partition_by='session_date', meta={'reach': {'before': 0, 'after': 1}}) }}
select "sessionId" as session_id, min(event_date) as session_date, max(event_date) as last_date, count(*) as n
from {{ source('bronze', 'events') }} group by "sessionId"
"#;

fn of(session: i64, id: &str, day: i32) -> Row {
    row(id, day, session, "Home")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_new_rows_is_computed_of_all_its_rows_wherever_they_lie_and_the_others_stay() {
    let bench = Bench::new(&[("models/sessions.sql", SESSIONS)]);
    let sessions = async || {
        bench
            .query(
                "select session_id, session_date, last_date, n from silver.sessions order by 1, 2",
            )
            .await
    };
    bench
        .events(&[
            of(1, "a", 10),
            of(1, "b", 11),
            of(2, "c", 10),
            of(3, "d", 11),
        ])
        .await;
    assert!(bench.build().await.published);
    let steps = [
        ("late, on the day that it began", of(1, "e", 10)),
        ("on the day after", of(1, "f", 11)),
        (
            "earlier than its first: the row moves to another day",
            of(3, "g", 10),
        ),
        ("of a new key", of(4, "h", 12)),
        ("of a key whose row has moved", of(3, "i", 11)),
    ];
    for (what, event) in steps {
        bench.events(&[event]).await;
        let report = bench.build().await;
        assert!(report.published, "{what}: {report:?}");
        assert_eq!(ways(&report)["sessions"], "replace keys", "{what}");
        let found = sessions().await;
        assert!(bench.full_refresh().await.published);
        assert_eq!(found, sessions().await, "{what}");
    }
}
