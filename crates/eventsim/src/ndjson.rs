//! Events as JSON, one a line, to one stream or to a file for each topic.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use goldrecord_contract::{Event, Topic};

use crate::error::{Error, Result};

/// Lines are gathered up to this many bytes before they are written.
const BUFFER: usize = 256 * 1024;

/// Writes events as NDJSON.
pub struct NdjsonSink {
    /// One stream for all topics, or one for each.
    streams: Vec<Stream>,
}

struct Stream {
    path: PathBuf,
    out: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl NdjsonSink {
    /// All topics to standard output.
    pub fn stdout() -> Self {
        Self {
            streams: vec![Stream::new(
                PathBuf::from("standard output"),
                Box::new(std::io::stdout()),
            )],
        }
    }

    /// All topics to one file.
    pub fn file(path: &Path) -> Result<Self> {
        Ok(Self {
            streams: vec![Stream::create(path.into())?],
        })
    }

    /// Each topic to `<folder>/<topic>.ndjson`; the folder is made if it is not there.
    pub fn split(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|source| Error::File {
            action: "create",
            path: folder.into(),
            source,
        })?;
        let file = |topic: Topic| Stream::create(folder.join(format!("{topic}.ndjson")));
        Ok(Self {
            streams: Topic::ALL.into_iter().map(file).collect::<Result<_>>()?,
        })
    }

    /// Write an event.
    pub fn send(&mut self, event: &Event<'_>) -> Result<()> {
        let at = if self.streams.len() == 1 {
            0
        } else {
            event.topic().index()
        };
        let stream = &mut self.streams[at];
        event.encode_json(&mut stream.buffer);
        stream.buffer.push(b'\n');
        if stream.buffer.len() >= BUFFER {
            stream.write()
        } else {
            Ok(())
        }
    }

    /// Write what is still held back, and end.
    pub fn finish(mut self) -> Result<()> {
        self.flush()
    }

    /// Write what is still held back.
    pub fn flush(&mut self) -> Result<()> {
        self.streams.iter_mut().try_for_each(|stream| {
            stream.write()?;
            stream.out.flush().map_err(|source| stream.failed(source))
        })
    }
}

impl Stream {
    fn new(path: PathBuf, out: Box<dyn Write + Send>) -> Self {
        Self {
            path,
            out,
            buffer: Vec::with_capacity(BUFFER + 4_096),
        }
    }

    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|source| Error::File {
            action: "create",
            path: path.clone(),
            source,
        })?;
        Ok(Self::new(path, Box::new(file)))
    }

    fn write(&mut self) -> Result<()> {
        self.out
            .write_all(&self.buffer)
            .map_err(|source| self.failed(source))?;
        self.buffer.clear();
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::File {
            action: "write",
            path: self.path.clone(),
            source,
        }
    }
}
