//! The lake: a folder of tables on HDFS or on a local disk.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::error::Result;
use crate::table::Table;

/// A folder of tables. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {}

impl Lake {
    /// Opens `file:///absolute/folder`, `/absolute/folder` or `hdfs://host:port/folder`. Nothing is
    /// read yet: a lake that cannot be reached shows at the first call that needs it.
    pub fn open(url: &str) -> Result<Self> {
        let _ = url;
        unimplemented!()
    }

    /// The table at a path such as `bronze/listen_events`, whether it exists or not.
    pub fn table(&self, path: &str) -> Table {
        let _ = path;
        unimplemented!()
    }

    /// The paths of all tables: folders that hold a `_delta_log`. Sorted.
    pub async fn tables(&self) -> Result<Vec<String>> {
        unimplemented!()
    }

    /// The lake's address, normalised, without a trailing slash.
    pub fn url(&self) -> &str {
        unimplemented!()
    }

    /// The store below, rooted at the lake: an object's path is the table's path and the file's.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        unimplemented!()
    }

    /// Deletes a folder with everything in it; a folder that does not exist is no error. `""` is the whole lake.
    pub async fn remove_all(&self, path: &str) -> Result<()> {
        let _ = path;
        unimplemented!()
    }
}
