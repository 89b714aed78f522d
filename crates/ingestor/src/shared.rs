//! What the threads of a run share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goldrecord_service::Shutdown;
use tokio::runtime::Handle;

use crate::error::Error;
use crate::progress::{Progress, Summary};

/// What the threads of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) runtime: Handle,
    pub(crate) progress: &'a dyn Progress,
    /// Asked from outside, or by the run itself when it has done what it was to do.
    pub(crate) stop: Shutdown,
    outside: Shutdown,
    /// Flush whatever comes, at once: the producer is done.
    draining: AtomicBool,
    aborted: AtomicBool,
    error: Mutex<Option<Error>>,
    waiting: Mutex<BTreeMap<String, String>>,
    summary: Mutex<Summary>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(runtime: Handle, progress: &'a dyn Progress, outside: Shutdown) -> Self {
        Self {
            runtime,
            progress,
            stop: Shutdown::new(),
            outside,
            draining: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            error: Mutex::new(None),
            waiting: Mutex::new(BTreeMap::new()),
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
        lock(&self.waiting)
            .iter()
            .map(|(topic, why)| format!("{topic}: {why}"))
            .collect()
    }

    pub(crate) fn wait_begins(&self, topic: &str, why: &str) {
        tracing::warn!(topic, why, "waiting");
        self.progress.waiting(topic, Some(why));
        lock(&self.waiting).insert(topic.to_owned(), why.to_owned());
    }

    pub(crate) fn wait_ends(&self, topic: &str) {
        if lock(&self.waiting).remove(topic).is_some() {
            tracing::info!(topic, "going on");
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
