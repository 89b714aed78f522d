//! Breaks every part under load and proves that not one event was lost or doubled.
//!
//! A [`plan`] that a seed alone decides says which fault comes next; [`inflict`] carries it out on a [`stage`] of real
//! servers and real ingestors, in a network and with mounts of their own ([`isolation`]). The next one comes once the
//! tables have what was acknowledged when the last one ended. In the end a program in Python compares the [`ledger`]
//! with the tables.
//!
//! That it can fail is seen by breaking the product on purpose: `./dev chaos` builds with failpoints, and
//! `FAILPOINTS='lake::commit::compare=return'` takes the comparison of offsets out of every commit of an ingestor. A run
//! of `--only ingestor-zombie,kafka-cut` then finds events twice.

pub mod disk;
pub mod error;
pub mod hdfs;
pub mod inflict;
pub mod isolation;
pub mod ledger;
pub mod load;
pub mod network;
pub mod plan;
pub mod program;
pub mod report;
pub mod run;
pub mod settings;
pub mod stage;
mod system;
pub mod verdict;
pub mod watch;
