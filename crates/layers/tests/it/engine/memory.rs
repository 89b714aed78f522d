//! Builds over more rows than they may hold in memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldrecord_layers::engine::{self, BuildOptions, Kept};
use goldrecord_layers::reporter::{BuildReport, Silent};
use goldrecord_service::Shutdown;

use crate::engine::support::{Bench, Row};

/// What the builds may hold, and rows that take several times as much in memory.
const CAP: usize = 40 << 20;
const ROWS: i64 = 320_000;
const DAYS: i64 = 4;

/// Every plan that holds many rows: a row of each key, distinct values, a join of large tables, sorted windows over all
/// rows, and a join that no partition bounds.
const MODELS: &[(&str, &str)] = &[
    (
        "models/facts.sql",
        r#"{{ config(partition_by='event_date') }}
           select "eventId" as id, event_date, ts, "userId" as user_id, page from (
               select *, row_number() over (partition by "eventId", event_date order by ts, page) as copy
               from {{ source('bronze', 'events') }}
           ) where copy = 1"#,
    ),
    (
        "models/quality.sql",
        r#"{{ config(partition_by='day') }}
           select event_date as day, count(*) as events, count("eventId") as with_id,
               count(distinct "eventId") as distinct_ids, count(case when "userId" > 100 then 1 end) as late_users
           from {{ source('bronze', 'events') }} group by event_date"#,
    ),
    (
        "models/all_ids.sql",
        r#"select count(distinct "eventId") as ids, count(*) as events from {{ source('bronze', 'events') }}"#,
    ),
    (
        "models/twins.sql",
        r#"select a."eventId" as id, b.ts as seen, a."userId" + b."userId" as both
           from {{ source('bronze', 'events') }} a
           join {{ source('bronze', 'visits') }} b on a."eventId" = b."eventId""#,
    ),
    (
        "models/steps.sql",
        r"select id, user_id,
               row_number() over (partition by user_id order by ts, id) as step,
               lag(page) over (partition by user_id order by ts, id) as before
           from {{ ref('facts') }}",
    ),
    (
        "models/schema.yml",
        "version: 2\nmodels:\n  - name: facts\n    columns:\n      - name: id\n        data_tests: [unique, not_null]\n  \
         - name: twins\n    columns:\n      - name: id\n        data_tests: [{relationships: {to: ref('facts'), field: id}}]\n",
    ),
];

const TABLES: [&str; 5] = ["facts", "quality", "all_ids", "twins", "steps"];

/// Events of some days, each with an id of its own that no order of rows follows; every hundredth comes twice.
fn events() -> Vec<Row> {
    let id = |n: i64| {
        let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{mixed:016x}-{:016x}-event", mixed.rotate_left(29))
    };
    let event = |n: i64| Row {
        id: id(n),
        day: 20_000 + i32::try_from(n % DAYS).unwrap(),
        user: n % 5_000,
        session: n % 7_000,
        page: format!("/a/page/of/some/length/{}", n % 97),
    };
    (0..ROWS)
        .map(event)
        .chain((0..ROWS).step_by(100).map(event))
        .collect()
}

async fn bench() -> Bench {
    let bench = Bench::new(MODELS);
    let events = events();
    for part in events.chunks(40_000) {
        bench.events(part).await;
    }
    bench
        .bronze("visits", &events[..ROWS as usize], false)
        .await;
    bench
}

async fn build(bench: &Bench, memory: usize, spill_limit: u64) -> BuildReport {
    let manifest = bench.manifest();
    let options = BuildOptions {
        selected: manifest.nodes.keys().cloned().collect(),
        threads: 2,
        memory,
        kept: Kept::beside(memory),
        spill_limit,
        full_refresh: true,
        ..BuildOptions::default()
    };
    engine::build(&manifest, &options, &bench.lake, &Shutdown::new(), &Silent)
        .await
        .unwrap()
}

async fn all_rows(bench: &Bench) -> Vec<Vec<String>> {
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(bench.rows(&format!("silver/{table}")).await);
    }
    tables
}

