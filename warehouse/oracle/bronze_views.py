"""Show a lake's bronze tables to DuckDB, so that dbt-core can build this project over the same events.

    python oracle/bronze_views.py LAKE target/lake.duckdb [--published TARGET]

Every Delta table in LAKE/bronze gets two views: bronze.<topic> with the good rows, as source() shows them, and
bronze."<topic>$quarantine" with the bad ones. Tables are read at their present version, with --published at the one
that the target's last published build has read. The DuckDB file must be named lake.duckdb: its name is the
database's name in the compiled SQL. Needs the packages deltalake, duckdb and pyarrow.
"""

import argparse
import json
import sys
from pathlib import Path

import duckdb
import pyarrow
from deltalake import DeltaTable


def published(lake: Path, target: str) -> dict[str, int]:
    """The version of every table that the target's last published build names, by the table's path."""
    builds = lake / "_builds"
    if not (builds / "_delta_log").is_dir():
        sys.exit(f"{lake} has no table _builds: was it built with goldrecord-layers?")
    # Read by DuckDB, like every other table here.
    with duckdb.connect() as connection:
        show(connection, "builds", DeltaTable(str(builds)))
        row = connection.execute(
            "select tables from builds where target = ? and status = 'published' order by number desc limit 1",
            [target],
        ).fetchone()
    if row is None:
        sys.exit(f"no build of target {target} was published in {lake}")
    return json.loads(row[0])


def show(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    table: DeltaTable,
    where: str = "true",
) -> None:
    """Make `relation` (quoted as need be) a view of the table's live files, with every column it has now."""
    types = {
        field.name: duckdb_type(connection, field)
        for field in pyarrow.schema(table.schema().to_arrow())
    }
    # Files from before a column was added do not have it; a table without rows has no file.
    columns = [
        f"cast(null as {type_}) as {quoted(name)}" for name, type_ in types.items()
    ]
    rows = f"select {', '.join(columns)} where false"
    files = table.file_uris()
    if files:
        options = "union_by_name = true"
        if partitions := table.metadata().partition_columns:
            hive = ", ".join(f"{quoted(name)}: {types[name]}" for name in partitions)
            options += f", hive_partitioning = true, hive_types = {{{hive}}}"
        listed = ", ".join(literal(file) for file in files)
        rows += f" union all by name select * from read_parquet([{listed}], {options})"
    connection.execute(
        f"create or replace view {relation} as select * from ({rows}) where {where}"
    )


def duckdb_type(connection: duckdb.DuckDBPyConnection, field: pyarrow.Field) -> str:
    """What DuckDB calls an Arrow type."""
    empty = pyarrow.schema([field]).empty_table()
    return str(connection.from_arrow(empty).types[0])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def make(lake: Path, database: Path, versions: dict[str, int]) -> None:
    """Make the views of every bronze table, at its version in `versions` or the present one."""
    topics = sorted(log.parent for log in (lake / "bronze").glob("*/_delta_log"))
    if not topics:
        sys.exit(f"there is no Delta table in {lake / 'bronze'}: was it ingested?")
    database.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema if not exists bronze")
        for topic in topics:
            table = DeltaTable(str(topic), versions.get(f"bronze/{topic.name}"))
            good, bad = quoted(topic.name), quoted(topic.name + "$quarantine")
            show(connection, f"bronze.{good}", table, "_kind = 'good'")
            show(connection, f"bronze.{bad}", table, "_kind = 'bad'")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path, help="the lake's folder")
    parser.add_argument("database", type=Path, help="the DuckDB file to make")
    parser.add_argument(
        "--published",
        metavar="TARGET",
        help="at the versions of its last published build",
    )
    arguments = parser.parse_args()
    lake = arguments.lake
    versions = published(lake, arguments.published) if arguments.published else {}
    make(lake, arguments.database, versions)


if __name__ == "__main__":
    main()
