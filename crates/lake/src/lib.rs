//! Delta tables on HDFS or a local folder: the commit loop, snapshots and what changed.
