use std::path::Path;
use std::time::Duration;

use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;

use super::*;

const MIB: usize = 1 << 20;

fn budget(threads: usize, memory: usize, dir: &Path) -> Budget {
    Budget::new(threads, memory, Some(dir.to_owned()), 1 << 30)
}

#[tokio::test]
async fn shares_add_up_to_the_cap_and_who_needs_all_of_it_waits_until_it_is_alone() {
    let budget = budget(4, 512 * MIB, Path::new("/"));
    let first = budget.turn(Effort::Usual).await;
    let second = budget.turn(Effort::Usual).await;
    assert_eq!((first.bytes(), second.bytes()), (128 * MIB, 128 * MIB));
    let mut alone = std::pin::pin!(budget.turn(Effort::Frugal));
    assert!(futures::poll!(alone.as_mut()).is_pending());
    drop(first);
    assert!(futures::poll!(alone.as_mut()).is_pending());
    let mut later = std::pin::pin!(budget.turn(Effort::Usual));
    assert!(
        futures::poll!(later.as_mut()).is_pending(),
        "nobody goes before who waits for all of it"
    );
    drop(second);
    let alone = alone.await;
    assert_eq!(alone.bytes(), 512 * MIB);
    assert!(futures::poll!(later.as_mut()).is_pending());
    drop(alone);
    later.await;
}

#[tokio::test]
async fn with_little_memory_fewer_queries_run_at_once() {
    let small = budget(8, 100 * MIB, Path::new("/"));
    assert_eq!(small.turn(Effort::Usual).await.bytes(), 100 * MIB);
    let large = budget(2, 4096 * MIB, Path::new("/"));
    assert_eq!(large.turn(Effort::Usual).await.bytes(), 2048 * MIB);
}

#[tokio::test]
async fn the_pool_and_the_writer_share_what_a_query_has() {
    let of = async |memory: usize| {
        let turn = budget(1, memory, Path::new("/")).turn(Effort::Usual).await;
        (turn.writing(), turn.bytes())
    };
    for memory in [64 * MIB, 256 * MIB, 1024 * MIB, 8192 * MIB] {
        let (writing, bytes) = of(memory).await;
        let held = writing.total_buffer_bytes + 4 * writing.target_file_bytes;
        assert!(held <= bytes / 4, "{held} of {bytes}");
    }
    let (writing, _) = of(8192 * MIB).await;
    assert_eq!(
        writing.target_file_bytes,
        WriteOptions::default().target_file_bytes
    );
}

fn exhausted(text: &str) -> Error {
    Error::engine("run fct_listens")(
        DataFusionError::ResourcesExhausted(text.to_owned()).context("sorting"),
    )
}

#[test]
fn what_lacks_memory_is_tried_once_more_and_then_says_which_key_to_raise() {
    let failed = || exhausted("Failed to allocate additional 8.4 MB");
    let next = Effort::Usual.after("fct_listens", 256 * MIB, failed());
    assert_eq!(next.expect("it is done"), Effort::Frugal);
    let last = Effort::Frugal
        .after("fct_listens", 256 * MIB, failed())
        .expect_err("it is refused")
        .to_string();
    for part in ["fct_listens", "256 MiB", "layers.memory", "8.4 MB"] {
        assert!(last.contains(part), "{part}: {last}");
    }
}

#[test]
fn a_full_disk_and_other_faults_are_not_tried_again() {
    let disk = "The used disk space during the spilling process has exceeded the limit";
    let full = Effort::Usual
        .after("x", MIB, exhausted(disk))
        .expect_err("it is refused");
    assert!(full.to_string().contains("`layers.spill_limit`"), "{full}");
    for error in [
        Error::engine("run x")(DataFusionError::Execution("divided by zero".to_owned())),
        Error::Interrupted,
    ] {
        let text = error.to_string();
        let same = Effort::Usual
            .after("x", MIB, error)
            .expect_err("it is refused");
        assert_eq!(same.to_string(), text);
    }
}

/// Two inputs of a repartition spill at once, over and over: a reader must never wait for the one of them that has
/// nothing for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repartition_that_spills_from_two_inputs_at_once_ends() {
    let dir = tempfile::tempdir().expect("it is done");
    let budget = budget(2, 2 * MIB, dir.path());
    let turn = budget.turn(Effort::Frugal).await;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(2 * MIB)))
        .build_arc()
        .expect("it is done");
    let config = turn.configure(SessionConfig::new()).with_batch_size(64);
    let session = SessionContext::new_with_config_rt(config, runtime);
    let query =
        "select v % 13 as g, count(distinct 'some longer text ' || cast(v % 337 as varchar)) as n
                 from generate_series(1, 40000) as s(v) group by 1";
    for _ in 0..40 {
        let rows = async { session.sql(query).await?.collect().await };
        let rows = tokio::time::timeout(Duration::from_mins(1), rows).await;
        rows.expect("it ends").expect("it is done");
    }
}
