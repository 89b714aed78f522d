//! Maintenance on a local disk and on a real HDFS.

mod bronze;
mod cleaning;
mod command;
mod compaction;
mod lakes;
mod nested;
mod opening;
mod retention;
