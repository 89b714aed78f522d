"""Is every acknowledged event in its bronze table exactly once?

    python scripts/outside/exactly_once.py --ledger FILE (--lake FOLDER | --webhdfs URL) [--json]

FOLDER or URL (such as http://127.0.0.1:9870/goldrecord) holds bronze/<topic>; what lies in HDFS is copied out first.
The ledger is what the producer and its helpers wrote down while they ran, tab-separated:

    acked    TOPIC  PARTITION  OFFSET  KIND  ID   the broker has it; OFFSET is negative where the broker did not say
    maybe    TOPIC  -          -       KIND  ID   sent, and nobody knows whether it arrived
    deleted  TOPIC  PARTITION  FROM    BEFORE     the records from FROM on, which nobody had read, up to BEFORE were deleted
    end      TOPIC  PARTITION  NEXT               the log's end when the last record had been sent

KIND is what the table must call it: good (ID is its eventId) or bad (its bytes are ID). Tables are read with the PyPI
packages deltalake and pyarrow, the offsets from the log's own files. Exits with 0 when all holds, 1 when something does
not: the first offenders stand on standard error.
"""

import argparse
import json
import re
import sys
import tempfile
import urllib.request
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

SHOWN = 10
BAD_RECORD = re.compile(rb"chaos-bad-\S+")


class Ledger:
    """What was sent, deleted, and where the logs ended; of one topic."""

    def __init__(self) -> None:
        self.acked: dict[str, tuple[str, int, int]] = {}
        self.maybe: dict[str, str] = {}
        self.deleted: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.ends: dict[int, int] = {}


def read_ledger(path: Path) -> dict[str, Ledger]:
    topics: dict[str, Ledger] = defaultdict(Ledger)
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            match line.rstrip("\n").split("\t"):
                case ["acked", topic, partition, offset, kind, event]:
                    topics[topic].acked[event] = (kind, int(partition), int(offset))
                case ["maybe", topic, _, _, kind, event]:
                    topics[topic].maybe[event] = kind
                case ["deleted", topic, partition, start, before]:
                    topics[topic].deleted[int(partition)].append(
                        (int(start), int(before))
                    )
                case ["end", topic, partition, following]:
                    topics[topic].ends[int(partition)] = int(following)
                case _:
                    sys.exit(f"{path}:{number}: this is no line of a ledger: {line!r}")
    return topics


class WebHdfs:
    """Copies a table out of HDFS."""

    def __init__(self, url: str) -> None:
        scheme, rest = url.split("://", 1)
        host, _, folder = rest.partition("/")
        self.base = f"{scheme}://{host}/webhdfs/v1/{folder}".rstrip("/")
        # A proxy of the environment is not for servers of this machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path: str, operation: str) -> bytes:
        with self.opener.open(
            f"{self.base}/{quote(path)}?op={operation}", timeout=60
        ) as answer:
            return answer.read()

    def copy(self, paths: list[str], into: Path) -> None:
        def one(path: str) -> None:
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.ask(path, "OPEN"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, paths))

    def copy_table(self, table: str, into: Path) -> None:
        """The log, and then the files that it says are live."""
        log = f"{table}/_delta_log"
        listing = json.loads(self.ask(log, "LISTSTATUS"))["FileStatuses"]["FileStatus"]
        files = [
            f["pathSuffix"] for f in listing if f["type"] == "FILE" and f["length"] > 0
        ]
        self.copy(
            [f"{log}/{name}" for name in files if not name.startswith((".", "_tmp"))],
            into,
        )
        folder = into / table
        live = DeltaTable(str(folder)).file_uris()
        self.copy([f"{table}/{Path(uri).relative_to(folder)}" for uri in live], into)


