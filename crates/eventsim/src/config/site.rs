//! The site as a state machine: pages with their probabilities of what comes next.

use std::collections::HashMap;

use goldrecord_contract::Topic;
use serde_json::Value;

use super::reader::{Object, refuse};
use crate::error::Result;
use crate::random::{Random, Weighted};

/// What a user is on: a page as one kind of user sees it.
#[derive(Clone, Debug)]
pub struct State {
    /// The page.
    pub page: String,
    /// Guest, Logged In, Logged Out, Cancelled …
    pub auth: String,
    /// The HTTP method.
    pub method: String,
    /// The HTTP status.
    pub status: i64,
    /// The subscription's level.
    pub level: String,
    /// The topic of the page's events.
    pub topic: Topic,
    /// Whether events name the user.
    pub show_user: bool,
    /// Whether arriving here is a registration.
    pub registers: bool,
    /// Which of [`Site::sessions`] the user's next session is drawn from; None if the user is gone.
    pub next_session: Option<u16>,
    /// Next states with the running sum of their probabilities; past the last the session ends.
    next: Vec<(f64, u16)>,
}

impl State {
    /// Whether arriving here plays a song.
    #[inline]
    pub fn plays(&self) -> bool {
        self.topic == Topic::Listen
    }

    /// The state after this one, or None where the session ends.
    #[inline]
    pub fn following(&self, random: &mut Random) -> Option<u16> {
        let draw = random.unit();
        self.next
            .iter()
            .find(|(sum, _)| draw < *sum)
            .map(|(_, state)| *state)
    }

    fn describe(&self) -> String {
        describe(
            &self.page,
            &self.auth,
            self.status,
            &self.method,
            &self.level,
        )
    }
}

/// A choice by weight among numbers of states or of choices.
type Choice = (Weighted, Vec<u16>);

/// A choice among auths, and for each auth one among the choices of sessions.
type Newcomers = (Weighted, Vec<Choice>);

/// All states and where sessions begin.
#[derive(Clone, Debug)]
pub struct Site {
    /// Every state that a transition names.
    pub states: Vec<State>,
    /// First states of sessions, one choice for each pair of auth and level.
    sessions: Vec<Choice>,
    /// The auth that users begin with, and for each the choice of sessions by the level's weight.
    newcomers: Newcomers,
}

impl Site {
    /// Where a user of the simulation begins: an index for [`Site::begin_session`].
    pub fn newcomer(&self, random: &mut Random) -> u16 {
        let (by_level, sessions) = &self.newcomers.1[self.newcomers.0.pick(random)];
        sessions[by_level.pick(random)]
    }

    /// The first state of a session.
    #[inline]
    pub fn begin_session(&self, sessions: u16, random: &mut Random) -> u16 {
        let (choice, states) = &self.sessions[usize::from(sessions)];
        states[choice.pick(random)]
    }

    /// Read the site's keys.
    pub fn read(file: &str, root: &Object<'_>) -> Result<Self> {
        let mut builder = Builder {
            file,
            states: Vec::new(),
            known: HashMap::new(),
        };
        for item in root.need_list("transitions")? {
            builder.transition(item)?;
        }
        // Changes of level may also stand in lists of their own; they are transitions like the others.
        for key in ["upgrades", "downgrades"] {
            for item in root.list(key)? {
                builder.transition(item)?;
            }
        }
        let churned = root.text("churned-state")?;
        let sessions = builder.new_sessions(root, churned)?;
        builder.show_user_details(root)?;
        let newcomers = newcomers(file, root, &sessions.pairs)?;
        Ok(Self {
            states: builder.states,
            sessions: sessions.choices,
            newcomers,
        })
    }
}

const STATE_KEYS: &[&str] = &["page", "auth", "method", "status", "level"];

struct Builder<'a> {
    file: &'a str,
    states: Vec<State>,
    known: HashMap<(String, String, i64, String, String), u16>,
}

struct Sessions {
    choices: Vec<Choice>,
    /// The auth and level of each choice.
    pairs: HashMap<(String, String), u16>,
}

