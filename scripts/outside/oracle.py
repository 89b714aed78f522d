"""Does dbt-core on DuckDB make the same tables of the same events?

    python scripts/outside/oracle.py LAKE [--project-dir warehouse] [--target prod] [--dbt dbt] [--rows 5]

Takes the last published build of LAKE: the versions of bronze that it read, and those of the tables that it made.
dbt builds the same project in DuckDB from the live files of that bronze (package deltalake lists them), tests
included; then every table and seed is compared, row for row. Columns must have the same names and types, and equal
values; floating-point numbers may differ by one part in 10^9, which is what adding them up in another order changes.

Rows are matched by the columns that the project tests to be unique, else by all columns that are no floating-point
number. Exits with 0 when every table is the same, 1 with the differences, 2 when dbt or a file fails.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from deltalake import DeltaTable

# Relative to the larger of the two numbers, or absolute between -1 and 1.
TOLERANCE = 1e-9
FLOATS = {"FLOAT", "DOUBLE"}
BUILT = {"table", "incremental", "seed", "snapshot"}
# Of a row in the differences: longer texts are cut.
WIDEST = 200


def bronze_views(project: Path):
    """The project's own module that shows Delta tables to DuckDB."""
    path = project / "oracle" / "bronze_views.py"
    spec = importlib.util.spec_from_file_location("bronze_views", path)
    if spec is None or spec.loader is None:
        stop(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stop(why: str):
    print(why, file=sys.stderr)
    sys.exit(2)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def keys_of(manifest: dict) -> dict[str, list[str]]:
    """For each node the fewest columns that a test of the project says are unique."""
    keys: dict[str, list[str]] = {}
    for node in manifest["nodes"].values():
        test = node.get("test_metadata")
        tested = node.get("attached_node")
        if not test or not tested or node["config"].get("where"):
            continue
        arguments = test["kwargs"]
        arguments = arguments | arguments.get("arguments", {})
        if test["name"] == "unique":
            key = [arguments["column_name"]]
        elif test["name"] == "unique_together":
            key = list(arguments["columns"])
        else:
            continue
        if tested not in keys or len(key) < len(keys[tested]):
            keys[tested] = key
    return keys


def columns_of(
    connection: duckdb.DuckDBPyConnection, relation: str
) -> list[tuple[str, str]]:
    return [
        (name, kind)
        for name, kind, *_ in connection.execute(f"describe {relation}").fetchall()
    ]


class Comparison:
    """Two relations of the same columns, their rows matched by a key; `differences` says how they differ."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, theirs: str, ours: str, rows: int
    ):
        self.connection = connection
        self.theirs = theirs
        self.ours = ours
        self.rows = rows

    def differences(self, key: list[str] | None) -> list[str]:
        theirs = columns_of(self.connection, self.theirs)
        ours = columns_of(self.connection, self.ours)
        if found := self.of_columns(theirs, ours):
            return found
        floats = [name for name, kind in theirs if kind in FLOATS]
        key = key or [name for name, _ in theirs if name not in floats]
        rest = [name for name, _ in theirs if name not in key]
        self.match(key, rest)
        return [
            *self.of_rows("only in dbt's", "t", "o", key),
            *self.of_rows("only in ours", "o", "t", key),
            *self.of_values(key, rest, floats),
        ]

    @staticmethod
    def of_columns(
        theirs: list[tuple[str, str]], ours: list[tuple[str, str]]
    ) -> list[str]:
        found = [
            f"column {name}: dbt's has {kind}, ours {dict(ours).get(name, 'none')}"
            for name, kind in theirs
            if dict(ours).get(name) != kind
        ]
        found += [
            f"column {name}: dbt's has none, ours {kind}"
            for name, kind in ours
            if name not in dict(theirs)
        ]
        if not found and theirs != ours:
            found.append(
                f"columns stand in another order: dbt's {', '.join(dict(theirs))}; ours {', '.join(dict(ours))}"
            )
        return found

    def match(self, key: list[str], rest: list[str]) -> None:
        """Number the rows of a key, so that copies are matched one by one, and put both sides together."""
        listed = ", ".join(map(quoted, key))
        order = f" order by {', '.join(map(quoted, rest))}" if rest else ""
        numbered = "select *, row_number() over (partition by {}{}) as nth from {}"
        same = " and ".join(
            f"t.{quoted(name)} is not distinct from o.{quoted(name)}" for name in key
        )
        self.connection.execute(
            f"create or replace temp table matched as select t, o"
            f" from ({numbered.format(listed, order, self.theirs)}) as t"
            f" full join ({numbered.format(listed, order, self.ours)}) as o"
            f" on {same} and t.nth = o.nth"
        )

    def of_rows(self, where: str, there: str, gone: str, key: list[str]) -> list[str]:
        """Rows that one side alone has."""
        condition = f"from matched where {gone}.nth is null"
        count = self.number(f"select count(*) {condition}")
        if count == 0:
            return []
        shown = self.connection.execute(
            f"select {self.label(key, there)} as label {condition} order by label limit {self.rows}"
        ).fetchall()
        return [f"{count} rows {where} table", *(f"  {label}" for (label,) in shown)]

    def of_values(
        self, key: list[str], rest: list[str], floats: list[str]
    ) -> list[str]:
        """Values that differ in rows that both have."""
        found = []
        for name in rest:
            theirs, ours = f"t.{quoted(name)}", f"o.{quoted(name)}"
            differs = f"{theirs} is distinct from {ours}"
            if name in floats:
                differs += (
                    f" and (abs({theirs} - {ours}) <= {TOLERANCE}"
                    f" * greatest(1, abs({theirs}), abs({ours}))) is not true"
                )
            condition = f"from matched where t.nth is not null and o.nth is not null and {differs}"
            count = self.number(f"select count(*) {condition}")
            if count == 0:
                continue
            shown = self.connection.execute(
                f"select {self.label(key, 't')} as label, cast({theirs} as varchar), cast({ours} as varchar)"
                f" {condition} order by label limit {self.rows}"
            ).fetchall()
            found.append(f"column {name} differs in {count} rows")
            found += [
                f"  {label}: dbt's {short(their)}, ours {short(our)}"
                for label, their, our in shown
            ]
        return found

    def number(self, sql: str) -> int:
        row = self.connection.execute(sql).fetchone()
        assert row is not None, "a count is one row"
        return row[0]

    @staticmethod
    def label(key: list[str], side: str) -> str:
        parts = [
            f"'{name.replace(chr(39), chr(39) * 2)}=' || coalesce(cast({side}.{quoted(name)} as varchar), 'null')"
            for name in key
        ]
        return f"left(concat_ws(', ', {', '.join(parts)}), {WIDEST})"


def short(text: str | None) -> str:
    if text is None:
        return "null"
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def dbt_build(
    dbt: str, project: Path, database: Path, scratch: Path
) -> tuple[dict, bool]:
    """`dbt build` of the project in the DuckDB file: what dbt made of the project, and whether every node passed."""
    command = [dbt, "--quiet", "--no-use-colors", "build", "--target", "duckdb"]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(scratch), "--log-path", str(scratch)]
    environment = os.environ | {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GOLDRECORD_DUCKDB": str(database),
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
    except OSError as problem:
        stop(f"{dbt} does not run: {problem}")
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    # 1: a model or test failed, and the others can still be compared.
    if done.returncode > 1:
        stop(f"{' '.join(command)} left with {done.returncode}")
    return json.loads((scratch / "manifest.json").read_text()), done.returncode == 0


def compare(
    manifest: dict, lake: Path, versions: dict[str, int], database: Path, views, rows
) -> int:
    """How many tables differ."""
    keys = keys_of(manifest)
    differ = compared = total = 0
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema ours")
        for unique_id, node in sorted(manifest["nodes"].items()):
            if node["config"].get("materialized") not in BUILT:
                continue
            schema, identifier = node["schema"], node["alias"]
            name = f"{schema}.{identifier}"
            compared += 1
            version = versions.get(f"{schema}/{identifier}")
            if version is None:
                differ += 1
                print(f"{name}: the published build of the lake has no such table")
                continue
            if not connection.execute(
                "select 1 from duckdb_tables() where schema_name = ? and table_name = ?",
                [schema, identifier],
            ).fetchone():
                differ += 1
                print(f"{name}: dbt did not make it")
                continue
            ours = f"ours.{quoted(f'{schema}_{identifier}')}"
            theirs = f"{quoted(schema)}.{quoted(identifier)}"
            views.show(
                connection, ours, DeltaTable(str(lake / schema / identifier), version)
            )
            comparison = Comparison(connection, theirs, ours, rows)
            count = comparison.number(f"select count(*) from {ours}")
            total += count
            found = comparison.differences(keys.get(unique_id))
            if found:
                differ += 1
                print(
                    f"{name} differs (dbt's has {comparison.number(f'select count(*) from {theirs}')} rows, ours {count}):"
                )
                print("\n".join(f"  {line}" for line in found))
            else:
                print(f"{name}: the same {count} rows")
    if compared == 0:
        stop("the project has no table to compare")
    print(f"{compared - differ} of {compared} tables are the same, {total} rows in all")
    return differ


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path, help="the lake's folder")
    parser.add_argument("--project-dir", type=Path, default=Path("warehouse"))
    parser.add_argument("--target", default="prod", help="whose builds to compare with")
    parser.add_argument("--dbt", default="dbt", help="path of dbt")
    parser.add_argument(
        "--rows", type=int, default=5, help="how many rows of a difference are shown"
    )
    arguments = parser.parse_args()
    lake, project = arguments.lake.resolve(), arguments.project_dir.resolve()

    views = bronze_views(project)
    with tempfile.TemporaryDirectory() as scratch:
        # The file's name is the database's name in the compiled SQL.
        database = Path(scratch) / "lake.duckdb"
        versions = views.published(lake, arguments.target)
        views.make(lake, database, versions)
        manifest, passed = dbt_build(arguments.dbt, project, database, Path(scratch))
        differ = compare(manifest, lake, versions, database, views, arguments.rows)
    if not passed:
        print("dbt's build failed, with the same events and versions as the lake's")
    return 0 if passed and not differ else 1


if __name__ == "__main__":
    sys.exit(main())
