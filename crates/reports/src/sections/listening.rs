//! When, what and where people listen.

use super::{close, figure, open, peak};
use crate::charts::{Frame, bars, dots, hours, lines, record};
use crate::date::{self, WEEKDAYS};
use crate::html::{empty, numbers};
use crate::number::{count, ratio, share};
use crate::{Ranked, Report};

pub fn listening(out: &mut String, report: &Report) {
    let days = &report.days;
    let week = hours::week(&report.hours);
    let busiest = (0..7)
        .flat_map(|d| (0..24).map(move |h| (d, h)))
        .max_by_key(|(d, h)| (week[*d][*h], std::cmp::Reverse((*d, *h))));
    let mut lede = String::new();
    if let Some(day) = peak(days, |d| d.listens).filter(|d| d.listens > 0) {
        lede = format!(
            "The peak was {} with {} listens",
            date::long(&day.date),
            count(day.listens)
        );
        if let Some((d, h)) = busiest.filter(|(d, h)| week[*d][*h] > 0) {
            lede = format!(
                "{lede}; over the week, {} at {h:02}:00 is the busiest hour",
                WEEKDAYS[d]
            );
        }
        lede.push('.');
    }
    open(out, "listening", "Listening", &lede);
    let dates: Vec<&str> = days.iter().map(|d| d.date.as_str()).collect();
    figure(out, 6, "Listens by day", |out| {
        if days.is_empty() {
            return empty(out, "No day has any listens yet.");
        }
        let listens = lines::Series {
            name: "Listens",
            class: "c1",
            values: days.iter().map(|d| d.listens as f64).collect(),
        };
        let frame = Frame {
            id: "by-day",
            title: "Listens by day",
            desc: &lede,
        };
        lines::draw(out, &frame, &dates, &[listens], 180);
    });
    figure(out, 6, "Active users by day", |out| {
        if days.is_empty() {
            return empty(out, "No day has any active users yet.");
        }
        let users = lines::Series {
            name: "Active users",
            class: "c2",
            values: days.iter().map(|d| d.active_users as f64).collect(),
        };
        let frame = Frame {
            id: "active",
            title: "Active users by day",
            desc: "Users with at least one event on the day.",
        };
        lines::draw(out, &frame, &dates, &[users], 180);
    });
    figure(out, 12, "Listens by hour and weekday", |out| {
        if week.iter().flatten().all(|n| *n == 0) {
            return empty(out, "No hour has any listens yet.");
        }
        let mut by_hour = [0; 24];
        for day in &week {
            for (sum, n) in by_hour.iter_mut().zip(day) {
                *sum += n;
            }
        }
        out.push_str("<div class=\"clock\"><div>");
        let frame = Frame {
            id: "hours",
            title: "Listens by hour and weekday",
            desc: &lede,
        };
        hours::draw(out, &frame, &week);
        out.push_str("</div>");
        let frame = Frame {
            id: "record",
            title: "Listens by hour of the day",
            desc: "A bar for each hour around a record, midnight at the top.",
        };
        record::draw(out, &frame, &by_hour);
        out.push_str("</div>\n");
    });
    if !days.is_empty() {
        out.push_str("<div class=\"w12\">");
        let rows = days
            .iter()
            .map(|d| vec![date::long(&d.date), count(d.listens), count(d.active_users)]);
        numbers(out, &["Day", "Listens", "Active users"], rows);
        out.push_str("</div>");
    }
    close(out);
}

pub fn music(out: &mut String, report: &Report) {
    let total: u64 = report.days.iter().map(|d| d.listens).sum();
    let lede = match report.songs.first() {
        Some(first) if total > 0 && first.listens > 0 => {
            let by = if first.detail.is_empty() {
                String::new()
            } else {
                format!(" by {}", first.detail)
            };
            let top: u64 = report.songs.iter().map(|s| s.listens).sum();
            format!(
                "“{}”{by} leads with {} listens; the {} songs below make up {} of all listening.",
                first.name,
                count(first.listens),
                report.songs.len(),
                share(ratio(top, total))
            )
        }
        _ => String::new(),
    };
    open(out, "music", "Music", &lede);
    figure(out, 6, "Top songs", |out| {
        ranking(out, "Top songs by listens", "bars", &report.songs, total);
    });
    figure(out, 6, "Top artists", |out| {
        ranking(
            out,
            "Top artists by listens",
            "bars",
            &report.artists,
            total,
        );
    });
    close(out);
}

pub fn places(out: &mut String, report: &Report) {
    let places = &report.places;
    let total: u64 = report.days.iter().map(|d| d.listens).sum();
    let lede = match (places.states.first(), places.cities.first()) {
        (Some(state), Some(city)) if state.listens > 0 => {
            format!(
                "{} is the first state with {} listens, {} the first city with {}.",
                state.name,
                count(state.listens),
                city.name,
                count(city.listens)
            )
        }
        _ => String::new(),
    };
    open(out, "places", "Places", &lede);
    let known = dots::drawable(&places.dots);
    figure(out, 8, "Where people listen", |out| {
        if known.is_empty() {
            return empty(out, "No place has a known position.");
        }
        let desc = format!(
            "{} places by longitude and latitude; the area of a dot is its listens.",
            count(known.len() as u64)
        );
        let frame = Frame {
            id: "map",
            title: "Where people listen",
            desc: &desc,
        };
        dots::draw(out, &frame, &known);
    });
    figure(out, 4, "By state", |out| {
        ranking(out, "States by listens", "bars", &places.states, total);
    });
    figure(out, 12, "By city", |out| {
        ranking(out, "Cities by listens", "bars two", &places.cities, total);
    });
    close(out);
}

fn ranking(out: &mut String, label: &str, class: &str, rows: &[Ranked], total: u64) {
    if rows.is_empty() {
        return empty(out, "Nothing has been played yet.");
    }
    bars::draw(out, label, class, rows, total);
}
