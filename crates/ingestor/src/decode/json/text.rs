//! Reading JSON's tokens.

use std::borrow::Cow;

use super::{MAX_DEPTH, quick};
use crate::decode::fault::{Code, Fault};
use crate::decode::room::Room;

/// A document, and how far it is read. Its bytes are known to be UTF-8.
pub(super) struct Text<'a> {
    document: &'a str,
    at: usize,
    /// For the items of lists and maps.
    pub(super) room: Room,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(bytes) {
            Ok(document) => Ok(Self {
                document,
                at: 0,
                room: Room::new(),
            }),
            Err(error) => Err(Fault::new(Code::BadUtf8, error.to_string())),
        }
    }

    #[inline]
    fn bytes(&self) -> &'a [u8] {
        self.document.as_bytes()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The fault of something else standing where `wanted` should.
    #[cold]
    fn unexpected(&self, wanted: &str) -> Fault {
        if self.peek().is_none() {
            Fault::new(
                Code::Truncated,
                format!("the text ends where {wanted} should stand"),
            )
        } else {
            let found = self
                .document
                .get(self.at..)
                .and_then(|rest| rest.chars().next())
                .unwrap_or('\u{fffd}');
            Fault::new(
                Code::Malformed,
                format!(
                    "`{}` at byte {} where {wanted} should stand",
                    found.escape_default(),
                    self.at
                ),
            )
        }
    }

    /// The fault of a value of another type, or of no value at all.
    #[cold]
    fn other_type(&self, wanted: &'static str) -> Fault {
        let found = match self.peek() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b'n') => "null",
            _ => return self.unexpected(wanted),
        };
        Fault::new(
            Code::TypeMismatch,
            format!("{found} where the schema says {wanted}"),
        )
    }

    #[inline]
    fn expect(&mut self, byte: u8, wanted: &str) -> Result<(), Fault> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected(wanted))
        }
    }

    /// Nothing but white space is left. Tells how many bytes the items of lists and maps took.
    pub(super) fn end(mut self) -> Result<usize, Fault> {
        self.skip_space();
        match self.bytes().len() - self.at {
            0 => Ok(self.room.spent()),
            left => Err(Fault::new(
                Code::TrailingBytes,
                format!("{left} bytes are left after the object"),
            )),
        }
    }

    pub(super) fn object_begins(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'{') {
            self.at += 1;
            Ok(())
        } else {
            Err(self.other_type("an object"))
        }
    }

    pub(super) fn array_begins(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'[') {
            self.at += 1;
            Ok(())
        } else {
            Err(self.other_type("an array"))
        }
    }

    /// After the opening bracket: whether an item follows, or `close`.
    #[inline]
    pub(super) fn first_item(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(self.unexpected("an item")),
        }
    }

    /// After an item: whether another follows, or `close`.
    #[inline]
    pub(super) fn next_item(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.unexpected("`,` or the end")),
        }
    }

    /// A property's name and the colon.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, Fault> {
        let key = self.string()?;
        self.skip_space();
        self.expect(b':', "`:`")?;
        self.skip_space();
        Ok(key)
    }

    /// Takes a property's name and the colon, if they stand here as `written`.
    #[inline]
    pub(super) fn takes(&mut self, written: &str) -> bool {
        let found = !written.is_empty() && self.bytes()[self.at..].starts_with(written.as_bytes());
        if found {
            self.at += written.len();
            self.skip_space();
        }
        found
    }

    /// Takes a null, if one stands here.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, Fault> {
        if self.peek() == Some(b'n') {
            self.word("null").map(|()| true)
        } else {
            Ok(false)
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = &self.bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else if word.as_bytes().starts_with(rest) {
            Err(Fault::new(
                Code::Truncated,
                format!("the text ends within `{word}`"),
            ))
        } else {
            Err(self.unexpected(word))
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.other_type("a boolean")),
        }
    }

    /// The extent of a number by JSON's grammar, and whether it is written as an integer.
    fn number_text(&mut self, wanted: &'static str) -> Result<(&'a str, bool), Fault> {
        let start = self.at;
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.other_type(wanted));
        }
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok((&self.document[start..self.at], whole))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.unexpected("a digit"))
        } else {
            Ok(())
        }
    }

    /// A number without a fraction; `2.0` and `2e3` are such.
    #[inline]
    pub(super) fn integer(&mut self) -> Result<i64, Fault> {
        if let Some((value, length)) = quick::integer(&self.bytes()[self.at..]) {
            self.at += length;
            return Ok(value);
        }
        let (text, whole) = self.number_text("an integer")?;
        if whole {
            return text.parse().map_err(|_| too_large(text));
        }
        let value: f64 = text.parse().map_err(|_| too_large(text))?;
        // Beyond 2⁵³ doubles skip integers.
        if value.fract() != 0.0 {
            Err(Fault::new(
                Code::TypeMismatch,
                format!("{text} where the schema says an integer"),
            ))
        } else if value.abs() > 9_007_199_254_740_992.0 {
            Err(too_large(text))
        } else {
            Ok(value as i64)
        }
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<f64, Fault> {
        if let Some((value, length)) = quick::number(&self.bytes()[self.at..]) {
            self.at += length;
            return Ok(value);
        }
        let (text, _) = self.number_text("a number")?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(too_large(text)),
        }
    }

    /// A string without its quotation marks; copied only where it holds escapes.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at + 1;
        self.expect(b'"', "a string")?;
        if self.plain_run()? == b'"' {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.document[start..self.at - 1]));
        }
        let mut out = self.bytes()[start..self.at].to_vec();
        self.unescape(&mut out)?;
        // The document is UTF-8 and escapes are written as UTF-8.
        Ok(Cow::Owned(
            String::from_utf8(out).expect("text unescaped from UTF-8 is UTF-8"),
        ))
    }

    /// Appends a string's text.
    #[inline]
    pub(super) fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.other_type("a string"));
        }
        self.at += 1;
        let start = self.at;
        let end = self.plain_run()?;
        out.extend_from_slice(&self.bytes()[start..self.at]);
        if end == b'"' {
            self.at += 1;
            Ok(())
        } else {
            self.unescape(out)
        }
    }

    /// Moves to the next quotation mark or backslash and tells which.
    #[inline]
    fn plain_run(&mut self) -> Result<u8, Fault> {
        let rest = &self.bytes()[self.at..];
        match quick::plain_length(rest) {
            Some(length) => {
                self.at += length;
                match rest[length] {
                    byte @ (b'"' | b'\\') => Ok(byte),
                    _ => Err(self.unexpected("text without control characters")),
                }
            }
            None => Err(Fault::new(Code::Truncated, "the text ends within a string")),
        }
    }

    /// The rest of a string, from its first backslash to behind its quotation mark.
    fn unescape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let start = self.at;
            let end = self.plain_run()?;
            out.extend_from_slice(&self.bytes()[start..self.at]);
            self.at += 1;
            if end == b'"' {
                return Ok(());
            }
            let escape = self.peek().ok_or_else(|| self.unexpected("an escape"))?;
            self.at += 1;
            out.push(match escape {
                b'"' | b'\\' | b'/' => escape,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(self.code_point()?.encode_utf8(&mut buffer).as_bytes());
                    continue;
                }
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("an escape"));
                }
            });
        }
    }

    fn code_point(&mut self) -> Result<char, Fault> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                let second = if self.bytes()[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    self.four_digits()?
                } else {
                    0
                };
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone_surrogate(first));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| lone_surrogate(code))
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.unexpected("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Any value, checked for its grammar only.
    pub(super) fn skip_value(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => {
                self.at += 1;
                let mut more = self.first_item(b'}')?;
                while more {
                    self.key()?;
                    self.skip_value(depth + 1)?;
                    more = self.next_item(b'}')?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                let mut more = self.first_item(b']')?;
                while more {
                    self.skip_value(depth + 1)?;
                    more = self.next_item(b']')?;
                }
                Ok(())
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number_text("a number").map(|_| ()),
            _ => Err(self.unexpected("a value")),
        }
    }
}

#[cold]
pub(super) fn too_deep() -> Fault {
    Fault::new(
        Code::TooDeep,
        format!("values nested deeper than {MAX_DEPTH}"),
    )
}

#[cold]
fn too_large(text: &str) -> Fault {
    let shown: String = text.chars().take(40).collect();
    Fault::new(Code::NumberOutOfRange, format!("{shown} is too large"))
}

#[cold]
fn lone_surrogate(code: u32) -> Fault {
    Fault::new(
        Code::BadUtf8,
        format!("\\u{code:04x} is half of a character"),
    )
}
