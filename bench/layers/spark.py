"""spark.py SETTINGS LAKE FOLDER: show a lake's bronze to Spark's catalog, so that dbt-spark can build the project over it.

The live files of every table are linked into FOLDER, where an external table finds them. SETTINGS is a JSON file of
Spark's own names; dbt-spark starts its session with the same.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType


def link(table, root, place):
    """The files of the table's present version and no others, in the same folders."""
    for file in table.file_uris():
        path = Path(unquote(file.removeprefix("file://")))
        linked = place / path.relative_to(root)
        linked.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, linked)


def show(spark, root, place):
    table = DeltaTable(str(root))
    place.mkdir(parents=True)
    link(table, root, place)
    schema = StructType.fromJson(json.loads(table.schema().to_json()))
    columns = ", ".join(
        f"`{field.name}` {field.dataType.simpleString()}" for field in schema
    )
    partitions = ", ".join(f"`{name}`" for name in table.metadata().partition_columns)
    partitioned = f"partitioned by ({partitions})" if partitions else ""
    name = root.name
    spark.sql(
        f"create table files.{name} ({columns}) using parquet {partitioned} location '{place}'"
    )
    if partitions:
        spark.sql(f"msck repair table files.{name}")
    for view, kind in ((name, "good"), (f"{name}__quarantine", "bad")):
        spark.sql(
            f"create view bronze.{view} as select * from files.{name} where _kind = '{kind}'"
        )


def main():
    settings, lake, folder = map(Path, sys.argv[1:])
    builder = SparkSession.builder.enableHiveSupport()
    for key, value in json.loads(settings.read_text()).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    for schema in ("files", "bronze"):
        spark.sql(f"create database {schema}")
    for log in sorted((lake / "bronze").glob("*/_delta_log")):
        show(spark, log.parent, folder / log.parent.name)
    spark.stop()


if __name__ == "__main__":
    main()
