//! The flight of a flush: while its files are closed and committed, rows of the next one are already encoded.
//!
//! Closing a file on HDFS and committing are mostly waiting, some seconds of it in a bad hour; the processors
//! have better to do. What is written ahead belongs to the flush after, and goes when the flying one is given up.

use std::thread;

use crossbeam_channel::{Receiver, bounded, select};
use goldrecord_lake::Snapshot;

use super::flush::Files;
use super::{Flushed, Job, Keeper};
use crate::error::Result;
use crate::protocol::{Flush, Gate};

impl Keeper<'_> {
    /// Brings `files` into the table and leaves in their place those of the flush after. A job that must wait for
    /// the end of the flight is left in `next`. `None`: the run ends first.
    pub(super) fn fly(
        &self,
        snapshot: &mut Snapshot,
        files: &mut Files,
        flush: Flush,
        gate: &Gate,
        next: &mut Option<Job>,
    ) -> Result<Option<Flushed>> {
        let flying = std::mem::take(files);
        // Columns that the commit finds to be new come with the next job.
        let before = snapshot.clone();
        let (landing, landed) = bounded::<()>(0);
        thread::scope(|scope| {
            let flight = thread::Builder::new()
                .name(format!("flush {}", self.topic))
                .spawn_scoped(scope, move || {
                    // Dropped however the flight ends, which is the word of it.
                    let _landing = landing;
                    self.flush(snapshot, flying, flush)
                })
                .expect("the system starts a thread");
            let ahead = self.write_ahead(&before, files, gate, &landed, next);
            let flushed = flight
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            ahead?;
            Ok(flushed)
        })
    }

    /// Writes rows as they come, until the flight has landed.
    fn write_ahead(
        &self,
        snapshot: &Snapshot,
        files: &mut Files,
        gate: &Gate,
        landed: &Receiver<()>,
        next: &mut Option<Job>,
    ) -> Result<()> {
        while next.is_none() {
            select! {
                recv(landed) -> _ => return Ok(()),
                recv(self.jobs) -> job => match job {
                    Ok(Job::Push { generation, batch, charge }) => {
                        if gate.admits(generation) {
                            self.push(snapshot, files, batch, charge)?;
                        }
                    }
                    Ok(other) => *next = Some(other),
                    // The topic's thread has ended.
                    Err(_) => return Ok(()),
                },
            }
        }
        Ok(())
    }
}
