//! The file system below: the few operations that the log and the writer need, durable where a commit stands on them.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions};
use hdfs_native_object_store::HdfsObjectStore;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::error::{Error, Result};
use crate::namenodes::Address;
use crate::reread::{self, Rereading};

/// A lake's file system. Paths are relative to the lake's root.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) url: String,
    pub(crate) objects: Arc<dyn ObjectStore>,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Local(PathBuf),
    Hdfs { client: Client, root: String },
}

/// A file or folder in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_dir: bool,
}

impl Store {
    /// Opens `file:///absolute`, `/absolute`, `hdfs://host:port/path` or `hdfs://host:port,host:port/path`; touches
    /// nothing yet.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let bad = |why: &str| Error::BadUrl {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        if url.starts_with('/') {
            return Self::local(PathBuf::from(url), url);
        }
        if let Some(rest) = url.strip_prefix("hdfs://") {
            return Self::hdfs(rest, url);
        }
        let parsed = Url::parse(url).map_err(|error| bad(&error.to_string()))?;
        match parsed.scheme() {
            "file" => {
                let path = parsed
                    .to_file_path()
                    .map_err(|()| bad("it names another machine"))?;
                Self::local(path, url)
            }
            other => Err(bad(&format!("`{other}` is not supported"))),
        }
    }

    fn local(path: PathBuf, url: &str) -> Result<Self> {
        let bad = |why: String| Error::BadUrl {
            url: url.to_owned(),
            why,
        };
        // Resolved by name alone: the folder need not exist yet.
        let path = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
        let address =
            Url::from_file_path(&path).map_err(|()| bad("it is not absolute".to_owned()))?;
        let prefix = Path::from_url_path(address.path()).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            url: address.as_str().trim_end_matches('/').to_owned(),
            objects: Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix)),
            backend: Backend::Local(path),
        })
    }

    fn hdfs(rest: &str, url: &str) -> Result<Self> {
        let bad = |why: String| Error::BadUrl {
            url: url.to_owned(),
            why,
        };
        let address = Address::parse(rest).map_err(bad)?;
        let prefix =
            Path::from_url_path(&address.folder).map_err(|error| bad(error.to_string()))?;
        let client = ClientBuilder::new()
            .with_url(address.url())
            .with_config(address.configuration())
            .build()
            .map_err(|error| bad(error.to_string()))?;
        let root = if prefix.as_ref().is_empty() {
            String::new()
        } else {
            format!("/{prefix}")
        };
        let objects = Rereading(HdfsObjectStore::new(client.clone()));
        Ok(Self {
            url: format!("hdfs://{}{root}", address.authority()),
            objects: Arc::new(PrefixStore::new(objects, prefix)),
            backend: Backend::Hdfs { client, root },
        })
    }

    /// A file's content; `None` where there is no such file.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        let read = match &self.backend {
            Backend::Local(root) => {
                let file = root.join(path);
                blocking(move || fs::read(file).map(Bytes::from)).await
            }
            Backend::Hdfs { client, root } => {
                reread::whole(client, &format!("{root}/{path}")).await
            }
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("read", path, source)),
        }
    }

    /// Writes a file of these pieces that must not exist yet; on return it survives a power cut (on HDFS: as `dfs.datanode.synconclose` says).
    pub(crate) async fn write_new(&self, path: &str, pieces: Vec<Bytes>) -> Result<()> {
        match &self.backend {
            Backend::Local(root) => {
                let file = root.join(path);
                blocking(move || write_durably(&file, &pieces)).await
            }
            Backend::Hdfs { client, root } => {
                Box::pin(hdfs_write(client, &format!("{root}/{path}"), pieces)).await
            }
        }
        .map_err(|source| failed("write", path, source))
    }

    /// Renames a file to a name that must be free. "Exists" and "not found" may hide an own success on HDFS,
    /// whose client repeats a call that got no answer.
    pub(crate) async fn rename_new(&self, from: &str, to: &str) -> Result<()> {
        match &self.backend {
            Backend::Local(root) => {
                let (from, to) = (root.join(from), root.join(to));
                blocking(move || {
                    fs::hard_link(&from, &to)?;
                    // The name is taken: what follows may not turn the success into an error.
                    let _ = fs::remove_file(&from);
                    sync_parent(&to)
                })
                .await
            }
            Backend::Hdfs { client, root } => client
                .rename(&format!("{root}/{from}"), &format!("{root}/{to}"), false)
                .await
                .map_err(from_hdfs),
        }
        .map_err(|source| failed("rename to", to, source))
    }

    /// Renames a file over whatever has the name.
    pub(crate) async fn rename_over(&self, from: &str, to: &str) -> Result<()> {
        match &self.backend {
            Backend::Local(root) => {
                let (from, to) = (root.join(from), root.join(to));
                blocking(move || {
                    fs::rename(&from, &to)?;
                    sync_parent(&to)
                })
                .await
            }
            Backend::Hdfs { client, root } => client
                .rename(&format!("{root}/{from}"), &format!("{root}/{to}"), true)
                .await
                .map_err(from_hdfs),
        }
        .map_err(|source| failed("rename to", to, source))
    }

    /// Deletes a file; one that does not exist is no error.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let deleted = match &self.backend {
            Backend::Local(root) => {
                let file = root.join(path);
                blocking(move || fs::remove_file(file)).await
            }
            Backend::Hdfs { client, root } => client
                .delete(&format!("{root}/{path}"), false)
                .await
                .map(|_| ())
                .map_err(from_hdfs),
        };
        match deleted {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed("delete", path, source)),
        }
    }

    /// Deletes a folder with everything in it; one that does not exist is no error.
    pub(crate) async fn delete_folder(&self, path: &str) -> Result<()> {
        let deleted = match &self.backend {
            Backend::Local(root) => {
                let folder = root.join(path);
                blocking(move || fs::remove_dir_all(folder)).await
            }
            Backend::Hdfs { client, root } => client
                .delete(format!("{root}/{path}").trim_end_matches('/'), true)
                .await
                .map(|_| ())
                .map_err(from_hdfs),
        };
        match deleted {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed("delete", path, source)),
        }
    }

    /// What lies in a folder, sorted by name; nothing where there is no such folder.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let listed = match &self.backend {
            Backend::Local(root) => {
                let folder = root.join(path);
                blocking(move || {
                    fs::read_dir(folder)?
                        .map(|entry| {
                            let entry = entry?;
                            Ok(Entry {
                                name: entry.file_name().to_string_lossy().into_owned(),
                                is_dir: entry.file_type()?.is_dir(),
                            })
                        })
                        .collect()
                })
                .await
            }
            Backend::Hdfs { client, root } => {
                let folder = format!("{root}/{path}");
                let folder = if folder == "/" {
                    "/"
                } else {
                    folder.trim_end_matches('/')
                };
                client
                    .list_status(folder, false)
                    .await
                    .map(|statuses| {
                        statuses
                            .into_iter()
                            .map(|status| Entry {
                                name: status
                                    .path
                                    .rsplit('/')
                                    .next()
                                    .unwrap_or_default()
                                    .to_owned(),
                                is_dir: status.isdir,
                            })
                            .collect()
                    })
                    .map_err(from_hdfs)
            }
        };
        let mut entries: Vec<Entry> = match listed {
            Ok(entries) => entries,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(source) => return Err(failed("list", path, source)),
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

fn failed(action: &'static str, path: &str, source: object_store::Error) -> Error {
    Error::Store {
        action,
        path: path.to_owned(),
        source,
    }
}

async fn hdfs_write(
    client: &Client,
    path: &str,
    pieces: Vec<Bytes>,
) -> Result<(), object_store::Error> {
    let mut file = client
        .create(path, WriteOptions::default())
        .await
        .map_err(from_hdfs)?;
    for piece in pieces {
        file.write(piece).await.map_err(from_hdfs)?;
    }
    file.close().await.map_err(from_hdfs)
}

/// The client tells some of the `NameNode`'s answers by variants of its own and leaves others as names of Java classes.
pub(crate) fn from_hdfs(error: HdfsError) -> object_store::Error {
    let error = match error {
        // A Java message ends with the server's stack, which is of use to nobody here.
        HdfsError::RPCError(class, message) => HdfsError::RPCError(class, first_line(&message)),
        HdfsError::FatalRPCError(class, message) => {
            HdfsError::FatalRPCError(class, first_line(&message))
        }
        error => error,
    };
    let is_class =
        |name: &str| matches!(&error, HdfsError::RPCError(class, _) if class.ends_with(name));
    let path = String::new();
    if matches!(error, HdfsError::FileNotFound(_)) || is_class(".FileNotFoundException") {
        let source = Box::new(error);
        return object_store::Error::NotFound { path, source };
    }
    if matches!(error, HdfsError::AlreadyExists(_)) || is_class(".FileAlreadyExistsException") {
        let source = Box::new(error);
        return object_store::Error::AlreadyExists { path, source };
    }
    object_store::Error::Generic {
        store: "HDFS",
        source: Box::new(error),
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn from_io(error: io::Error) -> object_store::Error {
    let path = String::new();
    match error.kind() {
        io::ErrorKind::NotFound => object_store::Error::NotFound {
            path,
            source: Box::new(error),
        },
        io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists {
            path,
            source: Box::new(error),
        },
        _ => object_store::Error::Generic {
            store: "local disk",
            source: Box::new(error),
        },
    }
}

/// Runs file system calls where they may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, object_store::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(from_io),
        Err(source) => Err(object_store::Error::JoinError { source }),
    }
}

fn write_durably(path: &std::path::Path, pieces: &[Bytes]) -> io::Result<()> {
    let mut create = fs::OpenOptions::new();
    create.write(true).create_new(true);
    let mut file = match create.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
                sync_parent(parent)?;
            }
            create.open(path)?
        }
        opened => opened?,
    };
    for piece in pieces {
        file.write_all(piece)?;
    }
    file.sync_all()?;
    sync_parent(path)
}

/// Makes the entry of a file or folder in its parent survive a power cut.
fn sync_parent(path: &std::path::Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
