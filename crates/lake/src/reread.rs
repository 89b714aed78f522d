//! Reading on HDFS goes on where a connection broke.
//!
//! The client keeps its connections to `DataNode`s for the whole process. One that breaks while a block comes in (its
//! `DataNode` restarts, the network drops it, the runtime that opened it ends) fails the read where no other replica is
//! left to turn to, though the next connection would bring the block; one that falls silent is waited for without end.

use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use hdfs_native::{Client, HdfsError};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::error::is_broken_connection;
use crate::store::from_hdfs;

/// How often in a row a read may break off without a byte in between before it fails.
const TRIES: u32 = 4;
/// The pause after the first break; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long nothing may come. HDFS's own clients wait as long (`dfs.client.socket-timeout`).
const SILENCE: Duration = Duration::from_mins(1);

type Parts = BoxStream<'static, Result<Bytes>>;

/// A whole file.
pub(crate) async fn whole(client: &Client, path: &str) -> Result<Bytes> {
    let mut breaks = Breaks::default();
    loop {
        match Box::pin(whole_at_once(client, path)).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => breaks.survive(path, error).await?,
        }
    }
}

async fn whole_at_once(client: &Client, path: &str) -> Result<Bytes> {
    let file = client.read(path).await.map_err(from_hdfs)?;
    let length = file.file_length();
    let mut bytes = BytesMut::with_capacity(length);
    let mut parts = pin!(file.read_range_stream(0, length));
    while let Some(part) = heard(SILENCE, parts.next()).await? {
        bytes.put(part.map_err(from_hdfs)?);
    }
    if bytes.len() < length {
        return Err(ended_early((length - bytes.len()) as u64));
    }
    Ok(bytes.freeze())
}

/// How often a read has broken off since its last byte.
#[derive(Debug, Default)]
struct Breaks(u32);

impl Breaks {
    /// Waits where the read is to be taken up again, and gives the error back where it is not.
    async fn survive(&mut self, path: &str, error: object_store::Error) -> Result<()> {
        if self.0 + 1 == TRIES || !is_broken_connection(&error) {
            return Err(error);
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.0);
        self.0 += 1;
        tracing::debug!(path, %error, ?pause, "a read broke off and is taken up again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// What comes, if it comes before the silence is too long.
async fn heard<T>(silence: Duration, coming: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(silence, coming).await.map_err(|_| {
        from_hdfs(HdfsError::IOError(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("nothing came for {} s", silence.as_secs_f64()),
        )))
    })
}

fn ended_early(missing: u64) -> object_store::Error {
    let why = format!("the file ended {missing} bytes early");
    from_hdfs(HdfsError::DataTransferError(why))
}

/// The bytes of `range`, out of `first` and, where that breaks off, out of what `reopen` finds from an offset on.
fn to_the_end<O>(location: Path, range: Range<u64>, first: Parts, reopen: O) -> Parts
where
    O: FnMut(u64) -> BoxFuture<'static, Result<Parts>> + Send + 'static,
{
    let rest = Rest {
        location,
        range,
        parts: Some(first),
        reopen,
        breaks: Breaks::default(),
        silence: SILENCE,
    };
    rest.into_stream()
}

/// What of a range has not come yet.
struct Rest<O> {
    location: Path,
    range: Range<u64>,
    parts: Option<Parts>,
    reopen: O,
    breaks: Breaks,
    silence: Duration,
}

impl<O> Rest<O>
where
    O: FnMut(u64) -> BoxFuture<'static, Result<Parts>> + Send + 'static,
{
    fn into_stream(self) -> Parts {
        stream::try_unfold(self, |mut rest| async move {
            Ok(rest.next().await?.map(|part| (part, rest)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.range.is_empty() {
            match self.part().await {
                Ok(part) if part.is_empty() => {}
                Ok(part) => {
                    self.range.start += part.len() as u64;
                    self.breaks = Breaks::default();
                    return Ok(Some(part));
                }
                Err(error) => {
                    self.parts = None;
                    self.breaks.survive(self.location.as_ref(), error).await?;
                }
            }
        }
        Ok(None)
    }

    async fn part(&mut self) -> Result<Bytes> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert((self.reopen)(self.range.start).await?),
        };
        match heard(self.silence, parts.next()).await? {
            Some(part) => part,
            None => Err(ended_early(self.range.end - self.range.start)),
        }
    }
}

/// A store whose reads go on. Everything else is the inner store's.
#[derive(Debug, Clone)]
pub(crate) struct Rereading<S>(pub(crate) S);

impl<S: ObjectStore + Clone> Rereading<S> {
    async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut breaks = Breaks::default();
        let found = loop {
            match self.0.get_opts(location, options.clone()).await {
                Ok(found) => break found,
                Err(error) => breaks.survive(location.as_ref(), error).await?,
            }
        };
        let GetResult {
            payload,
            meta,
            range,
            attributes,
        } = found;
        let first = match payload {
            GetResultPayload::Stream(first) => first,
            payload @ GetResultPayload::File(..) => {
                return Ok(GetResult {
                    payload,
                    meta,
                    range,
                    attributes,
                });
            }
        };
        // What is read on must be the same file: its name may have been given to another meanwhile.
        let same = GetOptions {
            if_match: meta.e_tag.clone(),
            ..options
        };
        let (store, name, end) = (self.0.clone(), location.clone(), range.end);
        let reopen = move |start| -> BoxFuture<'static, Result<Parts>> {
            let options = same.clone().with_range(Some(start..end));
            let (store, name) = (store.clone(), name.clone());
            Box::pin(async move { Ok(store.get_opts(&name, options).await?.into_stream()) })
        };
        let parts = to_the_end(location.clone(), range.clone(), first, reopen);
        Ok(GetResult {
            payload: GetResultPayload::Stream(parts),
            meta,
            range,
            attributes,
        })
    }
}

impl<S: ObjectStore> std::fmt::Display for Rereading<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

// As `#[async_trait]` writes the trait's methods.
impl<S: ObjectStore + Clone> ObjectStore for Rereading<S> {
    fn get_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: GetOptions,
    ) -> BoxFuture<'a, Result<GetResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        Box::pin(self.get(location, options))
    }

