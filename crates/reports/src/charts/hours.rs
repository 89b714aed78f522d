//! Listening by hour and weekday: seven rows of twenty-four cells.

use super::{Frame, mark, ramp};
use crate::HourCell;
use crate::date::WEEKDAYS;
use crate::html::put;
use crate::number::{compact, count};
use crate::scale::step;

const ROW: usize = 28;

/// The cells as a week: `[weekday][hour]`, doubled cells added, cells out of range left out.
pub fn week(cells: &[HourCell]) -> [[u64; 24]; 7] {
    let mut week = [[0; 24]; 7];
    for cell in cells {
        if let Some(slot) = week
            .get_mut(usize::from(cell.weekday))
            .and_then(|day| day.get_mut(usize::from(cell.hour)))
        {
            *slot += cell.listens;
        }
    }
    week
}

/// Draws the week.
pub fn draw(out: &mut String, frame: &Frame<'_>, week: &[[u64; 24]; 7]) {
    let low = week.iter().flatten().copied().min().unwrap_or(0);
    let high = week.iter().flatten().copied().max().unwrap_or(0);
    frame.open(
        out,
        &format!(
            "class=\"chart heat\" width=\"100%\" height=\"{}\"",
            7 * ROW + 24
        ),
    );
    let cell = 100.0 / 24.0;
    for (weekday, hours) in week.iter().enumerate() {
        let y = weekday * ROW;
        let name = WEEKDAYS[weekday];
        put!(
            out,
            "<text class=\"tick end\" x=\"-8\" y=\"{}\">{}</text>\n",
            y + ROW / 2 + 4,
            &name[..3]
        );
        for (hour, listens) in hours.iter().enumerate() {
            mark(
                out,
                "cell",
                &format!(
                    "{name} {hour:02}:00–{:02}:00: {} listens",
                    hour + 1,
                    count(*listens)
                ),
            );
            put!(
                out,
                "<rect class=\"h{}\" x=\"{:.3}%\" y=\"{y}\" width=\"{cell:.3}%\" height=\"{ROW}\"/></g>\n",
                step(*listens as f64, low as f64, high as f64),
                hour as f64 * cell
            );
        }
    }
    for hour in (0..24).step_by(6) {
        put!(
            out,
            "<text class=\"tick mid\" x=\"{:.3}%\" y=\"{}\">{hour:02}</text>\n",
            (f64::from(hour) + 0.5) * cell,
            7 * ROW + 18
        );
    }
    out.push_str("</svg>\n");
    ramp(
        out,
        &compact(low as f64),
        &format!("{} listens in the hour", compact(high as f64)),
    );
}
