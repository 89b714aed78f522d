//! Listeners that come, play songs, wander over the site and leave.
//!
//! Every user has a stream of random numbers of its own and is simulated apart from the others, so
//! that threads can share the users in any way: their events are merged by (time, user, ordinal),
//! and the result is the same for any number of threads.

mod calibrate;
mod listener;
mod rhythm;
mod slices;

use goldrecord_contract::Event;
use goldrecord_service::Shutdown;

use crate::calendar::DAY;
use crate::catalogue::Catalogue;
use crate::config::{Config, LAST_FIRST_USER, Site};
use crate::error::{Error, Result};
use crate::people::{People, Profile};
use crate::random::Random;
use listener::{NO_SONG, Record};
use rhythm::Rhythm;

/// When nothing says otherwise, the simulation begins on 2026-10-01.
const DEFAULT_START: i64 = 1_790_812_800_000;
/// Each user has room for 2 to this many sessions: 28 a day for a hundred years.
const SESSIONS_BITS: u32 = 20;

/// What is simulated. Equal options make equal events, whatever `threads` is.
#[derive(Clone, Debug)]
pub struct SimulationOptions {
    /// The site and the rhythm.
    pub config: Config,
    /// Exactly so many events, spread over the days; None for as many as the configuration's rhythm
    /// brings.
    pub events: Option<u64>,
    /// How many users there are.
    pub users: u32,
    /// How many days are simulated.
    pub days: u32,
    /// Where the first day begins: milliseconds since 1970, UTC.
    pub start: i64,
    /// Where all random numbers come from.
    pub seed: u64,
    /// The first user's id, from 0 to 2³²; the others follow. Simulations side by side whose users differ share no id of
    /// a session either.
    pub first_user_id: i64,
    /// A text that every event carries.
    pub tag: Option<String>,
    /// How many threads simulate; 0 is one for each core.
    pub threads: usize,
}

impl SimulationOptions {
    /// The options that a configuration gives, with defaults where it is silent: 10,000 users,
    /// 30 days, from 2026-10-01.
    pub fn new(config: Config) -> Self {
        let start = config.start.unwrap_or(DEFAULT_START);
        let days = config.end.map_or(30, |end| {
            u32::try_from((end - start + DAY - 1) / DAY).unwrap_or(0)
        });
        Self {
            events: None,
            users: config.users.unwrap_or(10_000),
            days,
            start,
            seed: config.seed,
            first_user_id: config.first_user_id,
            tag: config.tag.clone(),
            threads: 0,
            config,
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |option, problem: &str| {
            Err(Error::Option {
                option,
                problem: problem.into(),
            })
        };
        if self.users == 0 {
            return refuse("users", "is 0; give one at least");
        }
        if self.days == 0 || self.days > 36_500 {
            return refuse(
                "days",
                "must be from 1 to 36,500, and the end must lie after the start",
            );
        }
        if self.events == Some(0) {
            return refuse("events", "is 0; give one at least");
        }
        if !(0..=LAST_FIRST_USER).contains(&self.first_user_id) {
            return refuse("first-user-id", "must be from 0 to 4294967296");
        }
        if !(0..250_000_000_000_000).contains(&self.start) {
            return refuse("start", "must lie between 1970 and 9892");
        }
        Ok(())
    }

    /// The ids of sessions are the numbers above this one.
    fn sessions_after(&self) -> i64 {
        (self.first_user_id - 1).max(0) << SESSIONS_BITS
    }

    fn end(&self) -> i64 {
        self.start + i64::from(self.days) * DAY
    }

    fn threads(&self) -> usize {
        let wanted = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        wanted.min(self.users as usize)
    }

    /// Eight hex digits that differ between runs with different events.
    fn run(&self) -> String {
        let text = format!(
            "{:x} {:?} {} {} {} {} {} {:?}",
            self.config.digest,
            self.events,
            self.users,
            self.days,
            self.start,
            self.seed,
            self.first_user_id,
            self.tag
        );
        format!("{:08x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32)
    }
}

/// Everything that users share: read by all threads, changed by none.
#[derive(Clone, Copy)]
struct World<'a> {
    site: &'a Site,
    catalogue: &'a Catalogue,
    rhythm: Rhythm,
    seed: u64,
    start: i64,
}

impl World<'_> {
    fn with(self, rhythm: Rhythm) -> Self {
        Self { rhythm, ..self }
    }
}

