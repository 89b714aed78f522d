//! One bad record.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use goldrecord_ingestor::mend::{Bad, Bytes, Filter, Quarantine};
use goldrecord_lake::Lake;

use super::bytes::{dump, headers};
use super::line::Line;
use super::which::Place;
use crate::moment;
use crate::{Error, Result};

/// Write the record at a place, of every epoch that has one there: for people with at most `limit` bytes of each part.
pub async fn run(lake: &Lake, topic: &str, place: Place, limit: usize, json: bool) -> Result<()> {
    let Place(partition, offset) = place;
    let quarantine = Quarantine::open(lake, topic).await?;
    let at = Filter {
        place: Some((partition, offset)),
        ..Filter::default()
    };
    let (mut texts, mut lines) = (Vec::new(), Vec::new());
    let visit = |bad: &Bad<'_>| {
        texts.push(text(topic, bad, limit));
        let line = serde_json::to_value(Line::of(topic, bad));
        lines.push(line.expect("plain data always serialises"));
        ControlFlow::Continue(())
    };
    quarantine.each(&at, Bytes::Read, visit).await?;
    if texts.is_empty() {
        return Err(Error::Refused(format!(
            "the record at offset {offset} of {topic}/{partition} is not bad, or was never read; `goldrecord quarantine list` shows those that are"
        )));
    }
    crate::print(json, &lines, || texts.join("\n").trim_end().to_owned())
}

fn text(topic: &str, bad: &Bad<'_>, limit: usize) -> String {
    let moment = |micros: Option<i64>| micros.map_or_else(|| "not said".to_owned(), moment::text);
    let schema = bad
        .schema_id
        .map_or_else(|| "none named".to_owned(), |id| id.to_string());
    let mut text = format!(
        "{topic}/{} offset {}, epoch {}\nreason    {}: {}\nschema    {schema}\nproduced  {}\nread      {}\n",
        bad.partition,
        bad.offset,
        bad.epoch,
        bad.error,
        bad.error_text,
        moment(bad.timestamp),
        moment(bad.ingested_at),
    );
    if let Some(json) = bad.headers {
        match headers(json) {
            None => {
                let _ = writeln!(text, "headers   {json}");
            }
            Some(headers) => {
                for (name, value) in headers {
                    let value = value.as_deref();
                    let _ = write!(text, "header    {name}: {}", part(value, limit));
                }
            }
        }
    }
    let _ = write!(text, "key       {}", part(bad.key, limit));
    let _ = write!(text, "value     {}", part(bad.value, limit));
    text
}

/// A part's length, its text if it is text, and its bytes.
fn part(bytes: Option<&[u8]>, limit: usize) -> String {
    let Some(bytes) = bytes else {
        return "none\n".to_owned();
    };
    let shown = &bytes[..bytes.len().min(limit)];
    let mut text = format!("{} bytes\n", bytes.len());
    if let Some(readable) = readable(shown).filter(|readable| !readable.is_empty()) {
        let _ = writeln!(text, "  {readable}");
    }
    text.push_str(&dump(shown));
    if shown.len() < bytes.len() {
        let left = bytes.len() - shown.len();
        let _ = writeln!(text, "  … and {left} more: --limit {}", bytes.len());
    }
    text
}

/// Text that a terminal can show, as far as it goes to a whole character.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut within a character by the limit.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let shows = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    text.chars().all(shows).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text_is_shown_as_text_too() {
        assert_eq!(readable("añ".as_bytes()), Some("añ"));
        assert_eq!(readable(&"añ".as_bytes()[..2]), Some("a"));
        assert_eq!(readable(&[0, 1]), None);
        assert_eq!(readable(&[0xff, b'a']), None);
        assert_eq!(part(None, 9), "none\n");
        assert!(part(Some(b"{\"a\":1}"), 4).contains("  {\"a\"\n"));
        assert!(part(Some(b"{\"a\":1}"), 4).contains("and 3 more: --limit 7"));
    }
}
