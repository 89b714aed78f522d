//! The commit loop's decisions, without any I/O.
//!
//!<pre>
//!                        the proposal and a snapshot, new or old
//!                                        │
//!                                        ▼          no: perhaps the snapshot is old
//!                            ┌───── does it fit? ─────────────────┐
//!                            │ yes                                │
//!                            ▼                                    ▼
//!                   ┌────────────────┐     written      ┌──────────────────┐  found: apply; cut: take
//!                   │    Writing     │─────────────────▶│    CatchingUp    │◀─┐ the newest; on to the next
//!                   │ the temporary  │   yes, nothing   │ reads version    │──┘
//!                   │ file, once     │◀─ written yet ─┐ │ head + 1 by name │◀─────────────┐
//!                   └────────────────┘                │ └────────┬─────────┘              │
//!                                                     │          │ missing: head is       │
//!                                                     │          ▼ the newest             │
//!                   ┌────────────────┐  yes, written  └── does it fit? ── no ──┐          │
//!                   │    Renaming    │◀───────────────────────┘                │          │
//!                   │ to head + 1    │                                         │          │
//!                   └──┬──────────┬──┘◀─────────────┐                          │          │
//!        clear success │          │ anything else   │ missing                  │          │
//!                      │          ▼                 │                          │          │
//!                      │   ┌──────────────┐         │                          │          │
//!                      │   │    Asking    │─────────┘                          │          │
//!                      │   │ reads the    │── another's UUID: apply ───────────┼──────────┘
//!                      │   │ target back  │                                    │
//!                      │   └──────┬───────┘                                    ▼
//!                      │          │ our UUID                          ┌────────────────┐
//!                      ▼          ▼                                   │    Clearing    │
//!                   ┌────────────────┐                                │ deletes the    │
//!                   │ Done: Committed│                                │ temporary file │
//!                   └────────────────┘                                └───────┬────────┘
//!                                                                             ▼
//!                                                              Done: Refused, or Failed
//!</pre>
//!
//! A version is left only once its content is known: from `Asking` there is no way on without having read the target.
//! So a rename that was sent, got no answer and takes place late can only ever make the version that we would look at
//! next, or none. Where reading fails more often than [`MAX_FAILURES`], the loop ends: `Failed` when no rename is
//! open, `Unknown` when one is, and then the temporary file stays, since it may be the commit.
//!
//! A free name is not always that of the next version: maintenance removes old commits, and a writer that was away for
//! long could rename into the hole, where nobody reads. So before the first rename the head is made sure of *after* the
//! temporary file was written. The hole can open only when commits written after that are as old as maintenance keeps
//! them; the temporary file is older still and is removed before them, and the rename finds nothing to rename.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::check::{self, Definition};
use crate::error::Result;
use crate::log::actions::Actions;
use crate::proposal::{Proposal, Refusal};
use crate::snapshot::Snapshot;

/// How many I/O errors a commit bears without any progress between them.
const MAX_FAILURES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The I/O to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Write the temporary file with these actions.
    Write(Arc<Actions>),
    /// Rename the temporary file to this version.
    Rename {
        /// The version.
        to: i64,
    },
    /// Read the commit of this version.
    Read {
        /// The version.
        version: i64,
    },
    /// Delete the temporary file.
    Delete,
    /// Nothing: it is over.
    Done(Verdict),
}

/// What came of a step.
#[derive(Debug, Clone)]
pub enum Event {
    /// The file was written.
    Written,
    /// It was not, or not known to be.
    WriteFailed,
    /// The rename is known to have taken place.
    Renamed,
    /// Any other answer, or none.
    RenameUnclear,
    /// The commit read.
    Found(Arc<Actions>),
    /// There is no such version yet: the one before is the newest.
    Missing,
    /// There is no such version any more, nor the one before: maintenance removed them. This is the newest.
    Cut(Box<Snapshot>),
    /// It could not be learnt.
    ReadFailed,
    /// The temporary file is deleted, or we gave up on it.
    Deleted,
}

/// How the loop ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is in the log.
    Committed {
        /// As this version.
        version: i64,
    },
    /// It is not and never will be in the log.
    Refused(Refusal),
    /// It is not in the log; I/O failed.
    Failed,
    /// Whether it is this version could not be learnt.
    Unknown {
        /// The version aimed at.
        version: i64,
    },
}

#[derive(Debug, Clone)]
enum State {
    Writing,
    Renaming { to: i64 },
    Asking { at: i64 },
    CatchingUp { next: i64 },
    Clearing { verdict: Verdict },
    Done { verdict: Verdict },
}

/// One proposal on its way into the log.
#[derive(Debug)]
pub struct Machine<'a, P> {
    table: &'a str,
    proposal: P,
    uuid: String,
    now_ms: i64,
    /// The definition that the files were written for.
    base: Definition,
    /// The newest version known.
    head: Snapshot,
    /// The actions, once the proposal fitted for the first time.
    actions: Option<Arc<Actions>>,
    /// Whether the temporary file is written.
    written: bool,
    /// A target that a rename was sent to and whose content is not known.
    open_rename: Option<i64>,
    failures: u32,
    state: State,
}

impl<'a, P: Deref<Target = Proposal>> Machine<'a, P> {
    /// A commit of `proposal` to `table`, whose files were written for `snapshot`. `uuid` names it in the log.
    pub fn new(
        table: &'a str,
        proposal: P,
        snapshot: Snapshot,
        uuid: String,
        now_ms: i64,
    ) -> Result<Self> {
        let mut machine = Self {
            table,
            proposal,
            uuid,
            now_ms,
            base: Definition::of(&snapshot),
            state: State::CatchingUp {
                next: snapshot.version + 1,
            },
            head: snapshot,
            actions: None,
            written: false,
            open_rename: None,
            failures: 0,
        };
        if machine.refusal().is_none() {
            machine.proceed()?;
        }
        Ok(machine)
    }

