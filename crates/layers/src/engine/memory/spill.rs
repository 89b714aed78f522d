//! The folder that a build spills to. A build that is killed leaves it behind; the next one that
//! spills to the same place removes it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What the folders' names begin with.
const PREFIX: &str = "goldrecord-layers-spill-";

/// Where to spill when nothing else is said: `/tmp` may be a file system in memory.
pub fn default_dir() -> PathBuf {
    std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// A folder of this process alone, locked for as long as it is in use.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Holds the lock, which the kernel lets go of however the process ends.
    _lock: File,
}

impl Folder {
    /// A folder of our own below `dir`, after those of dead processes there are removed.
    pub fn make(dir: &Path) -> Result<Self> {
        clear(dir).map_err(|error| unusable(dir, error))?;
        for turn in 0.. {
            let path = dir.join(format!("{PREFIX}{}-{turn}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(unusable(dir, error)),
            }
            if let Some(lock) = locked(&path).map_err(|error| unusable(dir, error))? {
                return Ok(Self { path, _lock: lock });
            }
        }
        unreachable!("some number is free")
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next build.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The lock on a folder; none where another has it, or removed the folder just now.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let lock = match File::open(path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Between opening and locking, a build that clears may have removed it.
    let ours = lock.metadata()?.ino();
    let there = fs::metadata(path).is_ok_and(|there| there.ino() == ours);
    Ok(there.then_some(lock))
}

/// Remove the folders that no process holds.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Another user's is left to that user.
        if let Ok(Some(_lock)) = locked(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn unusable(dir: &Path, source: io::Error) -> Error {
    Error::Spill {
        dir: dir.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(dir: &Path) -> Vec<PathBuf> {
        fs::read_dir(dir)
            .expect("a folder of ours")
            .map(|entry| entry.expect("a folder of ours").path())
            .collect()
    }

    #[test]
    fn a_folder_goes_with_its_owner_and_one_whose_owner_died_with_the_next_build() {
        let dir = tempfile::tempdir().expect("a folder of ours");
        let dead = dir.path().join(format!("{PREFIX}1-0"));
        fs::create_dir(&dead).expect("a folder of ours");
        fs::write(dead.join("rows"), "spilled").expect("a folder of ours");
        let strange = dir.path().join("somebody-else");
        fs::create_dir(&strange).expect("a folder of ours");

        let first = Folder::make(dir.path()).expect("a folder of ours");
        assert!(!dead.exists(), "nobody holds it");
        assert!(strange.exists());
        let second = Folder::make(dir.path()).expect("a folder of ours");
        assert!(first.path().exists(), "its owner lives");
        assert_ne!(first.path(), second.path());
        drop((first, second));
        assert_eq!(folders(dir.path()), [strange]);
    }

    #[test]
    fn a_place_that_cannot_be_spilled_to_is_named_with_its_key() {
        let error = Folder::make(Path::new("/nowhere/at/all")).expect_err("no such folder");
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all"), "{text}");
        assert!(text.contains("layers.spill_dir"), "{text}");
    }
}
