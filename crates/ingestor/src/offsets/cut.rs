//! What becomes of a row when its partition is set back.

use crate::protocol::Range;

/// A row of the partition, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held<'a> {
    pub(super) kind: &'a str,
    pub(super) offset: i64,
    pub(super) end: Option<i64>,
    /// Of a gap that lists several ranges: the list.
    pub(super) text: Option<&'a str>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Keep,
    Drop,
    /// It stands for fewer offsets from now on.
    Shorten {
        end: i64,
        text: Option<String>,
    },
}

impl Held<'_> {
    /// How many offsets the row stands for.
    pub(super) fn offsets(&self) -> i64 {
        match self.kind {
            "good" | "bad" => 1,
            "gap" | "expired" => self.end.unwrap_or(self.offset) - self.offset,
            _ => 0,
        }
    }

    /// What is left of the row below the offset `at`. The error says why it cannot be told. What expired is kept: of
    /// that, only the number of rows is known.
    pub(super) fn below(&self, at: i64) -> Result<Cut, String> {
        match (self.kind, self.end) {
            ("start" | "expired", _) => Ok(Cut::Keep),
            ("good" | "bad", _) if self.offset < at => Ok(Cut::Keep),
            ("good" | "bad", _) => Ok(Cut::Drop),
            ("gap", Some(end)) => self.gap_below(end, at),
            (kind, _) => Err(format!(
                "it holds rows of the kind `{kind}`, which this version does not know: use the version that wrote them"
            )),
        }
    }

    fn gap_below(&self, end: i64, at: i64) -> Result<Cut, String> {
        let Some(list) = self.text else {
            return Ok(if end <= at {
                Cut::Keep
            } else if self.offset >= at {
                Cut::Drop
            } else {
                let text = None;
                Cut::Shorten { end: at, text }
            });
        };
        let ranges =
            listed(list).ok_or_else(|| format!("the gap `{list}` is no list of ranges"))?;
        let left: Vec<Range> = ranges
            .iter()
            .filter(|range| range.start < at)
            .map(|range| Range {
                start: range.start,
                end: range.end.min(at),
            })
            .collect();
        if left == ranges {
            return Ok(Cut::Keep);
        }
        if left.is_empty() {
            return Ok(Cut::Drop);
        }
        let total: u64 = left.iter().map(|range| range.len()).sum();
        let text: Vec<String> = left
            .iter()
            .map(|range| format!("{}-{}", range.start, range.end))
            .collect();
        Ok(Cut::Shorten {
            end: self.offset + total as i64,
            text: Some(text.join(",")),
        })
    }
}

/// The ranges of a gap, as `5-8,11-12`.
fn listed(text: &str) -> Option<Vec<Range>> {
    text.split(',')
        .map(|range| {
            let (start, end) = range.split_once('-')?;
            let range = Range {
                start: start.parse().ok()?,
                end: end.parse().ok()?,
            };
            (range.start <= range.end).then_some(range)
        })
        .collect()
}

/// What is left of the rows of expired days, given (least offset, rows) of each, when only `left` of their rows are
/// below the offset set back to: the latest are shortened first. The new number of rows of each.
pub(super) fn expired_below(held: &[(i64, i64)], left: i64) -> Vec<i64> {
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(held[*index].0));
    let mut rows: Vec<i64> = held.iter().map(|(_, rows)| *rows).collect();
    let mut excess = rows.iter().sum::<i64>() - left.max(0);
    for index in order {
        let taken = rows[index].min(excess.max(0));
        rows[index] -= taken;
        excess -= taken;
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held<'a>(kind: &'a str, offset: i64, end: Option<i64>, text: Option<&'a str>) -> Held<'a> {
        Held {
            kind,
            offset,
            end,
            text,
        }
    }

    #[test]
    fn records_at_or_after_the_offset_go_and_the_start_stays() {
        for kind in ["good", "bad"] {
            assert_eq!(held(kind, 6, None, None).below(7), Ok(Cut::Keep));
            assert_eq!(held(kind, 7, None, None).below(7), Ok(Cut::Drop));
        }
        assert_eq!(held("start", 7, None, None).below(7), Ok(Cut::Keep));
        assert!(held("new kind", 7, None, None).below(7).is_err());
    }

    #[test]
    fn a_gap_that_reaches_over_the_offset_ends_there() {
        let gap = held("gap", 5, Some(9), None);
        assert_eq!(gap.below(9), Ok(Cut::Keep));
        assert_eq!(gap.below(5), Ok(Cut::Drop));
        let shortened = Cut::Shorten { end: 7, text: None };
        assert_eq!(gap.below(7), Ok(shortened));
    }

    #[test]
    fn a_gap_of_several_ranges_keeps_those_before_the_offset() {
        let gap = held("gap", 5, Some(10), Some("5-8,11-12,20-21"));
        assert_eq!(gap.below(21), Ok(Cut::Keep));
        assert_eq!(gap.below(5), Ok(Cut::Drop));
        let cut = |end, text: &str| {
            Ok(Cut::Shorten {
                end,
                text: Some(text.to_owned()),
            })
        };
        assert_eq!(gap.below(12), cut(9, "5-8,11-12"));
        assert_eq!(gap.below(6), cut(6, "5-6"));
        assert!(held("gap", 5, Some(6), Some("word")).below(3).is_err());
    }

    #[test]
    fn of_expired_rows_the_latest_are_taken_first() {
        assert_eq!(expired_below(&[(0, 5), (10, 5)], 10), [5, 5]);
        assert_eq!(expired_below(&[(0, 5), (10, 5)], 7), [5, 2]);
        assert_eq!(expired_below(&[(10, 5), (0, 5)], 3), [0, 3]);
        assert_eq!(expired_below(&[(10, 5), (0, 5)], -1), [0, 0]);
        assert!(expired_below(&[], 0).is_empty());
    }

    proptest! {
        /// Of any gap, exactly the offsets below are left.
        #[test]
        fn what_is_left_of_a_gap_are_the_offsets_below(
            lengths in prop::collection::vec((1i64..5, 1i64..5), 1..5),
            at in 0i64..60,
        ) {
            let mut next = 0;
            let mut offsets = Vec::new();
            let mut text = Vec::new();
            for (skipped, length) in lengths {
                let (start, end) = (next + skipped, next + skipped + length);
                offsets.extend(start..end);
                text.push(format!("{start}-{end}"));
                next = end;
            }
            let text = text.join(",");
            let end = offsets[0] + offsets.len() as i64;
            let gap = held("gap", offsets[0], Some(end), Some(&text));
            let below = offsets.iter().filter(|offset| **offset < at).count() as i64;
            let left = match gap.below(at).expect("a list") {
                Cut::Keep => gap.offsets(),
                Cut::Drop => 0,
                Cut::Shorten { end, text } => {
                    let text = text.expect("a list stays one");
                    let again = held("gap", offsets[0], Some(end), Some(&text));
                    prop_assert_eq!(again.below(at), Ok(Cut::Keep));
                    again.offsets()
                }
            };
            prop_assert_eq!(left, below);
        }

        #[test]
        fn as_many_expired_rows_are_left_as_there_are_below(
            held in prop::collection::vec((0i64..100, 1i64..20), 0..6),
            part in 0i64..=100,
        ) {
            let all: i64 = held.iter().map(|(_, rows)| rows).sum();
            let left = all * part / 100;
            prop_assert_eq!(expired_below(&held, left).iter().sum::<i64>(), left);
        }
    }
}
