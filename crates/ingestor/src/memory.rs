//! The bytes that all buffers hold together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A limit that all buffers share. It only counts: who reads from Kafka must heed it.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    freed: (Mutex<()>, Condvar),
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            freed: (Mutex::new(()), Condvar::new()),
        })
    }

    /// Whether buffers hold more than they may.
    pub fn is_over(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit
    }

    /// Whether reading may go on after a pause: below three quarters.
    pub fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.limit / 4 * 3
    }

    /// What is held, in bytes.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// What may be held, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The most that was held, in bytes.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Waits until there is room, but no longer than `timeout`.
    pub fn wait_for_room(&self, timeout: Duration) {
        let (lock, condition) = &self.freed;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether there is room is read again by the caller.
        drop(condition.wait_timeout_while(guard, timeout, |()| !self.has_room()));
    }

    /// Bytes to be accounted for.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let mut charge = Charge {
            budget: Arc::clone(self),
            bytes: 0,
        };
        charge.set(bytes);
        charge
    }
}

/// Bytes held; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Corrects the number of bytes.
    pub fn set(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            let more = bytes - self.bytes;
            let used = self.budget.used.fetch_add(more, Ordering::Relaxed) + more;
            self.budget.peak.fetch_max(used, Ordering::Relaxed);
        } else {
            let before = self
                .budget
                .used
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            assert!(
                before >= self.bytes - bytes,
                "no more is given back than was taken"
            );
            if self.budget.has_room() {
                self.budget.freed.1.notify_all();
            }
        }
        self.bytes = bytes;
    }

    /// So many bytes more, or fewer.
    pub fn change(&mut self, by: isize) {
        let bytes = self.bytes.checked_add_signed(by);
        self.set(bytes.expect("no more is given back than was taken"));
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.charge(60);
        let second = budget.charge(60);
        assert!(budget.is_over() && !budget.has_room());
        drop(second);
        assert!(!budget.is_over());
        first.set(80);
        assert!(!budget.has_room());
        first.set(10);
        assert!(budget.has_room());
        assert_eq!(budget.peak(), 120);
    }
}
