//! A file or standard input, packed or not, read as lines as often as needed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use goldrecord_service::Shutdown;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};

const BUFFER: usize = 256 * 1024;

/// What is replayed.
#[derive(Debug)]
pub struct Input {
    name: String,
    path: PathBuf,
    file: File,
    packing: Packing,
}

/// How a file is packed, which its first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

impl Input {
    /// The file at `path`.
    pub fn file(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::File {
            action: "open",
            path: path.into(),
            source,
        })?;
        Self::new(path.display().to_string(), path.into(), file)
    }

    /// Standard input. It is copied to a temporary file that nobody else sees, because it is read twice.
    pub fn stdin() -> Result<Self> {
        Self::spooled("standard input", &mut std::io::stdin().lock())
    }

    /// Anything that can be read once; errors call it `name`.
    pub fn spooled(name: &str, from: &mut impl Read) -> Result<Self> {
        let failed = |action| {
            move |source| Error::File {
                action,
                path: name.into(),
                source,
            }
        };
        let mut file = tempfile::tempfile().map_err(failed("make a temporary copy of"))?;
        std::io::copy(from, &mut file).map_err(failed("copy"))?;
        Self::new(name.into(), name.into(), file)
    }

    fn new(name: String, path: PathBuf, mut file: File) -> Result<Self> {
        let failed = |source| Error::File {
            action: "read",
            path: path.clone(),
            source,
        };
        let mut start = Vec::new();
        file.rewind().map_err(failed)?;
        file.by_ref()
            .take(6)
            .read_to_end(&mut start)
            .map_err(failed)?;
        let packing = packing(&start).map_err(|found| match found {
            Unknown::Empty => Error::Empty { file: name.clone() },
            Unknown::Bytes(found) => Error::Compression {
                file: name.clone(),
                found,
            },
        })?;
        Ok(Self {
            name,
            path,
            file,
            packing,
        })
    }

    /// What errors call it.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// XXH3-128 of everything, unpacked.
    pub fn digest(&self, shutdown: &Shutdown) -> Result<u128> {
        let mut lines = self.open()?;
        let mut digest = Xxh3::new();
        loop {
            let chunk = lines.fill()?;
            if chunk.is_empty() {
                break;
            }
            digest.update(chunk);
            let length = chunk.len();
            lines.consume(length);
            if shutdown.is_requested() {
                return Err(Error::Stopped { events: 0 });
            }
        }
        if lines.unpacked == 0 {
            return Err(Error::Empty { file: self.name() });
        }
        Ok(digest.digest128())
    }

    /// Read from the beginning. One reader at a time: they share the file's position.
    pub fn open(&self) -> Result<Lines> {
        let failed = |source| Error::File {
            action: "read",
            path: self.path.clone(),
            source,
        };
        let mut file = self.file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let reader: Box<dyn Read> = match self.packing {
            Packing::Plain => Box::new(file),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(
                BufReader::with_capacity(BUFFER, file),
            )),
            Packing::Xz => Box::new(xz2::bufread::XzDecoder::new_multi_decoder(
                BufReader::with_capacity(BUFFER, file),
            )),
            Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(file).map_err(failed)?),
        };
        Ok(Lines {
            name: self.name(),
            packing: self.packing,
            reader: BufReader::with_capacity(BUFFER, reader),
            unpacked: 0,
            line: Vec::new(),
        })
    }
}

/// The unpacked lines.
pub struct Lines {
    name: String,
    packing: Packing,
    reader: BufReader<Box<dyn Read>>,
    unpacked: u64,
    line: Vec<u8>,
}

impl Lines {
    /// The next line without its end; None after the last.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        self.line.clear();
        loop {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Ok((!self.line.is_empty()).then_some(&self.line));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(chunk.len());
            // `fill` borrows the reader; what it returned is still buffered there.
            let buffered = self.reader.buffer();
            self.line.extend_from_slice(&buffered[..take]);
            self.consume(take + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(&self.line));
            }
        }
    }

    fn fill(&mut self) -> Result<&[u8]> {
        match self.reader.fill_buf() {
            Ok(_) => Ok(self.reader.buffer()),
            Err(source) => Err(if self.packing == Packing::Plain {
                Error::File {
                    action: "read",
                    path: PathBuf::from(&self.name),
                    source,
                }
            } else {
                Error::Damaged {
                    file: self.name.clone(),
                    bytes: self.unpacked,
                    source,
                }
            }),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        self.unpacked += bytes as u64;
    }
}

enum Unknown {
    Empty,
    Bytes(String),
}

/// NDJSON begins with an object; packed files begin with their own marks.
fn packing(start: &[u8]) -> Result<Packing, Unknown> {
    match start {
        [] => Err(Unknown::Empty),
        [0x1f, 0x8b, ..] => Ok(Packing::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Ok(Packing::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Packing::Zstd),
        [b'B', b'Z', b'h', ..] => Err(Unknown::Bytes("bzip2".into())),
        [b'P', b'K', 3, 4, ..] => Err(Unknown::Bytes("zip".into())),
        [0x04, 0x22, 0x4d, 0x18, ..] => Err(Unknown::Bytes("lz4".into())),
        // Text is read as lines, and the first wrong one says what is wrong with it.
        text if text
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
        {
            Ok(Packing::Plain)
        }
        other => {
            let hex: Vec<String> = other.iter().map(|byte| format!("{byte:02x}")).collect();
            Err(Unknown::Bytes(format!(
                "it begins with the bytes {}",
                hex.join(" ")
            )))
        }
    }
}
