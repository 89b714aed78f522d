//! A set of Kafka offsets: a bit each, and what was put in twice.

use std::collections::BTreeMap;

/// Offsets from the first to before the last.
pub type Range = std::ops::Range<i64>;

/// Offsets of one block: a bit each.
const BLOCK: i64 = 1 << 16;
const WORDS: usize = BLOCK as usize / 64;

/// A set of offsets that remembers doubles. Dense stretches take a bit an offset, wherever they
/// begin.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    blocks: BTreeMap<i64, Box<[u64]>>,
    /// How often an offset was put in, of those that were more than once.
    doubled: BTreeMap<i64, u64>,
    bounds: Option<(i64, i64)>,
}

impl Offsets {
    /// Put an offset in.
    pub fn insert(&mut self, offset: i64) {
        let (word, bit) = place(offset);
        let block = self
            .blocks
            .entry(offset.div_euclid(BLOCK))
            .or_insert_with(|| vec![0; WORDS].into_boxed_slice());
        if block[word] & bit != 0 {
            *self.doubled.entry(offset).or_insert(1) += 1;
        }
        block[word] |= bit;
        let (low, high) = self.bounds.unwrap_or((offset, offset));
        self.bounds = Some((low.min(offset), high.max(offset)));
    }

    /// The lowest and the highest offset.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        self.bounds
    }

    /// Offsets that are in more than once, and how often.
    pub fn doubled(&self) -> impl Iterator<Item = (i64, u64)> {
        self.doubled.iter().map(|(offset, times)| (*offset, *times))
    }

    /// How many insertions were of an offset that was in already.
    pub fn extra(&self) -> u64 {
        self.doubled.values().map(|times| times - 1).sum()
    }

    /// The stretches of `within` that are neither in the set nor in one of `except`.
    pub fn missing(&self, within: Range, except: &[Range]) -> impl Iterator<Item = Range> {
        let is_there = |offset: i64| {
            let (word, bit) = place(offset);
            let block = self.blocks.get(&offset.div_euclid(BLOCK));
            block.is_some_and(|block| block[word] & bit != 0)
                || except.iter().any(|range| range.contains(&offset))
        };
        let (mut next, end) = (within.start, within.end);
        std::iter::from_fn(move || {
            let first = (next..end).find(|offset| !is_there(*offset))?;
            next = (first..end).find(|offset| is_there(*offset)).unwrap_or(end);
            Some(first..next)
        })
    }
}

/// The word of its block that holds an offset's bit, and the bit.
fn place(offset: i64) -> (usize, u64) {
    let index = offset.rem_euclid(BLOCK) as usize;
    (index / 64, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(offsets: &[i64]) -> Offsets {
        let mut set = Offsets::default();
        for offset in offsets {
            set.insert(*offset);
        }
        set
    }

    #[test]
    fn doubles_are_counted_and_named() {
        let set = of(&[7, 70_000, 7, 7]);
        assert_eq!(set.extra(), 2);
        assert_eq!(set.doubled().collect::<Vec<_>>(), [(7, 3)]);
        assert_eq!(set.bounds(), Some((7, 70_000)));
    }

    #[test]
    fn what_is_missing_comes_in_stretches() {
        let set = of(&[65_535, 65_536, 65_540]);
        let missing: Vec<Range> = set
            .missing(65_530..65_542, &[65_530..65_532, 65_541..65_542])
            .collect();
        assert_eq!(missing, [65_532..65_535, 65_537..65_540]);
    }
}
