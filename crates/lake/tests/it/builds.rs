//! The table of builds.

use std::collections::BTreeMap;

use goldrecord_lake::Error;
use goldrecord_lake::builds::{self, Build, Opened, Status};

use crate::lakes::local;

async fn open(lake: &goldrecord_lake::Lake, target: &str) -> (Build, Option<Build>) {
    match builds::open(lake, target).await.expect("opens") {
        Opened::Ours { build, superseded } => (build, superseded),
        Opened::Taken { by } => panic!("taken by {by:?}"),
    }
}

#[tokio::test]
async fn a_build_is_opened_closed_and_published() {
    let test = local();
    let lake = &test.lake;
    assert_eq!(builds::published(lake, "prod").await.expect("reads"), None);
    assert_eq!(builds::running(lake, "prod").await.expect("reads"), None);
    let (build, superseded) = open(lake, "prod").await;
    assert_eq!((build.number, superseded), (1, None));
    assert_eq!(
        builds::running(lake, "prod").await.expect("reads").as_ref(),
        Some(&build)
    );
    assert_eq!(builds::running(lake, "dev").await.expect("reads"), None);
    let tables = BTreeMap::from([("silver/fct_listens".to_owned(), 7)]);
    builds::close(
        lake,
        &build,
        Status::Published,
        tables.clone(),
        BTreeMap::new(),
    )
    .await
    .expect("closes");
    let published = builds::published(lake, "prod")
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!((published.number, published.tables), (1, tables));
    assert_eq!(builds::running(lake, "prod").await.expect("reads"), None);

    let (failed, _) = open(lake, "prod").await;
    builds::close(
        lake,
        &failed,
        Status::Failed,
        BTreeMap::new(),
        BTreeMap::new(),
    )
    .await
    .expect("closes");
    let published = builds::published(lake, "prod")
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(published.number, 1);
    let history = builds::history(lake, "prod", 3).await.expect("reads");
    let seen: Vec<_> = history
        .iter()
        .map(|entry| (entry.number, entry.status))
        .collect();
    assert_eq!(
        seen,
        [
            (2, Some(Status::Failed)),
            (2, None),
            (1, Some(Status::Published))
        ]
    );
}

#[tokio::test]
async fn a_dead_build_is_superseded_and_can_no_longer_close() {
    let test = local();
    let (dead, _) = open(&test.lake, "prod").await;
    let (next, superseded) = open(&test.lake, "prod").await;
    assert_eq!((next.number, superseded), (2, Some(dead.clone())));
    let error = builds::close(
        &test.lake,
        &dead,
        Status::Published,
        BTreeMap::new(),
        BTreeMap::new(),
    )
    .await;
    assert!(
        matches!(
            error,
            Err(Error::Superseded {
                ours: 1,
                found: 2,
                ..
            })
        ),
        "{error:?}"
    );
    assert_eq!(
        builds::published(&test.lake, "prod").await.expect("reads"),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_that_open_at_once_get_different_numbers() {
    let test = local();
    let opening = (0..4).map(|_| {
        let lake = test.lake.clone();
        tokio::spawn(async move { builds::open(&lake, "prod").await.expect("answers") })
    });
    let mut numbers: Vec<i64> = futures::future::join_all(opening)
        .await
        .into_iter()
        .filter_map(|opened| match opened.expect("no panic") {
            Opened::Ours { build, .. } => Some(build.number),
            Opened::Taken { .. } => None,
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
}
