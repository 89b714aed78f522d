"""After whatever happens, is what goldrecord-layers built incrementally what a full build makes?

    python scripts/outside/incremental.py goldrecord-layers [--seeds 3] [--seed N]

A seed decides a sequence of steps over a small project in a folder of its own: rows come (late ones, second sends, ids
that come again with other values), bronze is corrected, compacted and given a column, models and seeds of the project
are edited, builds are killed at any moment. Bronze is written by the package deltalake, which shares no code with the
engine. Every build that ends is held against a full build of a copy of the lake, row for row.

GOLDRECORD_SEED=n or --seed n runs one seed, GOLDRECORD_SEEDS=n or --seeds n as many from 0 on. Exits with 0 when all
tables are the same, 1 with the seed, its steps and the rows that differ, 2 when a build fails. The same seed has the same
steps; how far a build has come when it is killed is the machine's matter.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

PROJECT = """name: shop
version: '1.0'
profile: shop
models:
  shop:
    +materialized: table
"""
PROFILES = """shop:
  target: prod
  outputs:
    prod: {type: goldrecord, database: lake, schema: silver}
"""
SOURCES = """version: 2
sources:
  - name: bronze
    tables: [{name: events}, {name: visits}]
"""


def once(source: str, order: str, where: str = "") -> str:
    """One row per id and day: the first in this order."""
    return f"""{{{{ config(partition_by='event_date') }}}}
select "eventId" as event_id, "userId" as user_id, "sessionId" as session_id, page, event_date
from (select *, row_number() over (partition by "eventId", event_date order by {order}) as copy
      from {{{{ source('bronze', '{source}') }}}} {where})
where copy = 1"""


BY_DAY = "{{ config(partition_by='event_date') }}\n"
# What may stand in each file of the project: it begins as the first, the others are edits.
FILES = {
    "models/fct.sql": [
        once(
            "events", 'ts, page, "userId", "sessionId"', 'where "eventId" is not null'
        ),
        once("events", 'page desc, ts, "userId", "sessionId"'),
    ],
    "models/visits.sql": [once("visits", 'ts, page, "userId", "sessionId"')],
    "models/helps.sql": [
        BY_DAY
        + """select "eventId" as event_id, upper(page) as page, event_date
from {{ source('bronze', 'events') }} where page <> 'Home'""",
        BY_DAY
        + """select "eventId" as event_id, page, event_date
from {{ source('bronze', 'events') }} where page <> 'Help'""",
        """{{ config(partition_by='page') }}
select "eventId" as event_id, page, event_date from {{ source('bronze', 'events') }}""",
    ],
    # Has the column that bronze gets on the way.
    "models/everything.sql": [
        BY_DAY + "select * from {{ source('bronze', 'events') }}"
    ],
    "models/all_events.sql": [
        BY_DAY
        + """select *, 'event' as kind from {{ ref('fct') }}
union all select *, 'visit' as kind from {{ ref('visits') }}"""
    ],
    "models/user_days.sql": [
        BY_DAY
        + """select event_date, user_id, count(*) as n, count(distinct page) as pages, max(kind) as kind
from {{ ref('all_events') }} group by event_date, user_id""",
        BY_DAY
        + """select event_date, user_id, count(*) as n
from {{ ref('all_events') }} where kind = 'event' group by event_date, user_id""",
    ],
    "models/sessions.sql": [
        """{{ config(partition_by='session_date', meta={'reach': 1}) }}
select session_id, min(event_date) as session_date, max(event_date) as last_date, count(*) as n
from {{ ref('all_events') }} group by session_id"""
    ],
    "models/months.sql": [
        "{{ config(partition_by='month') }}"
        + """
select cast(date_trunc('month', event_date) as date) as month, count(*) as days, sum(n) as n
from {{ ref('user_days') }} group by 1""",
        """select cast(date_trunc('month', event_date) as date) as month, count(*) as days, sum(n) as n
from {{ ref('user_days') }} group by 1""",
    ],
    "models/ranked.sql": [
        BY_DAY
        + """select event_date, user_id, n, rank() over (partition by event_date order by n desc, user_id) as place
from {{ ref('user_days') }}"""
    ],
    "models/joined.sql": [
        BY_DAY
        + """with a as (select event_date, count(*) as n from {{ ref('fct') }} group by event_date),
     b as (select event_date, count(*) as m from {{ ref('visits') }} group by event_date)
select coalesce(a.event_date, b.event_date) as event_date, n, m from a full join b on a.event_date = b.event_date"""
    ],
    "models/pages.sql": [
        "select page, count(*) as n, min(event_date) as first_date from {{ ref('all_events') }} group by page"
    ],
    "models/named.sql": [
        BY_DAY
        + """select f.event_id, f.event_date, p.n as page_events
from {{ ref('fct') }} f join {{ ref('pages') }} p on p.page = f.page"""
    ],
    "seeds/kinds.csv": [
        "page,label\nHome,start\nHelp,question\n",
        "page,label\nHome,begin\n",
        "page,label\nHome,start\nHelp,question\nHelp,answer\n",
    ],
    "models/labelled.sql": [
        BY_DAY
        + """select e."eventId" as event_id, e.event_date, k.label
