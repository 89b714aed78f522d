//! When to build, and what for: decided from commits seen and builds ended, without a clock.
//!
//! Times are counted from any one moment.

use std::collections::BTreeSet;
use std::time::Duration;

/// The longest time after a failed build.
const LONGEST_RETRY: Duration = Duration::from_mins(30);

/// What a watch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After a commit, so long for others.
    pub settle: Duration,
    /// From the start of one build to that of the next, at least.
    pub interval: Duration,
    /// After a first failure, at least.
    pub retry: Duration,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until this time or until something happens.
    Wait(Option<Duration>),
    /// Begin a build for what changed in these sources.
    Build(BTreeSet<String>),
}

/// What a watch knows.
#[derive(Debug)]
pub struct Schedule {
    settings: Settings,
    /// The sources that changed since a good build began that reads them.
    changed: BTreeSet<String>,
    /// When the wait is over for others to come with the first of them.
    settled: Duration,
    /// What the build at work is for.
    building: Option<BTreeSet<String>>,
    /// No build begins before this.
    not_before: Duration,
    failures: u32,
}

impl Schedule {
    /// Everything counts as changed: what came while nobody watched.
    pub fn new(settings: Settings, sources: BTreeSet<String>, now: Duration) -> Self {
        Self {
            settings,
            changed: sources,
            settled: now,
            building: None,
            not_before: now,
            failures: 0,
        }
    }

    /// A source has a new commit.
    pub fn changed(&mut self, source: &str, now: Duration) {
        if self.changed.is_empty() {
            self.settled = now + self.settings.settle;
        }
        self.changed.insert(source.to_owned());
    }

    /// What to do now.
    pub fn step(&mut self, now: Duration) -> Step {
        if self.building.is_some() || self.changed.is_empty() {
            return Step::Wait(None);
        }
        // From the first commit, so that a steady stream of them puts nothing off.
        let due = self.not_before.max(self.settled);
        if now < due {
            return Step::Wait(Some(due));
        }
        self.not_before = now + self.settings.interval;
        let taken = std::mem::take(&mut self.changed);
        self.building = Some(taken.clone());
        Step::Build(taken)
    }

    /// The build has ended, well or not.
    ///
    /// # Panics
    /// When none was at work.
    pub fn ended(&mut self, well: bool, now: Duration) {
        let taken = self.building.take().expect("a build was at work");
        if well {
            self.failures = 0;
            return;
        }
        if self.changed.is_empty() {
            self.settled = now;
        }
        self.changed.extend(taken);
        let doubled = self
            .settings
            .retry
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures += 1;
        self.not_before = self.not_before.max(now + doubled.min(LONGEST_RETRY));
    }

    /// Whether a build is at work.
    pub fn is_building(&self) -> bool {
        self.building.is_some()
    }

    /// How many sources wait for a build.
    pub fn waiting(&self) -> usize {
        self.changed.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings {
        settle: Duration::from_secs(1),
        interval: Duration::from_secs(10),
        retry: Duration::from_secs(30),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn only(source: &str) -> BTreeSet<String> {
        BTreeSet::from([source.to_owned()])
    }

    fn fresh() -> Schedule {
        let mut schedule = Schedule::new(SETTINGS, only("a"), at(0));
        assert_eq!(schedule.step(at(0)), Step::Build(only("a")), "at once");
        schedule.ended(true, at(2));
        schedule
    }

    #[test]
    fn commits_that_come_together_are_built_together_and_those_that_come_later_no_sooner_than_the_interval()
     {
        let mut schedule = fresh();
        assert_eq!(schedule.step(at(3)), Step::Wait(None));
        schedule.changed("a", at(20));
        assert_eq!(schedule.step(at(20)), Step::Wait(Some(at(21))));
        schedule.changed("b", at(20));
        let both = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(schedule.step(at(21)), Step::Build(both));
        schedule.changed("a", at(22));
        assert_eq!(schedule.step(at(25)), Step::Wait(None), "one at a time");
        schedule.ended(true, at(26));
        assert_eq!(schedule.step(at(26)), Step::Wait(Some(at(31))));
        assert_eq!(schedule.step(at(31)), Step::Build(only("a")));
    }

    #[test]
    fn what_a_failed_build_was_for_is_built_again_later_and_later() {
        let mut schedule = fresh();
        schedule.changed("a", at(100));
        let mut now = at(101);
        for waits in [30, 60, 120, 240, 480, 960, 1800, 1800] {
            assert_eq!(schedule.step(now), Step::Build(only("a")));
            schedule.ended(false, now);
            schedule.changed("a", now);
            assert_eq!(schedule.step(now), Step::Wait(Some(now + at(waits))));
            now += at(waits);
        }
        assert_eq!(schedule.step(now), Step::Build(only("a")));
        schedule.ended(true, now);
        schedule.changed("a", now + at(60));
        assert_eq!(schedule.step(now + at(61)), Step::Build(only("a")));
    }

    #[derive(Clone, Debug)]
    enum Happens {
        Commit(u8),
        Ends(bool),
        Time(u64),
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            (0..4_u8).prop_map(Happens::Commit),
            any::<bool>().prop_map(Happens::Ends),
            (0..40_u64).prop_map(Happens::Time),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: every commit is read by a good build that began after it, builds keep
        /// their distance and never overlap, and none begins without a reason.
        #[test]
        fn every_commit_is_built_and_no_build_is_begun_in_vain(
            story in proptest::collection::vec(happens(), 0..80)
        ) {
            let mut schedule = Schedule::new(SETTINGS, BTreeSet::new(), at(0));
            let mut now = 0;
            let mut owed: BTreeSet<String> = BTreeSet::new();
            let mut building: Option<BTreeSet<String>> = None;
            let mut last_start: Option<u64> = None;
            // In the end builds go well, and time goes on.
            let end = std::iter::repeat_n([Happens::Ends(true), Happens::Time(40)], 100).flatten();
            for event in story.into_iter().chain(end) {
                match event {
                    Happens::Commit(source) => {
                        let source = source.to_string();
                        owed.insert(source.clone());
                        schedule.changed(&source, at(now));
                    }
                    Happens::Time(seconds) => now += seconds,
                    Happens::Ends(well) => {
                        if let Some(taken) = building.take() {
                            if !well {
                                owed.extend(taken);
                            }
                            schedule.ended(well, at(now));
                        }
                    }
                }
                match schedule.step(at(now)) {
                    Step::Build(taken) => {
                        prop_assert!(building.is_none(), "two builds at once");
                        prop_assert!(!taken.is_empty(), "a build for nothing");
                        prop_assert_eq!(&taken, &owed);
                        prop_assert!(last_start.is_none_or(|last| now - last >= 10));
                        last_start = Some(now);
                        owed.clear();
                        building = Some(taken);
                    }
                    Step::Wait(Some(until)) => {
                        prop_assert!(until > at(now), "it waits for what is over");
                        prop_assert!(!owed.is_empty());
                    }
                    Step::Wait(None) => {
                        prop_assert!(building.is_some() || owed.is_empty(), "forgotten");
                    }
                }
            }
            prop_assert!(owed.is_empty(), "never built: {:?}", owed);
        }
    }
}
