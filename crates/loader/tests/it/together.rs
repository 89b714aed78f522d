//! Readers and loaders at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use goldrecord_loader::rollback;

use crate::bench::{bench, query, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_two_tables_sees_one_release_while_releases_come_and_go() {
    let Some(mut bench) = bench("swap") else {
        return;
    };
    let publish = async |bench: &mut crate::bench::Bench, n| {
        bench.replace("a", &rows(0..50, n)).await;
        bench.replace("b", &rows(0..50, n)).await;
        bench.publish().await;
        bench.load().await.unwrap();
    };
    publish(&mut bench, 0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [
        "SELECT uniq(n), count() FROM (SELECT n FROM DB.a UNION ALL SELECT n FROM DB.b)",
        "SELECT uniq(a.n, b.n), count() * 2 FROM DB.a AS a JOIN DB.b AS b ON a.date = b.date AND a.n = b.n",
        "SELECT 1 + ((SELECT max(n) FROM DB.a) != (SELECT min(n) FROM DB.b)), (SELECT count() FROM DB.a) + (SELECT count() FROM DB.b)",
    ]
    .into_iter()
    .map(|sql| {
        let (settings, stop) = (bench.settings.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(query(&settings, sql).await, "1\t100", "{sql}");
                seen += 1;
            }
            seen
        })
    })
    .collect();
    for n in 1..=12 {
        publish(&mut bench, n).await;
        if n % 4 == 0 {
            rollback(&bench.settings).await.unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(
            reader.await.unwrap() > 5,
            "a reader that read nothing proves nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_loaders_of_one_build_do_not_double_its_rows() {
    let Some(mut bench) = bench("twins") else {
        return;
    };
    for n in 1..=5 {
        bench.replace("days", &rows(0..20, n)).await;
        bench.publish().await;
        let (one, other) = tokio::join!(bench.load(), bench.load());
        one.unwrap();
        other.unwrap();
        assert_eq!(
            bench.query("SELECT count(), max(n) FROM DB.days").await,
            format!("20\t{n}")
        );
    }
}
