"""Show a lake's bronze tables to DuckDB, so that dbt-core can build this project over the same events.

    python oracle/bronze_views.py LAKE/bronze target/lake.duckdb

A table with a Delta log is read at its present version (package `deltalake`); a folder without one is read by glob.
Views show the good rows, as the engine's source() does. The DuckDB file must be named lake.duckdb: its name is the
database's name in the compiled SQL.
"""

import sys
from pathlib import Path

import duckdb

TOPICS = ["listen_events", "page_view_events", "auth_events", "status_change_events"]


def files_of(table: Path) -> list[str]:
    """The live Parquet files of a table's folder."""
    if (table / "_delta_log").is_dir():
        from deltalake import DeltaTable

        return DeltaTable(str(table)).file_uris()
    return [str(file) for file in sorted(table.rglob("*.parquet"))]


def main(bronze: Path, database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema if not exists bronze")
        for topic in TOPICS:
            files = files_of(bronze / topic)
            if not files:
                sys.exit(f"{bronze / topic} holds no Parquet file: was it ingested?")
            good = [
                file
                for file in files
                if "event_date=__HIVE_DEFAULT_PARTITION__" not in file
            ] or files
            listed = ", ".join("'" + file.replace("'", "''") + "'" for file in good)
            hive = (
                "hive_partitioning = true, hive_types = {'event_date': DATE}"
                if "event_date=" in good[0]
                else ""
            )
            options = ", ".join(
                option for option in ["union_by_name = true", hive] if option
            )
            connection.execute(
                f"create or replace view bronze.{topic} as select * from read_parquet([{listed}], {options}) where _kind = 'good'"
            )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