impl Builder<'_> {
    fn transition(&mut self, (path, item): (String, &Value)) -> Result<()> {
        let object = Object::new(self.file, &path, item, &["source", "dest", "p"])?;
        let mut end = |key: &str| -> Result<u16> {
            let path = format!("{path}.{key}");
            self.state(&path, object.need_value(key)?, STATE_KEYS, true)
        };
        let (source, dest) = (end("source")?, end("dest")?);
        let p = object.need_number("p", 0.0, 1.0)?;
        let name = self.states[usize::from(dest)].describe();
        let source = &mut self.states[usize::from(source)];
        if source.next.iter().any(|(_, next)| *next == dest) {
            let problem = format!("goes from {} to {name} a second time", source.describe());
            return Err(refuse(self.file, &path, problem, "keep one of the two"));
        }
        let sum = source.next.last().map_or(0.0, |(sum, _)| *sum) + p;
        // Decimal fractions that add up to 1 on paper may miss it by a rounding.
        if sum > 1.0 + 1e-9 {
            let problem = format!(
                "with it the probabilities from {} add up to {}",
                source.describe(),
                (sum * 1e6).round() / 1e6
            );
            return Err(refuse(
                self.file,
                &path,
                problem,
                "make them 1 at most; what is missing to 1 ends the session",
            ));
        }
        source.next.push((sum, dest));
        Ok(())
    }

    /// The index of the state an object describes; a new one is added if it may be.
    fn state(&mut self, path: &str, item: &Value, keys: &[&str], add: bool) -> Result<u16> {
        let object = Object::new(self.file, path, item, keys)?;
        let text = |key: &str| -> Result<String> { Ok(object.need_text(key)?.to_owned()) };
        let (page, auth, method, level) = (
            text("page")?,
            text("auth")?,
            text("method")?,
            text("level")?,
        );
        let status = object.need_whole("status", 100, 599)?;
        let key = (
            page.clone(),
            auth.clone(),
            status,
            method.clone(),
            level.clone(),
        );
        if let Some(state) = self.known.get(&key) {
            return Ok(*state);
        }
        if !add {
            let problem = format!(
                "no transition knows the state {}",
                describe(&page, &auth, status, &method, &level)
            );
            return Err(refuse(
                self.file,
                path,
                problem,
                "name a state that a transition has as source or dest",
            ));
        }
        let state = u16::try_from(self.states.len()).map_err(|_| {
            refuse(
                self.file,
                path,
                "there are more than 65,536 states",
                "use fewer",
            )
        })?;
        self.known.insert(key, state);
        self.states.push(State {
            topic: Topic::of_page(&page),
            registers: page == "Submit Registration",
            show_user: false,
            next_session: None,
            next: Vec::new(),
            page,
            auth,
            method,
            status,
            level,
        });
        Ok(state)
    }

    fn new_sessions(&mut self, root: &Object<'_>, churned: Option<&str>) -> Result<Sessions> {
        let mut grouped: Vec<(Vec<f64>, Vec<u16>)> = Vec::new();
        let mut pairs: HashMap<(String, String), u16> = HashMap::new();
        let keys = [STATE_KEYS, &["weight"]].concat();
        for (path, item) in root.need_list("new-session")? {
            let at = self.state(&path, item, &keys, false)?;
            let weight =
                Object::new(self.file, &path, item, &keys)?.need_number("weight", 0.0, f64::MAX)?;
            let state = &self.states[usize::from(at)];
            let group = *pairs
                .entry((state.auth.clone(), state.level.clone()))
                .or_insert(grouped.len() as u16);
            if usize::from(group) == grouped.len() {
                grouped.push((Vec::new(), Vec::new()));
            }
            let (weights, states) = &mut grouped[usize::from(group)];
            weights.push(weight);
            states.push(at);
        }
        let mut choices = Vec::new();
        for (weights, states) in grouped {
            let Some(choice) = Weighted::new(&weights) else {
                let first = &self.states[usize::from(states[0])];
                let problem = format!("all weights for {} and {} are 0", first.auth, first.level);
                return Err(root.refuse("new-session", problem, "give one a positive weight"));
            };
            choices.push((choice, states));
        }
        for state in &mut self.states {
            if churned == Some(state.auth.as_str()) {
                continue;
            }
            state.next_session = pairs
                .get(&(state.auth.clone(), state.level.clone()))
                .copied();
            let ends = state.next.last().is_none_or(|(sum, _)| *sum < 1.0 - 1e-9);
            if ends && state.next_session.is_none() {
                let problem = format!(
                    "nothing begins for {} and {}, but a session can end at {}",
                    state.auth,
                    state.level,
                    state.describe()
                );
                return Err(root.refuse(
                    "new-session",
                    problem,
                    "add an entry for them, or make that auth the churned-state",
                ));
            }
        }
        Ok(Sessions { choices, pairs })
    }

    fn show_user_details(&mut self, root: &Object<'_>) -> Result<()> {
        let mut shown: HashMap<String, bool> = HashMap::new();
        for (path, item) in &root.need_list("show-user-details")? {
            let object = Object::new(self.file, path, item, &["auth", "show"])?;
            shown.insert(
                object.need_text("auth")?.to_owned(),
                object.need_bool("show")?,
            );
        }
        for state in &mut self.states {
            state.show_user = *shown.get(state.auth.as_str()).ok_or_else(|| {
                let problem = format!("does not say whether to show users who are {}", state.auth);
                root.refuse("show-user-details", problem, "add an entry for them")
            })?;
        }
        Ok(())
    }
}

/// Auths by weight, and for each the levels by weight that have a new session.
fn newcomers(
    file: &str,
    root: &Object<'_>,
    pairs: &HashMap<(String, String), u16>,
) -> Result<Newcomers> {
    let auths = weights(file, root, "auths", "auth")?;
    let levels = weights(file, root, "levels", "level")?;
    let (mut auth_weights, mut choices) = (Vec::new(), Vec::new());
    for (auth, weight) in auths.into_iter().filter(|(_, weight)| *weight > 0.0) {
        let (level_weights, sessions): (Vec<f64>, Vec<u16>) = levels
            .iter()
            .filter_map(|(level, weight)| {
                Some((*weight, *pairs.get(&(auth.clone(), level.clone()))?))
            })
            .unzip();
        let Some(choice) = Weighted::new(&level_weights) else {
            let problem = format!(
                "users may begin as {auth}, but new-session has nothing for that auth and any level"
            );
            return Err(root.refuse(
                "auths",
                problem,
                "add a new-session entry for it, or set its weight to 0",
            ));
        };
        auth_weights.push(weight);
        choices.push((choice, sessions));
    }
    let choice = Weighted::new(&auth_weights)
        .ok_or_else(|| root.refuse("auths", "all weights are 0", "give one a positive weight"))?;
    Ok((choice, choices))
}

fn weights(file: &str, root: &Object<'_>, list: &str, name: &str) -> Result<Vec<(String, f64)>> {
    let mut weights = Vec::new();
    for (path, item) in &root.need_list(list)? {
        let object = Object::new(file, path, item, &[name, "weight"])?;
        weights.push((
            object.need_text(name)?.to_owned(),
            object.need_number("weight", 0.0, f64::MAX)?,
        ));
    }
    Ok(weights)
}

fn describe(page: &str, auth: &str, status: i64, method: &str, level: &str) -> String {
    format!("{page} ({auth}, {method} {status}, {level})")
}
