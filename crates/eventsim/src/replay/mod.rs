//! Files that the original `EventSim` wrote, as events of the contract.
//!
//! One JSON object a line, in order of time. An event's id is a hash of the digest of the unpacked
//! file and the line's number, so that the same file gives the same ids however it is packed.

mod input;
mod line;

use std::collections::HashMap;
use std::fmt::Write as _;

use goldrecord_contract::{Event, Topic};
use goldrecord_service::Shutdown;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};
pub use input::Input;
use line::Line;

/// What was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many events.
    pub events: u64,
    /// XXH3-128 of the unpacked file, in hex.
    pub digest: String,
}

/// Read the file and hand each event to `visit`, in the order of the lines.
///
/// The file is read twice: first for its digest, which also shows damage before anything is visited.
pub fn replay(
    input: &Input,
    shutdown: &Shutdown,
    mut visit: impl FnMut(&Event<'_>) -> Result<()>,
) -> Result<Replayed> {
    let digest = input.digest(shutdown)?;
    let mut lines = input.open()?;
    let mut levels = Levels::default();
    let mut id = String::with_capacity(32);
    let mut number = 0;
    while let Some(bytes) = lines.next_line()? {
        number += 1;
        if number % 4_096 == 0 && shutdown.is_requested() {
            return Err(Error::Stopped { events: number - 1 });
        }
        let broken = |problem: String| Error::Line {
            file: input.name(),
            line: number,
            problem,
        };
        let line = Line::parse(bytes).map_err(broken)?;
        let mut event = line.event().map_err(broken)?;
        id.clear();
        let hash = xxh3_128_with_seed(&digest.to_le_bytes(), number);
        write!(id, "{hash:032x}").expect("a String takes all text");
        event.event_id = &id;
        event.prev_level = levels.before(&event);
        visit(&event)?;
    }
    Ok(Replayed {
        events: number,
        digest: format!("{digest:032x}"),
    })
}

/// The level that each user and session had last.
#[derive(Default)]
struct Levels {
    /// Every level there is; the maps hold places in it.
    names: Vec<String>,
    users: HashMap<i64, usize>,
    sessions: HashMap<i64, usize>,
}

impl Levels {
    /// The level before an event (the user's, else the session's), which then has the event's.
    fn before(&mut self, event: &Event<'_>) -> Option<&str> {
        let now = self
            .names
            .iter()
            .position(|name| name == event.level)
            .unwrap_or_else(|| {
                self.names.push(event.level.to_owned());
                self.names.len() - 1
            });
        let in_session = self.sessions.insert(event.session_id, now);
        let of_user = event.user_id.and_then(|user| self.users.insert(user, now));
        of_user
            .or(in_session)
            .map(|level| self.names[level].as_str())
    }
}

/// Whether a sign-in or sign-out succeeded: those that redirect did. The original says no more.
fn success(topic: Topic, status: i64) -> Option<bool> {
    (topic == Topic::Auth && status == 307).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_before_is_the_users_and_else_the_sessions() {
        let mut levels = Levels::default();
        let mut before = |user, session, level| {
            levels
                .before(&Event {
                    user_id: user,
                    session_id: session,
                    level,
                    ..Event::default()
                })
                .map(String::from)
        };
        assert_eq!(before(None, 1, "free"), None);
        assert_eq!(
            before(Some(7), 1, "paid").as_deref(),
            Some("free"),
            "the session's, as the user is new"
        );
        assert_eq!(
            before(Some(7), 2, "free").as_deref(),
            Some("paid"),
            "the user's, in another session"
        );
        assert_eq!(before(None, 1, "free").as_deref(), Some("paid"));
    }

    #[test]
    fn a_redirect_is_a_success() {
        assert_eq!(success(Topic::Auth, 307), Some(true));
        assert_eq!(success(Topic::Auth, 200), None);
        assert_eq!(success(Topic::Listen, 307), None);
    }
}
