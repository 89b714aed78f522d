//! The quick ways through text and numbers, which nearly all values go. What they do not take is left to the
//! slow ones, which tell what is wrong.

/// The same byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = all(0x80);

/// How many bytes there are before the first quotation mark, backslash or control character; `None` without one.
///
/// Eight at a time: a byte less than n borrows from its highest bit when n is taken from it. Bytes behind one that
/// borrows may seem to, so only the first counts.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> Option<usize> {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let below = |word: u64, limit: u8| word.wrapping_sub(all(limit)) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = below(word, 0x20) | below(word ^ all(b'"'), 1) | below(word ^ all(b'\\'), 1);
        if special & HIGH != 0 {
            return Some(index * 8 + (special & HIGH).trailing_zeros() as usize / 8);
        }
    }
    rest.iter()
        .position(is_special)
        .map(|place| words.len() * 8 + place)
}

/// So many digits fit 64 bits, whatever they are.
const INTEGER_DIGITS: usize = 18;
/// Numbers of so many digits are exact as doubles, and so are the powers of ten below.
const EXACT_DIGITS: usize = 15;
const POWERS: [f64; EXACT_DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A sign, digits, and a point among them.
struct Digits {
    negative: bool,
    value: i64,
    /// How many stand behind the point.
    behind: usize,
    /// How many bytes all of it takes.
    length: usize,
}

impl Digits {
    /// `None`: more digits than `most`, an exponent, or nothing that JSON calls a number.
    #[inline]
    fn read(bytes: &[u8], most: usize) -> Option<Self> {
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut at, mut value, mut point, mut count) = (start, 0_i64, None, 0);
        loop {
            match bytes.get(at) {
                Some(digit @ b'0'..=b'9') if count < most => {
                    value = value * 10 + i64::from(digit - b'0');
                    count += 1;
                }
                Some(b'.') if point.is_none() => point = Some(at),
                Some(b'.' | b'e' | b'E' | b'0'..=b'9') => return None,
                _ => break,
            }
            at += 1;
        }
        let whole = point.unwrap_or(at) - start;
        let behind = count - whole;
        let well_formed =
            whole > 0 && (whole == 1 || bytes[start] != b'0') && (point.is_none() || behind > 0);
        well_formed.then_some(Self {
            negative,
            value,
            behind,
            length: at,
        })
    }
}

/// An integer, and how many bytes it takes.
#[inline]
pub(super) fn integer(bytes: &[u8]) -> Option<(i64, usize)> {
    let digits = Digits::read(bytes, INTEGER_DIGITS)?;
    let value = if digits.negative {
        -digits.value
    } else {
        digits.value
    };
    (digits.behind == 0 && digits.length < bytes.len()).then_some((value, digits.length))
}

/// A number, and how many bytes it takes. A quotient of two exact numbers is the double nearest to the decimal.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<(f64, usize)> {
    let digits = Digits::read(bytes, EXACT_DIGITS)?;
    let value = digits.value as f64 / POWERS[digits.behind];
    let value = if digits.negative { -value } else { value };
    (digits.length < bytes.len()).then_some((value, digits.length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn special_characters_are_found_where_they_are(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let slow = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            prop_assert_eq!(plain_length(&bytes), slow);
        }

        #[test]
        fn and_among_text(text in "[a-z !#\u{80}-\u{ff}]{0,40}", special in "[\"\\\\\u{0}-\u{1f}]?", tail in ".{0,20}") {
            let bytes = [&text, &special, &tail].map(String::as_bytes).concat();
            let slow = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            prop_assert_eq!(plain_length(&bytes), slow);
        }

        #[test]
        fn numbers_are_what_rust_reads(text in "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,18})?") {
            let document = format!("{text},");
            if let Some((value, length)) = number(document.as_bytes()) {
                prop_assert_eq!(length, text.len());
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().expect("a number").to_bits());
            }
            if let Some((value, length)) = integer(document.as_bytes()) {
                prop_assert_eq!(length, text.len());
                prop_assert_eq!(value, text.parse::<i64>().expect("an integer"));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_left_to_the_slow_way() {
        for text in [
            "", "-", ",", "-,", ".5,", "5.,", "05,", "-01,", "1.2.3,", "1e3,", "1.5E2,", "12",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(integer(b"1.5,"), None);
        assert_eq!(integer(b"1234567890123456789,"), None);
        assert_eq!(
            integer(b"-123456789012345678}"),
            Some((-123_456_789_012_345_678, 19))
        );
        assert_eq!(
            number(b"-0.0]").map(|(value, _)| value.is_sign_negative()),
            Some(true)
        );
    }
}
