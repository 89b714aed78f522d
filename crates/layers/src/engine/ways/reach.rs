//! How far from its own day an output partition draws on input days: `meta.reach`.

use std::ops::RangeInclusive;

use serde_json::Value;

/// Days that the rows of an output partition draw on besides the partition's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Days before.
    before: i32,
    /// Days after.
    after: i32,
    /// Days to both sides without which a whole partition cannot be computed: a row that belongs
    /// to a neighbour must be seen whole, or it would be taken for one of this partition.
    around: i32,
}

impl Reach {
    /// What `meta.reach` says: a number of days to both sides, or `{before: …, after: …}`.
    pub fn read(value: &Value) -> Option<Self> {
        let days = |value: &Value| {
            let days = i32::try_from(value.as_i64()?).ok()?;
            (0..=366).contains(&days).then_some(days)
        };
        match value {
            Value::Object(sides) => {
                if sides.keys().any(|side| side != "before" && side != "after") {
                    return None;
                }
                let side = |name: &str| sides.get(name).map_or(Some(0), days);
                let (before, after) = (side("before")?, side("after")?);
                Some(Self {
                    before,
                    after,
                    around: before + after,
                })
            }
            value => days(value).map(Self::days),
        }
    }

    /// So many days to both sides.
    pub const fn days(days: i32) -> Self {
        Self {
            before: days,
            after: days,
            around: days,
        }
    }

    /// Whether a partition draws on its own day alone.
    pub const fn is_none(self) -> bool {
        self.around == 0
    }

    /// By how many days the partitions differ for which an input day must be read, where they are
    /// computed whole.
    pub const fn of_partitions(self) -> RangeInclusive<i32> {
        -self.around..=self.around
    }

    /// By how many days the partitions of those rows differ that an input day has a part in.
    pub const fn of_rows(self) -> RangeInclusive<i32> {
        -self.after..=self.before
    }

    /// The same for the partition in which such a row stood before that day had a part in it.
    pub const fn of_rows_before(self) -> RangeInclusive<i32> {
        -(2 * self.after + self.before)..=self.after + 2 * self.before
    }

    /// In words.
    pub fn describe(self) -> String {
        if self.before == self.after {
            format!("{} day(s) to both sides", self.around)
        } else {
            format!("{} day(s) before, {} after", self.before, self.after)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reach_is_a_number_or_has_two_sides() {
        assert_eq!(Reach::read(&json!(2)), Some(Reach::days(2)));
        let after = Reach::read(&json!({"after": 1})).expect("one side is enough");
        assert_eq!(after.of_rows(), -1..=0);
        assert_eq!(after.of_partitions(), -1..=1);
        for wrong in [
            json!(-1),
            json!("1"),
            json!({"behind": 1}),
            json!({"after": 400}),
        ] {
            assert_eq!(Reach::read(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// A row whose days lie as its reach says, before and after a day was added to them.
        #[test]
        fn where_a_row_stood_before_is_looked_at(
            before in 0..4_i32, after in 0..4_i32, picks in [0..100_i32, 0..100_i32, 0..100_i32],
        ) {
            let reach = Reach::read(&json!({"before": before, "after": after})).expect("valid");
            let [new, other, old] = picks.map(|pick| pick % (before + after + 1) - before);
            let day = 1000;
            let new_partition = day - new;
            let other_day = new_partition + other;
            let old_partition = other_day - old;
            prop_assert!(reach.of_rows().contains(&(new_partition - day)));
            prop_assert!(reach.of_rows_before().contains(&(old_partition - day)));
        }
    }
}
