//! A disk that can be full: a file system in memory over a server's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::system;

/// The disk. It is taken away with this value.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

/// What it holds at most when it is not full: more than is ever written, and it takes only what is. HDFS sets aside a
/// block of 128 MiB for every file being written, and for up to 20 minutes for each that a dead DataNode never got:
/// with 8 GiB some 60 of these were enough to find no room on an empty disk.
const ROOM: &str = "1t";
/// What is left when it is full: less than a block of a Parquet file, more than a line of a log.
const LEFT: u64 = 64 << 10;

impl Disk {
    /// A disk over `folder`, empty.
    pub fn mount(folder: PathBuf) -> Result<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={ROOM},mode=700")]);
        system::run(command.arg("tmpfs").arg(&folder))?;
        Ok(Self { folder })
    }

    /// Leaves no room.
    pub fn fill(&self) -> Result<()> {
        let used = self.used()?;
        self.resize(&(used + LEFT).to_string())
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        self.resize(ROOM)
    }

    fn used(&self) -> Result<u64> {
        let mut command = Command::new("df");
        command.args(["--output=used", "--block-size=1"]);
        let said = system::run(command.arg(&self.folder))?;
        let used = said
            .lines()
            .nth(1)
            .and_then(|line| line.trim().parse().ok());
        used.ok_or_else(|| Error::Command {
            command: system::words(&command),
            output: said,
        })
    }

    fn resize(&self, size: &str) -> Result<()> {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,size={size}")]);
        system::run(command.arg(&self.folder)).map(drop)
    }

    fn unmount(folder: &Path) -> Result<()> {
        // At once for those who look, and for good when the server that has files open is gone.
        system::run(Command::new("umount").arg("--lazy").arg(folder)).map(drop)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is left mounted goes with the namespace.
        let _ = Self::unmount(&self.folder);
    }
}
