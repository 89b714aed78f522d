//! The day as a gold record: twenty-four bars around the label, midnight at the top.

use super::{Frame, mark};
use crate::html::put;
use crate::number::{count, ratio, share};

const INNER: f64 = 46.0;
const OUTER: f64 = 98.0;

/// Draws listens by hour of the day.
pub fn draw(out: &mut String, frame: &Frame<'_>, hours: &[u64; 24]) {
    let max = hours.iter().copied().max().unwrap_or(0).max(1) as f64;
    let total: u64 = hours.iter().sum();
    frame.open(out, "class=\"record\" viewBox=\"-112 -112 224 224\"");
    put!(out, "<circle class=\"disc\" r=\"{OUTER}\"/>");
    for groove in [56.0, 67.0, 78.0, 89.0] {
        put!(out, "<circle class=\"groove\" r=\"{groove}\"/>");
    }
    for (hour, listens) in hours.iter().enumerate() {
        let reach = INNER + 3.0 + (OUTER - INNER - 5.0) * (*listens as f64 / max);
        let says = format!(
            "{hour:02}:00–{:02}:00: {} listens, {} of the day",
            hour + 1,
            count(*listens),
            share(ratio(*listens, total))
        );
        mark(out, "spoke", &says);
        put!(
            out,
            "<path class=\"fill\" d=\"{}\"/></g>\n",
            wedge(hour, reach)
        );
    }
    put!(
        out,
        "<circle class=\"label\" r=\"{}\"/><circle class=\"hole\" r=\"4\"/>",
        INNER - 4.0
    );
    for (hour, class, x, y) in [
        (0, "mid", 0.0, -103.0),
        (6, "", 103.0, 4.0),
        (12, "mid", 0.0, 111.0),
        (18, "end", -103.0, 4.0),
    ] {
        put!(
            out,
            "<text class=\"tick {class}\" x=\"{x}\" y=\"{y}\">{hour:02}</text>"
        );
    }
    put!(
        out,
        "<text class=\"on-label\" y=\"-14\">listens</text><text class=\"on-label\" y=\"24\">by hour</text>"
    );
    out.push_str("</svg>\n");
}

/// The ring sector of an hour, a little narrower than its fifteen degrees.
fn wedge(hour: usize, reach: f64) -> String {
    let angle = |degrees: f64| (degrees - 90.0).to_radians();
    let (a, b) = (
        angle(hour as f64 * 15.0 + 1.2),
        angle(hour as f64 * 15.0 + 13.8),
    );
    let point = |r: f64, at: f64| format!("{:.2} {:.2}", r * at.cos(), r * at.sin());
    format!(
        "M{}A{INNER} {INNER} 0 0 1 {}L{}A{reach:.2} {reach:.2} 0 0 0 {}Z",
        point(INNER, a),
        point(INNER, b),
        point(reach, b),
        point(reach, a)
    )
}
