//! The files that a table no longer has, which its checkpoints name for a while.
//!
//! A table that is compacted all the time has a hundred times more of them than live files, and each commit makes a new
//! snapshot: a clone shares what was there before, and a tombstone is no more than a checkpoint must say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::log::actions::Remove;

/// A file that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tombstone {
    /// In milliseconds since 1970.
    deletion_timestamp: Option<i64>,
    data_change: bool,
}

type Layer = BTreeMap<Arc<str>, Tombstone>;

/// Files removed, by their path in the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tombstones {
    /// From the largest to the smallest, each at least twice the next. A path is in one of them alone.
    layers: Vec<Arc<Layer>>,
}

impl Tombstones {
    /// These files went.
    pub(crate) fn add<'a>(&mut self, removes: impl Iterator<Item = &'a Remove>) {
        let mut layer = Layer::new();
        for remove in removes {
            self.forget(&remove.path);
            layer.insert(
                remove.path.as_str().into(),
                Tombstone {
                    deletion_timestamp: remove.deletion_timestamp,
                    data_change: remove.data_change,
                },
            );
        }
        while let Some(larger) = self.layers.pop_if(|larger| larger.len() < 2 * layer.len()) {
            let smaller = std::mem::replace(&mut layer, Arc::unwrap_or_clone(larger));
            layer.extend(smaller);
        }
        if !layer.is_empty() {
            self.layers.push(Arc::new(layer));
        }
    }

    /// This file is back.
    pub(crate) fn forget(&mut self, path: &str) {
        let layer = self
            .layers
            .iter_mut()
            .find(|layer| layer.contains_key(path));
        if let Some(layer) = layer {
            Arc::make_mut(layer).remove(path);
        }
    }

    /// Forgets the files that went before this time, in milliseconds since 1970.
    pub(crate) fn forget_before(&mut self, oldest: i64) {
        let is_old = |stone: &Tombstone| stone.deletion_timestamp.is_some_and(|at| at < oldest);
        for layer in &mut self.layers {
            if layer.values().any(is_old) {
                Arc::make_mut(layer).retain(|_, stone| !is_old(stone));
            }
        }
        self.layers.retain(|layer| !layer.is_empty());
    }

    /// As a checkpoint names them, in the order of their paths.
    pub(crate) fn removes(&self) -> Vec<Remove> {
        self.sorted()
            .into_iter()
            .map(|(path, stone)| Remove {
                path: path.to_string(),
                deletion_timestamp: stone.deletion_timestamp,
                data_change: stone.data_change,
                extended_file_metadata: None,
                partition_values: None,
                size: None,
                stats: None,
            })
            .collect()
    }

    fn sorted(&self) -> BTreeMap<&str, Tombstone> {
        let all = self.layers.iter().flat_map(|layer| layer.iter());
        all.map(|(path, stone)| (&**path, *stone)).collect()
    }
}

/// Equal are those of the same files, however they came together.
impl PartialEq for Tombstones {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remove(path: u8, at: i64) -> Remove {
        Remove {
            path: path.to_string(),
            deletion_timestamp: Some(at),
            data_change: true,
            extended_file_metadata: Some(true),
            partition_values: None,
            size: Some(1),
            stats: None,
        }
    }

    #[test]
    fn a_clone_shares_all_but_what_came_since() {
        let mut stones = Tombstones::default();
        stones.add(
            (0..200)
                .map(|path| remove(path, 0))
                .collect::<Vec<_>>()
                .iter(),
        );
        let before = stones.clone();
        stones.add([remove(200, 0)].iter());
        assert!(Arc::ptr_eq(&stones.layers[0], &before.layers[0]));
        assert_ne!(stones, before);
    }

    proptest! {
        /// Files go (some twice), come back, and are forgotten when they went long ago.
        #[test]
        fn they_are_what_a_map_would_be(
            steps in prop::collection::vec((0_u8..3, prop::collection::vec(any::<u8>(), 0..20)), 0..60)
        ) {
            let mut stones = Tombstones::default();
            let mut map = BTreeMap::new();
            for (now, (kind, paths)) in steps.into_iter().enumerate() {
                let now = now as i64;
                match kind {
                    0 => {
                        let removes: Vec<Remove> = paths.iter().map(|path| remove(*path, now)).collect();
                        stones.add(removes.iter());
                        map.extend(paths.iter().map(|path| (path.to_string(), now)));
                    }
                    1 => for path in paths {
                        stones.forget(&path.to_string());
                        map.remove(&path.to_string());
                    },
                    _ => {
                        stones.forget_before(now - 10);
                        map.retain(|_, at| *at >= now - 10);
                    }
                }
                let found = stones.removes().into_iter().map(|it| (it.path, it.deletion_timestamp));
                let expected = map.iter().map(|(path, at)| (path.clone(), Some(*at)));
                prop_assert!(found.eq(expected));
                let sizes: Vec<usize> = stones.layers.iter().map(|layer| layer.len()).collect();
                prop_assert!(sizes.len() <= 20, "{sizes:?}");
            }
        }
    }
}
