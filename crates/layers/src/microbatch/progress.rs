//! How far a build came with a model's batches, as the table's own property says: what a build that was killed left is
//! done by the next one.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{BatchSize, Window};

/// How far a build came: all batches from `from` until before `done` are in the table, those until `until` were to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where the first batch begins.
    pub from: DateTime<Utc>,
    /// Where the first batch begins that is not done.
    pub done: DateTime<Utc>,
    /// Where the last batch ends.
    pub until: DateTime<Utc>,
}

impl Progress {
    /// The property of the table.
    pub const PROPERTY: &'static str = "goldrecord.batches";

    /// Nothing of these batches is done.
    pub fn before(windows: &[Window]) -> Option<Self> {
        let (first, last) = (windows.first()?, windows.last()?);
        Some(Self {
            from: first.start,
            done: first.start,
            until: last.end,
        })
    }

    /// As the property holds it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(|part| part.parse().ok());
        let progress = Self {
            from: parts.next()??,
            done: parts.next()??,
            until: parts.next()??,
        };
        parts.next().is_none().then_some(progress)
    }

    /// The batches of a build that goes on where one stopped that came so far: its own, those left of the other, and,
    /// where the other read what this one reads, none that it had done.
    pub fn go_on(&self, own: Vec<Window>, is_same: bool, size: BatchSize) -> Vec<Window> {
        let mut windows = own;
        if is_same {
            windows.retain(|window| window.start < self.from || window.end > self.done);
        }
        if self.done < self.until {
            windows.extend(size.windows(self.done, self.until));
        }
        windows.sort_unstable();
        windows.dedup_by_key(|window| window.start);
        windows
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        write!(
            f,
            "{}/{}/{}",
            text(self.from),
            text(self.done),
            text(self.until)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microbatch::moment;

    fn days(first: u32, end: u32) -> Vec<Window> {
        let at = |day: u32| moment(&format!("2024-01-{day:02}")).expect("a day");
        BatchSize::Day.windows(at(first), at(end))
    }

    #[test]
    fn a_build_goes_on_with_the_first_batch_that_is_not_done() {
        let mut progress = Progress::before(&days(1, 9)).expect("there are batches");
        progress.done = days(4, 5)[0].start;
        assert_eq!(Progress::parse(&progress.to_string()), Some(progress));
        let go_on = |own, is_same| progress.go_on(own, is_same, BatchSize::Day);
        // The killed build was a first one: this one, by itself, would only look back.
        assert_eq!(go_on(days(7, 10), true), days(4, 10));
        assert_eq!(go_on(days(1, 9), true), days(4, 9), "nothing is done twice");
        assert_eq!(go_on(days(1, 9), false), days(1, 9), "other rows to read");
        progress.done = progress.until;
        assert_eq!(progress.go_on(days(7, 9), true, BatchSize::Day), []);
    }
}