    fn put_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> BoxFuture<'a, Result<PutResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.0.put_opts(location, payload, options)
    }

    fn put_multipart_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: PutMultipartOptions,
    ) -> BoxFuture<'a, Result<Box<dyn MultipartUpload>>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.0.put_multipart_opts(location, options)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_delimiter<'s, 'p, 'a>(
        &'s self,
        prefix: Option<&'p Path>,
    ) -> BoxFuture<'a, Result<ListResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.0.list_with_delimiter(prefix)
    }

    fn copy_opts<'s, 'f, 't, 'a>(
        &'s self,
        from: &'f Path,
        to: &'t Path,
        options: CopyOptions,
    ) -> BoxFuture<'a, Result<()>>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        self.0.copy_opts(from, to, options)
    }

    fn rename_opts<'s, 'f, 't, 'a>(
        &'s self,
        from: &'f Path,
        to: &'t Path,
        options: RenameOptions,
    ) -> BoxFuture<'a, Result<()>>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        self.0.rename_opts(from, to, options)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use futures::TryStreamExt as _;

    use super::*;

    fn broken() -> object_store::Error {
        from_hdfs(HdfsError::DataTransferError("broken".to_owned()))
    }

    fn parts(parts: Vec<Result<&'static str>>) -> Parts {
        let bytes =
            |part: Result<&'static str>| part.map(|text| Bytes::from_static(text.as_bytes()));
        stream::iter(parts.into_iter().map(bytes)).boxed()
    }

    /// What is read of ten bytes, and from where it was read on, when each opening finds the next of `openings`.
    async fn read(first: Parts, openings: Vec<Result<Parts>>) -> (Result<String>, Vec<u64>) {
        let openings = Arc::new(Mutex::new(VecDeque::from(openings)));
        let starts = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&starts);
        let rest = Rest {
            silence: Duration::from_millis(20),
            location: Path::from("file"),
            range: 0..10,
            parts: Some(first),
            breaks: Breaks::default(),
            reopen: move |start| -> BoxFuture<'static, Result<Parts>> {
                asked.lock().expect("no panic").push(start);
                let next = openings.lock().expect("no panic").pop_front();
                Box::pin(async move { next.expect("an opening more") })
            },
        };
        let read: Result<Vec<Bytes>> = rest.into_stream().try_collect().await;
        let text = read.map(|parts| String::from_utf8(parts.concat()).expect("text"));
        let starts = starts.lock().expect("no panic").clone();
        (text, starts)
    }

    #[tokio::test]
    async fn a_read_goes_on_where_it_broke_off_or_ended_early_or_fell_silent() {
        let first = parts(vec![Ok("01"), Ok("23"), Err(broken())]);
        let silent = parts(vec![Ok("67")]).chain(stream::pending()).boxed();
        let openings = vec![
            Err(broken()),
            Ok(parts(vec![Ok("45")])),
            Ok(silent),
            Ok(parts(vec![Ok("89")])),
        ];
        let (text, starts) = read(first, openings).await;
        assert_eq!(text.expect("reads"), "0123456789");
        assert_eq!(starts, [4, 4, 6, 8]);
    }

    #[tokio::test]
    async fn a_read_that_never_goes_on_fails() {
        let never = (1..TRIES).map(|_| Err(broken())).collect();
        let (text, starts) = read(parts(vec![Ok("01"), Err(broken())]), never).await;
        assert!(is_broken_connection(&text.expect_err("fails")));
        assert_eq!(starts, [2; TRIES as usize - 1]);
    }

    #[tokio::test]
    async fn an_answer_is_taken_at_its_word() {
        let gone = || from_hdfs(HdfsError::FileNotFound("file".to_owned()));
        let (text, starts) = read(parts(vec![Err(broken())]), vec![Err(gone())]).await;
        assert!(matches!(text, Err(object_store::Error::NotFound { .. })));
        assert_eq!(starts, [0]);
    }
}
