//! What a load tells while it runs.

/// How far a load has come. Whoever dies after one of these leaves the release before visible, until `Published`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Databases and the list of releases are there.
    Prepared,
    /// What to send is known.
    Planned,
    /// Every table has its columns.
    Shaped,
    /// Rows are in `ClickHouse`.
    Sent,
    /// They are the lake's rows.
    Verified,
    /// Every view shows its columns.
    Viewed,
    /// Readers see the release.
    Published,
    /// Old releases and rows are dropped.
    Cleaned,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Prepared,
        Self::Planned,
        Self::Shaped,
        Self::Sent,
        Self::Verified,
        Self::Viewed,
        Self::Published,
        Self::Cleaned,
    ];
}

/// Is told how a load goes on, from any thread.
pub trait Progress: Send + Sync {
    /// A step is done.
    fn step(&self, step: Step) {
        let _ = step;
    }

    /// So many rows will be sent.
    fn planned(&self, rows: u64) {
        let _ = rows;
    }

    /// So many rows and bytes more were sent.
    fn sent(&self, table: &str, rows: u64, bytes: u64) {
        let _ = (table, rows, bytes);
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}
