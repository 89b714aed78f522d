//! One user and what it does next.

use super::World;
use crate::calendar::DAY;
use crate::random::Random;

/// In a record: the event plays no song.
pub const NO_SONG: u32 = u32::MAX;

/// In a listener and a record: the user has not registered.
const UNREGISTERED: i64 = i64::MIN;

/// Users who are registered at the start became so this long before on average (capped at five years).
const MEAN_MEMBERSHIP: f64 = 200.0 * DAY as f64;
const LONGEST_MEMBERSHIP: f64 = 5.0 * 365.0 * DAY as f64;

/// The auth of visitors without an account.
const GUEST: &str = "Guest";

/// A redirect is followed at once.
const REDIRECT: i64 = 1_000;

/// An event, small enough to sort millions of.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Milliseconds since 1970.
    pub ts: i64,
    registration: i64,
    /// From 0.
    pub user: u32,
    /// The event's number among the user's events, from 0.
    pub ordinal: u32,
    /// The session's number among the user's sessions, from 0.
    pub session: u32,
    /// The event's number within the session, from 0.
    pub item: u32,
    /// The song, or [`NO_SONG`].
    pub song: u32,
    /// The state.
    pub state: u16,
    /// The state of the user's event before this one.
    pub previous: u16,
    /// Whether what the page asked for was done.
    pub success: bool,
}

impl Record {
    /// When the user registered, if it has.
    pub fn registration(&self) -> Option<i64> {
        (self.registration != UNREGISTERED).then_some(self.registration)
    }
}

/// A user as it goes through the site. `next` is always the moment of the event it makes next.
#[derive(Clone, Debug)]
pub struct Listener {
    /// When the next event is due; `i64::MAX` once the user is gone.
    pub next: i64,
    random: Random,
    alpha: f64,
    beta: f64,
    registration: i64,
    song_end: i64,
    song: u32,
    user: u32,
    ordinal: u32,
    session: u32,
    item: u32,
    state: u16,
    previous: u16,
    /// Drawn when the state is entered, because whether a sign-in succeeds shows in what follows it.
    following: Option<u16>,
}

impl Listener {
    /// The user, up to its first event at or after the start.
    pub fn new(world: &World<'_>, user: u32) -> Self {
        let mut random = Random::of(world.seed, u64::from(user));
        let alpha = world.rhythm.alpha * random.around_one();
        let beta = world.rhythm.beta * random.around_one();
        let membership = random.exponential(MEAN_MEMBERSHIP).min(LONGEST_MEMBERSHIP);
        let sessions = world.site.newcomer(&mut random);
        let state = world.site.begin_session(sessions, &mut random);
        let first = world.rhythm.first_session(world.start, beta, &mut random);
        let mut listener = Self {
            next: first,
            alpha,
            beta,
            registration: UNREGISTERED,
            song_end: i64::MIN,
            song: NO_SONG,
            user,
            ordinal: 0,
            session: 0,
            item: 0,
            state,
            previous: state,
            following: None,
            random,
        };
        // Users whom events name are members already; the others register in the simulation.
        if world.site.states[usize::from(state)].auth != GUEST {
            listener.registration = (world.start - membership as i64).min(first);
        }
        listener.enter(world, state);
        while listener.next < world.start {
            listener.step(world);
        }
        listener.ordinal = 0;
        listener
    }

    /// The event that is due.
    #[inline]
    pub fn record(&self, world: &World<'_>) -> Record {
        let states = &world.site.states;
        let plays = states[usize::from(self.state)].plays();
        Record {
            ts: self.next,
            registration: self.registration,
            user: self.user,
            ordinal: self.ordinal,
            session: self.session,
            item: self.item,
            song: if plays { self.song } else { NO_SONG },
            state: self.state,
            previous: self.previous,
            success: self
                .following
                .is_none_or(|next| states[usize::from(next)].status < 400),
        }
    }

    /// Go on to the event after the one that is due.
    #[inline]
    pub fn step(&mut self, world: &World<'_>) {
        self.ordinal += 1;
        self.previous = self.state;
        match self.following {
            Some(state) => {
                self.item += 1;
                self.next = self.arrival(world, state);
                self.enter(world, state);
            }
            None => self.leave(world),
        }
    }

    /// The session has ended: come again later, or never.
    fn leave(&mut self, world: &World<'_>) {
        let Some(sessions) = world.site.states[usize::from(self.state)].next_session else {
            self.next = i64::MAX;
            return;
        };
        self.session += 1;
        self.item = 0;
        self.song = NO_SONG;
        self.next = world
            .rhythm
            .next_session(self.next, self.beta, &mut self.random);
        let state = world.site.begin_session(sessions, &mut self.random);
        self.enter(world, state);
    }

    /// When the user gets to `state`: at once after a redirect, at the end of the song for the next
    /// one, else after some time.
    #[inline]
    fn arrival(&mut self, world: &World<'_>, state: u16) -> i64 {
        let state = &world.site.states[usize::from(state)];
        if (300..400).contains(&state.status) {
            self.next + REDIRECT
        } else if state.plays() && self.song != NO_SONG && self.next < self.song_end {
            self.song_end
        } else {
            self.next + self.random.exponential(self.alpha) as i64
        }
    }

    #[inline]
    fn enter(&mut self, world: &World<'_>, state: u16) {
        self.state = state;
        let state = &world.site.states[usize::from(state)];
        self.following = state.following(&mut self.random);
        if state.plays() {
            self.song = world.catalogue.pick(&mut self.random);
            self.song_end = self.next + (world.catalogue.song(self.song).duration * 1e3) as i64;
        } else if state.registers && self.registration == UNREGISTERED {
            self.registration = self.next;
        }
    }
}
