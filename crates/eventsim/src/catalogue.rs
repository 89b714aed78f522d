//! The songs that are played: made-up artists and titles, popular as Zipf's law has it.

use std::collections::HashSet;

use crate::random::{Random, Weighted};

/// How many artists there are.
pub const ARTISTS: usize = 2_000;
/// How many songs each artist has.
pub const SONGS_EACH: usize = 10;

/// A song.
#[derive(Debug)]
pub struct Song {
    /// Identity: `S` and six digits.
    pub id: String,
    /// Title; an artist has it once.
    pub title: String,
    /// Length in seconds, to the millisecond.
    pub duration: f64,
}

/// An artist.
#[derive(Debug)]
pub struct Artist {
    /// Identity: `A` and four digits.
    pub id: String,
    /// Name; no two artists share one.
    pub name: String,
}

/// All songs and how often each is played. The same in every run, whatever the seed.
#[derive(Debug)]
pub struct Catalogue {
    artists: Vec<Artist>,
    songs: Vec<Song>,
    popularity: Weighted,
}

impl Catalogue {
    /// Make the catalogue from the embedded words.
    pub fn new() -> Self {
        let words = Words::new();
        let mut random = Random::of(0x00c0_ffee, 0);
        let (mut artists, mut songs, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for rank in 0..ARTISTS {
            let name = fresh(&mut names, || words.artist(&mut random));
            let mut titles = HashSet::new();
            for number in 0..SONGS_EACH {
                songs.push(Song {
                    id: format!("S{:06}", songs.len() + 1),
                    title: fresh(&mut titles, || words.title(&mut random)),
                    duration: duration(&mut random),
                });
                // Zipf over artists, and flatter over an artist's songs.
                weights.push((rank as f64 + 3.0).powf(-0.95) * (number as f64 + 1.0).powf(-0.6));
            }
            artists.push(Artist {
                id: format!("A{:04}", rank + 1),
                name,
            });
        }
        let popularity = Weighted::new(&weights).expect("every song has a positive weight");
        Self {
            artists,
            songs,
            popularity,
        }
    }

    /// A song by its popularity.
    #[inline]
    pub fn pick(&self, random: &mut Random) -> u32 {
        self.popularity.pick(random) as u32
    }

    /// The song that [`Catalogue::pick`] named.
    #[inline]
    pub fn song(&self, song: u32) -> &Song {
        &self.songs[song as usize]
    }

    /// Who plays the song.
    #[inline]
    pub fn artist_of(&self, song: u32) -> &Artist {
        &self.artists[song as usize / SONGS_EACH]
    }
}

/// Most songs are three to five minutes long, some much longer.
fn duration(random: &mut Random) -> f64 {
    let seconds = (225.0 * (0.32 * random.normal()).exp()).clamp(45.0, 900.0);
    (seconds * 1000.0).round() / 1000.0
}

/// Draw until the name is one that was not drawn before.
fn fresh(taken: &mut HashSet<String>, mut draw: impl FnMut() -> String) -> String {
    loop {
        let name = draw();
        if taken.insert(name.clone()) {
            return name;
        }
    }
}

/// The word lists of `words.txt`, one a section.
struct Words {
    adjectives: Vec<&'static str>,
    nouns: Vec<&'static str>,
    verbs: Vec<&'static str>,
    scenes: Vec<&'static str>,
    bands: Vec<&'static str>,
}

impl Words {
    fn new() -> Self {
        let section = |name: &str| -> Vec<&'static str> {
            include_str!("../data/words.txt")
                .lines()
                .skip_while(|line| {
                    line.strip_prefix('[')
                        .and_then(|rest| rest.strip_suffix(']'))
                        != Some(name)
                })
                .skip(1)
                .take_while(|line| !line.starts_with('['))
                .collect()
        };
        Self {
            adjectives: section("adjectives"),
            nouns: section("nouns"),
            verbs: section("verbs"),
            scenes: section("scenes"),
            bands: section("bands"),
        }
    }

    fn artist(&self, random: &mut Random) -> String {
        let (adjective, noun, other) = (
            one(&self.adjectives, random),
            one(&self.nouns, random),
            one(&self.nouns, random),
        );
        let band = one(&self.bands, random);
        match random.below(10) {
            0..=2 => format!("The {adjective} {noun}s"),
            3 | 4 => format!("{adjective} {noun}"),
            5 => format!("{noun} & {other}"),
            6 => format!("{noun} {other} {band}"),
            7 | 8 => format!("The {noun} {band}"),
            _ => format!("{adjective} {noun} {band}"),
        }
    }

    fn title(&self, random: &mut Random) -> String {
        let (adjective, noun, other) = (
            one(&self.adjectives, random),
            one(&self.nouns, random),
            one(&self.nouns, random),
        );
        let (verb, scene) = (one(&self.verbs, random), one(&self.scenes, random));
        match random.below(12) {
            0..=2 => format!("{adjective} {noun}"),
            3 => format!("{verb} the {noun}"),
            4 => format!("{noun} {scene}"),
            5 => format!("{verb} Me {scene}"),
            6 => format!("The {noun} and the {other}"),
            7 => format!("Don't {verb} the {noun}"),
            8 => format!("{noun} of the {adjective} {other}"),
            9 => format!("{verb} Your {noun}"),
            10 => format!("{adjective} {noun} {scene}"),
            _ => format!("My {adjective} {noun}"),
        }
    }
}

fn one(words: &[&'static str], random: &mut Random) -> &'static str {
    words[random.below(words.len() as u32) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_the_same_every_time() {
        let (one, two) = (Catalogue::new(), Catalogue::new());
        assert_eq!(one.songs.len(), ARTISTS * SONGS_EACH);
        for (a, b) in one.songs.iter().zip(&two.songs) {
            assert_eq!(
                (&a.id, &a.title, a.duration.to_bits()),
                (&b.id, &b.title, b.duration.to_bits())
            );
        }
    }

    #[test]
    fn few_songs_take_much_of_the_listening() {
        let catalogue = Catalogue::new();
        let mut random = Random::of(1, 1);
        let mut plays = vec![0u32; catalogue.songs.len()];
        for _ in 0..200_000 {
            plays[catalogue.pick(&mut random) as usize] += 1;
        }
        plays.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        let top: u32 = plays[..200].iter().sum();
        assert!(
            (30_000..120_000).contains(&top),
            "the first percent of songs had {top} plays"
        );
        assert!(plays.iter().filter(|count| **count > 0).count() > 15_000);
    }
}
