"""delays.py --webhdfs URL --into FOLDER: how long each event took from its record in Kafka to gold.

Shares no code with goldrecord. A row became visible with the closing row in `_builds` of the first published build that read
the version of bronze which brought its file; it was produced at its record's timestamp in Kafka. Nothing may have compacted bronze meanwhile.
"""

import argparse
import json
import re
import sys
import time
from bisect import bisect_left
from pathlib import Path

import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from deltalake import DeltaTable

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts/outside"))
from exactly_once import WebHdfs

TOPICS = ["listen_events", "page_view_events", "auth_events", "status_change_events"]


def shown(hdfs, lake):
    """Waits until readers see all of bronze."""
    while True:
        hdfs.copy_table("_builds", lake)
        published, _, _ = builds(lake)
        seen = json.loads(published[-1]["tables"]) if published else {}
        behind = []
        for topic in TOPICS:
            path = f"bronze/{topic}"
            log = json.loads(hdfs.ask(f"{path}/_delta_log", "LISTSTATUS"))
            names = [file["pathSuffix"] for file in log["FileStatuses"]["FileStatus"]]
            newest = max(int(n[:20]) for n in names if re.fullmatch(r"\d{20}\.json", n))
            if seen.get(path, -1) < newest:
                behind.append(f"{path} at {seen.get(path)} of {newest}")
        if not behind:
            return
        print(f"bench: readers see {', '.join(behind)}", file=sys.stderr, flush=True)
        time.sleep(5)


def files_by_version(table):
    for log in sorted((table / "_delta_log").glob("*.json")):
        if not log.stem.isdigit():
            continue
        for line in log.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "remove" in action:
                sys.exit(f"{table.name}: version {int(log.stem)} takes files away")
            if "add" in action:
                yield int(log.stem), action["add"]["path"]


def builds(lake):
    rows = DeltaTable(str(lake / "_builds")).to_pyarrow_table().to_pylist()
    closed = [row for row in rows if row["event"] == "closed"]
    failed = [row["number"] for row in closed if row["status"] != "published"]
    published = sorted(
        (row for row in closed if row["status"] == "published"),
        key=lambda row: row["number"],
    )
    opened = {row["number"]: row["at"] for row in rows if row["event"] == "opened"}
    return published, opened, failed


def delays(lake, topic, published):
    """When each row was produced, in seconds, and how long it took."""
    path = f"bronze/{topic}"
    versions = [json.loads(row["tables"]).get(path, -1) for row in published]
    moments = [row["at"].timestamp() for row in published]
    for version, file in files_by_version(lake / path):
        build = bisect_left(versions, version)
        if build == len(versions):
            sys.exit(f"{path}: no published build reads version {version}")
        rows = parquet.ParquetFile(lake / path / file).read(["_kind", "_timestamp"])
        rows = rows.filter(compute.equal(rows["_kind"], "good"))
        produced = compute.cast(rows["_timestamp"].cast("int64"), "double")
        produced = compute.divide(produced, 1_000_000.0).combine_chunks()
        yield produced, compute.subtract(moments[build], produced)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhdfs", required=True)
    parser.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    lake = options.into
    hdfs = WebHdfs(options.webhdfs)
    shown(hdfs, lake)
    for topic in TOPICS:
        hdfs.copy_table(f"bronze/{topic}", lake)
    published, opened, failed = builds(lake)
    parts = [part for topic in TOPICS for part in delays(lake, topic, published)]
    produced = pyarrow.chunked_array([part[0] for part in parts])
    delay = pyarrow.chunked_array([part[1] for part in parts])
    first, last = compute.min(produced).as_py(), compute.max(produced).as_py()
    minute = compute.cast(
        compute.floor(compute.divide(compute.subtract(produced, first), 60.0)), "int64"
    )
    took = [(row["at"] - opened[row["number"]]).total_seconds() for row in published]

    def told(values):
        parts = [0.5, 0.9, 0.99, 1.0]
        found = compute.quantile(values, parts, interpolation="higher").to_pylist()
        return {
            f"p{part * 100:.0f}": round(value, 2)
            for part, value in zip(parts, found, strict=True)
        }

    result = {
        "events": len(delay),
        "seconds": round(last - first, 1),
        "rate": round(len(delay) / (last - first)),
        "delay": told(delay),
        "builds": len(published),
        "builds_failed": failed,
        "build_seconds": told(pyarrow.array(took)),
        "delay_by_minute": {
            one: told(delay.filter(compute.equal(minute, one)))
            for one in compute.unique(minute).sort().to_pylist()
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
