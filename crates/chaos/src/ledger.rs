//! What is known for sure: an append-only file of what was acknowledged, what may have arrived, and what was deleted.
//!
//! `scripts/outside/exactly_once.py` says how its lines read; it is what the tables are compared with.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::watch::Offsets;

/// What a record must become in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An event.
    Good,
    /// A record that cannot be decoded.
    Bad,
}

impl Expected {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// The file, and its sums.
#[derive(Debug)]
pub struct Ledger<W: Write = BufWriter<File>> {
    file: W,
    /// The first write that failed: what followed is not in the file.
    failure: Option<std::io::Error>,
    /// Per partition the offset after the last acknowledged one.
    ends: Offsets,
    acked: u64,
    maybe: u64,
}

impl Ledger {
    /// A new file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("cannot write", path))?;
        Ok(Self::of(BufWriter::new(file)))
    }
}

impl<W: Write> Ledger<W> {
    fn of(file: W) -> Self {
        Self {
            file,
            failure: None,
            ends: BTreeMap::new(),
            acked: 0,
            maybe: 0,
        }
    }

    fn line(&mut self, line: &str) {
        if self.failure.is_none()
            && let Err(error) = self.file.write_all(line.as_bytes())
        {
            self.failure = Some(error);
        }
    }

    /// The broker has the record. A negative offset: it did not say where, for it had it already.
    pub fn acked(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        expected: Expected,
        id: &str,
    ) {
        self.acked += 1;
        let end = self.ends.entry((topic.to_owned(), partition)).or_default();
        *end = (*end).max(offset + 1);
        self.line(&format!(
            "acked\t{topic}\t{partition}\t{offset}\t{}\t{id}\n",
            expected.name()
        ));
    }

    /// The record was sent, and whether it arrived is not known.
    pub fn maybe(&mut self, topic: &str, expected: Expected, id: &str) {
        self.maybe += 1;
        self.line(&format!(
            "maybe\t{topic}\t-\t-\t{}\t{id}\n",
            expected.name()
        ));
    }

    /// Records of `from..before` are about to be deleted; nothing from `from` on is in the table yet.
    pub fn deleted(&mut self, topic: &str, partition: i32, from: i64, before: i64) {
        self.line(&format!(
            "deleted\t{topic}\t{partition}\t{from}\t{before}\n"
        ));
    }

    /// A log's end when all was sent.
    pub fn end(&mut self, topic: &str, partition: i32, next: i64) {
        self.line(&format!("end\t{topic}\t{partition}\t{next}\n"));
    }

    /// Puts what was said into the file.
    pub fn flush(&mut self, path: &Path) -> Result<()> {
        let failure = self.failure.take().map_or_else(|| self.file.flush(), Err);
        failure.map_err(Error::io("cannot write", path))
    }

    /// Per partition the offset after the last acknowledged one.
    pub fn ends(&self) -> &Offsets {
        &self.ends
    }

    /// How many records were acknowledged.
    pub fn acked_count(&self) -> u64 {
        self.acked
    }

    /// Of how many it is not known.
    pub fn maybe_count(&self) -> u64 {
        self.maybe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_the_check_expects_them() {
        let mut ledger = Ledger::of(Vec::new());
        ledger.acked("t", 3, 7, Expected::Good, "a");
        ledger.acked("t", 3, -1001, Expected::Bad, "b");
        ledger.maybe("t", Expected::Good, "c");
        ledger.deleted("t", 3, 5, 9);
        ledger.end("t", 3, 8);
        assert_eq!(
            String::from_utf8(ledger.file.clone()).expect("text"),
            "acked\tt\t3\t7\tgood\ta\nacked\tt\t3\t-1001\tbad\tb\nmaybe\tt\t-\t-\tgood\tc\n\
             deleted\tt\t3\t5\t9\nend\tt\t3\t8\n"
        );
        assert_eq!(ledger.ends()[&("t".to_owned(), 3)], 8);
        assert_eq!((ledger.acked_count(), ledger.maybe_count()), (2, 1));
    }

    #[test]
    fn a_file_that_takes_no_more_is_said() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("full"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut ledger = Ledger::of(Full);
        ledger.maybe("t", Expected::Good, "a");
        assert!(ledger.flush(Path::new("ledger")).is_err());
    }
}
