//! The HDFS of a run: one NameNode, or an active one and its standby.

use std::path::{Path, PathBuf};

use goldrecord_testkit as testkit;
use goldrecord_testkit::{HdfsHa, NameNode};

use crate::error::Result;

/// HDFS with one DataNode. It is stopped with this value.
#[derive(Debug)]
pub enum Hdfs {
    /// With one NameNode.
    Single(testkit::Hdfs),
    /// With two.
    Pair {
        /// All its processes.
        servers: HdfsHa,
        /// Which NameNode takes writes, or took them last.
        active: NameNode,
    },
}

impl Hdfs {
    /// Starts one on free ports.
    pub fn start(standby: bool) -> Result<Self> {
        Ok(if standby {
            Self::Pair {
                servers: HdfsHa::start()?,
                active: NameNode::First,
            }
        } else {
            Self::Single(testkit::Hdfs::start()?)
        })
    }

    /// The file system's root.
    pub fn url(&self) -> String {
        match self {
            Self::Single(hdfs) => hdfs.url(),
            Self::Pair { servers, .. } => servers.url(),
        }
    }

    /// WebHDFS of the NameNode that is active.
    pub fn web_url(&self) -> String {
        match self {
            Self::Single(hdfs) => hdfs.web_url(),
            Self::Pair { servers, active } => servers.web_url(*active),
        }
    }

    /// The folder with its logs.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Single(hdfs) => hdfs.dir(),
            Self::Pair { servers, .. } => servers.dir(),
        }
    }

    /// Where the DataNode keeps its blocks.
    pub fn data_dir(&self) -> PathBuf {
        match self {
            Self::Single(hdfs) => hdfs.data_dir(),
            Self::Pair { servers, .. } => servers.data_dir(),
        }
    }

    /// kill -9 of the NameNode that takes writes. Its standby does not take over by itself.
    pub fn kill_namenode(&self) {
        match self {
            Self::Single(hdfs) => hdfs.kill_namenode(),
            Self::Pair { servers, active } => servers.kill(*active),
        }
    }

    /// The NameNode that was killed is there again, and takes writes.
    pub fn revive_namenode(&self) -> Result<()> {
        self.revive()?;
        if let Self::Pair { servers, active } = self {
            servers.make_active(*active)?;
        }
        Ok(())
    }

    /// The standby takes over: from a NameNode that is dead, and comes back as the standby, or from a living one.
    ///
    /// # Panics
    /// Without a standby.
    pub fn fail_over(&mut self, dead: bool) -> Result<()> {
        let Self::Pair { servers, active } = self else {
            unreachable!("planned only where there is a standby");
        };
        let next = active.other();
        if dead {
            servers.make_active(next)?;
            servers.revive()?;
        } else {
            servers.hand_over(next)?;
        }
        *active = next;
        Ok(())
    }

    /// kill -9 of the DataNode.
    pub fn kill_datanode(&self) {
        match self {
            Self::Single(hdfs) => hdfs.kill_datanode(),
            Self::Pair { servers, .. } => servers.kill_datanode(),
        }
    }

    /// Starts what is down, and waits until it is ready. A NameNode of two comes back as the standby.
    pub fn revive(&self) -> Result<()> {
        match self {
            Self::Single(hdfs) => hdfs.revive()?,
            Self::Pair { servers, .. } => servers.revive()?,
        }
        Ok(())
    }

    /// Freezes it: connections stay open and nothing answers.
    pub fn pause(&self) {
        match self {
            Self::Single(hdfs) => hdfs.pause(),
            Self::Pair { servers, .. } => servers.pause(),
        }
    }

    /// Ends a pause.
    pub fn resume(&self) {
        match self {
            Self::Single(hdfs) => hdfs.resume(),
            Self::Pair { servers, .. } => servers.resume(),
        }
    }

    /// Has it refuse every change, or no longer.
    pub fn safe_mode(&self, on: bool) -> Result<()> {
        match self {
            Self::Single(hdfs) => hdfs.safe_mode(on)?,
            Self::Pair { servers, .. } => servers.safe_mode(on)?,
        }
        Ok(())
    }
}
