//! The lineage of the models: a layered graph, sources on the left, drawn in columns.

use std::collections::BTreeMap;

use super::{Frame, mark};
use crate::html::{Esc, put, shorten};
use crate::number::{count, seconds};
use crate::{Lineage, Model, Status};

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 38.0;
const GAP_X: f64 = 78.0;
const GAP_Y: f64 = 12.0;
const HEAD: f64 = 26.0;

/// Where each model stands: its column, and its place in the column.
struct Layout {
    columns: Vec<Vec<usize>>,
    edges: Vec<(usize, usize)>,
}

/// Layers stand left of each other whatever the edges say; unknown ones go last.
fn layer_order(layer: &str) -> usize {
    ["bronze", "seeds", "silver", "gold"]
        .iter()
        .position(|l| *l == layer)
        .unwrap_or(4)
}

impl Layout {
    fn of(lineage: &Lineage) -> Layout {
        let index: BTreeMap<&str, usize> = lineage
            .models
            .iter()
            .enumerate()
            .map(|(i, m)| (m.name.as_str(), i))
            .collect();
        let mut edges: Vec<(usize, usize)> = lineage
            .edges
            .iter()
            .filter_map(|(from, to)| Some((*index.get(from.as_str())?, *index.get(to.as_str())?)))
            .filter(|(from, to)| from != to)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let columns = order(
            columns(&lineage.models, &edges),
            &edges,
            lineage.models.len(),
        );
        Layout { columns, edges }
    }
}

/// A model's column is one past the last of what it reads, and past every column of the layers before its own.
fn columns(models: &[Model], edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut column = vec![0usize; models.len()];
    let mut start = 0;
    for layer in 0..=4 {
        let members: Vec<usize> = (0..models.len())
            .filter(|m| layer_order(&models[*m].layer) == layer)
            .collect();
        if members.is_empty() {
            continue;
        }
        for m in &members {
            column[*m] = start;
        }
        // The longest path within the layer; a circle, which no project has, ends after as many rounds as models.
        for _ in 0..members.len() {
            let mut moved = false;
            for (from, to) in edges
                .iter()
                .filter(|(f, t)| members.contains(f) && members.contains(t))
            {
                if column[*to] <= column[*from] && column[*from] + 1 < start + members.len() {
                    column[*to] = column[*from] + 1;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        start = members
            .iter()
            .map(|m| column[*m])
            .max()
            .map_or(start, |last| last + 1);
    }
    let mut columns = vec![Vec::new(); start];
    for (m, c) in column.iter().enumerate() {
        columns[*c].push(m);
    }
    columns
}

/// Orders each column by the mean place of its neighbours, to and fro, so that few edges cross.
fn order(mut columns: Vec<Vec<usize>>, edges: &[(usize, usize)], models: usize) -> Vec<Vec<usize>> {
    let mut place = vec![0.0f64; models];
    let settle = |column: &[usize], place: &mut [f64]| {
        for (i, m) in column.iter().enumerate() {
            place[*m] = (i as f64 + 0.5) / column.len() as f64;
        }
    };
    for column in &columns {
        settle(column, &mut place);
    }
    for sweep in 0..12 {
        for c in 0..columns.len() {
            let c = if sweep % 2 == 0 {
                c
            } else {
                columns.len() - 1 - c
            };
            let mean = |m: usize| {
                let near = edges.iter().filter_map(|(from, to)| match sweep % 2 {
                    0 => (*to == m).then_some(*from),
                    _ => (*from == m).then_some(*to),
                });
                let (sum, n) =
                    near.fold((0.0, 0.0), |(sum, n), other| (sum + place[other], n + 1.0));
                if n > 0.0 { sum / n } else { place[m] }
            };
            let mut keyed: Vec<(f64, usize)> = columns[c].iter().map(|m| (mean(*m), *m)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[c] = keyed.into_iter().map(|(_, m)| m).collect();
            settle(&columns[c], &mut place);
        }
    }
    columns
}

/// Draws the graph; the caller has made sure that there are models.
pub fn draw(out: &mut String, frame: &Frame<'_>, lineage: &Lineage) {
    let layout = Layout::of(lineage);
    let tallest = layout.columns.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let plot = tallest * (HEIGHT + GAP_Y);
    let width = layout.columns.len() as f64 * (WIDTH + GAP_X) - GAP_X + 4.0;
    let mut at = vec![(0.0, 0.0); lineage.models.len()];
    for (c, column) in layout.columns.iter().enumerate() {
        // Short columns are spread over the height, but not torn apart.
        let pitch = (plot / column.len() as f64).min((HEIGHT + GAP_Y) * 2.2);
        let top = HEAD + (plot - pitch * column.len() as f64) / 2.0;
        for (i, m) in column.iter().enumerate() {
            at[*m] = (
                2.0 + c as f64 * (WIDTH + GAP_X),
                top + pitch * i as f64 + (pitch - HEIGHT) / 2.0,
            );
        }
    }
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Lineage, scrolls sideways\">"
    );
    frame.open(
        out,
        &format!(
            "class=\"lineage\" viewBox=\"0 0 {width} {:.0}\" style=\"min-width:{:.0}px\"",
            HEAD + plot,
            width * 0.78
        ),
    );
    heads(out, lineage, &layout);
    for (from, to) in &layout.edges {
        let ((x1, y1), (x2, y2)) = (
            (at[*from].0 + WIDTH, at[*from].1 + HEIGHT / 2.0),
            (at[*to].0, at[*to].1 + HEIGHT / 2.0),
        );
        let bend = ((x2 - x1) / 2.0).max(30.0);
        put!(
            out,
            "<path class=\"edge\" data-from=\"{from}\" data-to=\"{to}\" d=\"M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\"/>\n",
            x1 + bend,
            x2 - bend
        );
    }
    for (m, model) in lineage.models.iter().enumerate() {
        node(out, m, model, at[m]);
    }
    out.push_str("</svg></div>\n");
}

/// The layers' names above their first columns.
fn heads(out: &mut String, lineage: &Lineage, layout: &Layout) {
    let mut last = "";
    for (c, column) in layout.columns.iter().enumerate() {
        let Some(layer) = column.first().map(|m| lineage.models[*m].layer.as_str()) else {
            continue;
        };
        if layer != last {
            put!(
                out,
                "<text class=\"head\" x=\"{:.0}\" y=\"14\">{}</text>\n",
                2.0 + c as f64 * (WIDTH + GAP_X),
                Esc(layer)
            );
            last = layer;
        }
    }
}

fn node(out: &mut String, index: usize, model: &Model, (x, y): (f64, f64)) {
    let layer = match model.layer.as_str() {
        layer @ ("bronze" | "silver" | "gold") => layer,
        _ => "other",
    };
    mark(
        out,
        &format!("node {layer} {}", class(model.status)),
        &says(model),
    );
    put!(
        out,
        "<rect class=\"box\" data-node=\"{index}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"5\"/>"
    );
    put!(
        out,
        "<rect class=\"strip\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"5\" height=\"{HEIGHT}\" rx=\"2\"/>"
    );
    put!(
        out,
        "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + 13.0,
        y + 16.0,
        Esc(&shorten(&model.name, 24))
    );
    let mut below = Vec::new();
    if let Some(rows) = model.rows {
        below.push(format!("{} rows", count(rows)));
    }
    if !model.way.is_empty() {
        below.push(model.way.clone());
    }
    put!(
        out,
        "<text class=\"below\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + 13.0,
        y + 30.0,
        Esc(&shorten(&below.join(" · "), 30))
    );
    put!(
        out,
        "<text class=\"glyph\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
        x + WIDTH - 9.0,
        y + 30.0,
        glyph(model)
    );
}

/// A status has a sign as well as a colour.
pub fn glyph(model: &Model) -> &'static str {
    match model.status {
        Status::Failed => "✕",
        Status::Skipped => "–",
        _ if model.tests_failed > 0 => "✕",
        Status::Built | Status::Unchanged if model.tests_passed > 0 => "✓",
        Status::Unchanged => "=",
        Status::Built => "•",
        Status::Source => "",
    }
}

/// The word of a status.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Source => "source",
        Status::Built => "built",
        Status::Unchanged => "unchanged",
        Status::Skipped => "skipped",
        Status::Failed => "failed",
    }
}

