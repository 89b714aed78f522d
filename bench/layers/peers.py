"""dbt-core builds warehouse/ over the same files of bronze: on DuckDB, and on Spark SQL."""

import json
import os
import shutil
from pathlib import Path

from processes import measured, say

HERE = Path(__file__).resolve().parent
WAREHOUSE = HERE.parents[1] / "warehouse"


def dbt(python, command, place, profile, log=None):
    """One command of dbt-core, with the target `profile` in a profiles.yml of its own (which is JSON: YAML takes it)."""
    profiles = {"goldrecord": {"target": "prod", "outputs": {"prod": profile}}}
    (place / "profiles.yml").write_text(json.dumps(profiles))
    target = place / "target"
    target.mkdir(exist_ok=True)
    words = [Path(python).parent / "dbt", *command, "--project-dir", WAREHOUSE]
    words += ["--profiles-dir", place, "--target-path", target, "--log-path", target]
    environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    return measured(words, log=log, env=environment, cwd=place)


def duckdb(python, lake, place, memory, threads):
    """dbt-duckdb over views of the files, its tables in one DuckDB file."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    file = place / "lake.duckdb"
    measured([python, WAREHOUSE / "oracle" / "bronze_views.py", lake, file])
    profile = {
        "type": "duckdb",
        "path": str(file),
        "schema": "main",
        "threads": threads,
        "settings": {"TimeZone": "UTC", "memory_limit": memory.replace("iB", "B")},
    }
    return dbt(python, ["build", "--quiet"], place, profile)


def spark_settings(place, memory, threads):
    """A Spark of one machine, its catalog and tables in `place`, as a team would set it up on so many cores."""
    derby = f"jdbc:derby:;databaseName={place / 'metastore'};create=true"
    return {
        "spark.master": f"local[{threads}]",
        "spark.driver.memory": memory,
        "spark.local.dir": str(place / "scratch"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.hadoop.javax.jdo.option.ConnectionURL": derby,
        "spark.sql.warehouse.dir": str(place / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # What a shuffle wrote is deleted once the garbage collector finds that nothing refers to it.
        "spark.cleaner.periodicGC.interval": "1min",
        # For a cluster it is 200.
        "spark.sql.shuffle.partitions": str(16 * threads),
    }


def spark(python, lake, place, memory, threads):
    """dbt-spark over tables of the files, its own tables Parquet: what the seeds and models took, and what the tests."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    settings = spark_settings(place, memory, threads)
    file = place / "settings.json"
    file.write_text(json.dumps(settings))
    # Derby logs where it is started.
    measured([python, HERE / "spark.py", file, lake, place / "bronze"], cwd=place)
    profile = {
        "type": "spark",
        "method": "session",
        "host": "none",
        "schema": "main",
        "threads": threads,
        "server_side_parameters": settings,
    }
    say("Spark: seeds and models")
    models = ["build", "--exclude-resource-type", "test", "unit_test"]
    built = dbt(python, models, place, profile, place / "models.log")
    say("Spark: tests")
    tested = dbt(python, ["test"], place, profile, place / "tests.log")
    return built, tested
