//! Reading Avro's binary primitives.

use super::fault::{Code, Fault};
use super::room::Room;

/// The bytes not yet read.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// For the items of lists and maps.
    pub(super) room: Room,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            room: Room::new(),
        }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(truncated()),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(truncated()),
        }
    }

    /// A zigzag variable-length number of 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        // Most numbers are lengths and union branches of one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                let value = u64::from(*byte);
                Ok((value >> 1) as i64 ^ -((value & 1) as i64))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, Fault> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        if self.rest.len() < 10 {
            return Err(truncated());
        }
        Err(Fault::new(
            Code::Malformed,
            "a number is longer than 64 bits",
        ))
    }

    /// A number that must fit 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?)
            .map_err(|_| Fault::new(Code::NumberOutOfRange, "an int is larger than 32 bits"))
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(Fault::new(Code::Malformed, format!("a length of {length}"))),
        }
    }
}

#[cold]
fn truncated() -> Fault {
    Fault::new(Code::Truncated, "the value ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for value in [
            0,
            -1,
            1,
            63,
            -64,
            64,
            300,
            -300,
            i64::MAX,
            i64::MIN,
            1 << 40,
        ] {
            let mut bytes = Vec::new();
            let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
            while zigzag >= 0x80 {
                bytes.push(zigzag as u8 | 0x80);
                zigzag >>= 7;
            }
            bytes.push(zigzag as u8);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.long(), Ok(value));
            assert_eq!(cursor.left(), 0);
            if bytes.len() > 1 {
                let cut = Cursor::new(&bytes[..bytes.len() - 1]).long();
                assert_eq!(cut.expect_err("cut short").code, Code::Truncated);
            }
        }
    }

    #[test]
    fn a_number_that_never_ends_is_malformed() {
        assert_eq!(
            Cursor::new(&[0xff; 32]).long().expect_err("too long").code,
            Code::Malformed
        );
    }
}
