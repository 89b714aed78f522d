//! A file's bytes on their way from the encoder to the disk.
//!
//! Not one vector, which is copied into one of twice its size whenever it is full, and held twice meanwhile.

use std::io;

use bytes::Bytes;

/// Bytes of a segment; larger pieces are segments of their own size.
const SEGMENT: usize = 1 << 20;

/// Bytes one behind the other, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    full: Vec<Bytes>,
    filling: Vec<u8>,
    bytes: usize,
}

impl Segments {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The pieces in their order.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        self.cut();
        self.full
    }

    fn cut(&mut self) {
        if !self.filling.is_empty() {
            self.full.push(std::mem::take(&mut self.filling).into());
        }
    }
}

impl io::Write for Segments {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.len() + bytes.len() > SEGMENT {
            self.cut();
        }
        if self.filling.capacity() == 0 {
            self.filling.reserve_exact(bytes.len().max(SEGMENT));
        }
        self.filling.extend_from_slice(bytes);
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_comes_out_in_its_order(sizes in prop::collection::vec(0..3 * SEGMENT / 2, 0..6)) {
            let mut segments = Segments::default();
            let mut whole = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let bytes = vec![number as u8; *size];
                segments.write_all(&bytes).expect("memory takes it");
                whole.extend(bytes);
            }
            prop_assert_eq!(segments.len(), whole.len());
            let pieces = segments.into_pieces();
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(pieces.concat(), whole);
        }
    }
}
