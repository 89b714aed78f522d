//! What the lists and maps of one record may take.
//!
//! An item of one byte may fill a row of many columns, so that the bytes of a record say little about the
//! memory that it takes once decoded.

use super::fault::{Code, Fault};

/// Bytes that the items of one record may take in columns.
const MOST: usize = 64 << 20;

/// What is left of it.
pub(super) struct Room(usize);

impl Room {
    pub(super) fn new() -> Self {
        Self(MOST)
    }

    /// Bytes that items took.
    pub(super) fn spent(&self) -> usize {
        MOST - self.0
    }

    /// One more item, whose row takes `width` bytes.
    #[inline]
    pub(super) fn spend(&mut self, width: usize) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(width).ok_or_else(too_large)?;
        Ok(())
    }
}

#[cold]
fn too_large() -> Fault {
    Fault::new(
        Code::TooLarge,
        format!("lists and maps that take more than {} MiB", MOST >> 20),
    )
}