def offsets_of(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Every `txn` of a table as the newest commit has it; and the ids whose version ever went back."""
    log = folder / "_delta_log"
    found: dict[str, int] = {}
    back = []
    commits = sorted(p for p in log.glob("*.json") if p.stem.isdigit())
    first = int(commits[0].stem)
    if first > 0:
        for part in sorted(log.glob("*.checkpoint*.parquet")):
            if int(part.name.split(".")[0]) == first - 1:
                column = pyarrow.parquet.read_table(part, columns=["txn"]).column("txn")
                found |= {t["appId"]: t["version"] for t in column.to_pylist() if t}
    for commit in commits:
        for line in commit.read_text(encoding="utf-8").splitlines():
            txn = json.loads(line).get("txn")
            if txn is None:
                continue
            name, version = txn["appId"], txn["version"]
            if version < found.get(name, version):
                back.append(
                    f"{name} in version {int(commit.stem)}: from {found[name]} to {version}"
                )
            found[name] = version
    return found, back


class Offences:
    """What does not hold, by kind, with the first examples of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        if len(self.examples[kind]) < SHOWN:
            self.examples[kind].append(example)


class Row:
    """A row of the table, as far as this program looks at it."""

    __slots__ = (
        "end",
        "epoch",
        "error",
        "event",
        "kind",
        "offset",
        "partition",
        "text",
    )

    def __init__(self, row: dict, id_column: str) -> None:
        self.kind = row["_kind"]
        self.epoch = row["_epoch"]
        self.partition = row["_partition"]
        self.offset = row["_offset"]
        self.end = row["_offset_end"]
        self.error = row["_error"]
        self.text = row["_error_text"]
        self.event = row[id_column]
        if self.kind == "bad":
            found = BAD_RECORD.search(row["_raw_value"] or b"")
            self.event = found.group().decode() if found else repr(row["_raw_value"])

    def ranges(self) -> list[tuple[int, int]]:
        """A gap's offsets, ends exclusive. One row may list several ranges in its text."""
        listed = re.fullmatch(r"\d+-\d+(,\d+-\d+)*", self.text or "")
        if listed:
            return [tuple(map(int, part.split("-"))) for part in self.text.split(",")]
        return [(self.offset, self.end)]


def rows_of(folder: Path, id_column: str) -> list[Row]:
    own = [
        "_kind",
        "_epoch",
        "_partition",
        "_offset",
        "_offset_end",
        "_error",
        "_error_text",
        "_raw_value",
    ]
    # See read_tables.py: deltalake's own file system may abort the interpreter at exit.
    files = SubTreeFileSystem(str(folder), LocalFileSystem())
    table = DeltaTable(str(folder)).to_pyarrow_table(
        columns=[*own, id_column], filesystem=files
    )
    return [
        Row(row, id_column) for batch in table.to_batches() for row in batch.to_pylist()
    ]


class Check:
    """One topic's table against its ledger."""

    def __init__(
        self, topic: str, ledger: Ledger, folder: Path, id_column: str
    ) -> None:
        self.topic = topic
        self.ledger = ledger
        self.offences = Offences()
        self.txns, back = offsets_of(folder)
        for example in back:
            self.offences.add("offsets that went back", example)
        self.rows = rows_of(folder, id_column)
        self.version = DeltaTable(str(folder)).version()
        self.records = [row for row in self.rows if row.kind in ("good", "bad")]
        self.gaps = [row for row in self.rows if row.kind == "gap"]
        self.lost_to_retention = 0

    def place(self, row: Row) -> str:
        return f"{self.topic}/{row.partition}/{row.offset} (epoch {row.epoch})"

    def run(self) -> None:
        self.every_row_was_sent_and_is_there_once()
        self.gaps_are_what_was_deleted()
        self.every_acknowledged_event_is_there()
        self.offsets_balance()

    def every_row_was_sent_and_is_there_once(self) -> None:
        self.by_event: dict[str, Row] = {}
        self.by_offset: dict[tuple[int, int, int], Row] = {}
        for row in self.records:
            offset = (row.epoch, row.partition, row.offset)
            if offset in self.by_offset:
                self.offences.add("offsets twice", f"{self.place(row)}: {row.event}")
            self.by_offset[offset] = row
            if row.event in self.by_event:
                other = self.by_event[row.event]
                self.offences.add(
                    "events twice",
                    f"{row.event} at {self.place(other)} and {self.place(row)}",
                )
            self.by_event[row.event] = row
            acked = self.ledger.acked.get(row.event)
            kind = acked[0] if acked else self.ledger.maybe.get(row.event)
            if kind is None:
                self.offences.add(
                    "events never sent", f"{row.event} at {self.place(row)}"
                )
            elif kind != row.kind:
                self.offences.add(
                    "events of another kind",
                    f"{row.event} at {self.place(row)} is {row.kind}, not {kind}: {row.error}: {row.text}",
                )

    def gaps_are_what_was_deleted(self) -> None:
        self.gap_ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for gap in self.gaps:
            for start, end in gap.ranges():
                self.gap_ranges[gap.partition].append((start, end))
                # Nothing here skips offsets, and a gap ends where the oldest record left begins.
                fits = gap.error == "out_of_range" and any(
                    since <= start < end == before
                    for since, before in self.ledger.deleted[gap.partition]
                )
                if not fits:
                    self.offences.add(
                        "gaps that no deletion made",
                        f"{self.place(gap)} to {end}: {gap.error}",
                    )

    def every_acknowledged_event_is_there(self) -> None:
        """Or its offset is in a gap; each offset of a gap excuses one event."""
        room = {
            partition: sum(end - start for start, end in ranges)
            for partition, ranges in self.gap_ranges.items()
        }
        # Those whose offset is known come first: the others may have what room is left.
        acked = sorted(self.ledger.acked.items(), key=lambda item: item[1][2] < 0)
        for event, (_, partition, offset) in acked:
            row = self.by_event.get(event)
            if row is None:
                ranges = self.gap_ranges.get(partition, [])
                if room.get(partition) and (
                    offset < 0 or any(start <= offset < end for start, end in ranges)
                ):
                    self.lost_to_retention += 1
                    room[partition] -= 1
                else:
                    self.offences.add(
                        "acknowledged events lost",
                        f"{event} of {self.topic}/{partition}/{offset}",
                    )
            elif row.partition != partition or (offset >= 0 and row.offset != offset):
                self.offences.add(
                    "events in another place",
                    f"{event} at {self.place(row)}, acknowledged at {partition}/{offset}",
                )

    def offsets_balance(self) -> None:
        """next - start = good + bad + gap lengths + expired, and no offset is covered by two rows."""
        counted: Counter[tuple[int, int]] = Counter()
        starts: dict[tuple[int, int], int] = {}
        for row in self.rows:
            where = (row.partition, row.epoch)
            if row.kind == "start":
                if where in starts:
                    self.offences.add("epochs that began twice", self.place(row))
                starts[where] = row.offset
            elif row.kind == "gap":
                counted[where] += sum(end - start for start, end in row.ranges())
            elif row.kind == "expired":
                counted[where] += row.end - row.offset
            else:
                counted[where] += 1
        for gap in self.gaps:
            for start, end in gap.ranges():
                for offset in range(start, end):
                    if (gap.epoch, gap.partition, offset) in self.by_offset:
                        self.offences.add(
                            "offsets in a gap and in a row",
                            f"{self.topic}/{gap.partition}/{offset}",
                        )
        following: dict[tuple[int, int], int] = {}
        for name, version in self.txns.items():
            parts = name.rsplit("/", 3)
            if len(parts) == 4 and parts[1] == self.topic:
                following[int(parts[2]), int(parts[3])] = version
        for where in sorted({*starts, *following, *counted}):
            start, end = starts.get(where), following.get(where)
            name = f"{self.topic}/{where[0]} (epoch {where[1]})"
            if start is None or end is None:
                self.offences.add(
                    "partitions without start or offset",
                    f"{name}: start {start}, next {end}",
                )
            elif end - start != counted[where]:
                self.offences.add(
                    "partitions out of balance",
                    f"{name}: {start} to {end}, and {counted[where]} accounted for",
                )
        for partition, end in self.ledger.ends.items():
            reached = max(
                (v for (p, _), v in following.items() if p == partition), default=None
            )
            if reached != end:
                self.offences.add(
                    "partitions not read to their end",
                    f"{self.topic}/{partition}: {reached} of {end}",
                )

    def summary(self) -> dict:
        kinds = Counter(row.kind for row in self.rows)
        return {
            "topic": self.topic,
            "version": self.version,
            "acked": len(self.ledger.acked),
            "maybe": len(self.ledger.maybe),
            "good": kinds["good"],
            "bad": kinds["bad"],
            "gap_rows": kinds["gap"],
            "gap_offsets": sum(
                end - start for gap in self.gaps for start, end in gap.ranges()
            ),
            "lost_to_retention": self.lost_to_retention,
            "offences": dict(self.offences.counts),
        }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ledger", type=Path, required=True)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--lake", type=Path, help="the lake's folder")
    place.add_argument(
        "--webhdfs", help="the lake's folder by the NameNode's web address"
    )
    parser.add_argument(
        "--id-column", default="eventId", help="the column that tells events apart"
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    arguments = parser.parse_args()

    ledger = read_ledger(arguments.ledger)
    if not any(topic.acked for topic in ledger.values()):
        sys.exit(
            f"{arguments.ledger} says that nothing was acknowledged: there is nothing to prove"
        )
    with tempfile.TemporaryDirectory(prefix="exactly-once-") as copies:
        lake = arguments.lake
        checks = []
        for topic, own in sorted(ledger.items()):
            table = f"bronze/{topic}"
            if arguments.webhdfs:
                lake = Path(copies)
                WebHdfs(arguments.webhdfs).copy_table(table, lake)
            check = Check(topic, own, lake / table, arguments.id_column)
            check.run()
            checks.append(check)
    whole = not any(check.offences.counts for check in checks)
    if arguments.json:
        print(
            json.dumps(
                {"holds": whole, "topics": [check.summary() for check in checks]}
            )
        )
    for check in checks:
        if not arguments.json:
            print(
                " ".join(
                    f"{key}={value}"
                    for key, value in check.summary().items()
                    if key != "offences"
                )
            )
        for kind, count in check.offences.counts.items():
            print(f"{check.topic}: {count} {kind}, such as", file=sys.stderr)
            for example in check.offences.examples[kind]:
                print(f"  {example}", file=sys.stderr)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
