//! A simulation in step with the clock: each event passes when its time comes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{Datelike, NaiveDate, Utc};
use goldrecord_service::{Shutdown, notify};
use tokio::runtime::Handle;

use crate::error::{Error, Result};

/// How long a wait may be silent: systemd hears a turn of the loop at least so often.
const TURN: Duration = Duration::from_secs(5);
/// How often `systemctl status` is told something new.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Where the simulation of a live run begins: the first day of this month, in milliseconds since 1970. So a
/// restart in the same month goes on with the same users, in the same sessions.
pub fn live_start() -> i64 {
    let today = Utc::now().date_naive();
    NaiveDate::from_ymd_opt(today.year(), today.month(), 1)
        .and_then(|first| first.and_hms_opt(0, 0, 0))
        .expect("every month has a first day")
        .and_utc()
        .timestamp_millis()
}

/// Lets events pass when their time comes; what lies before its own start does not pass at all.
pub struct Live {
    from: i64,
    runtime: Handle,
    shutdown: Shutdown,
    is_ready: bool,
    passed: u64,
    turned: Instant,
    told: Instant,
}

/// What is to be done with an event.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// It lies before the start.
    Never,
    /// Its time has come, so many milliseconds ago.
    Now(u64),
    /// Its time comes in so many milliseconds.
    In(u64),
}

fn due(from: i64, now: i64, ts: i64) -> Due {
    if ts < from {
        Due::Never
    } else if ts <= now {
        Due::Now(now.abs_diff(ts))
    } else {
        Due::In(ts.abs_diff(now))
    }
}

impl Live {
    /// Events pass from now on.
    pub fn new(runtime: &Handle, shutdown: &Shutdown) -> Self {
        let now = Instant::now();
        Self {
            from: now_ms(),
            runtime: runtime.clone(),
            shutdown: shutdown.clone(),
            is_ready: false,
            passed: 0,
            turned: now,
            told: now,
        }
    }

    /// Waits until `ts` (milliseconds since 1970) has come. False: the event lies before the start.
    /// [`Error::Stopped`] once a shutdown is requested.
    pub fn admits(&mut self, ts: i64) -> Result<bool> {
        loop {
            let due = due(self.from, now_ms(), ts);
            if due == Due::Never {
                return Ok(false);
            }
            if !self.is_ready {
                self.is_ready = true;
                notify::ready();
            }
            if self.turned.elapsed() > Duration::from_secs(1) {
                self.turned = Instant::now();
                notify::turned();
            }
            let Due::In(left) = due else {
                self.passed += 1;
                self.tell(&due);
                return Ok(true);
            };
            let wait = TURN.min(Duration::from_millis(left));
            // Made inside the runtime, whose clock it wants.
            let pause = async { tokio::time::sleep(wait).await };
            let waited = self.runtime.block_on(self.shutdown.unless_requested(pause));
            if waited.is_none() {
                notify::stopping();
                return Err(Error::Stopped {
                    events: self.passed,
                });
            }
        }
    }

    fn tell(&mut self, due: &Due) {
        if self.told.elapsed() < STATUS_EVERY {
            return;
        }
        self.told = Instant::now();
        let behind = match due {
            Due::Now(behind) => *behind,
            Due::Never | Due::In(_) => 0,
        };
        notify::status(&format!(
            "{} events sent, the last one {behind} ms after its time",
            self.passed
        ));
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_passes_when_its_time_has_come_unless_it_lies_before_the_start() {
        assert_eq!(due(1_000, 5_000, 999), Due::Never);
        assert_eq!(due(1_000, 5_000, 1_000), Due::Now(4_000));
        assert_eq!(due(1_000, 5_000, 5_000), Due::Now(0));
        assert_eq!(due(1_000, 5_000, 5_250), Due::In(250));
    }

    #[test]
    fn a_live_simulation_begins_on_the_first_of_this_month() {
        let start = chrono::DateTime::from_timestamp_millis(live_start()).expect("a moment");
        assert_eq!(start.day(), 1);
        assert!((0..=31).contains(&(Utc::now() - start).num_days()));
    }

    #[test]
    fn a_wait_ends_when_somebody_asks_to_stop() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let shutdown = Shutdown::new();
        let mut live = Live::new(runtime.handle(), &shutdown);
        let waiting = std::thread::spawn(move || live.admits(now_ms() + 3_600_000));
        shutdown.request();
        let ended = waiting.join().expect("no panic");
        assert!(
            matches!(ended, Err(Error::Stopped { events: 0 })),
            "{ended:?}"
        );
    }
}
