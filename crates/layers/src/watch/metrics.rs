//! What a watch tells Prometheus.

use goldrecord_service::metrics::{Counter, Gauge, Histogram, Registry, Unit};

/// Bounds of times from a row's arrival to its table, in seconds.
const FRESHNESS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0,
];
/// Bounds of the time of a build, in seconds.
const BUILD: &[f64] = &[
    0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// The series of `goldrecord-layers watch`.
#[derive(Clone)]
pub struct Metrics {
    pub(super) builds: Counter<1>,
    pub(super) build_time: Histogram<0>,
    pub(super) failed_nodes: Gauge<0>,
    pub(super) published: Gauge<0>,
    pub(super) waiting: Gauge<0>,
    pub(super) freshness: Histogram<1>,
    pub(super) delay: Gauge<1>,
}

impl Metrics {
    /// Declare them.
    pub fn new(registry: &Registry) -> Self {
        Self {
            builds: registry.counter(
                "ended",
                Unit::Of("builds"),
                ["result"],
                "Builds that ended, by `result`: published, unpublished (another target than `layers.target`), or failed.",
            ),
            build_time: registry.histogram(
                "build",
                Unit::Seconds,
                [],
                BUILD,
                "Time of a build, from its planning to its closing row.",
            ),
            failed_nodes: registry.gauge(
                "failed",
                Unit::Of("nodes"),
                [],
                "Models and tests that failed in the last build, without those skipped for them.",
            ),
            published: registry.gauge(
                "last_published",
                Unit::Timestamp,
                [],
                "When the last build was published from this process.",
            ),
            waiting: registry.gauge(
                "waiting",
                Unit::Of("sources"),
                [],
                "Sources with commits that no good build has begun to read.",
            ),
            freshness: registry.histogram(
                "freshness",
                Unit::Seconds,
                ["table"],
                FRESHNESS,
                "Time from a row's arrival in Kafka until the build that reads it is published, by table: in each build, of the new row that waited longest.",
            ),
            delay: registry.gauge(
                "last_freshness",
                Unit::Seconds,
                ["table"],
                "The same of the last build that had new rows for the table.",
            ),
        }
    }
}
