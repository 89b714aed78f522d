//! Which rows belong to a flush that was given up.
//!
//! While one flush flies the next one fills, and its rows are on their way to the table's thread when the flying
//! one is given up. They must not come into a later flush: what they hold is read again.

/// Counts how often a topic's rows were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The table's side: it gives up first, and the topic's side follows once it hears of it.
#[derive(Debug, Default)]
pub struct Gate {
    now: Generation,
}

impl Gate {
    /// Whether rows may go into the files of the flush to come.
    pub fn admits(&self, of: Generation) -> bool {
        assert!(of <= self.now, "the table's side gives up first");
        of == self.now
    }

    /// A flush of this generation is asked for.
    pub fn flush(&self, of: Generation) {
        assert_eq!(
            of, self.now,
            "a flush of a generation given up is never asked for"
        );
    }

    /// The flush was given up, and with it all rows on their way.
    pub fn give_up(&mut self) {
        self.now = self.now.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_generation_given_up_are_not_admitted() {
        let mut gate = Gate::default();
        let first = Generation::default();
        assert!(gate.admits(first));
        gate.give_up();
        assert!(!gate.admits(first));
        assert!(gate.admits(first.next()));
    }
}
