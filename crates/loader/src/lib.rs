//! Gold to ClickHouse by releases.
