//! The metrics of one process.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::TextEncoder;
use prometheus::core::Collector;

use super::declaration::{Declaration, Kind, Unit};
use super::family::{Counter, Family, Gauge, Histogram, Value};
use super::process;

/// The metrics of one process, its own among them: memory, processor time, open files.
pub struct Registry {
    service: &'static str,
    metrics: prometheus::Registry,
    declarations: Mutex<Vec<Declaration>>,
    updates: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// The metrics of a service, such as `ingestor`.
    pub fn new(service: &'static str) -> Self {
        let registry = Self {
            service,
            metrics: prometheus::Registry::new(),
            declarations: Mutex::default(),
            updates: Mutex::default(),
        };
        process::register(&registry);
        let info = registry.gauge(
            "build",
            Unit::Info,
            ["version"],
            "Always 1: which version runs.",
        );
        info.set([env!("CARGO_PKG_VERSION")], 1.0);
        registry
    }

    /// Declares a counter: `goldrecord_<service>_<name>_<unit>_total`.
    pub fn counter<const N: usize>(
        &self,
        name: &str,
        unit: Unit,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Counter<N> {
        let name = self.name(name, unit) + "_total";
        Counter(self.declare(name, Kind::Counter, unit, labels, help))
    }

    /// Declares a gauge: `goldrecord_<service>_<name>_<unit>`.
    pub fn gauge<const N: usize>(
        &self,
        name: &str,
        unit: Unit,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Gauge<N> {
        Gauge(self.declare(self.name(name, unit), Kind::Gauge, unit, labels, help))
    }

    /// Declares a histogram with these upper bounds, which rise: `goldrecord_<service>_<name>_<unit>`.
    pub fn histogram<const N: usize>(
        &self,
        name: &str,
        unit: Unit,
        labels: [&'static str; N],
        bounds: &'static [f64],
        help: &'static str,
    ) -> Histogram<N> {
        assert!(bounds.is_sorted(), "the bounds of a histogram rise");
        let kind = Kind::Histogram(bounds);
        Histogram(self.declare(self.name(name, unit), kind, unit, labels, help))
    }

    fn name(&self, name: &str, unit: Unit) -> String {
        let (service, unit) = (self.service, unit.suffix());
        format!("goldrecord_{service}_{name}_{unit}")
    }

    pub(super) fn declare<const N: usize, V: Value>(
        &self,
        name: String,
        kind: Kind,
        unit: Unit,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Family<N, V>
    where
        Family<N, V>: Collector,
    {
        let declaration = Declaration {
            name,
            kind,
            unit,
            labels: labels.to_vec(),
            help,
        };
        let family = Family::new(declaration.clone());
        self.metrics
            .register(Box::new(family.clone()))
            .unwrap_or_else(|error| panic!("`{}` is declared once: {error}", declaration.name));
        lock(&self.declarations).push(declaration);
        family
    }

    /// Has `update` called before each scrape: for what is so at a moment and costs something to find out.
    pub fn before_scrape(&self, update: impl Fn() + Send + Sync + 'static) {
        lock(&self.updates).push(Box::new(update));
    }

    /// Everything that was declared, in that order.
    pub fn declarations(&self) -> Vec<Declaration> {
        lock(&self.declarations).clone()
    }

    /// All series in the text format of Prometheus.
    pub fn render(&self) -> String {
        for update in lock(&self.updates).iter() {
            update();
        }
        TextEncoder::new()
            .encode_to_string(&self.metrics.gather())
            .expect("metrics that were declared have names and series")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn a_name_is_put_together_from_service_name_and_unit() {
        let registry = Registry::new("loader");
        registry
            .counter("sent", Unit::Of("rows"), ["table"], "Rows.")
            .add(["a \"b\""], 3);
        registry
            .gauge("age", Unit::Seconds, [], "Age.")
            .set([], 1.5);
        let text = registry.render();
        assert!(
            text.contains("\ngoldrecord_loader_sent_rows_total{table=\"a \\\"b\\\"\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("\ngoldrecord_loader_age_seconds 1.5\n"),
            "{text}"
        );
        let names: Vec<_> = registry
            .declarations()
            .into_iter()
            .map(|declaration| declaration.name)
            .collect();
        assert!(names.ends_with(&[
            "goldrecord_loader_sent_rows_total".to_owned(),
            "goldrecord_loader_age_seconds".to_owned()
        ]));
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let registry = Registry::new("loader");
        let times = registry.histogram("send", Unit::Seconds, ["table"], &[0.1, 1.0], "Time.");
        times.observe_all(["t"], [(0.1, 2), (0.5, 1), (7.0, 1)]);
        times.add_sorted(["t"], &[1, 0, 2], 30.0);
        let text = registry.render();
        for line in [
            "send_seconds_bucket{table=\"t\",le=\"0.1\"} 3\n",
            "send_seconds_bucket{table=\"t\",le=\"1\"} 4\n",
            "send_seconds_bucket{table=\"t\",le=\"+Inf\"} 7\n",
            "send_seconds_sum{table=\"t\"} 37.7\n",
            "send_seconds_count{table=\"t\"} 7\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn what_is_forgotten_is_no_longer_told() {
        let registry = Registry::new("loader");
        let lag = registry.gauge("lag", Unit::Of("records"), ["topic", "partition"], "Lag.");
        lag.set_all([(["t", "0"], 5.0), (["t", "1"], 6.0), (["u", "0"], 7.0)]);
        lag.forget(|[topic, partition]| topic == "t" && partition == "1");
        let text = registry.render();
        assert!(
            text.contains("{topic=\"t\",partition=\"0\"} 5") && text.contains("{topic=\"u\""),
            "{text}"
        );
        assert!(!text.contains("partition=\"1\""), "{text}");
    }

    #[test]
    fn a_gauge_may_be_found_out_when_it_is_asked_for() {
        let registry = Registry::new("loader");
        let age = registry.gauge("age", Unit::Seconds, [], "Age.");
        registry.before_scrape(move || age.set([], 42.0));
        assert!(
            registry
                .render()
                .contains("goldrecord_loader_age_seconds 42\n")
        );
    }

    #[test]
    #[should_panic(expected = "is declared once")]
    fn a_metric_is_declared_once() {
        let registry = Registry::new("loader");
        for _ in 0..2 {
            registry.gauge("age", Unit::Seconds, [], "Age.");
        }
    }

    #[test]
    fn the_reference_page_is_a_table() {
        let registry = Registry::new("loader");
        registry.counter("sent", Unit::Of("rows"), ["table", "day"], "Rows.");
        let page = reference(&registry.declarations());
        assert!(
            page.ends_with(
                "| `goldrecord_loader_sent_rows_total` | counter | `table`, `day` | Rows. |\n"
            ),
            "{page}"
        );
    }
}
