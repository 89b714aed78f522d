//! Who the listeners are: names, places and browsers.

use crate::random::{Random, Weighted};

/// A place that users live in.
#[derive(Clone, Debug)]
pub struct Place {
    /// The city.
    pub city: &'static str,
    /// The state, or the country outside the United States.
    pub state: &'static str,
    /// The postal code.
    pub zip: &'static str,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

/// What a user is besides what it does.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    first_name: u16,
    last_name: u16,
    place: u16,
    user_agent: u16,
}

/// The lists that users are drawn from.
#[derive(Debug)]
pub struct People {
    first_names: Vec<(&'static str, &'static str)>,
    last_names: Vec<&'static str>,
    places: Vec<Place>,
    user_agents: Vec<&'static str>,
    pick_first_name: Weighted,
    pick_last_name: Weighted,
    pick_place: Weighted,
    pick_user_agent: Weighted,
}

const DATA: &str = "the embedded lists are well formed: a test reads them";

impl People {
    /// Read the embedded lists.
    pub fn new() -> Self {
        let first_names: Vec<_> = include_str!("../data/first_names.csv")
            .lines()
            .map(|line| line.split_once(',').expect(DATA))
            .collect();
        let last_names: Vec<_> = include_str!("../data/last_names.txt").lines().collect();
        let (user_agent_weights, user_agents): (Vec<f64>, Vec<_>) =
            include_str!("../data/user_agents.csv")
                .lines()
                .map(|line| line.split_once(',').expect(DATA))
                .map(|(weight, agent)| (weight.parse::<f64>().expect(DATA), agent))
                .unzip();
        let (places, place_weights): (Vec<_>, Vec<_>) = include_str!("../data/us_places.csv")
            .lines()
            .chain(include_str!("../data/world_places.csv").lines())
            .map(place)
            .unzip();
        Self {
            pick_first_name: falling(first_names.len(), 0.5),
            pick_last_name: falling(last_names.len(), 0.6),
            pick_place: Weighted::new(&place_weights).expect(DATA),
            pick_user_agent: Weighted::new(&user_agent_weights).expect(DATA),
            first_names,
            last_names,
            places,
            user_agents,
        }
    }

    /// A user's properties.
    pub fn draw(&self, random: &mut Random) -> Profile {
        Profile {
            first_name: self.pick_first_name.pick(random) as u16,
            last_name: self.pick_last_name.pick(random) as u16,
            place: self.pick_place.pick(random) as u16,
            user_agent: self.pick_user_agent.pick(random) as u16,
        }
    }

    /// First name and gender.
    pub fn first_name(&self, profile: Profile) -> (&'static str, &'static str) {
        self.first_names[usize::from(profile.first_name)]
    }

    /// Last name.
    pub fn last_name(&self, profile: Profile) -> &'static str {
        self.last_names[usize::from(profile.last_name)]
    }

    /// Where the user lives.
    pub fn place(&self, profile: Profile) -> &Place {
        &self.places[usize::from(profile.place)]
    }

    /// The browser's name for itself.
    pub fn user_agent(&self, profile: Profile) -> &'static str {
        self.user_agents[usize::from(profile.user_agent)]
    }
}

/// Weights that fall with the rank, as names' frequencies do.
fn falling(count: usize, exponent: f64) -> Weighted {
    let weights: Vec<f64> = (0..count)
        .map(|rank| (rank as f64 + 10.0).powf(-exponent))
        .collect();
    Weighted::new(&weights).expect(DATA)
}

/// A place and its weight from a line `city,state,zip,lat,lon,weight`.
fn place(line: &'static str) -> (Place, f64) {
    let mut columns = line.split(',');
    let mut next = || columns.next().expect(DATA);
    let (city, state, zip) = (next(), next(), next());
    let mut number = || next().parse::<f64>().expect(DATA);
    (
        Place {
            city,
            state,
            zip,
            lat: number(),
            lon: number(),
        },
        number(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_lists_are_well_formed() {
        let people = People::new();
        assert!(people.places.len() > 200);
        for place in &people.places {
            assert!(
                place.lat.abs() <= 90.0 && place.lon.abs() <= 180.0 && !place.zip.is_empty(),
                "{place:?}"
            );
        }
        let mut identities: Vec<_> = people
            .places
            .iter()
            .map(|place| (place.state, place.city))
            .collect();
        identities.sort_unstable();
        identities.dedup();
        assert_eq!(
            identities.len(),
            people.places.len(),
            "a place is listed once"
        );
        assert!(
            people
                .first_names
                .iter()
                .all(|(_, gender)| matches!(*gender, "F" | "M"))
        );
        assert!(people.last_names.iter().all(|name| !name.is_empty()));
    }
}
