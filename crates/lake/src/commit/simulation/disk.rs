//! The simulated file system: a table's log, temporary files, renames on their way, and what maintenance removes.

use std::collections::BTreeMap;
use std::sync::Arc;

use goldrecord_testkit::Dice;

use super::TABLE;
use crate::log::actions::Actions;
use crate::snapshot::Snapshot;

/// For how many turns what is old is kept.
const KEEP: u32 = 40;

/// A temporary file, and the turn in which it was written.
pub struct Temporary {
    born: u32,
    actions: Arc<Actions>,
}

/// The log's folder, and renames on their way.
#[derive(Default)]
pub struct Disk {
    /// The time.
    pub turn: u32,
    temporary: BTreeMap<String, Temporary>,
    /// Every commit there ever was; readers see those from `first` on.
    history: BTreeMap<i64, Arc<Actions>>,
    /// The oldest commit that was not removed.
    first: i64,
    /// When the checkpoint of a version was written.
    checkpoints: BTreeMap<i64, u32>,
    /// Maintenance at work: the commits before this version are to go.
    cutting: Option<i64>,
    /// Renames whose answer was given up and that may take place yet.
    pub delayed: Vec<(String, i64)>,
}

impl Disk {
    pub fn new(first_commit: Actions) -> Self {
        Self {
            history: BTreeMap::from([(0, Arc::new(first_commit))]),
            ..Self::default()
        }
    }

    pub fn write(&mut self, name: &str, actions: Arc<Actions>) {
        let born = self.turn;
        self.temporary
            .insert(name.to_owned(), Temporary { born, actions });
    }

    pub fn delete(&mut self, name: &str) {
        self.temporary.remove(name);
    }

    /// As HDFS does it: atomic, and never over a file. A name whose file was removed is free.
    pub fn rename(&mut self, from: &str, to: i64) -> bool {
        if self.read(to).is_some() {
            return false;
        }
        let Some(file) = self.temporary.remove(from) else {
            return false;
        };
        let hidden = self.history.insert(to, file.actions);
        assert!(
            hidden.is_none(),
            "{from} was renamed to version {to}, which was removed long ago: nobody will read it"
        );
        true
    }

    pub fn read(&self, version: i64) -> Option<&Arc<Actions>> {
        self.history.get(&version).filter(|_| version >= self.first)
    }

    /// The table as it was at a version, whatever was removed since.
    pub fn replay(&self, until: i64) -> Snapshot {
        let mut commits = self.history.range(..=until);
        let (_, first) = commits.next().expect("a table has a version 0");
        let mut snapshot = Snapshot::begin(TABLE, 0, first).expect("the first commit is whole");
        for (version, actions) in commits {
            snapshot
                .advance(TABLE, *version, actions)
                .expect("commits are whole");
        }
        snapshot
    }

    pub fn newest(&self) -> i64 {
        let newest = self.history.keys().next_back();
        *newest.expect("a table has a version 0")
    }

    /// Every commit there ever was.
    pub fn history(&self) -> &BTreeMap<i64, Arc<Actions>> {
        &self.history
    }

    /// How many commits were removed.
    pub fn removed(&self) -> i64 {
        self.first
    }

    /// A turn of maintenance. Between two deletions others move, and it may die.
    pub fn maintain(&mut self, dice: &mut Dice) {
        let Some(end) = self.cutting else {
            if dice.chance(30) {
                self.checkpoints.insert(self.newest(), self.turn);
            }
            // Temporary files go before commits do: who was away for so long finds nothing to rename.
            let old = self.turn.saturating_sub(KEEP);
            self.temporary.retain(|_, file| file.born >= old);
            // A commit has the time of its temporary file; that it is in the log is sure only of the checkpoint's time.
            let checkpoints = self.checkpoints.iter();
            self.cutting = checkpoints
                .filter(|(_, born)| **born < old)
                .map(|(version, _)| *version)
                .next_back();
            return;
        };
        if self.first < end && !dice.chance(5) {
            self.first += 1;
        } else {
            self.cutting = None;
        }
    }
}
