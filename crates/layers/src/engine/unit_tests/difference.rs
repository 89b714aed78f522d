//! How the rows that a model makes differ from those expected, whatever their order.

/// A row's cells as text, `None` where they are null.
pub type Cells = Vec<Option<String>>;

/// With more pairs of rows than this, rows that are alike are not looked for.
const MOST_PAIRS: usize = 250_000;

/// A table of the rows: `+++` before those that are there and not expected, `---` before those expected and not there,
/// `→` before those of which some cells are other than expected. `None` where all rows are expected.
pub fn difference(columns: &[String], expected: &[Cells], actual: Vec<Cells>) -> Option<String> {
    let mut lines: Vec<(&str, Cells)> = Vec::new();
    let mut missing: Vec<Cells> = expected.to_vec();
    let mut more = Vec::new();
    for row in actual {
        match missing.iter().position(|wanted| *wanted == row) {
            Some(found) => {
                missing.swap_remove(found);
                lines.push(("", row));
            }
            None => more.push(row),
        }
    }
    if missing.is_empty() && more.is_empty() {
        return None;
    }
    for (wanted, found) in alike(&mut missing, &mut more) {
        let cells = wanted.iter().zip(&found).map(|(wanted, found)| {
            Some(if wanted == found {
                shown(wanted.as_ref())
            } else {
                format!("{}→{}", shown(wanted.as_ref()), shown(found.as_ref()))
            })
        });
        lines.push(("→", cells.collect()));
    }
    lines.extend(more.into_iter().map(|row| ("+++", row)));
    lines.extend(missing.into_iter().map(|row| ("---", row)));
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    let header = columns.iter().cloned().map(Some).collect();
    lines.insert(0, ("@@", header));
    Some(format!(
        "\nactual differs from expected:\n\n{}",
        table(&lines)
    ))
}

/// Pairs of a row that is missing and one that is there instead: those with the most cells in common first.
fn alike(missing: &mut Vec<Cells>, more: &mut Vec<Cells>) -> Vec<(Cells, Cells)> {
    if missing.len().saturating_mul(more.len()) > MOST_PAIRS {
        return Vec::new();
    }
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (at, wanted) in missing.iter().enumerate() {
        for (other, found) in more.iter().enumerate() {
            let same = wanted.iter().zip(found).filter(|(a, b)| a == b).count();
            if same > 0 {
                pairs.push((same, at, other));
            }
        }
    }
    pairs.sort_by_key(|(same, at, other)| (std::cmp::Reverse(*same), *at, *other));
    let mut taken = (vec![false; missing.len()], vec![false; more.len()]);
    let mut found = Vec::new();
    for (_, at, other) in pairs {
        if !taken.0[at] && !taken.1[other] {
            (taken.0[at], taken.1[other]) = (true, true);
            found.push((missing[at].clone(), more[other].clone()));
        }
    }
    let left = |rows: &mut Vec<Cells>, taken: &[bool]| {
        let mut taken = taken.iter();
        rows.retain(|_| taken.next() == Some(&false));
    };
    left(missing, &taken.0);
    left(more, &taken.1);
    found
}

fn shown(cell: Option<&String>) -> String {
    cell.map_or_else(|| "NULL".to_owned(), Clone::clone)
}

/// Lines with their cells below each other.
fn table(lines: &[(&str, Cells)]) -> String {
    let width = |column: usize| {
        let cells = lines
            .iter()
            .map(|(_, cells)| shown(cells[column].as_ref()).chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, |(_, cells)| cells.len()))
        .map(width)
        .collect();
    let mut text = String::new();
    for (mark, cells) in lines {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:<width$}", shown(cell.as_ref())))
            .collect();
        let line = format!("{mark:<3},{}", cells.join(","));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Cells> {
        let cell = |text: &str| (text != "-").then(|| text.to_owned());
        text.split(' ')
            .filter(|row| !row.is_empty())
            .map(|row| row.split(',').map(cell).collect())
            .collect()
    }

    fn told(expected: &str, actual: &str) -> Option<String> {
        let columns = ["id".to_owned(), "name".to_owned()];
        difference(&columns, &rows(expected), rows(actual))
    }

    #[test]
    fn the_order_of_rows_is_no_difference_and_their_number_is() {
        assert_eq!(told("1,a 2,b 2,b", "2,b 1,a 2,b"), None);
        assert_eq!(told("", ""), None);
        let once = told("1,a 1,a", "1,a").expect("one is missing");
        assert!(
            once.ends_with("@@ ,id,name\n   ,1 ,a\n---,1 ,a\n"),
            "{once}"
        );
    }

    #[test]
    fn a_row_with_another_cell_shows_both() {
        let text = told("1,a 2,b 3,-", "1,a 2,c 4,d").expect("they differ");
        assert!(
            text.ends_with("@@ ,id,name\n   ,1 ,a\n→  ,2 ,b→c\n---,3 ,NULL\n+++,4 ,d\n"),
            "{text}"
        );
        assert!(told("1,-", "1,").is_some(), "null is no empty text");
    }
}
