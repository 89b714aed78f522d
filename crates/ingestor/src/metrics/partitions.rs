//! The partitions that are ours: where the table is, and the terms of the balance.

use std::collections::BTreeMap;

use super::rows::Rows;

/// What became of a partition's offsets since it is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) start: i64,
    pub(super) next: i64,
    pub(super) good: u64,
    pub(super) bad: u64,
    pub(super) gap: u64,
    /// Rows that were good until retention removed them.
    pub(super) expired: u64,
}

impl Terms {
    fn of(stored: i64) -> Self {
        Self {
            start: stored,
            next: stored,
            ..Self::default()
        }
    }

    pub(super) fn named(self) -> [(&'static str, i64); 6] {
        [
            ("next", self.next),
            ("start", self.start),
            ("good", self.good as i64),
            ("bad", self.bad as i64),
            ("gap", self.gap as i64),
            ("expired", self.expired as i64),
        ]
    }
}

/// The partitions that are ours.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    topics: BTreeMap<String, BTreeMap<i32, Own>>,
    /// The latest event's own time, by topic, in µs since 1970.
    newest_events: BTreeMap<String, i64>,
    /// The first day that retention has left, by topic, in days since 1970-01-01.
    expired_before: BTreeMap<String, i64>,
}

#[derive(Debug)]
struct Own {
    terms: Terms,
    /// The good rows by day, in days since 1970-01-01.
    days: BTreeMap<i32, u64>,
    /// The newest `_timestamp` committed, in µs since 1970.
    newest: Option<i64>,
}

impl Partitions {
    /// A partition stands at `stored`. The terms begin anew, unless the table is where they left it.
    pub(super) fn open(&mut self, topic: &str, partition: i32, stored: i64) -> (i32, Terms) {
        let own = self.topics.entry(topic.to_owned()).or_default();
        let fresh = || Own {
            terms: Terms::of(stored),
            days: BTreeMap::new(),
            newest: None,
        };
        let own = own.entry(partition).or_insert_with(fresh);
        if own.terms.next != stored {
            *own = fresh();
        }
        (partition, own.terms)
    }

    pub(super) fn close(&mut self, topic: &str, partition: i32) {
        if let Some(own) = self.topics.get_mut(topic) {
            own.remove(&partition);
        }
    }

    /// Rows came into the table, and these are its numbers now.
    pub(super) fn committed(
        &mut self,
        topic: &str,
        rows: &Rows,
        offsets: &[(i32, i64)],
    ) -> Vec<(i32, Terms)> {
        let Some(own) = self.topics.get_mut(topic) else {
            return Vec::new();
        };
        let moved = offsets.iter().filter_map(|(partition, next)| {
            let own = own.get_mut(partition)?;
            let (good, bad, gap, newest) = rows.of(*partition);
            own.terms.next = *next;
            own.terms.good += good;
            own.terms.bad += bad;
            own.terms.gap += gap;
            for (day, good) in rows.days(*partition) {
                *own.days.entry(day).or_default() += good;
            }
            own.newest = own.newest.max(newest);
            Some((*partition, own.terms))
        });
        moved.collect()
    }

    /// Retention has left nothing before the day `before`: what was good of those days has expired. Tells nothing where
    /// that was known.
    pub(super) fn expired(&mut self, topic: &str, before: i64) -> Vec<(i32, Terms)> {
        let known = self.expired_before.entry(topic.to_owned());
        let known = known.or_insert(i64::MIN);
        if *known >= before {
            return Vec::new();
        }
        *known = before;
        let own = self.topics.get_mut(topic).into_iter().flatten();
        own.map(|(partition, own)| {
            let gone: u64 = own
                .days
                .extract_if(.., |day, _| i64::from(*day) < before)
                .map(|(_, rows)| rows)
                .sum();
            own.terms.good -= gone;
            own.terms.expired += gone;
            (*partition, own.terms)
        })
        .collect()
    }

    /// The latest event's own time seen so far, with this one.
    pub(super) fn newest_event(&mut self, topic: &str, event: Option<i64>) -> Option<i64> {
        let event = event?;
        let newest = self.newest_events.entry(topic.to_owned()).or_insert(event);
        *newest = event.max(*newest);
        Some(*newest)
    }

    pub(super) fn next_offsets(&self, topic: &str) -> impl Iterator<Item = (i32, i64)> {
        self.topics
            .get(topic)
            .into_iter()
            .flatten()
            .map(|(partition, own)| (*partition, own.terms.next))
    }

    pub(super) fn all(&self) -> Vec<(String, i32, i64)> {
        let topics = self.topics.keys();
        topics
            .flat_map(|topic| {
                self.next_offsets(topic)
                    .map(|(partition, next)| (topic.clone(), partition, next))
            })
            .collect()
    }

    /// The table's next offset, and the newest `_timestamp` committed.
    pub(super) fn state(&self, topic: &str, partition: i32) -> Option<(i64, Option<i64>)> {
        let own = self.topics.get(topic)?.get(&partition)?;
        Some((own.terms.next, own.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{gap, good, good_of_day};
    use super::*;

    #[test]
    fn the_terms_balance_from_where_a_partition_was_taken() {
        let mut partitions = Partitions::default();
        partitions.open("t", 0, 100);
        let mut rows = Rows::default();
        rows.add(&good(&[0, 0, 0], 5), None);
        rows.add(&gap(0, 7), None);
        let moved = partitions.committed("t", &rows, &[(0, 110)]);
        let terms = Terms {
            start: 100,
            next: 110,
            good: 3,
            bad: 0,
            gap: 7,
            expired: 0,
        };
        assert_eq!(moved, [(0, terms)]);
        // Asked for anew without a change, they go on; where another owner has moved the table, they begin anew.
        assert_eq!(partitions.open("t", 0, 110), (0, terms));
        assert_eq!(partitions.open("t", 0, 120), (0, Terms::of(120)));
    }

    #[test]
    fn what_retention_removes_is_no_longer_good_but_expired() {
        let mut partitions = Partitions::default();
        partitions.open("t", 0, 0);
        let mut rows = Rows::default();
        for (of, day) in [(&[0, 0][..], 10), (&[0], 11), (&[0, 0, 0], 12)] {
            rows.add(&good_of_day(of, 5, day), None);
        }
        partitions.committed("t", &rows, &[(0, 6)]);
        let terms = |good, expired| Terms {
            start: 0,
            next: 6,
            good,
            expired,
            ..Terms::default()
        };
        assert_eq!(partitions.expired("t", 12), [(0, terms(3, 3))]);
        // Said again it is nothing new, and a day that comes late is there until the next one goes.
        assert_eq!(partitions.expired("t", 12), []);
        let mut late = Rows::default();
        late.add(&good_of_day(&[0], 5, 10), None);
        let moved = partitions.committed("t", &late, &[(0, 7)]);
        assert_eq!((moved[0].1.good, moved[0].1.expired), (4, 3));
        let moved = partitions.expired("t", 13);
        assert_eq!((moved[0].1.good, moved[0].1.expired), (0, 7));
    }

    #[test]
    fn a_partition_given_back_is_not_told_of() {
        let mut partitions = Partitions::default();
        partitions.open("t", 0, 5);
        partitions.open("t", 1, 6);
        partitions.close("t", 0);
        assert_eq!(partitions.all(), [("t".to_owned(), 1, 6)]);
        assert_eq!(partitions.committed("t", &Rows::default(), &[(0, 9)]), []);
        assert_eq!(partitions.state("t", 0), None);
    }
}