    /// What to do next, and how long to wait before.
    pub fn step(&self) -> (Step, Duration) {
        let step = match &self.state {
            State::Writing => Step::Write(Arc::clone(self.prepared())),
            State::Renaming { to } => Step::Rename { to: *to },
            State::Asking { at } => Step::Read { version: *at },
            State::CatchingUp { next } => Step::Read { version: *next },
            State::Clearing { .. } => Step::Delete,
            State::Done { verdict } => Step::Done(verdict.clone()),
        };
        (step, self.pause())
    }

    /// The newest version known.
    pub fn head(&self) -> &Snapshot {
        &self.head
    }

    /// The newest version known; once committed, ours.
    pub fn into_head(self) -> Snapshot {
        self.head
    }

    /// Takes the result of the step last asked for.
    pub fn on(&mut self, event: Event) -> Result<()> {
        match (self.state.clone(), event) {
            (State::Writing, Event::Written) => {
                self.written = true;
                self.failures = 0;
                self.state = State::CatchingUp {
                    next: self.head.version + 1,
                };
            }
            (State::Writing, Event::WriteFailed) => {
                // Nothing was renamed: the caller may begin anew with another file.
                self.clear(Verdict::Failed);
            }
            (State::Renaming { to }, Event::Renamed) => self.committed(to)?,
            (State::Renaming { to }, Event::RenameUnclear) => {
                self.open_rename = Some(to);
                self.state = State::Asking { at: to };
            }
            (State::Asking { at }, Event::Found(actions)) => {
                self.open_rename = None;
                self.failures = 0;
                if actions.uuid() == Some(&self.uuid) {
                    self.committed(at)?;
                } else {
                    self.superseded_by(at, &actions)?;
                }
            }
            (State::Asking { at }, Event::Missing) => {
                self.state = State::Renaming { to: at };
                self.count_failure();
            }
            (State::CatchingUp { next }, Event::Found(actions)) => {
                self.failures = 0;
                self.superseded_by(next, &actions)?;
            }
            (State::CatchingUp { .. }, Event::Missing) => match self.refusal() {
                Some(refusal) => self.clear(Verdict::Refused(refusal)),
                None => self.proceed()?,
            },
            (State::CatchingUp { .. }, Event::Cut(newest)) => {
                assert!(
                    newest.version > self.head.version,
                    "what was removed is older than the newest version"
                );
                self.state = State::CatchingUp {
                    next: newest.version + 1,
                };
                self.head = *newest;
            }
            (State::Asking { at }, Event::Cut(_)) => {
                // Nobody can tell any more whose commit it was.
                self.state = State::Done {
                    verdict: Verdict::Unknown { version: at },
                };
            }
            (State::Asking { .. } | State::CatchingUp { .. }, Event::ReadFailed) => {
                self.count_failure();
            }
            (State::Clearing { verdict }, Event::Deleted) => self.state = State::Done { verdict },
            (state, event) => unreachable!("a commit cannot take {event:?} while it is {state:?}"),
        }
        Ok(())
    }

    fn refusal(&self) -> Option<Refusal> {
        // Left out where a test wants to see that somebody notices.
        #[cfg(feature = "failpoints")]
        fail::fail_point!("lake::commit::compare", |_| None);
        check::refusal(&self.base, &self.head, &self.proposal)
    }

    fn prepared(&self) -> &Arc<Actions> {
        self.actions
            .as_ref()
            .expect("the actions are made before anything is written")
    }

    /// The proposal fits the head: write it, or rename what is written.
    fn proceed(&mut self) -> Result<()> {
        assert!(
            self.open_rename.is_none(),
            "a version is left only once its content is known"
        );
        if self.actions.is_none() {
            check::only_forward(self.table, &self.proposal)?;
            let actions = check::actions(&self.head, &self.proposal, &self.uuid, self.now_ms)?;
            self.actions = Some(Arc::new(actions));
        }
        self.state = if self.written {
            State::Renaming {
                to: self.head.version + 1,
            }
        } else {
            State::Writing
        };
        Ok(())
    }

    fn superseded_by(&mut self, version: i64, actions: &Actions) -> Result<()> {
        assert_ne!(
            actions.uuid(),
            Some(self.uuid.as_str()),
            "our commit can only be found where we renamed it to"
        );
        self.head.advance(self.table, version, actions)?;
        self.state = State::CatchingUp { next: version + 1 };
        Ok(())
    }

    fn committed(&mut self, version: i64) -> Result<()> {
        assert!(self.written, "only what was written can be renamed");
        assert_eq!(version, self.head.version + 1, "the log has no gaps");
        assert_eq!(
            self.refusal(),
            None,
            "what is committed fits the version before"
        );
        let actions = Arc::clone(self.prepared());
        self.head.advance(self.table, version, &actions)?;
        self.open_rename = None;
        self.state = State::Done {
            verdict: Verdict::Committed { version },
        };
        Ok(())
    }

    fn clear(&mut self, verdict: Verdict) {
        assert!(
            self.open_rename.is_none(),
            "a file that may be the commit is not deleted"
        );
        self.state = if self.actions.is_some() {
            State::Clearing { verdict }
        } else {
            State::Done { verdict }
        };
    }

    fn count_failure(&mut self) {
        self.failures += 1;
        if self.failures <= MAX_FAILURES {
            return;
        }
        match self.open_rename {
            Some(version) => {
                self.state = State::Done {
                    verdict: Verdict::Unknown { version },
                }
            }
            None => self.clear(Verdict::Failed),
        }
    }

    fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            n => LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(n - 1)),
        }
    }
}