from {{ source('bronze', 'events') }} e left join {{ ref('kinds') }} k on k.page = e.page"""
    ],
    "models/shown.sql": [
        "{{ config(materialized='view') }} select event_date, user_id, n from {{ ref('user_days') }} where n > 1",
        "{{ config(materialized='view') }} select event_date, user_id, n + 1 as n from {{ ref('user_days') }}",
    ],
    "models/shown_days.sql": [
        BY_DAY
        + "select event_date, sum(n) as n from {{ ref('shown') }} group by event_date"
    ],
}
TABLES = sorted(Path(path).stem for path in FILES if path != "models/shown.sql")
EDITED = [path for path, texts in FILES.items() if len(texts) > 1]
COMPACTED = ["bronze/events", "bronze/visits", "silver/fct", "silver/all_events"]
WAYS = {"append", "append new keys", "replace", "full", "unchanged"}
EPOCH = date(1970, 1, 1)


class DifferenceError(Exception):
    """What was built incrementally is not what a full build makes."""


class World:
    """A project and its lake, to which steps happen."""

    def __init__(self, layers: str, folder: Path, chance: random.Random):
        self.layers = layers
        self.chance = chance
        self.folder = folder
        self.project = folder / "project"
        self.lake = folder / "lake"
        self.sent: list[tuple[str, list[dict]]] = []
        self.wide = False
        # How long builds take: those that are killed die within that time.
        self.seconds = 1.0
        self.ways: Counter[str] = Counter()
        self.steps: list[str] = []
        for path, text in [
            ("dbt_project.yml", PROJECT),
            ("profiles.yml", PROFILES),
            ("models/sources.yml", SOURCES),
            *((path, texts[0]) for path, texts in FILES.items()),
        ]:
            self.write(path, text)
        for topic in ["events", "visits"]:
            self.bronze(topic, [self.row(), self.row()])

    def write(self, path: str, text: str) -> None:
        (self.project / path).parent.mkdir(parents=True, exist_ok=True)
        (self.project / path).write_text(text)

    # --- what happens ---

    def every_way(self) -> None:
        """Two builds that take every way between them, whatever comes later."""
        self.build()
        self.steps.append("a new event comes")
        self.bronze("events", [self.row() | {"eventId": "first", "page": "Help"}])
        self.build()

    def step(self) -> None:
        """One thing, by chance."""
        kinds = {
            self.come: 6,
            self.again: 2,
            self.correct: 3,
            self.compact: 2,
            self.edit: 2,
            self.widen: 1,
            self.crash: 3,
            self.build: 5,
        }
        self.chance.choices(list(kinds), list(kinds.values()))[0]()

    def row(self) -> dict:
        # Few ids, days and users, so that they meet. A session lasts from its day to the next.
        begun = self.chance.randrange(56, 62)
        day = begun + self.chance.randrange(2)
        user = self.chance.randrange(1, 4)
        return {
            "eventId": f"e{self.chance.randrange(12)}",
            "day": day,
            "userId": user,
            "sessionId": begun * 10 + user,
            "page": self.chance.choice(["Home", "Help"]),
        }

    def rows(self) -> list[dict]:
        return [self.row() for _ in range(self.chance.randrange(1, 8))]

    def topic(self) -> str:
        return self.chance.choice(["events", "events", "visits"])

    def come(self) -> None:
        topic, rows = self.topic(), self.rows()
        self.steps.append(f"{len(rows)} rows come to {topic}")
        self.bronze(topic, rows)

    def again(self) -> None:
        topic, rows = self.chance.choice(self.sent)
        self.steps.append(f"{len(rows)} rows of {topic} are sent again")
        self.bronze(topic, rows)

    def correct(self) -> None:
        """The rows of a day go and others come, in one commit."""
        topic, row = self.topic(), self.row()
        rows = [row | {"page": "Help"}, row | {"eventId": "e99"}]
        self.steps.append(f"day {row['day']} of {topic} is replaced")
        day = EPOCH + timedelta(days=row["day"])
        write_deltalake(
            str(self.lake / "bronze" / topic),
            self.table(topic, rows),
            mode="overwrite",
            predicate=f"event_date = '{day}'",
        )

    def compact(self) -> None:
        path = self.chance.choice(COMPACTED)
        if not (self.lake / path / "_delta_log").is_dir():
            return
        self.steps.append(f"{path} is compacted")
        DeltaTable(str(self.lake / path)).optimize.compact()

    def edit(self) -> None:
        path = self.chance.choice(EDITED)
        text = self.chance.randrange(len(FILES[path]))
        self.steps.append(f"{path} becomes its text {text}")
        self.write(path, FILES[path][text])

    def widen(self) -> None:
        if self.wide:
            return
        self.steps.append("events get a column")
        self.wide = True
        self.bronze("events", [self.row()])

    def crash(self) -> None:
        """A build that is killed after a part of the time that builds take."""
        delay = self.chance.uniform(0, self.seconds)
        self.steps.append(f"a build is killed after {delay:.3f} s")
        build = subprocess.Popen(
            self.command(self.folder / "lake"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            build.wait(delay)
            self.ways["ended before it was killed"] += 1
        except subprocess.TimeoutExpired:
            build.kill()
            build.wait()
            self.ways["killed"] += 1

    def build(self) -> None:
        self.steps.append("a build, compared")
        begun = datetime.now(UTC)
        for way in self.built(self.lake):
            self.ways[way] += 1
        self.seconds = (datetime.now(UTC) - begun).total_seconds()
        self.compare()

    # --- how ---

    def bronze(self, topic: str, rows: list[dict]) -> None:
        self.sent.append((topic, rows))
        write_deltalake(
            str(self.lake / "bronze" / topic),
            self.table(topic, rows),
            mode="append",
            partition_by=["event_date"],
            schema_mode="merge",
        )

    def table(self, topic: str, rows: list[dict]) -> pa.Table:
        columns = {
            "_kind": pa.array(["good"] * len(rows), pa.string()),
            "eventId": pa.array([row["eventId"] for row in rows], pa.string()),
            "ts": pa.array(
                [row["day"] * 86_400_000_000 + row["userId"] for row in rows],
                pa.timestamp("us", "UTC"),
            ),
            "userId": pa.array([row["userId"] for row in rows], pa.int64()),
            "sessionId": pa.array([row["sessionId"] for row in rows], pa.int64()),
            "page": pa.array([row["page"] for row in rows], pa.string()),
            "event_date": pa.array([row["day"] for row in rows], pa.date32()),
        }
        if self.wide and topic == "events":
            columns["note"] = columns["page"]
        return pa.table(columns)

    def command(self, lake: Path, *more: str) -> list[str]:
        config = self.folder / f"{lake.name}.toml"
        config.write_text(f'[lake]\nurl = "file://{lake}"\n')
        command = [self.layers, "build", "--project-dir", str(self.project)]
        return [*command, "--config", str(config), "--log-format", "json", *more]

    def built(self, lake: Path, *more: str) -> list[str]:
        """Build everything; the way that each table took."""
        command = self.command(lake, *more)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print("\n".join(self.steps), file=sys.stderr)
            print(f"{' '.join(command)} left with {done.returncode}:", file=sys.stderr)
            print(done.stdout + done.stderr, file=sys.stderr)
            sys.exit(2)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        ways = [line.get("data", {}) or {} for line in lines]
        return [data["way"] for data in ways if data.get("way")]

    def compare(self) -> None:
        """Hold every table against a full build of a copy of the lake."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.lake, copy)
        self.built(copy, "--full-refresh")
        for name in TABLES:
            ours, full = (self.read(lake, name) for lake in (self.lake, copy))
            if ours != full:
                found = [f"  silver.{name} differs from a full build:"]
                found += [
                    f"    only incremental: {row}" for row in (ours - full).elements()
                ]
                found += [f"    only full: {row}" for row in (full - ours).elements()]
                raise DifferenceError("\n".join(found))

    def read(self, lake: Path, name: str) -> Counter[str]:
        """A table's rows as texts."""
        path = str(lake / "silver" / name)
        # Arrow reads by itself: threads that call back into Python may outlive it.
        files = SubTreeFileSystem(path, LocalFileSystem())
        table = DeltaTable(path).to_pyarrow_table(filesystem=files)
        return Counter(json.dumps(row, default=str) for row in table.to_pylist())