/// A build by the program itself, with the cap in its configuration.
fn start(bench: &Bench, spill: &Path) -> Child {
    let config = bench.root().join("goldrecord.toml");
    fs::write(
        &config,
        format!(
            "[lake]\nurl = 'file://{}'\n[layers]\nmemory = '{}MiB'\nthreads = 2\nspill_dir = '{}'\n",
            bench.lake_folder().display(),
            CAP >> 20,
            spill.display()
        ),
    )
    .unwrap();
    Command::new(env!("CARGO_BIN_EXE_goldrecord-layers"))
        .args(["build", "--full-refresh", "--project-dir"])
        .arg(bench.root())
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Whether a query has spilled.
fn has_spilled(spill: &Path) -> bool {
    fn any_file(dir: &Path) -> bool {
        let Ok(entries) = fs::read_dir(dir) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                any_file(&path)
            } else {
                path.metadata().is_ok_and(|file| file.len() > 0)
            }
        })
    }
    any_file(spill)
}

/// The most memory that a process has held so far, in bytes.
fn peak(child: &Child) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_fraction_of_the_memory_a_build_gives_the_same_rows_within_its_bound_also_after_it_was_killed()
 {
    let bench = bench().await;
    let spill = tempfile::tempdir().unwrap();

    // It does take more than the memory: where nothing may be spilled, it fails and says why.
    let report = build(&bench, CAP, 0).await;
    let ended = super::support::of(&report, "facts");
    let message = ended.message.clone().unwrap_or_default();
    assert!(message.contains("`layers.spill_limit`"), "{message}");

    // Killed while it spills: what it spilled stays behind.
    let mut first = start(&bench, spill.path());
    let deadline = Instant::now() + Duration::from_mins(2);
    while !has_spilled(spill.path()) {
        assert!(Instant::now() < deadline, "nothing is spilled");
        assert!(
            first.try_wait().unwrap().is_none(),
            "it ended before it spilled"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(spill.path().read_dir().unwrap().next().is_some());

    let mut second = start(&bench, spill.path());
    let output = second.stdout.take().unwrap();
    let lines = std::thread::spawn(move || std::io::read_to_string(output).unwrap());
    let mut most = 0;
    while second.try_wait().unwrap().is_none() {
        most = most.max(peak(&second).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let lines = lines.join().unwrap();
    assert!(second.wait().unwrap().success(), "{lines}");
    assert!(most > CAP, "the peak was read: {most}");
    let bound = CAP + BESIDE;
    assert!(most <= bound, "{} MiB of {} MiB", most >> 20, bound >> 20);
    assert!(
        spill.path().read_dir().unwrap().next().is_none(),
        "it is all removed"
    );

    let capped = all_rows(&bench).await;
    let report = build(&bench, 4 << 30, u64::MAX).await;
    assert!(report.is_ok(), "{:?}", report.results);
    let free = all_rows(&bench).await;
    for ((table, capped), free) in TABLES.iter().zip(&capped).zip(&free) {
        assert_eq!(capped.len(), free.len(), "{table}");
        assert!(capped == free, "{table} differs");
    }
    assert_eq!(free[0].len() as i64, ROWS, "one row of each event");
}

/// What a process holds beside its cap: its program, plans, logs, what the scans decode and compress. As
/// `docs/operations.md` states it, for two threads.
const BESIDE: usize = 256 << 20;

#[tokio::test]
async fn a_model_that_no_plan_fits_is_refused_with_the_key_to_raise() {
    // All texts of a table in one value: no plan spills that.
    let bench = Bench::new(&[(
        "models/one.sql",
        r#"select string_agg("eventId" || page || page || page, ',') as everything from {{ source('bronze', 'events') }}"#,
    )]);
    bench.events(&events()[..60_000]).await;
    let report = build(&bench, 1 << 20, u64::MAX).await;
    let message = super::support::of(&report, "one").message.clone().unwrap();
    assert!(message.contains("`layers.memory`"), "{message}");
    assert!(message.contains("1 MiB"), "{message}");
}
