//! Bytes as people and programs read them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Sixteen bytes a line, in hexadecimal and as characters.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(16).enumerate() {
        let mut hex = String::with_capacity(48);
        let mut characters = String::with_capacity(16);
        for byte in line {
            let _ = write!(hex, "{byte:02x} ");
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            characters.push(if printable { char::from(*byte) } else { '.' });
        }
        let _ = writeln!(text, "  {:08x}  {hex:<48} |{characters}|", index * 16);
    }
    text
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What pairs of hexadecimal digits stand for; `None`: they are none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(((digit(*high)? << 4) | digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

/// A record's headers, as the table holds them: names and values. `None`: they are of another form.
pub fn headers(json: &str) -> Option<Vec<(String, Option<Vec<u8>>)>> {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(json).ok()?;
    pairs
        .into_iter()
        .map(|(name, value)| match value {
            Some(value) => Some((name, Some(from_hex(&value)?))),
            None => Some((name, None)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_bytes_and_characters() {
        let text = dump(b"\x00key with a long name");
        assert_eq!(
            text,
            "  00000000  00 6b 65 79 20 77 69 74 68 20 61 20 6c 6f 6e 67  |.key with a long|\n  \
             00000010  20 6e 61 6d 65                                   | name|\n"
        );
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let read = headers(r#"[["a","00ff"],["b",null]]"#).expect("headers");
        assert_eq!(
            read,
            [("a".to_owned(), Some(vec![0, 255])), ("b".to_owned(), None)]
        );
        assert_eq!(headers(r#"[["a","0"]]"#), None);
        assert_eq!(headers("{}"), None);
    }
}
