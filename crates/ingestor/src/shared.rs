//! What the threads of a run share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goldrecord_service::Shutdown;
use tokio::runtime::Handle;

use crate::error::Error;
use crate::metrics::{Metrics, Server};
use crate::progress::{Progress, Summary};

/// What the threads of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) runtime: Handle,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) metrics: Arc<Metrics>,
    /// Asked from outside, or by the run itself when it has done what it was to do.
    pub(crate) stop: Shutdown,
    outside: Shutdown,
    /// Flush whatever comes, at once: the producer is done.
    draining: AtomicBool,
    aborted: AtomicBool,
    error: Mutex<Option<Error>>,
    waiting: Mutex<BTreeMap<(String, Server), Wait>>,
    /// Topics whose schema no table fits, and why. The others are read on.
    refused: Mutex<BTreeMap<String, Error>>,
    /// How many topics are read.
    topics: AtomicUsize,
    summary: Mutex<Summary>,
}

/// What is waited for.
struct Wait {
    since: Instant,
    why: String,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(
        runtime: Handle,
        progress: &'a dyn Progress,
        metrics: Arc<Metrics>,
        outside: Shutdown,
    ) -> Self {
        Self {
            runtime,
            progress,
            metrics,
            stop: Shutdown::new(),
            outside,
            draining: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            error: Mutex::new(None),
            waiting: Mutex::new(BTreeMap::new()),
            refused: Mutex::default(),
            topics: AtomicUsize::new(1),
            summary: Mutex::new(Summary::default()),
        }
    }

    /// The run ends with this error; the first one counts. Nothing more is committed.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.aborted.store(true, Ordering::Release);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    pub(crate) fn take_error(&self) -> Option<Error> {
        lock(&self.error).take()
    }

    /// A topic cannot be read by the schema that it has now: it waits for another one.
    pub(crate) fn refuse(&self, topic: &str, error: Error) {
        self.wait_begins(Server::Schema, topic, &error.to_string());
        lock(&self.refused).insert(topic.to_owned(), error);
    }

    /// A topic has a schema by which it is read, or is no longer ours.
    pub(crate) fn accept(&self, topic: &str) {
        lock(&self.refused).remove(topic);
        self.wait_ends(Server::Schema, topic);
    }

    /// The topics that are refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        lock(&self.refused).keys().cloned().collect()
    }

    /// Why one of them is.
    pub(crate) fn take_refusal(&self) -> Option<Error> {
        lock(&self.refused).pop_first().map(|(_, error)| error)
    }

    /// So many topics are read from now on.
    pub(crate) fn reads(&self, topics: usize) {
        self.topics.store(topics, Ordering::Relaxed);
    }

    /// How many topics are read; at least one.
    pub(crate) fn topics(&self) -> usize {
        self.topics.load(Ordering::Relaxed)
    }

    /// Whether to flush, commit and leave.
    pub(crate) fn is_stopping(&self) -> bool {
        self.outside.is_requested() || self.stop.is_requested()
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn summary(&self) -> MutexGuard<'_, Summary> {
        lock(&self.summary)
    }

    /// What is waited for, by topic.
    pub(crate) fn waits(&self) -> Vec<String> {
        let waiting = lock(&self.waiting);
        waiting
            .iter()
            .map(|((topic, _), wait)| {
                let seconds = wait.since.elapsed().as_secs();
                format!("{topic}: {} (for {seconds} s)", wait.why)
            })
            .collect()
    }

    /// A topic waits for a server, for the first time or after one more attempt. A reason is logged when it is new.
    pub(crate) fn wait_begins(&self, server: Server, topic: &str, why: &str) {
        let key = (topic.to_owned(), server);
        let mut waiting = lock(&self.waiting);
        let before = waiting.get_mut(&key);
        let begins = before.is_none();
        let told = before.is_some_and(|wait| {
            let told = wait.why == why;
            why.clone_into(&mut wait.why);
            told
        });
        if begins {
            let wait = Wait {
                since: Instant::now(),
                why: why.to_owned(),
            };
            waiting.insert(key, wait);
        }
        drop(waiting);
        let now = begins.then(|| chrono::Utc::now().timestamp_micros());
        self.metrics.waits(server, topic, now);
        if !told {
            tracing::warn!(topic, server = server.name(), why, "waiting");
            self.progress.waiting(topic, Some(why));
        }
    }

    /// The server answers a topic again, if it was waited for.
    pub(crate) fn wait_ends(&self, server: Server, topic: &str) {
        let mut waiting = lock(&self.waiting);
        let Some(wait) = waiting.remove(&(topic.to_owned(), server)) else {
            return;
        };
        let others = waiting.keys().any(|(other, _)| other == topic);
        drop(waiting);
        self.metrics.goes_on(server, topic);
        let seconds = wait.since.elapsed().as_secs_f64();
        tracing::info!(topic, server = server.name(), seconds, "going on");
        if !others {
            self.progress.waiting(topic, None);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pauses between attempts, each twice the last, with jitter so that many do not knock at once.
pub(crate) struct Backoff {
    next: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a stopping run still tries: what waits then is read again after the next start.
const GRACE: Duration = Duration::from_secs(5);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// Pauses. False: give up, the run ends.
    pub(crate) fn pause(&mut self, shared: &Shared<'_>) -> bool {
        // A tenth of jitter from the clock's finest digits.
        let jitter = u64::from(chrono::Utc::now().timestamp_subsec_nanos())
            % (self.next.as_millis() as u64 / 10 + 1);
        let until = Instant::now() + self.next + Duration::from_millis(jitter);
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        let mut asked: Option<Instant> = None;
        loop {
            if shared.is_aborted() {
                return false;
            }
            if shared.is_stopping() && asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return !(shared.is_stopping() && self.next >= GRACE);
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}
