"""minute.py LAKE EVENTS: one more minute in bronze, as if the simulation had gone on.

The newest events of each topic come again with ids of their own, a minute later, as many of each topic as it has of all.
"""

import sys
from pathlib import Path

import pyarrow
import pyarrow.compute as compute
from deltalake import DeltaTable, write_deltalake

MINUTE = 60_000_000


def newest(table, count):
    """The last good rows of a table."""
    last = max(
        day
        for day in table.to_pyarrow_table(columns=["event_date"])["event_date"]
        .unique()
        .to_pylist()
        if day is not None
    )
    rows = table.to_pyarrow_table(partitions=[("event_date", "=", last.isoformat())])
    rows = rows.filter(compute.equal(rows["_kind"], "good"))
    order = compute.sort_indices(rows, sort_keys=[("ts", "descending")])
    return rows.take(order[:count])


def later(rows):
    def replaced(rows, name, values):
        index = rows.schema.get_field_index(name)
        return rows.set_column(
            index, rows.schema.field(index), values.cast(rows.schema.field(index).type)
        )

    ids = compute.binary_join_element_wise(rows["eventId"], "later", "-")
    rows = replaced(rows, "eventId", ids)
    # Within the day: a minute later where that is the same day, else as it is.
    moment = compute.cast(rows["ts"], pyarrow.int64())
    shifted = compute.add(moment, MINUTE)
    day = 86_400_000_000
    same = compute.equal(compute.divide(moment, day), compute.divide(shifted, day))
    return replaced(
        rows,
        "ts",
        compute.cast(compute.if_else(same, shifted, moment), rows["ts"].type),
    )


def main():
    lake, events = Path(sys.argv[1]), int(sys.argv[2])
    tables = {
        path.name: DeltaTable(str(path)) for path in sorted((lake / "bronze").iterdir())
    }
    counts = {
        name: sum(table.get_add_actions(flatten=True).column("num_records").to_pylist())
        for name, table in tables.items()
    }
    total = sum(counts.values())
    for name, table in tables.items():
        count = max(1, round(events * counts[name] / total))
        write_deltalake(
            str(lake / "bronze" / name), later(newest(table, count)), mode="append"
        )


if __name__ == "__main__":
    main()
