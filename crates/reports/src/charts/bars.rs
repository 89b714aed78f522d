//! A ranking: names, values and bars, as an ordered list.

use crate::Ranked;
use crate::html::{Esc, put};
use crate::number::{count, share};

/// Draws the rows as they come; the class is `bars`, or `bars two` for two columns. `total` (0: unknown) gives each row's share, shown on hover.
pub fn draw(out: &mut String, label: &str, class: &str, rows: &[Ranked], total: u64) {
    let max = rows.iter().map(|r| r.listens).max().unwrap_or(0).max(1) as f64;
    put!(
        out,
        "<ol class=\"{class}\" aria-label=\"{}\">\n",
        Esc(label)
    );
    for row in rows {
        let mut says = format!("{} listens", count(row.listens));
        if let Some(listeners) = row.listeners {
            put!(&mut says, ", {} listeners", count(listeners));
        }
        if total > 0 {
            put!(
                &mut says,
                ", {} of all",
                share(row.listens as f64 / total as f64)
            );
        }
        put!(
            out,
            "<li title=\"{}\"><span class=\"who\"><b>{}</b>",
            Esc(&says),
            Esc(&row.name)
        );
        if !row.detail.is_empty() {
            put!(out, " <i>{}</i>", Esc(&row.detail));
        }
        put!(
            out,
            "</span><span class=\"value\">{}</span><svg class=\"bar\" width=\"100%\" height=\"6\" aria-hidden=\"true\"><rect class=\"rail\" width=\"100%\" height=\"6\" rx=\"3\"/><rect class=\"fill\" width=\"{:.2}%\" height=\"6\" rx=\"3\"/></svg></li>\n",
            count(row.listens),
            row.listens as f64 / max * 100.0
        );
    }
    out.push_str("</ol>\n");
}
