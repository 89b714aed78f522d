//! The lake on a local disk and on a real HDFS.

mod builds;
mod commits;
mod lakes;
mod python;
mod reread;
mod rows;
