//! Reads on a real HDFS whose connections break.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use goldrecord_lake::Lake;
use goldrecord_testkit::{Hdfs, require};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, Result};
use tokio::runtime::Runtime;

/// More than what is read ahead and what lies in the buffers of a connection.
const BYTES: usize = 64 << 20;

/// Reads the file, and does `meanwhile` when the first of it has come.
fn read(runtime: &Runtime, lake: &Lake, path: &Path, meanwhile: impl FnOnce()) -> Result<Bytes> {
    let open = async {
        let mut parts = lake.object_store().get(path).await?.into_stream();
        let first = parts.try_next().await?.expect("the file is not empty");
        Ok::<_, object_store::Error>((first, parts))
    };
    let (first, parts) = runtime.block_on(open)?;
    meanwhile();
    let add = |mut bytes: BytesMut, part: Bytes| async move {
        bytes.extend_from_slice(&part);
        Ok(bytes)
    };
    let read = parts.try_fold(BytesMut::from(&first[..]), add);
    Ok(runtime.block_on(read)?.freeze())
}

#[test]
fn a_read_goes_on_when_its_connection_breaks() {
    let Some(server) = require(Hdfs::start()) else {
        return;
    };
    let url = format!("{}/lake", server.url());
    let path = Path::from("file");
    let content: Bytes = (0..BYTES).map(|n| ((n * n) >> 9) as u8).collect();
    let runtime = Runtime::new().expect("a runtime");
    let lake = {
        let _inside = runtime.enter();
        Lake::open(&url).expect("opens")
    };
    let put = async {
        let payload = content.clone().into();
        lake.object_store().put(&path, payload).await
    };
    runtime.block_on(put).expect("writes");

    // The client keeps the connection of this read for the next, which is another runtime's.
    let other = Runtime::new().expect("a runtime");
    let glance = async {
        let lake = Lake::open(&url).expect("opens");
        lake.object_store().get_range(&path, 0..10).await
    };
    assert_eq!(other.block_on(glance).expect("reads"), content[..10]);
    let bytes = read(&runtime, &lake, &path, || drop(other)).expect("reads on");
    assert!(bytes == content, "other bytes than were written");

    let bytes = read(&runtime, &lake, &path, || {
        server.restart().expect("it starts again");
    });
    let bytes = bytes.expect("reads on");
    assert!(bytes == content, "other bytes than were written");
}
