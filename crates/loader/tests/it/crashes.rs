//! A loader that dies at any step leaves the old release visible, and the next run works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use goldrecord_loader::{Outcome, Progress, Step, load};

use crate::bench::{bench, rows};

/// Dies when a step is done: nothing behind it runs.
struct DiesAfter(Step);

impl Progress for DiesAfter {
    fn step(&self, step: Step) {
        assert_ne!(step, self.0, "killed by the test");
    }
}

/// Dies when the first rows are about to be sent.
struct DiesWhileSending;

impl Progress for DiesWhileSending {
    fn sent(&self, _: &str, _: u64, _: u64) {
        panic!("killed by the test");
    }
}

#[tokio::test]
async fn whatever_step_it_dies_after() {
    let Some(mut bench) = bench("crash") else {
        return;
    };
    let seen = "SELECT groupUniqArray(n), count(), (SELECT count() FROM DB.other WHERE n != 0) FROM DB.days";
    bench.replace("days", &rows(0..5, 0)).await;
    bench.replace("other", &rows(0..5, 0)).await;
    bench.publish().await;
    bench.load().await.unwrap();
    let mut deaths: Vec<Arc<dyn Progress>> = Step::ALL
        .into_iter()
        .map(|step| Arc::new(DiesAfter(step)) as Arc<dyn Progress>)
        .collect();
    deaths.push(Arc::new(DiesWhileSending));
    for (n, (death, step)) in (1..).zip(
        deaths
            .into_iter()
            .zip(Step::ALL.into_iter().map(Some).chain([None])),
    ) {
        bench.replace("days", &rows(0..5, n)).await;
        bench.replace("other", &rows(0..5, n)).await;
        bench.publish().await;
        let (settings, lake) = (bench.settings.clone(), bench.lake.clone());
        let died = tokio::spawn(async move { load(&settings, &lake, death.as_ref()).await }).await;
        assert!(died.unwrap_err().is_panic(), "{step:?} was never reached");
        let published = matches!(step, Some(Step::Published | Step::Cleaned));
        let visible = if published { n } else { n - 1 };
        let other = if visible == 0 { 0 } else { 5 };
        assert_eq!(
            bench.query(seen).await,
            format!("[{visible}]\t5\t{other}"),
            "after {step:?}"
        );

        let again = bench.load().await.unwrap();
        assert_eq!(
            again.outcome,
            if published {
                Outcome::Unchanged
            } else {
                Outcome::Published
            },
            "after {step:?}"
        );
        assert_eq!(
            bench.query(seen).await,
            format!("[{n}]\t5\t5"),
            "after {step:?}"
        );
    }
}

#[tokio::test]
async fn rows_of_a_dead_attempt_are_never_counted() {
    let Some(mut bench) = bench("dead") else {
        return;
    };
    bench.replace("days", &rows(0..5, 1)).await;
    bench.publish().await;
    for step in [Step::Sent, Step::Verified, Step::Viewed] {
        let (settings, lake) = (bench.settings.clone(), bench.lake.clone());
        let died =
            tokio::spawn(async move { load(&settings, &lake, &DiesAfter(step)).await }).await;
        assert!(died.unwrap_err().is_panic());
    }
    bench.load().await.unwrap();
    assert_eq!(bench.query("SELECT count() FROM DB.days").await, "5");
    assert_eq!(
        bench.query("SELECT count() FROM DB_data.days").await,
        "20",
        "they wait for their day"
    );
}

/// Counts what it is told.
#[derive(Default)]
struct Counts {
    planned: AtomicU64,
    sent: AtomicU64,
}

impl Progress for Counts {
    fn planned(&self, rows: u64) {
        self.planned.fetch_add(rows, Ordering::Relaxed);
    }

    fn sent(&self, _: &str, rows: u64, _: u64) {
        self.sent.fetch_add(rows, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn progress_adds_up_to_what_was_planned() {
    let Some(mut bench) = bench("counts") else {
        return;
    };
    bench.replace("days", &rows(0..7, 1)).await;
    bench.replace("other", &rows(0..9, 1)).await;
    bench.publish().await;
    let counts = Counts::default();
    load(&bench.settings, &bench.lake, &counts).await.unwrap();
    assert_eq!(
        (counts.planned.into_inner(), counts.sent.into_inner()),
        (16, 16)
    );
}
