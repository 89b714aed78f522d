//! The lake: a folder of tables on HDFS or on a local disk.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::error::{Error, Result};
use crate::log::names::LOG_FOLDER;
use crate::store::Store;
use crate::table::Table;

/// A folder of tables. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<Store>,
}

impl Lake {
    /// Opens `file:///absolute/folder`, `/absolute/folder` or `hdfs://host:port/folder`. Nothing is
    /// read yet: a lake that cannot be reached shows at the first call that needs it.
    ///
    /// Of several NameNodes, `hdfs://host:port,host:port/folder`, the active one is found at every call.
    /// On HDFS we are the user named by `HADOOP_USER_NAME`, else the one who runs the process.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self {
            store: Arc::new(Store::open(url)?),
        })
    }

    /// The table at a path such as `bronze/listen_events`, whether it exists or not. A path that is none
    /// is refused by the first call on the table.
    pub fn table(&self, path: &str) -> Table {
        Table::new(self.clone(), path)
    }

    /// The paths of all tables: folders that hold a `_delta_log`. Sorted.
    pub async fn tables(&self) -> Result<Vec<String>> {
        let mut tables = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let entries = self.store.list(&folder).await?;
            let is_folder = |name: &str| entries.iter().any(|e| e.is_dir && e.name == name);
            if is_folder(LOG_FOLDER) {
                tables.push(folder);
                continue;
            }
            for entry in entries
                .iter()
                .filter(|e| e.is_dir && !e.name.starts_with('.'))
            {
                folders.push(join(&folder, &entry.name));
            }
        }
        tables.sort();
        Ok(tables)
    }

    /// The lake's address, normalised, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.store.url
    }

    /// The store below, rooted at the lake: an object's path is the table's path and the file's.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store.objects)
    }

    /// Deletes a folder with everything in it; a folder that does not exist is no error. `""` is the whole lake.
    pub async fn remove_all(&self, path: &str) -> Result<()> {
        if !path.is_empty() {
            validate_path(path)?;
        }
        self.store.delete_folder(path).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Refuses what could leave the lake, or be taken for a partition folder or a log.
pub(crate) fn validate_path(path: &str) -> Result<()> {
    let bad = |why: String| {
        Err(Error::BadTablePath {
            path: path.to_owned(),
            why,
        })
    };
    for name in path.split('/') {
        if name.is_empty() {
            return bad("a name between two slashes is empty".to_owned());
        }
        if name.starts_with('.') || name == LOG_FOLDER {
            return bad(format!("`{name}` is reserved"));
        }
        let strange = |c: &char| !(c.is_ascii_alphanumeric() || "_-.$".contains(*c));
        if let Some(character) = name.chars().find(strange) {
            return bad(format!("`{character}` is not allowed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_lake_is_refused() {
        for path in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/../b",
            "a/_delta_log",
            "a=b",
            "a b",
            ".tmp",
        ] {
            assert!(validate_path(path).is_err(), "{path}");
        }
        for path in [
            "_builds",
            "bronze/listen_events",
            "listen_events$quarantine",
            "a/b-c.d",
        ] {
            assert!(validate_path(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn an_address_is_normalised_or_refused() {
        assert_eq!(
            Lake::open("/srv/lake/").expect("opens").url(),
            "file:///srv/lake"
        );
        assert_eq!(
            Lake::open("file:///srv/lake").expect("opens").url(),
            "file:///srv/lake"
        );
        assert_eq!(
            Lake::open("hdfs://nn:8020/lake/").expect("opens").url(),
            "hdfs://nn:8020/lake"
        );
        assert_eq!(
            Lake::open("hdfs://nn1:8020,nn2:8020/lake/")
                .expect("opens")
                .url(),
            "hdfs://nn1:8020,nn2:8020/lake"
        );
        for url in [
            "lake",
            "s3://bucket/lake",
            "hdfs:///lake",
            "hdfs://nn1:8020,nn2/lake",
            "file://host/lake",
        ] {
            assert!(
                matches!(Lake::open(url), Err(Error::BadUrl { .. })),
                "{url}"
            );
        }
    }
}
