//! Servers that are away are waited for, and it shows.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goldrecord_ingestor::{Ingestor, Metrics, Settings, Silent, TopicSettings, Until};
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType};
use goldrecord_service::Shutdown;
use goldrecord_service::metrics::Registry;

use crate::world::{JUNE, SMALL, StopAtEnd, World, drained, framed, small, without_failpoints};

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Waits until a scrape holds a text, and returns it.
fn until_told(scraped: &Registry, wanted: &str) -> String {
    let begun = Instant::now();
    loop {
        let text = scraped.render();
        if text.contains(wanted) {
            return text;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{wanted} is not in {text}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn run(
    world: &World,
    settings: Settings,
    registry: Client,
    until: Until,
    shutdown: &Shutdown,
    meanwhile: impl FnOnce(&Registry),
) -> goldrecord_ingestor::Result<goldrecord_ingestor::Summary> {
    let scraped = Arc::new(Registry::new("ingestor"));
    let ingestor = Ingestor::new(settings, world.lake.clone(), registry)
        .with_metrics(Metrics::register(&scraped));
    let handle = world.runtime.handle();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| ingestor.run(handle, until, shutdown, &Silent));
        let failed = StopAtEnd(shutdown);
        meanwhile(&scraped);
        std::mem::forget(failed);
        running.join().expect("no panic")
    })
}

#[test]
fn a_registry_that_is_away_makes_its_topic_wait() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let port = free_port();
    let registry = Client::new(&format!("http://127.0.0.1:{port}")).expect("a client");
    // A registry of its own counts from 1.
    world.produce("t", 0, Some(&framed(1, &small(JUNE, None, "text"))));
    world.acknowledged();
    let settings = world.settings(&[("t", TopicSettings::default())]);
    let mut started = None;
    let meanwhile = |scraped: &Registry| {
        until_told(
            scraped,
            "goldrecord_ingestor_waiting_since_timestamp_seconds{server=\"registry\",topic=\"t\"}",
        );
        started = Some(world.runtime.block_on(async {
            let embedded = Embedded::start(Some(([127, 0, 0, 1], port).into()))
                .await
                .expect("it starts");
            let id = registry.register("t-value", SchemaType::Avro, SMALL);
            assert_eq!(id.await.expect("registered"), 1);
            embedded
        }));
        let text = until_told(
            scraped,
            "goldrecord_ingestor_committed_records_total{topic=\"t\",kind=\"good\",reason=\"\"} 1\n",
        );
        assert!(
            text.contains(
                "goldrecord_ingestor_server_waits_total{server=\"registry\",topic=\"t\"} 1\n"
            ),
            "{text}"
        );
        assert!(!text.contains("waiting_since"), "{text}");
    };
    let shutdown = Shutdown::new();
    run(
        &world,
        settings,
        registry.clone(),
        drained(),
        &shutdown,
        meanwhile,
    )
    .expect("runs");
    drop(started);
    assert_eq!(world.audit("t"), 1);
}

#[test]
fn a_broker_that_is_away_is_waited_for() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let mut settings = world.settings(&[("t", TopicSettings::default())]);
    settings.bootstrap_servers = format!("127.0.0.1:{}", free_port());
    let shutdown = Shutdown::new();
    let meanwhile = |scraped: &Registry| {
        until_told(
            scraped,
            "goldrecord_ingestor_server_waits_total{server=\"kafka\",topic=\"every topic\"} 1\n",
        );
        shutdown.request();
    };
    let registry = world.registry.clone();
    let summary = run(
        &world,
        settings,
        registry,
        Until::Shutdown,
        &shutdown,
        meanwhile,
    );
    assert!(summary.expect("asked to stop").topics.is_empty());
}
