//! Whole days go, and the balance holds.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_lake::Changes;
use goldrecord_maintenance::{Settings, Upkeep};
use goldrecord_service::Shutdown;

use crate::bronze::{PATH, balance, bronze, of_kind, today};
use crate::lakes::{commit, filled, keeping, latest, local, own, round};

fn ten_days() -> Settings {
    Settings {
        retention: [(PATH.to_owned(), Duration::from_hours(240))].into(),
        ..keeping()
    }
}

#[tokio::test]
async fn days_go_whole_and_the_balance_holds() {
    let (lake, _folder) = local();
    let (table, mut snapshot) = bronze(&lake).await;
    commit(
        &table,
        &mut snapshot,
        of_kind("start", None, 0..2),
        Vec::new(),
    )
    .await;
    commit(
        &table,
        &mut snapshot,
        of_kind("bad", None, 2..6),
        Vec::new(),
    )
    .await;
    commit(
        &table,
        &mut snapshot,
        of_kind("good", Some(today() - 30), 6..106),
        Vec::new(),
    )
    .await;
    commit(
        &table,
        &mut snapshot,
        of_kind("good", Some(today() - 11), 107..110),
        Vec::new(),
    )
    .await;
    commit(
        &table,
        &mut snapshot,
        of_kind("good", Some(today() - 10), 110..120),
        Vec::new(),
    )
    .await;
    commit(
        &table,
        &mut snapshot,
        of_kind("good", Some(today()), 120..130),
        Vec::new(),
    )
    .await;

    let mut dry = Upkeep::new(lake.clone(), ten_days(), Shutdown::new(), true);
    let report = dry.round().await.expect("rounds");
    let told = own(&report, PATH).retention.clone().expect("has one");
    assert_eq!((told.days, told.rows), (2, 103), "{report}");
    assert_eq!(latest(&table).await.version, snapshot.version);

    let report = round(&lake, ten_days()).await;
    let done = own(&report, PATH).retention.clone().expect("has one");
    assert_eq!(done, told);
    let kind = |kind: &str, partition: i32, rows: i64| ((kind.to_owned(), partition), rows);
    let expected: BTreeMap<_, _> = [
        kind("start", 0, 1),
        kind("start", 1, 1),
        kind("bad", 0, 2),
        kind("bad", 1, 2),
        kind("expired", 0, 51),
        kind("expired", 1, 52),
        kind("good", 0, 10),
        kind("good", 1, 10),
    ]
    .into();
    let after = latest(&table).await;
    assert_eq!(balance(&table, &after).await, expected);
    assert_eq!(snapshot.expired_before(), None);
    assert_eq!(after.expired_before(), Some(i64::from(today() - 10)));
    let changes = table.changes(snapshot.version, after.version).await;
    let Ok(Changes::Known { added, removed, .. }) = changes else {
        panic!("{changes:?}");
    };
    assert!(
        added.is_empty() && removed.is_empty(),
        "nobody takes them away downstream"
    );

    // Late events of a day that is over go the next time, and are counted too.
    let mut newest = after;
    commit(
        &table,
        &mut newest,
        of_kind("good", Some(today() - 30), 130..132),
        Vec::new(),
    )
    .await;
    round(&lake, ten_days()).await;
    let sums = balance(&table, &latest(&table).await).await;
    assert_eq!(sums[&("expired".to_owned(), 0)], 52);
    let report = round(&lake, ten_days()).await;
    assert_eq!(
        own(&report, PATH)
            .retention
            .as_ref()
            .expect("has one")
            .files,
        0
    );
}

#[tokio::test]
async fn a_retention_that_cannot_be_kept_is_said() {
    let (lake, _folder) = local();
    let (table, snapshot) = filled(&lake, "silver/t", 3).await;
    let settings = Settings {
        retention: ["silver/t", PATH]
            .map(|table| (table.to_owned(), Duration::from_hours(24)))
            .into(),
        ..keeping()
    };
    let mut upkeep = Upkeep::new(lake.clone(), settings, Shutdown::new(), false);
    let report = upkeep.round().await.expect("rounds");
    let failure = report.failure().expect("is said");
    assert!(
        failure.contains("only bronze tables have days"),
        "{failure}"
    );
    assert_eq!(report.missing, [PATH]);
    assert_eq!(latest(&table).await, snapshot);
}
