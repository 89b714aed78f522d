//! Files of the original, as events.

use std::io::Write;
use std::path::{Path, PathBuf};

use goldrecord_contract::Topic;
use goldrecord_eventsim::{Error, Input, Ledger, replay};
use goldrecord_service::Shutdown;

use crate::shared_data;

const LINES: &str = r#"{"ts":1790812806000,"userId":"7","sessionId":3,"page":"NextSong","auth":"Logged In","method":"PUT","status":200,"level":"free","itemInSession":0,"location":"Port-Dover, ON-QC","userAgent":"U","lastName":"L","firstName":"F","registration":1767577634000,"gender":"F","artist":"A \"B\"","song":"S","length":12.5}
{"ts":1790812807000,"userId":"7","sessionId":3,"page":"Submit Upgrade","auth":"Logged In","method":"PUT","status":307,"level":"free","itemInSession":1,"location":"Port-Dover, ON-QC","userAgent":"U","lastName":"L","firstName":"F","registration":1767577634000,"gender":"F"}
{"ts":1790812808000,"userId":"","sessionId":4,"page":"Login","auth":"Logged Out","method":"PUT","status":307,"level":"paid","itemInSession":0}
"#;

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 3);
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

/// Every event as JSON.
fn events(input: &Input) -> Result<Vec<String>, Error> {
    let mut events = Vec::new();
    replay(input, &Shutdown::new(), |event| {
        let mut line = Vec::new();
        event.encode_json(&mut line);
        events.push(String::from_utf8(line).expect("UTF-8"));
        Ok(())
    })?;
    Ok(events)
}

fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "events", bytes);
    Input::file(&path)
        .and_then(|input| events(&input))
        .expect_err("a refusal")
        .to_string()
}

#[test]
fn a_file_gives_the_same_events_however_it_is_packed() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = LINES.as_bytes();
    let zstd = zstd::encode_all(plain, 3).expect("packed");
    let expected = events(&Input::file(&file(folder.path(), "plain", plain)).expect("opened"))
        .expect("events");
    assert_eq!(expected.len(), 3);
    for (name, bytes) in [("a.gz", gzip(plain)), ("a.xz", xz(plain)), ("a.zst", zstd)] {
        let input = Input::file(&file(folder.path(), name, &bytes)).expect("opened");
        assert_eq!(events(&input).expect("events"), expected, "{name}");
        let input = Input::spooled("a pipe", &mut bytes.as_slice()).expect("opened");
        assert_eq!(
            events(&input).expect("events"),
            expected,
            "{name} through a pipe"
        );
    }
    let unended = Input::spooled("a pipe", &mut plain.trim_ascii_end()).expect("opened");
    assert_eq!(
        events(&unended).expect("events").len(),
        3,
        "the last line needs no end"
    );
}

#[test]
fn fields_become_those_of_the_contract() {
    let input = Input::spooled("a pipe", &mut LINES.as_bytes()).expect("opened");
    let mut seen = Vec::new();
    replay(&input, &Shutdown::new(), |event| {
        seen.push((
            event.topic(),
            event.user_id,
            event.prev_level.map(String::from),
            event.success,
        ));
        match event.topic() {
            Topic::Listen => {
                assert_eq!(
                    (event.city, event.state),
                    (Some("Port-Dover"), Some("ON-QC"))
                );
                assert_eq!(
                    (event.artist, event.duration, event.song_id),
                    (Some("A \"B\""), Some(12.5), None)
                );
            }
            Topic::Auth => assert_eq!((event.city, event.user_agent), (None, None)),
            _ => {}
        }
        assert_eq!(event.event_id.len(), 32);
        Ok(())
    })
    .expect("events");
    assert_eq!(
        seen,
        [
            (Topic::Listen, Some(7), None, None),
            (Topic::StatusChange, Some(7), Some("free".into()), None),
            (Topic::Auth, None, None, Some(true)),
        ]
    );
}

#[test]
fn a_broken_line_is_named() {
    let second = LINES.lines().nth(1).expect("a line");
    let broken = LINES.replace(second, "{\"ts\":1,oops}");
    let error = refusal(broken.as_bytes());
    assert!(
        error.contains("events, line 2: key must be a string (column 9)"),
        "{error}"
    );
    let cut = &LINES.as_bytes()[..LINES.len() - 20];
    assert!(refusal(cut).contains("line 3: the line is cut off"));
    assert!(refusal(b"hello").contains("line 1: "));
}

#[test]
fn damaged_and_unknown_files_are_refused() {
    for packed in [
        gzip(LINES.as_bytes()),
        xz(LINES.as_bytes()),
        zstd::encode_all(LINES.as_bytes(), 3).expect("packed"),
    ] {
        let error = refusal(&packed[..packed.len() - 9]);
        assert!(error.contains("cut off or damaged"), "{error}");
    }
    assert!(refusal(b"BZh91AY&SY").contains("(bzip2)"));
    assert!(refusal(&[0, 1, 2, 3]).contains("00 01 02 03"));
    assert!(refusal(b"").contains("holds no events"));
    assert!(refusal(&gzip(b"")).contains("holds no events"));
    let error = Input::file(Path::new("/nowhere/events.xz"))
        .expect_err("a refusal")
        .to_string();
    assert!(error.contains("cannot open /nowhere/events.xz"), "{error}");
}

#[test]
fn the_sample_of_the_original_is_counted_whole() {
    let Some(path) = shared_data("eventsim-sample.ndjson.xz") else {
        return;
    };
    let mut ledger = Ledger::new(serde_json::Value::Null);
    let input = Input::file(&path).expect("opened");
    let replayed = replay(&input, &Shutdown::new(), |event| {
        ledger.count(event);
        Ok(())
    })
    .expect("events");
    let truth = ledger.truth();
    assert_eq!((replayed.events, truth.events), (190_889, 190_889));
    // Counted with another program: songs, Login and Logout, the four changes, and the rest.
    assert_eq!(truth.topics["listen_events"].events, 160_053);
    assert_eq!(truth.topics["auth_events"].events, 4_460);
    assert_eq!(truth.topics["status_change_events"].events, 224);
    assert_eq!(truth.topics["page_view_events"].events, 26_152);
    assert_eq!(truth.metrics.registrations_by_day.values().sum::<u64>(), 35);
    assert_eq!(truth.metrics.cancellations_by_day.values().sum::<u64>(), 9);
}