/// The colour class of a status.
pub fn class(status: Status) -> &'static str {
    match status {
        Status::Source => "s-source",
        Status::Built => "s-ok",
        Status::Unchanged => "s-same",
        Status::Skipped => "s-skip",
        Status::Failed => "s-fail",
    }
}

fn says(model: &Model) -> String {
    let mut says = format!("{}: {}", model.name, word(model.status));
    if !model.way.is_empty() {
        put!(&mut says, " ({})", model.way);
    }
    if let Some(rows) = model.rows {
        put!(&mut says, ", {} rows", count(rows));
    }
    if let Some(s) = model.seconds {
        put!(&mut says, ", {}", seconds(s));
    }
    if model.tests_passed + model.tests_failed > 0 {
        put!(
            &mut says,
            ", {} tests passed, {} failed",
            model.tests_passed,
            model.tests_failed
        );
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, layer: &str) -> Model {
        Model {
            name: name.to_owned(),
            layer: layer.to_owned(),
            ..Model::default()
        }
    }

    fn lineage(models: &[(&str, &str)], edges: &[(&str, &str)]) -> Lineage {
        Lineage {
            models: models
                .iter()
                .map(|(name, layer)| model(name, layer))
                .collect(),
            edges: edges
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_model_stands_right_of_what_it_reads() {
        let l = lineage(
            &[
                ("g", "gold"),
                ("events", "bronze"),
                ("fct", "silver"),
                ("days", "silver"),
            ],
            &[
                ("events", "fct"),
                ("fct", "days"),
                ("days", "g"),
                ("fct", "g"),
            ],
        );
        assert_eq!(Layout::of(&l).columns, [vec![1], vec![2], vec![3], vec![0]]);
    }

    #[test]
    fn circles_and_unknown_names_do_not_hang_the_page() {
        let l = lineage(
            &[("a", "silver"), ("b", "silver")],
            &[("a", "b"), ("b", "a"), ("a", "a"), ("a", "nobody")],
        );
        let layout = Layout::of(&l);
        assert_eq!(layout.columns.iter().map(Vec::len).sum::<usize>(), 2);
        assert_eq!(layout.edges, [(0, 1), (1, 0)]);
    }

    #[test]
    fn neighbours_are_drawn_side_by_side() {
        let l = lineage(
            &[
                ("a", "bronze"),
                ("b", "bronze"),
                ("x", "gold"),
                ("y", "gold"),
            ],
            &[("a", "y"), ("b", "x")],
        );
        let columns = Layout::of(&l).columns;
        let crossed = (columns[0] == [0, 1]) == (columns[1] == [2, 3]);
        assert!(!crossed, "{columns:?}");
    }
}
