//! A metric and its series, one for each combination of its labels' values.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use super::declaration::{Declaration, Kind};

/// The series of one metric. Clones are the same metric.
///
/// One lock for all of them: what is set together is seen together by a scrape.
#[derive(Debug)]
pub(super) struct Family<const N: usize, V>(Arc<Inner<N, V>>);

#[derive(Debug)]
struct Inner<const N: usize, V> {
    declaration: Declaration,
    desc: Desc,
    series: Mutex<BTreeMap<[String; N], V>>,
}

impl<const N: usize, V> Clone for Family<N, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<const N: usize, V: Value> Family<N, V> {
    pub(super) fn new(declaration: Declaration) -> Self {
        let labels = declaration.labels.iter().map(ToString::to_string).collect();
        let desc = Desc::new(
            declaration.name.clone(),
            declaration.help.to_owned(),
            labels,
            std::collections::HashMap::new(),
        )
        .expect("a metric's name, help and labels are of the characters that Prometheus allows");
        let family = Self(Arc::new(Inner {
            declaration,
            desc,
            series: Mutex::new(BTreeMap::new()),
        }));
        if N == 0 {
            // The one series of a metric without labels is there from the start.
            family.change([""; N], |_| {});
        }
        family
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; N], V>> {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, labels: [&str; N], change: impl FnOnce(&mut V)) {
        let bounds = self.bounds();
        change(
            self.lock()
                .entry(labels.map(str::to_owned))
                .or_insert_with(|| V::zero(bounds)),
        );
    }

    fn bounds(&self) -> &'static [f64] {
        match self.0.declaration.kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::Gauge => &[],
        }
    }
}

impl<const N: usize, V: Value> Collector for Family<N, V> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let declaration = &self.0.declaration;
        let mut family = MetricFamily::default();
        family.set_name(declaration.name.clone());
        family.set_help(declaration.help.to_owned());
        family.set_field_type(match declaration.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram(_) => MetricType::HISTOGRAM,
        });
        let series = self.lock();
        let metrics = series.iter().map(|(values, value)| {
            let labels = declaration.labels.iter().zip(values);
            let mut metric = proto::Metric::from_label(
                labels
                    .map(|(name, value)| {
                        let mut pair = LabelPair::default();
                        pair.set_name((*name).to_owned());
                        pair.set_value(value.clone());
                        pair
                    })
                    .collect(),
            );
            value.write(declaration.kind, &mut metric);
            metric
        });
        family.set_metric(metrics.collect());
        vec![family]
    }
}

/// What a series holds.
pub(super) trait Value: Send + Sync + 'static {
    fn zero(bounds: &'static [f64]) -> Self;
    fn write(&self, kind: Kind, to: &mut proto::Metric);
}

impl Value for f64 {
    fn zero(_bounds: &'static [f64]) -> Self {
        0.0
    }

    fn write(&self, kind: Kind, to: &mut proto::Metric) {
        if kind == Kind::Counter {
            let mut counter = proto::Counter::default();
            counter.set_value(*self);
            to.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(*self);
            to.set_gauge(gauge);
        }
    }
}

/// A histogram's series: how many values were no larger than each bound, and larger than the one before.
#[derive(Debug)]
pub(super) struct Buckets {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Value for Buckets {
    fn zero(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    fn write(&self, _kind: Kind, to: &mut proto::Metric) {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            total += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            buckets.push(bucket);
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(self.counts.iter().sum());
        histogram.set_sample_sum(self.sum);
        to.set_histogram(histogram);
    }
}

/// A metric that only goes up.
#[derive(Clone, Debug)]
pub struct Counter<const N: usize>(pub(super) Family<N, f64>);

impl<const N: usize> Counter<N> {
    /// Adds so many.
    pub fn add(&self, labels: [&str; N], more: u64) {
        self.0.change(labels, |value| *value += more as f64);
    }

    /// Goes to a value that was counted elsewhere; never back.
    pub(super) fn reach(&self, labels: [&str; N], total: f64) {
        self.0.change(labels, |value| *value = value.max(total));
    }
}

/// A metric that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge<const N: usize>(pub(super) Family<N, f64>);

impl<const N: usize> Gauge<N> {
    /// Says what is so now.
    pub fn set(&self, labels: [&str; N], now: f64) {
        self.0.change(labels, |value| *value = now);
    }

    /// Says several things that are so at one moment: no scrape comes between.
    pub fn set_all<'l>(&self, values: impl IntoIterator<Item = ([&'l str; N], f64)>) {
        let mut series = self.0.lock();
        for (labels, now) in values {
            series.insert(labels.map(str::to_owned), now);
        }
    }

    /// Forgets the series that `gone` names: what they were about is no longer ours.
    pub fn forget(&self, gone: impl Fn([&str; N]) -> bool) {
        self.0
            .lock()
            .retain(|labels, _| !gone(labels.each_ref().map(String::as_str)));
    }
}

/// A metric that tells how values are spread.
#[derive(Clone, Debug)]
pub struct Histogram<const N: usize>(pub(super) Family<N, Buckets>);

impl<const N: usize> Histogram<N> {
    /// Counts a value.
    pub fn observe(&self, labels: [&str; N], value: f64) {
        self.observe_all(labels, [(value, 1)]);
    }

    /// Counts values, each so many times.
    pub fn observe_all(&self, labels: [&str; N], values: impl IntoIterator<Item = (f64, u64)>) {
        self.0.change(labels, |buckets| {
            for (value, times) in values {
                let place = buckets.bounds.partition_point(|bound| *bound < value);
                buckets.counts[place] += times;
                buckets.sum += value * times as f64;
            }
        });
    }

    /// Counts values that were sorted elsewhere: how many fell under each of the bounds, those beyond the last
    /// at the end, and their sum.
    pub fn add_sorted(&self, labels: [&str; N], counts: &[u64], sum: f64) {
        self.0.change(labels, |buckets| {
            assert_eq!(
                counts.len(),
                buckets.counts.len(),
                "sorted by the bounds of this histogram"
            );
            for (count, more) in buckets.counts.iter_mut().zip(counts) {
                *count += more;
            }
            buckets.sum += sum;
        });
    }
}