def run(layers: str, seed: int) -> Counter[str]:
    """Take a seed's steps; how often each way was taken."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(layers, Path(folder), random.Random(seed))
        try:
            world.every_way()
            for _ in range(14):
                world.step()
            world.build()
        except DifferenceError as difference:
            print(f"seed {seed} fails (--seed {seed} repeats it):")
            print("\n".join(f"  {step}" for step in world.steps))
            print(difference)
            sys.exit(1)
        return world.ways


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = {
        name: int(value)
        for name in ["GOLDRECORD_SEED", "GOLDRECORD_SEEDS"]
        if re.fullmatch(r"\d+", value := os.environ.get(name, ""))
    }
    parser.add_argument("layers", help="path of goldrecord-layers")
    parser.add_argument("--seeds", type=int, default=given.get("GOLDRECORD_SEEDS", 3))
    parser.add_argument("--seed", type=int, default=given.get("GOLDRECORD_SEED"))
    arguments = parser.parse_args()
    layers = str(Path(arguments.layers).resolve())

    seeds = list(range(arguments.seeds))
    if arguments.seed is not None:
        seeds = [arguments.seed]
    ways: Counter[str] = Counter()
    for seed in seeds:
        ways += run(layers, seed)
        print(f"seed {seed}: the same", flush=True)
    taken = ", ".join(f"{way} {count}" for way, count in sorted(ways.items()))
    print(f"{len(seeds)} seeds: every build is what a full build makes ({taken})")
    missing = WAYS - set(ways)
    if missing:
        print(f"ways that were never taken: {', '.join(sorted(missing))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
