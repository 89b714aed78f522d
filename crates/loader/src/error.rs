//! What can go wrong on the way to `ClickHouse`, each with the thing, the place and the mend.

use crate::release::Release;

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong on the way to `ClickHouse`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none that we can use.
    #[error(
        "`{url}` is no address of ClickHouse: {why}; give its HTTP interface, such as http://localhost:8123"
    )]
    BadUrl {
        /// The address given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing answers.
    #[error(
        "ClickHouse does not answer at {url}: {source}; is it running, and is this its HTTP port (8123 as a rule)?"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What the connection said, with its causes.
        source: Unreachable,
    },
    /// Something answers that is not `ClickHouse`.
    #[error(
        "what answers at {url} is not ClickHouse's HTTP interface (status {status}); give its HTTP port, 8123 as a rule"
    )]
    NotClickHouse {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The user is unknown or its password wrong.
    #[error(
        "ClickHouse at {url} does not let `{user}` in; check [clickhouse] user, and the credential `clickhouse-password`"
    )]
    Denied {
        /// The address.
        url: String,
        /// The user.
        user: String,
    },
    /// The server lacks what views of a release need.
    #[error(
        "ClickHouse at {url} is version {version}; 24.1 or newer is needed: upgrade the server"
    )]
    TooOld {
        /// The address.
        url: String,
        /// What it says it is.
        version: String,
    },
    /// The server refused a statement.
    #[error("ClickHouse could not {what}: {message} (code {code})")]
    Refused {
        /// What was tried, in words.
        what: String,
        /// `ClickHouse`'s error code; 0 where it gave none.
        code: u32,
        /// What it said.
        message: String,
    },
    /// The server answered something unexpected.
    #[error("ClickHouse's answer to `{what}` makes no sense: {why}")]
    BadAnswer {
        /// What was tried, in words.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The lake could not be read.
    #[error(transparent)]
    Lake(#[from] goldrecord_lake::Error),
    /// Nothing was ever built for readers.
    #[error(
        "the lake {lake} holds no published build of target `{target}`; run `goldrecord-layers build --target {target}` first"
    )]
    NoBuild {
        /// The lake's address.
        lake: String,
        /// The target.
        target: String,
    },
    /// The build holds no gold table.
    #[error(
        "build {build} in the lake {lake} names no table of the schema gold; there is nothing to load"
    )]
    NoGold {
        /// The lake's address.
        lake: String,
        /// The build's number.
        build: i64,
    },
    /// A table that had rows has none.
    #[error(
        "gold table `{table}` is empty and had {rows} rows in release {release}: that looks like a mistake upstream; if it is meant, run with --allow-empty {table}"
    )]
    Emptied {
        /// The table.
        table: String,
        /// How many rows it had.
        rows: u64,
        /// In which release.
        release: Release,
    },
    /// What arrived is not what was sent.
    #[error(
        "slice `{slice}` of `{table}` does not match the lake: {sent} rows (checksum {sent_sum:016x}) were read there, {found} rows (checksum {found_sum:016x}) are in ClickHouse; nothing was published: run again, and report it if it comes back"
    )]
    Mismatch {
        /// The table.
        table: String,
        /// The slice.
        slice: String,
        /// Rows read from the lake.
        sent: u64,
        /// Their checksum.
        sent_sum: u64,
        /// Rows in `ClickHouse`.
        found: u64,
        /// Their checksum.
        found_sum: u64,
    },
    /// A column changed its type.
    #[error(
        "column `{column}` of gold table `{table}` is {now} now and {before} in ClickHouse, which cannot hold both; drop the loaded rows with `DROP TABLE {data}`, and the next run sends the table anew (releases before can no longer be rolled back to)"
    )]
    TypeChanged {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type in `ClickHouse`.
        before: String,
        /// The type it should have.
        now: String,
        /// The table in `ClickHouse`.
        data: String,
    },
    /// A column has a type that we do not load.
    #[error(
        "column `{column}` of gold table `{table}` is of the Arrow type {arrow}, which is not loaded; cast it in the model"
    )]
    UnsupportedType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        arrow: String,
    },
    /// A column's name is ours.
    #[error(
        "column `{column}` of gold table `{table}` has a name that the loader keeps for itself; rename it in the model"
    )]
    ReservedColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A table would hold too many parts.
    #[error(
        "`{table}` would hold {parts} parts in ClickHouse, the limit is {limit}; keep fewer releases ([clickhouse] keep_releases), or let merges catch up and run again"
    )]
    TooManyParts {
        /// The table in `ClickHouse`.
        table: String,
        /// How many it would be.
        parts: u64,
        /// The limit.
        limit: u64,
    },
    /// There is no release to go back to.
    #[error("{database} holds no release before {current}, so there is nothing to roll back to")]
    NothingBefore {
        /// The database.
        database: String,
        /// The current release, in words.
        current: String,
    },
    /// The rows of a release are gone.
    #[error(
        "release {release} cannot come back: slice `{slice}` of `{table}` should have {listed} rows and has {found}"
    )]
    RowsGone {
        /// The release.
        release: Release,
        /// The table.
        table: String,
        /// The slice.
        slice: String,
        /// What the release lists.
        listed: u64,
        /// What is there.
        found: u64,
    },
    /// A batch of rows could not be encoded.
    #[error("rows of gold table `{table}` cannot be encoded for ClickHouse: {source}")]
    Encode {
        /// The table.
        table: String,
        /// What Arrow said.
        source: arrow::error::ArrowError,
    },
}

/// Why nothing answers: the connection's error with all its causes in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

impl Unreachable {
    /// The innermost cause says most.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let mut words = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            words = error.to_string();
            cause = error.source();
        }
        Self(words)
    }
}
