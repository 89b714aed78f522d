//! Writing data files: rows split by partition, encoded on all cores, with statistics.

mod align;
mod dictionary;
mod encode;
mod held;
pub(crate) mod partition;
mod segments;
mod stats;
mod writer;

pub use held::Meter;
pub use writer::{Watch, Writer};
pub(crate) use writer::{discard, location};

/// How files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// A file that reaches this many bytes is closed and the next one begun.
    pub target_file_bytes: usize,
    /// The most rows in a row group.
    pub row_group_rows: usize,
    /// The level of zstd, 1 to 22.
    pub zstd_level: i32,
    /// Rows wait in memory until a folder has this many bytes of them, so that its file is encoded in long runs.
    pub folder_buffer_bytes: usize,
    /// Rows of all folders wait in memory up to this many bytes.
    pub total_buffer_bytes: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            target_file_bytes: 128 << 20,
            row_group_rows: 1 << 18,
            zstd_level: 1,
            folder_buffer_bytes: 32 << 20,
            total_buffer_bytes: 256 << 20,
        }
    }
}
