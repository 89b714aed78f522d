//! After any sequence of changes, what was built incrementally equals a full build, row for row.
//!
//! `GOLDRECORD_SEED=n` runs one seed, `GOLDRECORD_SEEDS=n` as many from 0 on.

mod models;
mod steps;
mod world;

use std::collections::BTreeMap;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use self::steps::Step;
use self::world::World;
use super::support::{Row, ways};

/// With so many, every way is taken several times.
const SEEDS: u64 = 16;

/// What the builds of a seed did.
#[derive(Default)]
struct Done {
    /// How often each way was taken.
    taken: BTreeMap<String, usize>,
    /// Builds that died before they ended.
    died: usize,
}

#[test]
fn incremental_equals_full_whatever_happens() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let one = number("GOLDRECORD_SEED");
    let count = number("GOLDRECORD_SEEDS").unwrap_or(SEEDS);
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    let mut all = Done::default();
    for seed in seeds {
        let done = holds(seed);
        all.died += done.died;
        for (way, count) in done.taken {
            *all.taken.entry(way).or_default() += count;
        }
    }
    println!("{} builds died; ways taken: {:?}", all.died, all.taken);
    if one.is_none() && count >= SEEDS {
        for way in [
            "append",
            "append new keys",
            "append new keys, replace",
            "replace",
            "replace keys",
            "merge",
            "same rows",
            "full",
            "unchanged",
        ] {
            assert!(all.taken.contains_key(way), "`{way}` was never taken");
        }
        assert!(all.died > 0, "no build died");
    }
}

/// Take a seed's steps, and hold every build against a full one. A seed that fails is shrunk to fewer steps.
fn holds(seed: u64) -> Done {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        max_shrink_iters: 128,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let done = std::cell::RefCell::new(Done::default());
    let ran = TestRunner::new_with_rng(config, random).run(&steps::steps(), |steps| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        *done.borrow_mut() = runtime.block_on(taken(&steps));
        Ok(())
    });
    match ran {
        Ok(()) => done.into_inner(),
        Err(TestError::Fail(why, steps)) => panic!(
            "seed {seed} fails (GOLDRECORD_SEED={seed} repeats it): {why}\nthe steps, shrunk: {steps:#?}"
        ),
        Err(TestError::Abort(why)) => panic!("seed {seed} has no steps: {why}"),
    }
}

async fn taken(steps: &[Step]) -> Done {
    let mut world = World::new().await;
    for step in steps.iter().chain([&Step::Build]) {
        world.take(step).await;
    }
    Done {
        taken: world.taken,
        died: world.died,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_taken() {
    let bench = World::new().await.bench;
    let one = |id: &str, day: i32, page: &str| Row {
        id: id.into(),
        day,
        user: 1,
        session: i64::from(day),
        page: page.into(),
    };
    for topic in ["events", "visits"] {
        bench
            .bronze(topic, &[one("a", 58, "Home"), one("b", 59, "Help")], false)
            .await;
    }
    bench.build().await;
    bench
        .events(&[one("c", 59, "Help"), one("b", 59, "Help")])
        .await;
    let ways = ways(&bench.build().await);
    let way = |name: &str| ways[name].as_str();
    assert_eq!(way("fct"), "append new keys");
    assert_eq!(way("visits"), "unchanged");
    assert_eq!(way("helps"), "append");
    assert_eq!(way("all_events"), "append");
    assert_eq!(way("sessions"), "replace keys");
    for name in ["user_days", "months", "ranked", "joined"] {
        assert_eq!(way(name), "replace", "{name}");
    }
    for name in ["pages", "page_days"] {
        assert_eq!(way(name), "merge", "{name}");
    }
    assert_eq!(way("named"), "full");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_with_other_values_is_decided_as_a_full_build_does() {
    let bench = World::new().await.bench;
    let one = |page: &str| Row {
        id: "a".into(),
        day: 58,
        user: 1,
        session: 580,
        page: page.into(),
    };
    bench.events(&[one("Home")]).await;
    bench.build().await;
    bench
        .events(&[
            one("Help"),
            Row {
                day: 59,
                ..one("Home")
            },
        ])
        .await;
    let report = bench.build().await;
    assert_eq!(ways(&report)["fct"], "append new keys, replace");
    let ours = bench.rows("silver/fct").await;
    assert_eq!(ours.len(), 2);
    assert!(
        ours[0].contains("Help"),
        "the order of the window decides: {ours:?}"
    );
    bench.full_refresh().await;
    assert_eq!(bench.rows("silver/fct").await, ours);
}
