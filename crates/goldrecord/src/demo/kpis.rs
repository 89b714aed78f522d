//! The table of figures that a demo ends with.

use comfy_table::{CellAlignment, Table, presets};
use datafusion::prelude::SessionContext;

use crate::Result;
use crate::output::thousands;
use crate::rows::query;

/// What each figure is called, and the query of one column `n` behind it.
const FIGURES: [(&str, &str); 9] = [
    (
        "events in bronze",
        "select sum(rows_in_bronze) as n from gold.data_quality_daily",
    ),
    (
        "sent twice and dropped",
        "select sum(duplicates_dropped) as n from gold.data_quality_daily",
    ),
    (
        "listens",
        "select sum(listens) as n from gold.listening_hourly",
    ),
    (
        "hours listened",
        "select cast(sum(seconds) / 3600 as bigint) as n from gold.listening_hourly",
    ),
    (
        "listeners",
        "select count(distinct user_id) as n from silver.user_days",
    ),
    (
        "active on an average day",
        "select cast(round(avg(active_users)) as bigint) as n from gold.active_users_daily",
    ),
    (
        "registrations",
        "select sum(registrations) as n from gold.subscriptions_daily",
    ),
    (
        "upgrades to paid",
        "select sum(upgrades) as n from gold.subscriptions_daily",
    ),
    (
        "cancellations",
        "select sum(cancellations) as n from gold.subscriptions_daily",
    ),
];

/// Gold's headline figures, and the most played song.
pub async fn table(context: &SessionContext) -> Result<Table> {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(["figure", "value"]);
    for (name, sql) in FIGURES {
        let rows = query(context, sql).await?;
        let value = rows
            .iter()
            .next()
            .map(|row| row.integer("n"))
            .transpose()?
            .flatten();
        table.add_row([
            name.to_owned(),
            thousands(value.unwrap_or_default().max(0) as u64),
        ]);
    }
    let top = query(
        context,
        "select song, artist from gold.top_songs_daily group by song_id, song, artist
         order by sum(listens) desc, song limit 1",
    )
    .await?;
    if let Some(row) = top.iter().next() {
        let part = |column| row.text(column).map(Option::unwrap_or_default);
        table.add_row([
            "most played".to_owned(),
            format!("{} – {}", part("artist")?, part("song")?),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok(table)
}
