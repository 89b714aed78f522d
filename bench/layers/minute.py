"""minute.py within-reach LAKE: leave out sessions that reach beyond the day after they begin. minute.py last-day LAKE:
leave only the last day of bronze. minute.py append LAKE EVENTS: one more minute, as if the simulation had gone on.

The newest events of each topic come again with ids of their own, a minute later, as many of each topic as it has of all
on that day.
"""

import sys
from pathlib import Path

import pyarrow
import pyarrow.compute as compute
from deltalake import DeltaTable, write_deltalake

MINUTE = 60_000_000


def tables_of(lake):
    return {
        path.name: DeltaTable(str(path)) for path in sorted((lake / "bronze").iterdir())
    }


def last_day(tables):
    """The last day of which any table has events."""
    return max(
        partition["event_date"]
        for table in tables
        for partition in table.partitions()
        if partition["event_date"]
    )


def within_reach(tables):
    """The project's own test lets no session reach further; of two million, one may."""
    spans = pyarrow.concat_tables(
        table.to_pyarrow_table(columns=["sessionId", "event_date"])
        .group_by("sessionId")
        .aggregate([("event_date", "min"), ("event_date", "max")])
        for table in tables
    )
    spans = (
        spans.drop_null()
        .group_by("sessionId")
        .aggregate([("event_date_min", "min"), ("event_date_max", "max")])
    )
    days = compute.days_between(
        spans["event_date_min_min"], spans["event_date_max_max"]
    )
    long = spans.filter(compute.greater(days, 1))["sessionId"].to_pylist()
    if long:
        listed = ", ".join(map(str, long))
        for table in tables:
            table.delete(f'"sessionId" in ({listed})')
    print(f"{len(long)} of {spans.num_rows} sessions are left out")


def events_of(table, day):
    rows = table.to_pyarrow_table(partitions=[("event_date", "=", str(day))])
    return rows.filter(compute.equal(rows["_kind"], "good"))


def newest(rows, count):
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
    what, lake = sys.argv[1], Path(sys.argv[2])
    tables = tables_of(lake)
    if what == "within-reach":
        within_reach(tables.values())
        return
    day = last_day(tables.values())
    if what == "last-day":
        for table in tables.values():
            # Whole partitions: the files of that day stay as they are.
            table.delete(f"event_date < '{day}'")
        return
    events = {name: events_of(table, day) for name, table in tables.items()}
    total = sum(rows.num_rows for rows in events.values())
    for name, rows in events.items():
        count = max(1, round(int(sys.argv[3]) * rows.num_rows / total))
        write_deltalake(
            str(lake / "bronze" / name), later(newest(rows, count)), mode="append"
        )


if __name__ == "__main__":
    main()
