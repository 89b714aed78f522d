//! Holds the log against what everybody was told. Written anew: it shares no code with the loop.

use std::collections::{BTreeMap, BTreeSet};

use super::TABLE;
use super::world::{Told, World};
use crate::commit::machine::Verdict;
use crate::log::actions::Actions;
use crate::snapshot::Snapshot;

impl World {
    /// Panics where the log is not what the writers were told.
    pub fn judge(&self) {
        let history = self.disk.history();
        assert!(
            history.keys().copied().eq(0..history.len() as i64),
            "the log has no gaps"
        );
        assert!(
            self.disk.removed() <= self.disk.newest(),
            "the newest commit is never removed"
        );

        let mut committed = BTreeMap::new();
        let mut state = self.disk.replay(0);
        let mut rows = Rows::default();
        for (version, actions) in history.range(1..) {
            let uuid = actions.uuid().expect("every commit has a UUID");
            let twice = committed.insert(uuid, *version);
            assert_eq!(twice, None, "{uuid} is in the log once");
            rows.judge(self, uuid, actions);
            self.judge_commit(uuid, &state);
            state
                .advance(TABLE, *version, actions)
                .expect("commits are whole");
            if let Some(Told {
                verdict: Some(Verdict::Committed { .. }),
                head: Some(head),
                ..
            }) = self.told.get(uuid)
            {
                assert_eq!(head, &state, "{uuid} was given the snapshot of its version");
            }
        }
        for (uuid, told) in &self.told {
            let found = committed.get(uuid.as_str()).copied();
            match &told.verdict {
                Some(Verdict::Committed { version }) => {
                    assert_eq!(found, Some(*version), "{uuid} was acknowledged");
                }
                Some(Verdict::Refused(refusal)) => {
                    assert_eq!(found, None, "{uuid} was refused: {refusal}");
                }
                Some(Verdict::Failed) => assert_eq!(found, None, "{uuid} failed"),
                Some(Verdict::Unknown { version }) => {
                    assert!(
                        found.is_none_or(|found| found == *version),
                        "{uuid} is where it may be"
                    );
                }
                None => {}
            }
        }
    }

    /// Holds one commit against the version before it.
    fn judge_commit(&self, uuid: &str, before: &Snapshot) {
        let proposal = &self.told[uuid].proposal;
        for step in &proposal.txns {
            let held = before.txns.get(&step.app_id).copied();
            assert_eq!(
                held, step.expect,
                "{uuid} moved `{}` from where it was",
                step.app_id
            );
        }
        for fence in &proposal.fences {
            let held = before.txns.get(&fence.app_id).copied().unwrap_or(0);
            assert!(
                held <= fence.value,
                "{uuid} came over the fence {held} with {}",
                fence.value
            );
        }
        let live: BTreeSet<&String> = before.files.keys().collect();
        for path in &proposal.removes {
            assert!(
                live.contains(path),
                "{uuid} removed `{path}`, which was not live"
            );
        }
    }
}

/// The rows that the table holds, and those that it should.
#[derive(Default)]
struct Rows {
    live: BTreeSet<String>,
    expected: BTreeSet<u64>,
}

impl Rows {
    /// Compaction changes no rows; every other commit takes those of the files it removes and brings its own.
    fn judge(&mut self, world: &World, uuid: &str, actions: &Actions) {
        let of = |path: &str| world.rows[path].iter().copied();
        if world.told[uuid].proposal.data_change {
            for path in actions.removed() {
                for row in of(path) {
                    self.expected.remove(&row);
                }
            }
            let added = actions.added().iter();
            self.expected.extend(added.flat_map(|add| of(&add.path)));
        }
        for path in actions.removed() {
            self.live.remove(path);
        }
        self.live
            .extend(actions.added().iter().map(|add| add.path.clone()));
        let mut held = BTreeSet::new();
        for row in self.live.iter().flat_map(|path| of(path)) {
            assert!(held.insert(row), "{uuid} doubled row {row}");
        }
        assert_eq!(held, self.expected, "{uuid} lost rows or brought them back");
    }
}
