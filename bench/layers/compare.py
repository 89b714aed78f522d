"""compare.py LAKE FOLDER: do the Parquet tables that Spark made in FOLDER hold what the lake's silver and gold do?

Rows are counted, floating-point columns added up, and of every other column the hashes of its values added up, which
come out the same in any order of the rows. Prints one line a table; leaves with 1 where one differs.
"""

import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "warehouse" / "oracle"))
import bronze_views  # noqa: E402

FLOATS = {"FLOAT", "DOUBLE"}
# One part in so many is what adding up in another order changes.
TOLERANCE = 1e-9


def sums(connection, relation, columns):
    listed = [
        f'sum("{name}")' if kind in FLOATS else f'sum(hash(cast("{name}" as {kind})))'
        for name, kind in columns
    ]
    row = connection.execute(
        f"select count(*), {', '.join(listed)} from {relation}"
    ).fetchone()
    return dict(zip(("rows", *(name for name, _ in columns)), row, strict=True))


def same(kind, ours, theirs):
    if kind in FLOATS and None not in (ours, theirs):
        return abs(ours - theirs) <= TOLERANCE * max(1, abs(ours))
    return ours == theirs


def main():
    lake, folder = map(Path, sys.argv[1:])
    different = False
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for log in sorted(lake.glob("[gs]*/*/_delta_log")):
            path = log.parent
            name = f"{path.parent.name}.{path.name}"
            bronze_views.show(connection, "ours", DeltaTable(str(path)))
            files = f"{folder}/{path.parent.name}.db/{path.name}/**/*.parquet"
            connection.execute(
                f"create or replace view theirs as select * from read_parquet('{files}', hive_partitioning = true)"
            )
            columns = [
                row[:2] for row in connection.execute("describe ours").fetchall()
            ]
            kinds = dict(columns)
            ours = sums(connection, "ours", columns)
            theirs = sums(connection, "theirs", columns)
            differing = [
                key for key in ours if not same(kinds.get(key), ours[key], theirs[key])
            ]
            different |= bool(differing)
            told = f"differs in {', '.join(differing)}" if differing else "the same"
            print(f"{name}: {ours['rows']:,} rows, {told}", flush=True)
    sys.exit(different)


if __name__ == "__main__":
    main()