/// Simulate, and hand each event to `visit` in order of time.
///
/// Ends after the last event, at the first error of `visit`, or with [`Error::Stopped`] when a
/// shutdown is requested. Returns how many events were visited.
pub fn simulate(
    options: &SimulationOptions,
    shutdown: &Shutdown,
    mut visit: impl FnMut(&Event<'_>) -> Result<()>,
) -> Result<u64> {
    options.check()?;
    let (people, catalogue) = (People::new(), Catalogue::new());
    let mut world = World {
        site: &options.config.site,
        catalogue: &catalogue,
        rhythm: Rhythm::new(options.config.rhythm),
        seed: options.seed,
        start: options.start,
    };
    if let Some(events) = options.events {
        world.rhythm = calibrate::rhythm_for(&world, options, events, shutdown)?;
    }
    let profiles: Vec<Profile> = (0..options.users)
        .map(|user| people.draw(&mut Random::of(!options.seed, u64::from(user))))
        .collect();
    let mut id = EventId::new(&options.run());
    slices::run(&world, options, shutdown, |record| {
        let user = User {
            people: &people,
            profile: profiles[record.user as usize],
        };
        visit(&event_of(&world, options, user, record, &mut id))
    })
}

/// Who the user of an event is.
#[derive(Clone, Copy)]
struct User<'a> {
    people: &'a People,
    profile: Profile,
}

/// The event of a record, borrowing every text.
fn event_of<'a>(
    world: &World<'a>,
    options: &'a SimulationOptions,
    User { people, profile }: User<'a>,
    record: &Record,
    id: &'a mut EventId,
) -> Event<'a> {
    let state = &world.site.states[usize::from(record.state)];
    let user_id = options.first_user_id + i64::from(record.user);
    let session = options.sessions_after()
        + i64::from(record.session) * i64::from(options.users)
        + i64::from(record.user)
        + 1;
    let mut event = Event {
        event_id: id.of(user_id, record.ordinal),
        ts: record.ts,
        session_id: session,
        page: &state.page,
        auth: &state.auth,
        method: &state.method,
        status: state.status,
        level: &state.level,
        item_in_session: i64::from(record.item),
        tag: options.tag.as_deref(),
        success: Some(record.success),
        prev_level: Some(&world.site.states[usize::from(record.previous)].level),
        ..Event::default()
    };
    if state.show_user {
        let place = people.place(profile);
        let (first_name, gender) = people.first_name(profile);
        event.user_id = Some(user_id);
        event.city = Some(place.city);
        event.state = Some(place.state);
        event.zip = Some(place.zip);
        event.lat = Some(place.lat);
        event.lon = Some(place.lon);
        event.user_agent = Some(people.user_agent(profile));
        event.first_name = Some(first_name);
        event.last_name = Some(people.last_name(profile));
        event.gender = Some(gender);
        event.registration = record.registration();
    }
    if record.song != NO_SONG {
        let (song, artist) = (
            world.catalogue.song(record.song),
            world.catalogue.artist_of(record.song),
        );
        event.artist = Some(&artist.name);
        event.song = Some(&song.title);
        event.duration = Some(song.duration);
        event.song_id = Some(&song.id);
        event.artist_id = Some(&artist.id);
    }
    event
}

/// Writes event ids, `<run>-<user>-<ordinal>`, into one buffer.
struct EventId {
    text: String,
    prefix: usize,
}

impl EventId {
    fn new(run: &str) -> Self {
        Self {
            text: format!("{run}-"),
            prefix: run.len() + 1,
        }
    }

    fn of(&mut self, user: i64, ordinal: u32) -> &str {
        let mut number = itoa::Buffer::new();
        self.text.truncate(self.prefix);
        self.text.push_str(number.format(user));
        self.text.push('-');
        self.text.push_str(number.format(ordinal));
        &self.text
    }
}
