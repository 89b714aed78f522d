//! The pool of one query: who asks first gets much, and there is always some left for who comes later.
//!
//! `DataFusion`'s fair pool gives each operator that can spill an equal part, those that wait for their turn included: a
//! plan of many operators then has parts too small to work in, with nearly all of the memory free. Its greedy pool lets
//! the first operator take everything. Here one that can spill takes up to a third, all of them up to half; the other half
//! is for those that cannot spill, and for small holdings (an eighth) without which no operator can begin.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// A pool of so many bytes.
#[derive(Debug)]
pub struct Pool {
    limit: usize,
    held: Mutex<Held>,
}

/// Bytes held by operators that can spill, and by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    spillable: usize,
    fixed: usize,
}

impl Pool {
    /// A pool of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Mutex::default(),
        }
    }

    fn change(&self, spills: bool, by: impl FnOnce(&mut usize)) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        by(if spills {
            &mut held.spillable
        } else {
            &mut held.fixed
        });
    }
}

/// The consumer under which a sort merges, spilled files among what it merges. It counts as one that cannot spill, and
/// fails when it is refused.
const MERGE: &str = "ExternalSorterMerge";

/// Whether an operator that holds `own` bytes may have more.
fn allowed(limit: usize, held: Held, consumer: &MemoryConsumer, own: usize, more: usize) -> bool {
    let total = held.spillable + held.fixed + more;
    if total > limit {
        return false;
    }
    if consumer.name().starts_with(MERGE) {
        // A join sorts both sides in each partition: all of those merge at once, so a sixth is kept for each. The last
        // quarter is for who comes late.
        return own + more <= limit / 6 || total <= limit - limit / 4;
    }
    // Who holds nothing cannot spill either: it must get its first batch, which may be large.
    let begins = own == 0 && more <= limit / 4;
    begins
        || !consumer.can_spill()
        || own + more <= limit / 8
        || (own + more <= limit / 3 && total <= limit / 2)
}

impl MemoryPool for Pool {
    fn name(&self) -> &'static str {
        "query"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.change(reservation.consumer().can_spill(), |held| {
            *held += additional;
        });
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.change(reservation.consumer().can_spill(), |held| *held -= shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let spills = reservation.consumer().can_spill();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = reservation.consumer();
        if !allowed(self.limit, *held, consumer, reservation.size(), additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} holds {} bytes and wants {additional} more; {} of {} are held",
                reservation.consumer().name(),
                reservation.size(),
                held.spillable + held.fixed,
                self.limit
            )));
        }
        if spills {
            held.spillable += additional;
        } else {
            held.fixed += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.spillable + held.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.reserved(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operators_that_wait_take_nothing_away_and_one_that_comes_late_can_begin() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(1600));
        let spills = |name: &str| {
            MemoryConsumer::new(name)
                .with_can_spill(true)
                .register(&pool)
        };
        let _idle: Vec<_> = (0..100).map(|_| spills("idle")).collect();
        let first = spills("first");
        first.try_grow(500).expect("there is room");
        assert!(first.try_grow(100).is_err(), "a third is the most");
        let second = spills("second");
        second.try_grow(300).expect("there is room");
        assert!(second.try_grow(1).is_err(), "half is taken");
        let late = spills("late");
        late.try_grow(200).expect("there is room");
        let fixed = MemoryConsumer::new("fixed").register(&pool);
        fixed.try_grow(600).expect("there is room");
        assert!(fixed.try_grow(1).is_err(), "all is taken");
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        drop(first);
        assert!(
            merge.try_grow(300).is_err(),
            "a sixth is the most where little is left"
        );
        merge.try_grow(200).expect("there is room");
        drop(second);
        assert!(merge.try_grow(300).is_err(), "a quarter stays free");
        merge.try_grow(200).expect("there is room");
        drop((merge, late, fixed));
        assert_eq!(pool.reserved(), 0);
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is(
            limit in 0..10_000_usize,
            asks in proptest::collection::vec((0..5_usize, any::<bool>(), 0..3_000_usize), 0..60),
        ) {
            let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(limit));
            let held: Vec<_> = (0..5)
                .map(|n| MemoryConsumer::new("x").with_can_spill(n % 2 == 0).register(&pool))
                .collect();
            for (who, more, bytes) in asks {
                if more {
                    let _ = held[who].try_grow(bytes);
                } else {
                    held[who].free();
                }
                let sum: usize = held.iter().map(MemoryReservation::size).sum();
                prop_assert_eq!(pool.reserved(), sum);
                prop_assert!(sum <= limit);
            }
        }
    }
}
