//! A map of dots: places by longitude and latitude, their area by listens.

use super::{Frame, mark};
use crate::Place;
use crate::html::{Esc, put};
use crate::number::count;

/// The part of the world that is shown, in degrees.
struct Window {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Window {
    /// What holds every place, with a margin, at least a few degrees wide.
    fn around(places: &[&Place]) -> Window {
        let bound = |get: fn(&Place) -> f64| {
            let low = places.iter().map(|p| get(p)).fold(f64::INFINITY, f64::min);
            let high = places
                .iter()
                .map(|p| get(p))
                .fold(f64::NEG_INFINITY, f64::max);
            let margin = ((high - low) * 0.05).max(1.5);
            (low - margin, high + margin)
        };
        let (west, east) = bound(|p| p.lon);
        let (south, north) = bound(|p| p.lat);
        Window {
            west,
            east,
            south,
            north,
        }
    }

    /// Width by height, a degree of longitude shortened as it is at the middle latitude.
    fn aspect(&self) -> f64 {
        let shrink = f64::midpoint(self.south, self.north)
            .to_radians()
            .cos()
            .max(0.3);
        ((self.east - self.west) * shrink / (self.north - self.south)).clamp(1.0, 2.4)
    }

    fn x(&self, lon: f64) -> f64 {
        (lon - self.west) / (self.east - self.west) * 100.0
    }

    fn y(&self, lat: f64) -> f64 {
        (self.north - lat) / (self.north - self.south) * 100.0
    }
}

/// The places that can be drawn: a position on Earth, and at least one listen.
pub fn drawable(places: &[Place]) -> Vec<&Place> {
    let mut found: Vec<&Place> = places
        .iter()
        .filter(|p| p.lat.abs() <= 90.0 && p.lon.abs() <= 180.0 && p.listens > 0)
        .collect();
    // Large ones first, so that small ones lie on top.
    found.sort_by(|a, b| b.listens.cmp(&a.listens).then_with(|| a.name.cmp(&b.name)));
    found
}

/// Draws what [`drawable`] chose; the caller has made sure that there is something.
pub fn draw(out: &mut String, frame: &Frame<'_>, places: &[&Place]) {
    let window = Window::around(places);
    let max = places.iter().map(|p| p.listens).max().unwrap_or(1) as f64;
    frame.open(
        out,
        &format!(
            "class=\"map\" style=\"aspect-ratio:{:.3}\"",
            window.aspect()
        ),
    );
    graticule(out, &window);
    for place in places {
        mark(
            out,
            "place",
            &format!("{}: {} listens", place.name, count(place.listens)),
        );
        put!(
            out,
            "<circle cx=\"{:.2}%\" cy=\"{:.2}%\" r=\"{:.1}\"/></g>\n",
            window.x(place.lon),
            window.y(place.lat),
            1.5 + 11.5 * (place.listens as f64 / max).sqrt()
        );
    }
    labels(out, &window, places);
    out.push_str("</svg>\n");
}

/// Lines of latitude and longitude, labelled at the edge.
fn graticule(out: &mut String, window: &Window) {
    let widest = (window.east - window.west).max((window.north - window.south) * 1.5);
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0]
        .into_iter()
        .find(|s| widest / s <= 7.0)
        .unwrap_or(60.0);
    let lines = |low: f64, high: f64| {
        ((low / step).ceil() as i32..=(high / step).floor() as i32)
            .map(move |i| f64::from(i) * step)
    };
    for lon in lines(window.west, window.east) {
        let x = window.x(lon);
        put!(
            out,
            "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"
        );
        if (4.0..96.0).contains(&x) {
            let side = if lon < 0.0 { "W" } else { "E" };
            put!(
                out,
                "<text class=\"tick mid\" x=\"{x:.2}%\" y=\"100%\" dy=\"-5\">{}°{side}</text>\n",
                lon.abs()
            );
        }
    }
    for lat in lines(window.south, window.north) {
        let y = window.y(lat);
        put!(
            out,
            "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\"/>"
        );
        if (6.0..92.0).contains(&y) {
            let side = if lat < 0.0 { "S" } else { "N" };
            put!(
                out,
                "<text class=\"tick\" x=\"4\" y=\"{y:.2}%\" dy=\"-4\">{}°{side}</text>\n",
                lat.abs()
            );
        }
    }
}

/// Names beside the largest places, where no other name stands already.
fn labels(out: &mut String, window: &Window, places: &[&Place]) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for place in places.iter().take(40) {
        let (x, y) = (window.x(place.lon), window.y(place.lat));
        if taken
            .iter()
            .any(|(tx, ty)| (tx - x).abs() < 24.0 && (ty - y).abs() < 9.0)
        {
            continue;
        }
        let (class, dx) = if x > 72.0 { ("end", -9) } else { ("", 9) };
        put!(
            out,
            "<text class=\"town {class}\" x=\"{x:.2}%\" y=\"{y:.2}%\" dx=\"{dx}\" dy=\"4\">{}</text>\n",
            Esc(&place.name)
        );
        taken.push((x, y));
        if taken.len() == 7 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lat: f64, lon: f64, listens: u64) -> Place {
        Place {
            name: "Here".to_owned(),
            lat,
            lon,
            listens,
        }
    }

    #[test]
    fn places_off_the_earth_are_left_out() {
        let places = [
            place(1.0, 2.0, 3),
            place(f64::NAN, 2.0, 3),
            place(91.0, 0.0, 1),
            place(0.0, 181.0, 1),
            place(0.0, 0.0, 0),
        ];
        assert_eq!(drawable(&places), [&places[0]]);
    }

    #[test]
    fn a_single_place_stands_in_the_middle() {
        let here = place(48.2, 16.4, 10);
        let window = Window::around(&[&here]);
        assert!((window.x(16.4) - 50.0).abs() < 1e-9 && (window.y(48.2) - 50.0).abs() < 1e-9);
    }
}
