//! A figure's course, the size of a word.

use crate::html::put;

/// Draws `values` from their least to their greatest; nothing for fewer than two.
pub fn draw(out: &mut String, values: &[f64]) {
    if values.len() < 2 {
        return;
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    out.push_str("<svg class=\"spark\" viewBox=\"0 0 120 26\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"line c1\" d=\"");
    for (i, value) in values.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let x = i as f64 / (values.len() - 1) as f64 * 120.0;
        put!(
            out,
            "{letter}{x:.1} {:.1}",
            24.0 - (value - low) / span * 22.0
        );
    }
    out.push_str("\"/></svg>\n");
}
