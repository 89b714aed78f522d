"""Do incremental models and snapshots leave the rows here that dbt on DuckDB leaves?

    python scripts/outside/strategies.py goldrecord-layers [--dbt dbt]

A small project with a model for each strategy, each `on_schema_change` and each size of a microbatch, and a snapshot
for each strategy and each way with rows that are gone, is built three times with changed seeds by both. After each
build every table must have the same rows; hashes and what a clock gives are left out. Needs dbt-core with dbt-duckdb,
and deltalake.
Exits with 0 when they have, 1 with the differences, 2 when a command fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
from deltalake import DeltaTable

ROUNDS = [
    "1,a,10,1,2024-01-01 00:00:00\n2,b,20,1,2024-01-01 00:00:00\n3,c,30,2,2024-01-02 00:00:00\n,n,5,2,2024-01-02 00:00:00\n",
    "1,a,10,1,2024-01-01 00:00:00\n3,cc,31,2,2024-01-03 00:00:00\n4,d,40,3,2024-01-03 00:00:00\n2,bb,,3,2024-01-03 00:00:00\n",
    "1,z,99,3,2024-01-04 00:00:00\n2,b,20,4,2024-01-04 00:00:00\n5,e,50,4,2024-01-04 00:00:00\n,n,6,4,2024-01-04 00:00:00\n",
]
MODELS = {
    "append": "incremental_strategy='append'",
    "no_strategy": "unique_key='id'",
    "delete_insert": "incremental_strategy='delete+insert', unique_key='id'",
    "delete_insert_two": "incremental_strategy='delete+insert', unique_key=['id', 'day']",
    "merge": "incremental_strategy='merge', unique_key='id'",
    "merge_update": "incremental_strategy='merge', unique_key='id', merge_update_columns=['amount']",
    "merge_exclude": "incremental_strategy='merge', unique_key=['id'], merge_exclude_columns=['amount']",
    "merge_where": "incremental_strategy='merge', unique_key='id', "
    "incremental_predicates=['DBT_INTERNAL_DEST.day > 1']",
    "no_key": "incremental_strategy='merge'",
    "never": "unique_key='id', full_refresh=false",
    "always": "incremental_strategy='append', full_refresh=true",
}
# Batches of days, months and years of the rows' `changed_at`; what a build computes is named, so that both compute the
# same, but for `by_clock`, which is built from its beginning to now and then looks back.
MICROBATCHES = {
    "by_day": "event_time='changed_at', begin='2024-01-01', batch_size='day'",
    "by_hour": "event_time='changed_at', begin='2024-01-01', batch_size='hour', lookback=2",
    "by_month": "event_time='changed_at', begin='2023-12-15', batch_size='month', lookback=0",
    "by_clock": "event_time='changed_at', begin='2024-01-01', batch_size='year', lookback=5",
}
# The time that each build computes, of the microbatch models that are not by the clock.
TIMES = [
    ("2024-01-01", "2024-01-02T12:00:00"),
    ("2024-01-02", "2024-01-04"),
    ("2024-01-03T05:00:00", "2024-01-05"),
]
CHANGING = ["ignore", "append_new_columns", "sync_all_columns"]
SNAPSHOTS = {
    "by_time": "strategy='timestamp', updated_at='changed_at', unique_key='id'",
    "by_columns": "strategy='check', check_cols=['name', 'amount'], unique_key='id'",
    "by_all": "strategy='check', check_cols='all', unique_key='id'",
    "ended": "strategy='timestamp', updated_at='changed_at', unique_key='id', hard_deletes='invalidate'",
    "told": "strategy='timestamp', updated_at='changed_at', unique_key='id', hard_deletes='new_record'",
    "two_keys": "strategy='timestamp', updated_at='changed_at', unique_key=['id', 'day']",
    "current": "strategy='timestamp', updated_at='changed_at', unique_key='id', "
    "dbt_valid_to_current=\"cast('2200-01-01' as timestamp)\"",
}
# A clock's time is only told to be there.
CLOCKS = {
    "by_columns": ["dbt_valid_from", "dbt_valid_to", "dbt_updated_at"],
    "by_all": ["dbt_valid_from", "dbt_valid_to", "dbt_updated_at"],
    "ended": ["dbt_valid_to"],
    "told": ["dbt_valid_from", "dbt_valid_to", "dbt_updated_at"],
}


def write(project: Path, number: int) -> None:
    def put(path: str, text: str) -> None:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")

    put("seeds/changes.csv", "id,name,amount,day,changed_at\n" + ROUNDS[number])
    if number > 0:
        more = "name as label" if number == 1 else "day as other"
        for policy in CHANGING:
            put(f"models/on_{policy}.sql", changing(policy, more))
        return
    put(
        "dbt_project.yml",
        "name: p\nversion: '1.0'\nprofile: p\nseeds: {p: {changes: {+event_time: changed_at, +column_types: "
        "{id: bigint, name: varchar, amount: bigint, day: bigint, changed_at: timestamp}}}}\n",
    )
    put(
        "profiles.yml",
        "p:\n  target: duckdb\n  outputs:\n    duckdb: {type: duckdb, schema: main, threads: 1,"
        " path: \"{{ env_var('DUCKDB') }}\"}\n    lake: {type: goldrecord, schema: main}\n",
    )
    for name, config in MODELS.items():
        put(
            f"models/{name}.sql",
            f"{{{{ config(materialized='incremental', {config}) }}}}\n"
            "select id, name, amount, day from {{ ref('changes') }}\n"
            "{% if is_incremental() %} where day >= (select max(day) from {{ this }}) {% endif %}\n",
        )
    for name, config in MICROBATCHES.items():
        put(
            f"models/batches/{name}.sql",
            f"{{{{ config(materialized='incremental', incremental_strategy='microbatch', {config}) }}}}\n"
            "select id, name, amount, changed_at from {{ ref('changes') }}\n",
        )
    for policy in CHANGING:
        put(f"models/on_{policy}.sql", changing(policy, "amount as other"))
    for name, config in SNAPSHOTS.items():
        put(
            f"snapshots/{name}.sql",
            f"{{% snapshot {name} %}}\n{{{{ config({config}) }}}}\n"
            "select id, name, amount, day, changed_at from {{ ref('changes') }} where id is not null\n{% endsnapshot %}\n",
        )


def changing(policy: str, more: str) -> str:
    """A model whose last column changes; what the table must always have is always there for `ignore`."""
    if policy == "ignore":
        more = (
            "amount as other" if more.endswith("other") else f"amount as other, {more}"
        )
    return (
        f"{{{{ config(materialized='incremental', on_schema_change='{policy}') }}}}\n"
        f"select id, {more} from {{{{ ref('changes') }}}}\n"
    )


def run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        print(f"{' '.join(command)} left with {done.returncode}:", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)


def rows(connection: duckdb.DuckDBPyConnection, relation: str, name: str) -> Counter:
    """The rows of a relation, columns by name; hashes left out, clocks' times as whether they are there."""
    found = connection.execute(f"select * from {relation}")
    names = [column[0] for column in found.description]
    order = sorted(
        (column, place) for place, column in enumerate(names) if column != "dbt_scd_id"
    )
    told = []
    for row in found.fetchall():
        cells = []
        for column, place in order:
            value = row[place]
            if column in CLOCKS.get(name, []):
                value = value is not None
            elif hasattr(value, "strftime"):
                value = value.strftime("%Y-%m-%d %H:%M:%S")
            cells.append((column, value))
        told.append(tuple(cells))
    return Counter(told)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("layers")
    arguments.add_argument("--dbt", default="dbt")
    options = arguments.parse_args()
    tables = [
        *MODELS,
        *MICROBATCHES,
        *(f"on_{policy}" for policy in CHANGING),
        *SNAPSHOTS,
    ]
    differences = 0
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        (Path(scratch) / "lake").mkdir()
        config = Path(scratch) / "goldrecord.toml"
        config.write_text(
            f'[lake]\nurl = "{scratch}/lake"\n[layers]\ntarget = "lake"\n',
            encoding="utf-8",
        )
        database = f"{scratch}/dbt.duckdb"
        environment = dict(
            os.environ, DUCKDB=database, DBT_SEND_ANONYMOUS_USAGE_STATS="0"
        )
        places = ["--project-dir", str(project), "--profiles-dir", str(project)]
        for number in range(len(ROUNDS)):
            write(project, number)
            start, end = TIMES[number]
            named = ["--exclude", "by_clock", "--event-time-start", start]
            for some in ([*named, "--event-time-end", end], ["--select", "by_clock"]):
                theirs = [options.dbt, "build", *places, "--target", "duckdb"]
                run([*theirs, *some], environment)
                ours = [options.layers, "build", *places, "--target", "lake"]
                run([*ours, "--config", str(config), *some], environment)
            connection = duckdb.connect(database, read_only=True)
            connection.execute("set timezone = 'UTC'")
            for name in tables:
                theirs = rows(connection, f"main.{name}", name)
                lake = DeltaTable(f"{scratch}/lake/main/{name}").to_pyarrow_table()
                connection.register("lake_table", lake)
                here = rows(connection, "lake_table", name)
                connection.unregister("lake_table")
                for row, count in (theirs - here).items():
                    print(
                        f"build {number + 1}, {name}: only dbt has {count} x {dict(row)}"
                    )
                    differences += 1
                for row, count in (here - theirs).items():
                    print(
                        f"build {number + 1}, {name}: only the lake has {count} x {dict(row)}"
                    )
                    differences += 1
            connection.close()
    if differences:
        print(f"{differences} differences")
        return 1
    print(f"{len(tables)} tables have the same rows after each of {len(ROUNDS)} builds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
