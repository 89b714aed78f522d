//! A table's partitions in groups that are computed one after the other.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;

use crate::engine::touched::Values;

/// Partitions that lie side by side together, as long as what they are computed from is no more
/// than `most` bytes of data files; a larger partition stands alone.
pub fn groups(mut weights: Vec<(ScalarValue, i64)>, most: i64) -> Vec<Values> {
    weights.sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let mut groups: Vec<Values> = Vec::new();
    let mut bytes = 0_i64;
    for (value, weight) in weights {
        match groups.last_mut() {
            Some(group) if bytes.saturating_add(weight) <= most => {
                group.insert(value);
                bytes += weight;
            }
            _ => {
                groups.push(Values::from([value]));
                bytes = weight;
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_partition_is_in_one_group_and_no_group_is_too_large(
            weights in proptest::collection::btree_map(0..200_i32, 0..100_i64, 0..40),
            most in 0..300_i64,
        ) {
            let given: Vec<(ScalarValue, i64)> = weights
                .iter()
                .map(|(day, weight)| (ScalarValue::Date32(Some(*day)), *weight))
                .rev()
                .collect();
            let groups = groups(given, most);
            let total: usize = groups.iter().map(Values::len).sum();
            prop_assert_eq!(total, weights.len());
            let mut seen = Vec::new();
            for group in &groups {
                let mut days: Vec<i32> = group
                    .iter()
                    .map(|value| match value {
                        ScalarValue::Date32(Some(day)) => *day,
                        other => panic!("{other}"),
                    })
                    .collect();
                days.sort_unstable();
                let bytes: i64 = days.iter().map(|day| weights[day]).sum();
                prop_assert!(bytes <= most || days.len() == 1);
                seen.extend(days);
            }
            let all: Vec<i32> = weights.keys().copied().collect();
            prop_assert_eq!(seen, all, "in their order");
        }
    }

    #[test]
    fn with_no_room_at_all_each_partition_stands_alone() {
        let day = |day| (ScalarValue::Date32(Some(day)), 1);
        assert_eq!(groups(vec![day(1), day(2)], 0).len(), 2);
        assert_eq!(groups(vec![day(1), day(2)], 2).len(), 1);
    }
}
