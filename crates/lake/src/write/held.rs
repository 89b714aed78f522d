//! What a writer holds in memory, told while it comes and goes.

use std::sync::Arc;

/// Is told by how many bytes more, or fewer, a writer now holds; on whichever thread it happens.
pub type Meter = Arc<dyn Fn(isize) + Send + Sync>;

/// Bytes held by one part of a writer; given back when dropped.
#[derive(Default)]
pub(crate) struct Held {
    meter: Option<Meter>,
    bytes: usize,
}

impl Held {
    /// Nothing yet, told to this meter, if there is one.
    pub(crate) fn new(meter: Option<&Meter>) -> Self {
        Self {
            meter: meter.cloned(),
            bytes: 0,
        }
    }

    /// Corrects the number of bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        let change = bytes.cast_signed() - self.bytes.cast_signed();
        self.bytes = bytes;
        if change != 0
            && let Some(meter) = &self.meter
        {
            meter(change);
        }
    }

    /// Another part that holds nothing yet, told to the same meter.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.meter.as_ref())
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Held").field(&self.bytes).finish()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}
