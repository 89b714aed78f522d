"""The peer: Spark Structured Streaming from Kafka to Parquet on HDFS, as a team would set it up on two cores.

spark.py JARS BROKERS TOPIC FORMAT SCHEMA OUTPUT SECONDS
"""

import json
import os
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.avro.functions import from_avro
from pyspark.sql.functions import col, expr, from_json, timestamp_millis, to_date
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

# What one batch takes: large enough that a batch's own cost does not show.
BATCH = 1_000_000
FRAMING = 5
TYPES = {
    "string": StringType(),
    "long": LongType(),
    "int": IntegerType(),
    "double": DoubleType(),
    "float": DoubleType(),
    "boolean": BooleanType(),
}


def plain(avro_type):
    """The Spark type of an Avro field as it stands in JSON."""
    if isinstance(avro_type, list):
        avro_type = next(member for member in avro_type if member != "null")
    if isinstance(avro_type, dict):
        avro_type = avro_type["type"]
    return TYPES[avro_type]


def fields(schema):
    record = json.loads(schema)
    return StructType(
        [StructField(field["name"], plain(field["type"])) for field in record["fields"]]
    )


def cpu_seconds(pid):
    """What a process has taken so far, with the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main():
    jars, brokers, topic, form, schema_file, output, seconds = sys.argv[1:]
    schema = Path(schema_file).read_text()
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("bench-ingest")
        .config("spark.jars", ",".join(str(jar) for jar in Path(jars).glob("*.jar")))
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.hadoop.dfs.replication", "1")
        .config("spark.sql.streaming.metricsEnabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", BATCH)
        .load()
    )
    body = expr(f"substring(value, {FRAMING + 1}, length(value) - {FRAMING})")
    if form == "avro":
        event = from_avro(body, schema)
    else:
        event = from_json(body.cast("string"), fields(schema))
    rows = records.select(
        "partition", "offset", "timestamp", event.alias("event")
    ).select("partition", "offset", "timestamp", "event.*")
    if dict(rows.dtypes)["ts"] == "bigint":
        rows = rows.withColumn("ts", timestamp_millis(col("ts")))
    query = (
        rows.withColumn("event_date", to_date(col("ts")))
        .writeStream.format("parquet")
        .option("path", f"{output}/table")
        .option("checkpointLocation", f"{output}/checkpoint")
        .partitionBy("event_date")
        .trigger(processingTime="0 seconds")
        .start()
    )
    # The JVM, in which all the work is done: the launcher has become it.
    jvm = spark.sparkContext._gateway.proc.pid
    batches, cpu_before = {}, None
    while True:
        for progress in query.recentProgress:
            if progress["numInputRows"] > 0:
                batches[progress["batchId"]] = (
                    progress["numInputRows"],
                    progress["durationMs"]["triggerExecution"] / 1000,
                )
        if batches and cpu_before is None:
            cpu_before = cpu_seconds(jvm)
        later = [batches[batch] for batch in batches if batch > 0]
        taken = sum(duration for _, duration in later)
        # A batch without input means that the topic is read to its end.
        if (
            taken >= float(seconds)
            or not query.isActive
            or query.status["message"].startswith("Waiting for")
        ):
            break
        time.sleep(0.1)
    cpu = cpu_seconds(jvm) - cpu_before
    query.stop()
    rows_taken = sum(count for count, _ in later)
    everything = sum(count for count, _ in batches.values())
    print(
        json.dumps(
            {
                "records": rows_taken,
                "seconds": taken,
                "cpu": cpu,
                "batches": len(later),
                "records_with_first_batch": everything,
            }
        )
    )


main()
